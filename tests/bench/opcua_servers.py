# SPDX-License-Identifier: Apache-2.0
"""The servers of bench_opcua.py, each in a process of its own: ours, and asyncua's as it comes.

python -m tests.bench.opcua_servers ours|stock NODES

Prints one line of JSON when it listens. A line on its input 'change N' makes the first N nodes change every 500 ms;
'watch' starts a timer of 5 ms, which costs CPU of its own, and 'latency' stops it and prints how late it was by the
clock, and how much of that the loop itself was at work [ms each, 99 of 100]: the rest is other processes on the same
cores. The end of the input ends the server.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import uvloop
from asyncua import Server, ua

from config.model import Role
from supervisor.clock import SystemClock
from supervisor.hmi.contract import HmiSettings
from supervisor.hmi.server import HmiServer
from supervisor.offload import Offload
from supervisor.people import People, User, hash_password
from supervisor.tags.pool import StringPool
from supervisor.tags.table import TagTable
from tests.bench.opcua_client import rss_bytes
from tests.bench.opcua_sealed import PASSWORD, USER
from tests.plants import TypeSpec, make_plant, tag
from tests.system.opcua_kit import client_certificate

FIRST_ID = 1_000_000  # so that every id takes the same 7 bytes on the wire
TAGS = [f"T{i:02d}" for i in range(50)]
PERIOD_S = 0.5


def equipment(n: int) -> list[str]:
    return [f"21605/CAB-{i:05d}" for i in range(n // len(TAGS))]


def names(n: int) -> list[str]:
    """Names in row order: tag by tag, each over all cabinets."""
    return [f"{e}/{t}" for t in TAGS for e in equipment(n)]


async def ours(n: int) -> None:
    """The product's server; all values Double but every tenth tag an Int32."""
    base = rss_bytes(os.getpid())
    series = {name: FIRST_ID + i for i, name in enumerate(names(n))}
    gc.collect()
    before = rss_bytes(os.getpid())
    kinds = {t: tag("Int32" if i % 10 == 9 else "Double") for i, t in enumerate(TAGS)}
    plant = make_plant({"CAB": TypeSpec(kinds)}, {"CAB": equipment(n)}, series=series)
    table = TagTable(plant, StringPool(), SystemClock().wall_ns())
    table.status[:] = 0
    offload, people = Offload(), People()
    people.add(User(USER, Role.OPERATOR), hash_password(PASSWORD))

    async def put(*_: Any) -> Any:
        raise RuntimeError("the bench writes nothing")

    with tempfile.TemporaryDirectory() as folder:
        settings = HmiSettings("127.0.0.1", 0, "bench", Path(folder), True, accept_unknown_certificates=True)
        server = HmiServer(plant, table, people, SystemClock(), offload, settings, put)
        started = time.perf_counter()
        await server.start()
        took_s = time.perf_counter() - started
        del series
        gc.collect()
        gc.freeze()

        def change(m: int) -> None:
            rows = slice(0, m)
            cells = np.where(table.cells[rows] == 0, 1, 0)
            table.put(rows, cells, table.status[rows], SystemClock().wall_ns())

        facts = {"base": base, "before": before, "start_s": took_s, "state_per_tag": table.bytes_per_row}
        facts |= {"secure_url": server.endpoint}
        await serve(server.insecure_endpoint or "", change, facts)
        await server.stop()
    offload.close()


async def stock(n: int) -> None:
    """The server of asyncua with a node per tag, in folders of 50; with and without security on one port."""
    base = rss_bytes(os.getpid())
    started = time.perf_counter()
    server = Server()
    await server.init()
    server.set_endpoint("opc.tcp://127.0.0.1:0")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity, ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt])
    with tempfile.TemporaryDirectory() as folder:
        certificate, key = client_certificate(Path(folder), "urn:bench:stock", "server")
        await server.load_certificate(certificate)
        await server.load_private_key(key)
    await server.register_namespace("urn:bench")
    gc.collect()
    before = rss_bytes(os.getpid())
    nodes = []
    for i in range(n):
        if i % len(TAGS) == 0:
            folder = await server.nodes.objects.add_object(2, f"F{i}")
        nodes.append(await folder.add_variable(ua.NodeId(FIRST_ID + i, 2), f"T{i}", 0.0))
    await server.start()
    took_s = time.perf_counter() - started
    gc.collect()
    gc.freeze()
    tick = 0.0

    def change(m: int) -> Any:
        nonlocal tick
        tick = 1.0 - tick
        return write_all(m, tick)

    async def write_all(m: int, value: float) -> None:
        for node in nodes[:m]:
            await server.iserver.write_attribute_value(
                node.nodeid, ua.DataValue(ua.Variant(value, ua.VariantType.Double))
            )

    assert server.bserver is not None
    url = f"opc.tcp://127.0.0.1:{server.bserver.port}"
    await serve(url, change, {"base": base, "before": before, "start_s": took_s, "secure_url": url})
    await server.stop()


async def serve(url: str, change: Callable[[int], Any], facts: dict[str, Any]) -> None:
    """Tell that the server listens; change nodes as asked until the input ends."""
    facts |= {"url": url, "pid": os.getpid(), "after": rss_bytes(os.getpid())}
    print(json.dumps(facts), flush=True)
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    changing: asyncio.Task[None] | None = None

    async def keep_changing(m: int) -> None:
        due_s = loop.time()
        while True:
            if (work := change(m)) is not None:
                await work
            due_s = max(due_s + PERIOD_S, loop.time())
            await asyncio.sleep(due_s - loop.time())

    late_ms: list[tuple[float, float]] = []
    watching: asyncio.Task[None] | None = None
    while line := await reader.readline():
        if line.startswith(b"change"):
            cancel(changing)
            changing = asyncio.create_task(keep_changing(int(line.split()[1])))
            continue
        cancel(watching)
        if line.startswith(b"watch"):
            late_ms.clear()
            watching = asyncio.create_task(watch(late_ms))
        else:
            print(json.dumps(np.percentile(late_ms, 99, axis=0).tolist()), flush=True)
    cancel(watching)
    cancel(changing)


def cancel(task: asyncio.Task[None] | None) -> None:
    if task is not None:
        task.cancel()


async def watch(late_ms: list[tuple[float, float]]) -> None:
    """How late a timer of 5 ms is, as the scan's would be; and how much of that at most the loop itself was at work."""
    while True:
        due_s, worked_s = time.perf_counter() + 0.005, time.thread_time()
        await asyncio.sleep(0.005)
        late = (time.perf_counter() - due_s) * 1000
        late_ms.append((late, min(late, (time.thread_time() - worked_s) * 1000)))


if __name__ == "__main__":
    kind, count = sys.argv[1], int(sys.argv[2])
    if kind == "ours":
        uvloop.run(ours(count))  # as the product runs
    else:
        asyncio.run(stock(count))  # uvloop gains it nothing
