# SPDX-License-Identifier: Apache-2.0
"""The servers of bench_opcua_history.py, each in its own process: ours with a year of 50 tags, asyncua's of one.

python -m tests.bench.opcua_history_servers ours|stock

Prints one line of JSON when it listens; the end of its input ends it.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import uvloop
from asyncua import Server, ua

from historian.store.reader import Reader
from historian.store.samples import concat
from historian.store.segments import DAY_NS
from historian.store.store import Store, open_store
from supervisor.clock import SystemClock
from supervisor.hmi.contract import HmiSettings
from supervisor.hmi.server import HmiServer
from supervisor.offload import Offload
from supervisor.people import People
from supervisor.tags.pool import StringPool
from supervisor.tags.table import TagTable
from tests.bench.bench_history import BEGIN, TAGS, day_of
from tests.bench.opcua_history_times import DENSE_DAYS, START_NS, YEAR_DAYS, moment
from tests.plants import TypeSpec, make_plant, tag

T = TypeVar("T")
NAMES = [f"T{i:02d}" for i in range(TAGS)]


class Kept:
    """The store as the server's history."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.offload = Offload()

    @property
    def reader(self) -> Reader:
        return self.store.reader

    async def ask(self, job: Callable[[], T]) -> T:
        return await self.offload.run(job)


def a_year(folder: Path) -> Store:
    """A sample each quarter for a year, each minute in its last 30 days."""
    end_ns = START_NS + YEAR_DAYS * DAY_NS
    store = open_store(folder / "store", "bench", START_NS)
    for first in range(0, YEAR_DAYS, 73):
        days = concat([day_of(d, 1440 if d >= YEAR_DAYS - DENSE_DAYS else 96) for d in range(first, first + 73)])
        store.append(replace(days, time_ns=days.time_ns + (START_NS - BEGIN)), end_ns)
        store.seal()
    store.maintain(end_ns + DAY_NS)
    return store


async def ours(folder: Path) -> None:
    series = {f"1/T-0001/{name}": i + 1 for i, name in enumerate(NAMES)}
    plant = make_plant({"T": TypeSpec({n: tag("Double") for n in NAMES})}, {"T": ["1/T-0001"]}, series=series)
    table = TagTable(plant, StringPool(), SystemClock().wall_ns())
    past = Kept(a_year(folder))
    settings = HmiSettings("127.0.0.1", 0, "bench", folder, insecure_loopback=True, accept_unknown_certificates=True)
    server = HmiServer(plant, table, People(), SystemClock(), past.offload, settings, _refuse)
    server.past = past
    await server.start()
    await _serve(server.insecure_endpoint or "", "ns=2;s=1/T-0001/T00")
    await server.stop()
    past.offload.close()
    past.store.close()


async def _refuse(*_: object) -> object:
    raise AssertionError("nothing is commanded here")


async def stock(_: Path) -> None:
    server = Server()
    await server.init()
    server.set_endpoint("opc.tcp://127.0.0.1:0")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    node = await server.nodes.objects.add_variable(2, "V", 0.0)
    storage = server.iserver.history_manager.storage
    await storage.new_historized_node(node.nodeid, None, 0)
    dense_s = (YEAR_DAYS - DENSE_DAYS) * 86_400
    for second in [*range(0, dense_s, 900), *range(dense_s, YEAR_DAYS * 86_400, 60)]:
        at = moment(second)
        value = ua.DataValue(ua.Variant(float(second)), SourceTimestamp=at, ServerTimestamp=at)
        await storage.save_node_value(node.nodeid, value)
    async with server:
        port = server.bserver._server.sockets[0].getsockname()[1]
        await _serve(f"opc.tcp://127.0.0.1:{port}", node.nodeid.to_string())


async def _serve(endpoint: str, node: str) -> None:
    print(json.dumps({"endpoint": endpoint, "node": node}), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="vigie-bench-") as name:
        uvloop.run({"ours": ours, "stock": stock}[sys.argv[1]](Path(name)))
