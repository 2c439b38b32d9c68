# SPDX-License-Identifier: Apache-2.0
"""A whole server from its process's first instruction to the first value a client reads, on plants of two sizes.

The field is not there: cabinets are asked at loopback ports where nothing listens, luminaires are planned. The first
start gives every tag its series id; the second one, which is measured too, finds them.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from asyncua import ua

from tests.bench.bench_check import tier_l
from tests.bench.opcua_client import LoadClient, rss_bytes
from tests.sites import EQUIPMENT, TAGS

SIZES = {"M": (1_724, 0, "6"), "L": (1_262, 34_000, "14")}  # cabinets of 56 tags, luminaires of 18, seconds to reach
PATIENCE_S = 180.0


def started_s(site: Path, state: Path, tag: str) -> tuple[float, float]:
    """Seconds until a client has read `tag`, and the server's memory then [MB]."""
    begun = time.perf_counter()
    command = [sys.executable, "-m", "supervisor.cli.main", "run", str(site), "--state", str(state)]
    options = ["--port", "0", "--http-port", "0", "--insecure-loopback"]
    with subprocess.Popen([*command, *options], stderr=subprocess.DEVNULL) as process:
        try:
            client = LoadClient(_endpoint(state / "connect.json", process)).open_session()
            client.call(_read(tag), ua.ReadResponse)
            took_s = time.perf_counter() - begun
            client.close()
            return took_s, rss_bytes(process.pid) / 1e6
        finally:
            process.terminate()
            process.wait(60)


def _endpoint(connect: Path, process: subprocess.Popen[bytes]) -> str:
    limit = time.perf_counter() + PATIENCE_S
    while not connect.exists():
        if process.poll() is not None or time.perf_counter() > limit:
            raise RuntimeError(f"the server did not start: exit code {process.poll()}")
        time.sleep(0.02)
    return str(json.loads(connect.read_text())["insecure_endpoint"])


def _read(tag: str) -> ua.ReadRequest:
    request = ua.ReadRequest()
    request.Parameters.TimestampsToReturn = ua.TimestampsToReturn.Both
    node = ua.NodeId(tag, 2, ua.NodeIdType.String)
    request.Parameters.NodesToRead = [ua.ReadValueId(node, ua.AttributeIds.Value)]
    return request


def rows() -> list[dict[str, Any]]:
    """About a minute and a half."""
    found = []
    for name, (cabinets, luminaires, reach) in SIZES.items():
        with tempfile.TemporaryDirectory() as folder:
            site, state = Path(folder) / "site", Path(folder) / "state"
            tier_l(site, cabinets, luminaires, life="planned")
            tags = TAGS + (cabinets - EQUIPMENT["CAB"]) * 56 + luminaires * 18
            first_s, _ = started_s(site, state, "21000/CAB-0001/V1")
            again_s, memory = started_s(site, state, "21000/CAB-0001/V1")
            note = f"{tags:,} tags; the very first start, with a new catalogue: {first_s:.1f} s"
            what = f"start of a whole server to the first OPC UA read, tier {name}"
            found.append({"what": what, "ours": again_s, "peer": None, "unit": "s", "reach": reach, "note": note})
            what = f"memory of that server, tier {name}"
            found.append(
                {"what": what, "ours": memory, "peer": None, "unit": "MB", "reach": "450", "note": f"{tags:,} tags"}
            )
    return found


if __name__ == "__main__":
    print(json.dumps(rows(), indent=1))
