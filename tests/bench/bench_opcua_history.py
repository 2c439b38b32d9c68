# SPDX-License-Identifier: Apache-2.0
"""The past as an asyncua client sees it, its decoding included: a day raw, 30 days, and a year by every aggregate.

50 tags of the historian's bench: a sample a quarter for a year, one a minute in its last 30 days, closed day by day.
Beside it asyncua's own server, the history of one tag in memory; it has no aggregates: a client reads all and folds.
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

from historian.aggregates.functions import AGGREGATES
from tests.bench.opcua_history_times import DENSE_DAYS, YEAR_DAYS, moment

DAY_S = 86_400


@contextmanager
def serving(which: str) -> Iterator[dict[str, str]]:
    """A server in a process of its own: its endpoint and a node with a past."""
    command = [sys.executable, "-m", "tests.bench.opcua_history_servers", which]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdin is not None
        yield json.loads(process.stdout.readline())
        process.stdin.close()


def raw(days: int) -> ua.ReadRawModifiedDetails:
    start, end = moment((YEAR_DAYS - days) * DAY_S), moment(YEAR_DAYS * DAY_S)
    return ua.ReadRawModifiedDetails(False, start, end, 0, False)


def processed(days: int, width_s: int, name: str) -> ua.ReadProcessedDetails:
    start, end = moment((YEAR_DAYS - days) * DAY_S), moment(YEAR_DAYS * DAY_S)
    ids = [ua.NodeId(getattr(ua.ObjectIds, f"AggregateFunction_{name}"))]
    return ua.ReadProcessedDetails(start, end, width_s * 1000.0, ids, ua.AggregateConfiguration(True))


async def measure(server: dict[str, str], cases: dict[str, tuple[Any, int, int]]) -> dict[str, float]:
    """Median time of each question [ms], over different tags where there are several."""
    found: dict[str, float] = {}
    async with Client(server["endpoint"], timeout=60) as client:
        for name, (details, at_least, asked) in cases.items():
            took = []
            for k in range(asked):
                node = ua.NodeId.from_string(server["node"].replace("T00", f"T{k * 7 % 50:02d}"))
                begun = time.perf_counter()
                values = await _all_pages(client, node, details)
                took.append(time.perf_counter() - begun)
                if values < at_least:
                    raise AssertionError(f"{name}: {values} values")
            found[name] = statistics.median(took) * 1e3
    return found


async def _all_pages(client: Client, node: ua.NodeId, details: Any) -> int:
    """How many values there are, page after page."""
    values, point = 0, None
    while True:
        asked = ua.HistoryReadValueId(NodeId=node, ContinuationPoint=point)
        params = ua.HistoryReadParameters(details, ua.TimestampsToReturn.Both, False, [asked])
        (result,) = await client.uaclient.history_read(params)
        result.StatusCode.check()
        values += len(result.HistoryData.DataValues)
        point = result.ContinuationPoint
        if not point:
            return values


OURS = {
    "a day raw (1,440 values)": (raw(1), 1440, 15, "<= 50"),
    "30 days in 480 intervals, TimeAverage2": (processed(DENSE_DAYS, 5400, "TimeAverage2"), 480, 15, "<= 100"),
    "30 days in 480 intervals, Average": (processed(DENSE_DAYS, 5400, "Average"), 480, 15, ""),
} | {
    f"a year in 2,000 intervals, {name}": (processed(365, 15_768, name), 2000, 5, "<= 300")
    for name in AGGREGATES
}  # fmt: skip


def rows() -> list[dict[str, Any]]:
    """Medians at the client [ms]."""
    with serving("ours") as server:
        ours = asyncio.run(measure(server, {name: case[:3] for name, case in OURS.items()}))
    with serving("stock") as server:
        stock = asyncio.run(measure(server, {"a day": (raw(1), 1440, 15), "a year": (raw(YEAR_DAYS), 75_000, 3)}))
    day = f"asyncua, in memory {stock['a day']:.3g}"
    year = f"asyncua: none; its year raw {stock['a year']:.3g}"
    return [
        {
            "what": f"OPC UA history: {name}",
            "ours": ours[name],
            "peer": day if "a day" in name else year if "a year" in name else "asyncua: BadNotImplemented",
            "unit": "ms",
            "reach": reach,
            "note": "",
        }
        for name, (_, _, _, reach) in OURS.items()
    ]
