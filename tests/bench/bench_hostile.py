# SPDX-License-Identifier: Apache-2.0
"""How long the loop holds the scan's timer up while clients mean no good.

Ten honest clients with 2,000 changing items each are served all the while; their share of notifications is told too.
Clients and server share the cores here, so how late the timer is by the clock is more than the server's doing: it
stands in the note.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Final

from tests.bench.bench_opcua import aliases, ask_latency, server, tell
from tests.bench.opcua_client import LoadClient
from tests.bench.opcua_hostile import SORTS

NODES: Final = 20_000
HONEST, ITEMS = 10, 2_000
MEASURED_S: Final = 4.0
AT_ONCE: Final = 3  # processes of one sort


@contextmanager
def hostile(sort: str, url: str) -> Iterator[None]:
    """Clients of one sort, until the end."""
    command = [sys.executable, "-m", "tests.bench.opcua_hostile", sort, url, str(10 * MEASURED_S)]
    made = [subprocess.Popen(command, stderr=subprocess.DEVNULL) for _ in range(AT_ONCE)]
    try:
        yield
    finally:
        for process in made:
            process.kill()
            process.wait()


def measure(process: subprocess.Popen[str], clients: list[LoadClient]) -> tuple[tuple[float, float], float]:
    """The loop's delay by the clock and by its own work [ms, p99], and the share of notifications that arrived."""
    with ThreadPoolExecutor(HONEST) as pool:
        list(pool.map(lambda c: c.notifications_for(2.0, in_flight=0), clients))  # whoever is hostile has begun
        tell(process, "watch")
        received = sum(pool.map(lambda c: c.notifications_for(MEASURED_S, in_flight=0), clients))
        return ask_latency(process), received / (HONEST * ITEMS * MEASURED_S / 0.5)


def rows() -> list[dict[str, Any]]:
    """About 50 s."""
    with server("ours", NODES) as (facts, process):
        clients = [LoadClient(facts["url"]).open_session() for _ in range(HONEST)]
        for client in clients:
            client.subscribe(aliases(list(range(ITEMS))), 500.0)
            client.notifications_for(0.1)
        tell(process, f"change {ITEMS}")
        found = [_row("with honest clients only", *measure(process, clients))]
        for sort in SORTS:
            with hostile(sort, facts["url"]):
                found.append(_row(f"while {AT_ONCE} more {sort}", *measure(process, clients)))
    return found


def _row(when: str, late_ms: tuple[float, float], share: float) -> dict[str, Any]:
    by_clock, own = late_ms
    what = f"how long the loop holds a timer up {when}"
    note = f"{by_clock:.0f} ms by the clock, cores shared; {share:.0%} of the honest clients' notifications delivered"
    return {"what": what, "ours": own, "peer": None, "unit": "ms of CPU, 99 of 100", "reach": "20", "note": note}


if __name__ == "__main__":
    print(json.dumps(rows(), indent=1))
