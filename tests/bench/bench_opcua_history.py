# SPDX-License-Identifier: Apache-2.0
"""The past as an asyncua client sees it, its decoding included: a day raw, 30 days and a year in intervals.

50 tags of the historian's bench: a sample a quarter for a year, one a minute in its last 30 days, closed day by day.
Beside it asyncua's own server with its history in memory; it has no aggregates.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from asyncua import Client, ua

from tests.bench.opcua_history_times import DENSE_DAYS, YEAR_DAYS, moment

DAY_S = 86_400
ASKED = 15


@contextmanager
def serving(which: str) -> Iterator[dict[str, str]]:
    """A server in a process of its own: its endpoint and a node with a past."""
    command = [sys.executable, "-m", "tests.bench.opcua_history_servers", which]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdin is not None
        yield json.loads(process.stdout.readline())
        process.stdin.close()


def raw_day() -> ua.ReadRawModifiedDetails:
    start = (YEAR_DAYS - 1) * DAY_S
    return ua.ReadRawModifiedDetails(False, moment(start), moment(start + DAY_S), 0, False)


def processed(days: int, width_s: int, name: str) -> ua.ReadProcessedDetails:
    start, end = moment((YEAR_DAYS - days) * DAY_S), moment(YEAR_DAYS * DAY_S)
    ids = [ua.NodeId(getattr(ua.ObjectIds, f"AggregateFunction_{name}"))]
    return ua.ReadProcessedDetails(start, end, width_s * 1000.0, ids, ua.AggregateConfiguration(True))


async def measure(server: dict[str, str], cases: dict[str, tuple[Any, int]]) -> dict[str, float]:
    """Median time of each question [ms], over different tags where there are several."""
    found: dict[str, float] = {}
    async with Client(server["endpoint"], timeout=60) as client:
        for name, (details, at_least) in cases.items():
            took = []
            for k in range(ASKED):
                node = ua.HistoryReadValueId(NodeId=ua.NodeId.from_string(server["node"].replace("T00", f"T{k:02d}")))
                params = ua.HistoryReadParameters(details, ua.TimestampsToReturn.Both, False, [node])
                begun = time.perf_counter()
                (result,) = await client.uaclient.history_read(params)
                took.append(time.perf_counter() - begun)
                if len(result.HistoryData.DataValues) < at_least:
                    raise AssertionError(f"{name}: {result.StatusCode}, {len(result.HistoryData.DataValues)} values")
            found[name] = statistics.median(took) * 1e3
    return found


OURS = {
    "a day raw (1,440 values)": (raw_day(), 1440, "<= 50"),
    "30 days in 480 intervals, TimeAverage2": (processed(DENSE_DAYS, 5400, "TimeAverage2"), 480, "<= 100"),
    "30 days in 480 intervals, Average (of samples)": (processed(DENSE_DAYS, 5400, "Average"), 480, ""),
    "a year in 2,190 intervals, TimeAverage2": (processed(365, 14_400, "TimeAverage2"), 2190, "<= 300"),
    "a year in 2,190 intervals, Maximum": (processed(365, 14_400, "Maximum"), 2190, "<= 300"),
    "a year in 2,000 intervals of 15,768 s, TimeAverage2 (of samples)": (
        processed(365, 15_768, "TimeAverage2"), 2000, "",
    ),
    "a year in 2,190 intervals, TimeAverage (of samples)": (processed(365, 14_400, "TimeAverage"), 2190, ""),
}  # fmt: skip


def rows() -> list[dict[str, Any]]:
    """Medians at the client [ms]."""
    with serving("ours") as server:
        ours = asyncio.run(measure(server, {name: case[:2] for name, case in OURS.items()}))
    with serving("stock") as server:
        stock = asyncio.run(measure(server, {"raw": (raw_day(), 1440)}))
    return [
        {
            "what": f"OPC UA history: {name}",
            "ours": ours[name],
            "peer": f"asyncua, in memory {stock['raw']:.3g}" if "raw" in name else "asyncua: BadNotImplemented",
            "unit": "ms",
            "reach": reach,
            "note": "",
        }
        for name, (_, _, reach) in OURS.items()
    ]
