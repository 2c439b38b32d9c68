# SPDX-License-Identifier: Apache-2.0
"""The proof of issue 2, point 2: hours in seconds, no spurious timeout, whatever else the machine does."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from config.words import NS_PER_S
from supervisor.offload import Offload
from tests.sim.loop import START, VirtualLoop, clock, run

POLL = b"\x00\x01\x00\x00\x00\x06\x01\x03\x00\x00\x00\x7d"
ANSWER = b"\x00\x01\x00\x00\x00\xfd\x01\x03\xfa" + bytes(250)


@pytest.fixture
def burnt_core() -> Iterator[None]:
    """A process that never rests."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        process.kill()
        process.wait()


class Slave(asyncio.Protocol):
    """Answers each 12-byte question with 259 bytes; hangs while told to."""

    hangs = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if not Slave.hangs:
            self.transport.write(ANSWER)  # type: ignore[attr-defined]


class Master(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.got += len(data)
        if self.got >= len(ANSWER) and not self.answer.done():
            self.answer.set_result(None)

    async def poll(self) -> None:
        self.got, self.answer = 0, asyncio.get_running_loop().create_future()
        self.transport.write(POLL)  # type: ignore[attr-defined]
        async with asyncio.timeout(1.0):
            await self.answer


async def pair() -> tuple[asyncio.Server, Master]:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Slave, "127.0.0.1", 0)
    _, master = await loop.create_connection(Master, *server.sockets[0].getsockname())
    return server, master


async def close(server: asyncio.Server, master: Master) -> None:
    master.transport.close()
    server.close()
    await server.wait_closed()
    await asyncio.sleep(0.001)


async def one_day() -> tuple[int, int]:
    server, master = await pair()
    loop = asyncio.get_running_loop()
    answered = missed = 0
    for slot in range(86_400):
        await asyncio.sleep(slot - loop.time())
        try:
            await master.poll()
            answered += 1
        except TimeoutError:
            missed += 1
    await close(server, master)
    return answered, missed


@pytest.mark.timeout(300)
def test_a_day_of_polls_has_no_spurious_timeout_beside_a_burnt_core(burnt_core: None) -> None:
    assert run(one_day(), debug=False) == (86_400, 0)


def test_a_real_timeout_is_seen_at_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> float:
        server, master = await pair()
        monkeypatch.setattr(Slave, "hangs", True)
        await asyncio.sleep(10)
        with pytest.raises(TimeoutError):
            await master.poll()
        now = asyncio.get_running_loop().time()
        await close(server, master)
        return now

    assert run(main()) == pytest.approx(11.0)


def test_timers_fire_in_order_and_the_clock_follows() -> None:
    async def main() -> None:
        loop, order = asyncio.get_running_loop(), []
        for at in (3600.0, 0.5, 7.25):
            loop.call_at(at, lambda at=at: order.append((at, loop.time())))
        await asyncio.sleep(86_400)
        assert order == [(0.5, 0.5), (7.25, 7.25), (3600.0, 3600.0)]
        assert clock().boot_s() == 86_400
        assert clock().wall_ns() == (round(START.timestamp()) + 86_400) * NS_PER_S

    run(main())


def test_the_clock_stands_while_a_job_is_off_the_loop() -> None:
    async def main() -> None:
        offload, loop = Offload(), asyncio.get_running_loop()
        before = loop.time()
        async with asyncio.timeout(0.001):  # virtual: shorter than the job, and yet not over
            await offload.run(lambda: time.sleep(0.05))
        assert loop.time() == before
        offload.close()

    run(main())


def test_bytes_that_linger_in_the_kernel_hold_the_clock() -> None:
    """The partner's poll finds nothing for 0.2 s, as if delivery were late; the timeout must not fire."""

    async def main() -> None:
        server, master = await pair()
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        await master.poll()
        slave = next(e for e in loop.ledger.ends.values() if e.getsockname()[1] == server.sockets[0].getsockname()[1])
        epoll = loop._selector._selector
        epoll.modify(slave.fileno(), 0)  # the kernel keeps silent about this socket, the selector does not know
        timer = __import__("threading").Timer(0.2, lambda: epoll.modify(slave.fileno(), 1))
        timer.start()
        await master.poll()
        timer.join()
        await close(server, master)

    run(main())


def test_a_large_answer_arrives_whole() -> None:
    async def main() -> None:
        async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(bytes(20_000_000))
            await writer.drain()
            writer.close()
            await writer.wait_closed()

        server = await asyncio.start_server(flood, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        async with asyncio.timeout(0.001):
            assert len(await reader.read(-1)) == 20_000_000
        writer.close()
        await writer.wait_closed()
        server.close()
        await server.wait_closed()
        assert asyncio.get_running_loop().ledger.total == 0  # type: ignore[attr-defined]

    run(main())


def test_a_listener_that_never_accepts_is_a_timeout_not_a_hang() -> None:
    async def main() -> None:
        with socket.socket() as deaf:
            deaf.bind(("127.0.0.1", 0))
            deaf.listen()
            reader, writer = await asyncio.open_connection(*deaf.getsockname())
            writer.write(POLL)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(3):
                    await reader.read(1)
            writer.close()
            await writer.wait_closed()

    run(main())


def test_a_stuck_loop_says_so() -> None:
    async def main() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(RuntimeError, match="virtual time is stuck"):
        run(main())


def test_a_task_left_behind_is_a_failure() -> None:
    async def main() -> None:
        asyncio.get_running_loop().keep = asyncio.create_task(asyncio.sleep(5), name="lost")  # type: ignore[attr-defined]

    with pytest.raises(AssertionError, match="tasks left behind"):
        run(main())


def test_an_error_nobody_saw_is_a_failure() -> None:
    async def main() -> None:
        asyncio.get_running_loop().call_soon(lambda: 1 / 0)
        await asyncio.sleep(1)

    with pytest.raises(AssertionError, match="nobody saw"):
        run(main())
