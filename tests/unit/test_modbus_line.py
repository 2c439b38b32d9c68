# SPDX-License-Identifier: Apache-2.0
"""An RTU line, driven by hand: each answer to its own question though it bears no id."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from drivers.base import Busy, DeviceSilent, LinkDown
from drivers.modbus import rtu
from drivers.modbus.address import ModbusDevice
from drivers.modbus.line import NOISE_MAX, RtuConnection
from drivers.modbus.link import IDLE_NETWORK_S, ModbusLink
from drivers.modbus.wire import WAITING_MAX, NotSent
from tests.sim.loop import run

READ = b"\x03\x00\x00\x00\x01"
WRITE = b"\x06\x00\x00\x00\x07"


def value(unit: int, number: int) -> bytes:
    return rtu.frame(unit, b"\x03\x02" + number.to_bytes(2, "big"))


class Line:
    """The other end: what it got, and what it is told to say."""

    def __init__(self) -> None:
        self.got: list[bytes] = []
        self.at_s: list[float] = []
        self.came = asyncio.Event()
        self.writer: asyncio.StreamWriter | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        try:
            while question := await reader.readexactly(8):
                assert rtu.is_sound(question)
                self.got.append(question)
                self.at_s.append(asyncio.get_running_loop().time())
                self.came.set()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.transport.abort()

    async def hears(self, n: int) -> None:
        while len(self.got) < n:
            self.came.clear()
            await self.came.wait()

    def say(self, data: bytes) -> None:
        assert self.writer is not None
        self.writer.write(data)


Script = Callable[[Line, ModbusLink], Awaitable[None]]


def check(script: Script, **settings: Any) -> None:
    async def main() -> None:
        line = Line()
        server = await asyncio.start_server(line.serve, "127.0.0.1", 0)
        way = {"transport": "rtu_tcp", "host": "127.0.0.1", "port": server.sockets[0].getsockname()[1]}
        link = ModbusLink(ModbusDevice.model_validate({**way, **settings}))
        await link.open()
        try:
            await script(line, link)
        finally:
            await link.close()
            server.close()
            if line.writer is not None:
                line.writer.transport.abort()
            await asyncio.sleep(0.01)

    run(main())


def asking(link: ModbusLink, unit: int = 1, timeout_s: float = 1.0) -> asyncio.Task[bytes]:
    async def ask() -> bytes:
        return await link.ask(unit, READ, timeout_s)

    return asyncio.get_running_loop().create_task(ask())


def wire(link: ModbusLink) -> RtuConnection:
    assert isinstance(link.connection, RtuConnection)
    return link.connection


def test_a_question_and_its_answer_in_pieces() -> None:
    async def script(line: Line, link: ModbusLink) -> None:
        asked = asking(link, unit=17)
        await line.hears(1)
        assert line.got == [rtu.frame(17, READ)]
        for byte in value(17, 4660):
            line.say(bytes((byte,)))
            await asyncio.sleep(0.1)
        assert await asked == b"\x03\x02\x12\x34"
        assert (wire(link).noise, wire(link).strays) == (0, 0)

    check(script)


def test_an_exception_ends_after_five_bytes() -> None:
    async def script(line: Line, link: ModbusLink) -> None:
        asked = asking(link)
        await line.hears(1)
        line.say(rtu.frame(1, b"\x83\x02"))
        assert await asked == b"\x83\x02"
        assert asyncio.get_running_loop().time() < 0.1

    check(script)


def test_one_question_at_a_time_and_writes_first() -> None:
    async def script(line: Line, link: ModbusLink) -> None:
        async def command() -> bytes:
            return await link.command(1, WRITE, 1.0, lambda: True)

        reads = [asking(link), asking(link)]
        await line.hears(1)
        write = asyncio.get_running_loop().create_task(command())
        await asyncio.sleep(0.2)
        assert len(line.got) == 1
        line.say(value(1, 1))
        await line.hears(2)
        assert line.got[1] == rtu.frame(1, WRITE)
        line.say(line.got[1])
        assert await write == WRITE
        await line.hears(3)
        line.say(value(1, 2))
        assert [await r for r in reads] == [b"\x03\x02\x00\x01", b"\x03\x02\x00\x02"]

    check(script)


def test_the_late_answer_of_one_unit_is_not_another_units() -> None:
    async def script(line: Line, link: ModbusLink) -> None:
        with pytest.raises(DeviceSilent, match="unit 1 did not answer function 3 in time"):
            await asking(link, unit=1)
        other = asking(link, unit=2)
        await line.hears(2)
        line.say(value(1, 111) + value(2, 222))
        assert await other == b"\x03\x02\x00\xde"
        assert (wire(link).late, wire(link).strays) == (1, 0)

    check(script)


def test_a_unit_that_owes_an_answer_is_not_asked_until_it_came_or_its_time_is_over() -> None:
    async def script(line: Line, link: ModbusLink) -> None:
        loop = asyncio.get_running_loop()
        with pytest.raises(DeviceSilent):
            await asking(link)
        again = asking(link)
        await asyncio.sleep(0.5)
        assert len(line.got) == 1, "the question waits for the debt"
        line.say(value(1, 1))
        await line.hears(2)
        assert line.at_s[1] == pytest.approx(1.5, abs=0.01), "the debt is paid, the question leaves at once"
        line.say(value(1, 2))
        assert await again == b"\x03\x02\x00\x02"
        with pytest.raises(DeviceSilent):
            await asking(link)
        begun_s = loop.time()
        with pytest.raises(DeviceSilent):
            await asking(link)
        assert loop.time() - begun_s == pytest.approx(2.0, abs=0.01), "first waits out the debt, then its own time"
        begun_s = loop.time()
        with pytest.raises(DeviceSilent, match=r"unit 1 may still answer the last question; left alone for 1 s"):
            await asking(link)
        with pytest.raises(NotSent, match="may still answer"):
            await link.command(1, WRITE, 1.0, lambda: True)
        assert loop.time() == begun_s, "silent twice in a row: it costs the line nothing until its time is over"

    check(script)


def test_noise_before_an_answer_is_skipped() -> None:
    async def script(line: Line, link: ModbusLink) -> None:
        asked = asking(link)
        await line.hears(1)
        line.say(b"\x00\xff\x01" + value(1, 5))
        assert await asked == b"\x03\x02\x00\x05"
        assert wire(link).noise == 3

    check(script)


def test_noise_alone_does_not_end_the_wait() -> None:
    async def script(line: Line, link: ModbusLink) -> None:
        asked = asking(link)
        await line.hears(1)
        line.say(b"\x00\xff")
        await asyncio.sleep(IDLE_NETWORK_S + 0.1)
        line.say(value(1, 5))
        assert await asked == b"\x03\x02\x00\x05"

    check(script)


@pytest.mark.parametrize("spoil", [lambda f: f[:4], lambda f: f[:-1] + bytes((f[-1] ^ 1,))])
def test_a_garbled_or_cut_answer_fails_after_a_silence_and_is_asked_again_at_once(
    spoil: Callable[[bytes], bytes],
) -> None:
    async def script(line: Line, link: ModbusLink) -> None:
        asked = asking(link)
        await line.hears(1)
        line.say(spoil(value(1, 5)))
        with pytest.raises(DeviceSilent, match=r"expected an answer of 7 bytes with its checksum, got \d bytes 01 03"):
            await asked
        assert asyncio.get_running_loop().time() == pytest.approx(IDLE_NETWORK_S, abs=0.01)
        again = asking(link)
        await line.hears(2)
        line.say(value(1, 6))
        assert await again == b"\x03\x02\x00\x06"

    check(script)


def test_a_sound_frame_of_another_length_is_nobodys() -> None:
    async def script(line: Line, link: ModbusLink) -> None:
        asked = asking(link)
        await line.hears(1)
        line.say(rtu.frame(1, b"\x03\x04\x00\x01\x00\x02"))
        with pytest.raises(DeviceSilent, match="did not answer"):
            await asked
        assert wire(link).strays == 1

    check(script)


def test_a_command_whose_permit_has_ended_leaves_no_byte() -> None:
    async def script(line: Line, link: ModbusLink) -> None:
        with pytest.raises(NotSent, match="permit"):
            await link.command(1, WRITE, 1.0, lambda: False)
        await asyncio.sleep(0.5)
        assert line.got == []

    check(script)


def test_the_line_is_left_quiet_before_the_next_question() -> None:
    async def script(line: Line, link: ModbusLink) -> None:
        for number in range(3):
            asked = asking(link)
            await line.hears(number + 1)
            line.say(value(1, number))
            await asked
        assert [b - a for a, b in zip(line.at_s, line.at_s[1:], strict=False)] == pytest.approx([0.2, 0.2], abs=0.01)

    check(script, turnaround="200 ms")


def test_bytes_without_end_end_the_link() -> None:
    async def script(line: Line, link: ModbusLink) -> None:
        lost: list[str] = []
        link.on_lost(lost.append)
        asked = asking(link)
        await line.hears(1)
        line.say(b"\x55" * (NOISE_MAX + 2000))
        with pytest.raises(LinkDown, match="bytes in a row are no frame"):
            await asked
        assert len(lost) == 1 and not link.is_up

    check(script)


def test_the_line_of_waiting_questions_is_bounded_and_told_when_the_link_goes() -> None:
    async def script(line: Line, link: ModbusLink) -> None:
        tasks = [asking(link) for _ in range(WAITING_MAX + 1)]
        await line.hears(1)
        with pytest.raises(Busy, match="questions wait"):
            await asking(link)
        assert line.writer is not None
        line.writer.transport.abort()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(o, LinkDown) for o in outcomes) and not isinstance(outcomes[0], NotSent)
        assert all(isinstance(o, NotSent) for o in outcomes[1:])

    check(script)
