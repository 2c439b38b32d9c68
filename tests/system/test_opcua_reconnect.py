# SPDX-License-Identifier: Apache-2.0
"""A TCP connection that is cut at any step: clients come back, miss nothing, and ask no endless questions.

The clients are asyncua's and node-opcua's, each with its own reconnection. Between them and the server stands a cable
that can be cut.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from asyncua import Client

from supervisor.hmi.services.call import request_type
from tests.system.node_kit import HERE, environment
from tests.system.opcua_kit import Site, in_background, node_id, small_plant

V1 = "21605/CAB-0001/V1"
QUESTIONS_MAX = 12  # of one kind, in one reconnection


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with in_background(tmp_path_factory.mktemp("opcua"), plant=small_plant(3), insecure=True) as site:
        yield site


class Cable:
    """Carries bytes both ways until it is cut; counts whole answers of the server by their chunks.

    Attributes:
        cut_after: chunks from the server after which it cuts itself, once; None: never.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.cut_after: int | None = None
        self.cuts = 0
        self._chunks = 0

    async def __aenter__(self) -> Cable:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.url = f"opc.tcp://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: Any) -> None:
        self._server.close()
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def cut(self) -> None:
        for writer in self._open:
            writer.transport.abort()
        self._open.clear()
        self.cuts += 1

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._open |= {writer, there_writer}
        for source, target, counted in ((reader, there_writer, False), (there_reader, writer, True)):
            task = asyncio.create_task(self._carry(source, target, counted))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _carry(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, counted: bool) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = await source.readexactly(8)
                body = await source.readexactly(int.from_bytes(head[4:], "little") - 8)
                self._chunks += counted
                if counted and self.cut_after is not None and self._chunks >= self.cut_after:
                    self.cut_after = None
                    self.cut()
                    return
                target.write(head + body)
                await target.drain()
        target.close()


@pytest.fixture
def asked(site: Site) -> Iterator[Counter[int]]:
    """Requests by type id since the test began."""
    running = site.server._running
    assert running is not None
    services, counts = running.engine.services, Counter[int]()
    kept = dict(services)

    def counted(type_id: int, service: Any) -> Any:
        async def ask(call: Any) -> Any:
            counts[type_id] += 1
            return await service(call)

        return ask

    services.update({type_id: counted(type_id, service) for type_id, service in kept.items()})
    yield counts
    services.update(kept)


class Seen:
    def __init__(self) -> None:
        self.values: list[float] = []
        self.arrived = asyncio.Event()

    def datachange_notification(self, node: Any, value: Any, data: Any) -> None:
        self.values.append(value)
        self.arrived.set()

    async def until(self, value: float) -> None:
        async with asyncio.timeout(20):
            while value not in self.values:
                self.arrived.clear()
                await self.arrived.wait()


@pytest.mark.parametrize("step", [None, 1, 2, 3])
def test_the_cable_is_cut_and_the_client_comes_back(site: Site, asked: Counter[int], step: int | None) -> None:
    """`step`: the answer of the server that does not arrive any more; None: nothing is under way."""

    async def main() -> None:
        port = int((site.server.insecure_endpoint or "").rpartition(":")[2])
        async with Cable(port) as cable:
            site.set(V1, 1.0)
            client = Client(cable.url, timeout=2, auto_reconnect=True, reconnect_max_delay=0.2)
            seen = Seen()
            async with client:
                subscription = await client.create_subscription(50, seen)
                await subscription.subscribe_data_change(client.get_node(node_id(V1)), queuesize=10)
                await seen.until(1.0)
                if step is None:
                    cable.cut()
                else:
                    cable.cut_after = cable._chunks + step
                site.set(V1, 2.0)
                await seen.until(2.0)
                while not cable.cuts:
                    await asyncio.sleep(0.02)
                site.set(V1, 3.0)
                await seen.until(3.0)
        for name in ("Republish", "TransferSubscriptions", "CreateSubscription"):
            assert asked[request_type(name)] <= QUESTIONS_MAX, asked

    asyncio.run(main())


@pytest.mark.system
@pytest.mark.timeout(120)
def test_node_opcua_comes_back_and_misses_nothing(site: Site, asked: Counter[int], tmp_path: Path) -> None:
    """Cut while nothing is under way, and again while a value is on its way."""

    async def main() -> None:
        port = int((site.server.insecure_endpoint or "").rpartition(":")[2])
        pipe = asyncio.subprocess.PIPE
        async with Cable(port) as cable:
            site.set(V1, 1.0)
            command = ["node", str(HERE / "reconnect.js"), cable.url, str(tmp_path / "pki"), V1]
            client = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, env=environment(HERE))
            assert client.stdin is not None and client.stdout is not None
            told: list[float | str] = []

            async def until(*wanted: float | str) -> None:
                """Values told, or 'back' once it has done with reconnecting."""
                async with asyncio.timeout(30):
                    while not set(wanted) <= set(told):
                        line = await client.stdout.readline()
                        assert line, "the client has ended"
                        if line.startswith(b"{"):
                            step = json.loads(line)
                            told.append(step.get("value", step["step"]))

            await until(1.0)
            cable.cut()
            site.set(V1, 2.0)
            await until(2.0, "back")
            cable.cut_after = cable._chunks + 1
            site.set(V1, 3.0)
            await until(3.0)
            site.set(V1, 4.0)
            await until(4.0)
            client.stdin.write(b"end\n")
            async with asyncio.timeout(20):
                await client.wait()
            assert cable.cuts >= 2
        for name in ("Republish", "TransferSubscriptions", "CreateSubscription"):
            assert asked[request_type(name)] <= 2 * QUESTIONS_MAX, asked

    asyncio.run(main())
