# SPDX-License-Identifier: Apache-2.0
"""The connection: each answer to its own question, whatever arrives; a write alone or not at all."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvloop

from drivers.base import Busy, DeviceSilent, LinkDown
from drivers.modbus.address import ModbusDevice
from drivers.modbus.link import ModbusLink
from drivers.modbus.wire import STRAYS_MAX, WAITING_MAX, NotSent
from tests.sim.loop import run

READ = b"\x03\x00\x00\x00\x01"
WRITE = b"\x06\x00\x00\x00\x07"
Script = Callable[["Server"], Awaitable[None]]


class Server:
    """A peer driven by hand: what it got, and what it is told to say."""

    def __init__(self) -> None:
        self.got: list[tuple[int, int, bytes]] = []
        self.came = asyncio.Event()
        self.writers: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        try:
            while head := await reader.readexactly(7):
                tid, _, length, unit = struct.unpack(">HHHB", head)
                self.got.append((tid, unit, await reader.readexactly(length - 1)))
                self.came.set()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.transport.abort()

    async def hears(self, n: int) -> None:
        while len(self.got) < n:
            self.came.clear()
            await self.came.wait()

    def say(self, data: bytes) -> None:
        self.writers[-1].write(data)

    def answer(self, i: int, value: int = 0, unit: int | None = None) -> None:
        tid, asked_unit, pdu = self.got[i]
        self.say(frame(tid, asked_unit if unit is None else unit, answer_to(pdu, value)))


def answer_to(pdu: bytes, value: int) -> bytes:
    return pdu if pdu[0] == 6 else b"\x03\x02" + value.to_bytes(2, "big")


def frame(tid: int, unit: int, pdu: bytes) -> bytes:
    return struct.pack(">HHHB", tid, 0, len(pdu) + 1, unit) + pdu


async def with_server(script: Callable[[Server, ModbusLink], Awaitable[None]], **settings: Any) -> None:
    peer = Server()
    server = await asyncio.start_server(peer.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    link = ModbusLink(ModbusDevice.model_validate({"host": "127.0.0.1", "port": port, **settings}))
    await link.open()
    try:
        await script(peer, link)
    finally:
        await link.close()
        server.close()
        for writer in peer.writers:
            writer.transport.abort()
        await asyncio.sleep(0.01)


def check(script: Callable[[Server, ModbusLink], Awaitable[None]], **settings: Any) -> None:
    run(with_server(script, **settings))


def asking(link: ModbusLink, timeout_s: float = 1.0, unit: int = 1) -> asyncio.Task[bytes]:
    async def ask() -> bytes:
        return await link.ask(unit, READ, timeout_s)

    return asyncio.get_running_loop().create_task(ask())


def commanding(link: ModbusLink, may_leave: Callable[[], bool] = lambda: True) -> asyncio.Task[bytes]:
    async def command() -> bytes:
        return await link.command(1, WRITE, 1.0, may_leave)

    return asyncio.get_running_loop().create_task(command())


def test_window_one_asks_one_at_a_time() -> None:
    async def script(peer: Server, link: ModbusLink) -> None:
        first, second = asking(link), asking(link)
        await peer.hears(1)
        await asyncio.sleep(0.5)
        assert len(peer.got) == 1
        peer.answer(0, 11)
        await peer.hears(2)
        peer.answer(1, 22)
        assert (await first, await second) == (b"\x03\x02\x00\x0b", b"\x03\x02\x00\x16")

    check(script)


def test_a_wider_window_takes_answers_in_any_order() -> None:
    async def script(peer: Server, link: ModbusLink) -> None:
        tasks = [asking(link) for _ in range(6)]
        await peer.hears(4)
        await asyncio.sleep(0.1)
        assert len(peer.got) == 4
        for i in (3, 1, 0, 2):
            peer.answer(i, i)
        await peer.hears(6)
        peer.answer(5, 5)
        peer.answer(4, 4)
        assert [int((await t)[3]) for t in tasks] == [0, 1, 2, 3, 4, 5]
        assert link.connection is not None and link.connection.under_way_max == 4

    check(script, window=4)


def test_many_answers_in_one_segment_and_one_answer_in_many() -> None:
    async def script(peer: Server, link: ModbusLink) -> None:
        tasks = [asking(link) for _ in range(3)]
        await peer.hears(3)
        data = b"".join(frame(tid, unit, answer_to(pdu, i)) for i, (tid, unit, pdu) in enumerate(peer.got))
        for k in range(len(data)):
            peer.say(data[k : k + 1])
            await asyncio.sleep(0.001)
        assert [int((await t)[3]) for t in tasks] == [0, 1, 2]
        more = [asking(link) for _ in range(3)]
        await peer.hears(6)
        peer.say(b"".join(frame(tid, unit, answer_to(pdu, 9)) for tid, unit, pdu in peer.got[3:]))
        assert [int((await t)[3]) for t in more] == [9, 9, 9]

    check(script, window=8)


def test_a_late_answer_is_never_given_to_the_next_question() -> None:
    async def script(peer: Server, link: ModbusLink) -> None:
        with pytest.raises(DeviceSilent, match="unit 1 did not answer function 3 in time"):
            await asking(link, 0.5)
        second = asking(link)
        await peer.hears(2)
        peer.answer(0, 111)
        peer.answer(1, 222)
        assert await second == b"\x03\x02\x00\xde"
        assert link.connection is not None and link.connection.late == 1

    check(script)


def test_a_cancelled_question_frees_its_place_and_its_answer_is_dropped() -> None:
    async def script(peer: Server, link: ModbusLink) -> None:
        first, second = asking(link), asking(link)
        await peer.hears(1)
        first.cancel()
        await peer.hears(2)
        peer.answer(0, 1)
        peer.answer(1, 2)
        assert (await second)[3] == 2
        with pytest.raises(asyncio.CancelledError):
            await first

    check(script)


def test_one_who_leaves_the_line_holds_up_nobody() -> None:
    async def script(peer: Server, link: ModbusLink) -> None:
        first, second, third = asking(link), asking(link), asking(link)
        await peer.hears(1)
        second.cancel()
        peer.answer(0)
        await peer.hears(2)
        peer.answer(1, 3)
        assert (await third)[3] == 3 and (await first)[3] == 0
        fourth, fifth = asking(link), asking(link)
        await peer.hears(3)
        peer.answer(2)
        fifth.cancel()  # its turn may just have come
        sixth = asking(link)
        await peer.hears(4)
        peer.answer(3, 6)
        assert (await sixth)[3] == 6 and (await fourth)[3] == 0
        for task in (second, fifth):
            with pytest.raises(asyncio.CancelledError):
                await task

    check(script)


def test_an_answer_of_another_unit_or_function_is_no_answer() -> None:
    async def script(peer: Server, link: ModbusLink) -> None:
        first = asking(link)
        await peer.hears(1)
        peer.answer(0, unit=9)
        with pytest.raises(DeviceSilent, match="expected an answer of unit 1 to function 3, got one of unit 9"):
            await first
        second = asking(link)
        await peer.hears(2)
        peer.say(frame(peer.got[1][0], 1, b"\x04\x02\x00\x01"))
        with pytest.raises(DeviceSilent, match="to function 4"):
            await second
        assert link.is_up

    check(script)


@pytest.mark.parametrize(
    "noise",
    [
        b"\x00\x01\x00\x01\x00\x05\x01\x03\x02\x00\x00",  # protocol id 1
        b"\x00\x01\x00\x00\x00\xff\x01\x03\x02\x00\x00",  # longer than any frame
        b"\x00\x01\x00\x00\x00\x02\x01\x03\x02\x00\x00",  # shorter than any answer
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
    ],
)
def test_noise_ends_the_connection_with_a_reason(noise: bytes) -> None:
    async def script(peer: Server, link: ModbusLink) -> None:
        lost: list[str] = []
        link.on_lost(lost.append)
        first = asking(link)
        await peer.hears(1)
        peer.say(noise)
        with pytest.raises(LinkDown, match="framing lost: expected a Modbus/TCP header"):
            await first
        assert not link.is_up and len(lost) == 1 and "framing lost" in lost[0]
        await link.open()
        second = asking(link)
        await peer.hears(2)
        peer.answer(1, 5)
        assert (await second)[3] == 5

    check(script)


def test_a_frame_that_begins_and_never_ends_is_lost_framing() -> None:
    async def script(peer: Server, link: ModbusLink) -> None:
        first = asking(link)
        await peer.hears(1)
        peer.say(frame(peer.got[0][0], 1, b"\x03\x02\x00\x0b")[:-2])
        with pytest.raises(DeviceSilent):
            await first
        assert not link.is_up

    check(script)


def test_a_duplicate_is_dropped_and_a_flood_of_them_ends_the_connection() -> None:
    async def script(peer: Server, link: ModbusLink) -> None:
        first = asking(link)
        await peer.hears(1)
        peer.answer(0)
        peer.answer(0)
        await first
        await asyncio.sleep(0.01)
        assert link.is_up and link.connection is not None and link.connection.strays == 1
        for _ in range(STRAYS_MAX):
            peer.answer(0)
        await asyncio.sleep(0.01)
        assert not link.is_up

    check(script)


def test_a_write_goes_before_reads_that_wait_and_alone() -> None:
    async def script(peer: Server, link: ModbusLink) -> None:
        reads = [asking(link) for _ in range(5)]
        await peer.hears(4)
        writes = [commanding(link), commanding(link)]
        await asyncio.sleep(0.1)
        for i in range(4):
            assert len(peer.got) == 4
            peer.answer(i)
            await asyncio.sleep(0.1 if i < 3 else 0.0)
        for i in (4, 5):
            await peer.hears(i + 1)
            await asyncio.sleep(0.1)
            assert [pdu for _, _, pdu in peer.got[4:]] == [WRITE] * (i - 3)
            peer.answer(i)
        await peer.hears(7)
        peer.answer(6)
        assert await asyncio.gather(*writes) == [WRITE, WRITE]
        await asyncio.gather(*reads)

    check(script, window=4)


def test_a_cancelled_write_frees_the_connection() -> None:
    async def script(peer: Server, link: ModbusLink) -> None:
        write, read, waiting = commanding(link), asking(link), commanding(link)
        await peer.hears(1)
        waiting.cancel()
        write.cancel()
        await peer.hears(2)
        peer.answer(1, 4)
        assert (await read)[3] == 4
        await asyncio.gather(write, waiting, return_exceptions=True)

    check(script)


def test_without_a_permit_no_byte_leaves() -> None:
    async def script(peer: Server, link: ModbusLink) -> None:
        with pytest.raises(NotSent, match="permit"):
            await commanding(link, lambda: False)
        read = asking(link)
        await peer.hears(1)
        assert peer.got[0][2] == READ
        peer.answer(0)
        await read

    check(script)


def test_the_permit_is_asked_when_the_turn_has_come_not_before() -> None:
    async def script(peer: Server, link: ModbusLink) -> None:
        permitted = True
        read, write = asking(link), commanding(link, lambda: permitted)
        await peer.hears(1)
        permitted = False
        peer.answer(0)
        with pytest.raises(NotSent):
            await write
        await read
        assert len(peer.got) == 1

    check(script)


def test_the_line_is_bounded() -> None:
    async def script(peer: Server, link: ModbusLink) -> None:
        tasks = [asking(link) for _ in range(WAITING_MAX + 1)]
        await peer.hears(1)
        with pytest.raises(Busy, match=f"{WAITING_MAX} questions wait"):
            await link.ask(1, READ, 1.0)
        link.abort()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(r, LinkDown) for r in results)
        assert isinstance(results[1], NotSent) and not isinstance(results[0], NotSent)

    check(script)


@pytest.mark.parametrize("factory", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_the_same_on_real_loops(factory: Callable[[], asyncio.AbstractEventLoop]) -> None:
    async def script(peer: Server, link: ModbusLink) -> None:
        tasks = [asking(link) for _ in range(3)]
        for i in range(3):
            await peer.hears(i + 1)
            peer.answer(i, i)
        assert [int((await t)[3]) for t in tasks] == [0, 1, 2]
        with pytest.raises(DeviceSilent):
            await asking(link, 0.02)
        write = commanding(link)
        while len(peer.got) < 5:
            assert not write.done() or write.result()
            await asyncio.sleep(0.001)
        peer.answer(4)
        assert await write == WRITE
        peer.say(b"\xff" * 20)
        await asyncio.sleep(0.05)
        assert not link.is_up

    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(asyncio.wait_for(with_server(script), 20.0))
