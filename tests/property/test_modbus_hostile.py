# SPDX-License-Identifier: Apache-2.0
"""Bytes from an enemy: into the connection and into the simulator. Typed errors or nothing, and never growth."""

from __future__ import annotations

import asyncio
import struct
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.base import DeviceSilent, LinkDown
from drivers.modbus.memory import Memory
from drivers.modbus.simulator import SimulatedDevice
from drivers.modbus.wire import GIVEN_UP_MAX, LENGTH_MAX, Connection
from tests.sim.loop import run

READ = b"\x03\x00\x00\x00\x01"
GOOD = b"\x03\x02\x12\x34"


def frame(tid: int, unit: int, pdu: bytes, protocol: int = 0) -> bytes:
    return struct.pack(">HHHB", tid, protocol, len(pdu) + 1, unit) + pdu


near_frames = st.builds(
    frame, st.integers(0, 6), st.integers(0, 2), st.binary(min_size=0, max_size=253), st.sampled_from([0, 0, 0, 1])
)
noise = st.lists(st.one_of(st.binary(max_size=300), near_frames), max_size=12)


class Wire(asyncio.Transport):
    """A transport that remembers; the connection under test is fed by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[bytes] = []
        self.aborted = False

    def write(self, data: Any) -> None:
        self.sent.append(bytes(data))

    def abort(self) -> None:
        self.aborted = True


async def outcome(task: asyncio.Task[bytes]) -> bytes | type[Exception]:
    try:
        return await task
    except (LinkDown, DeviceSilent) as error:
        assert str(error)
        return type(error)


@given(noise, st.lists(st.integers(1, 400), max_size=20), st.integers(1, 4))
@settings(max_examples=150)
def test_a_connection_answers_properly_or_says_why_not(chunks: list[bytes], cuts: list[int], window: int) -> None:
    async def main() -> None:
        lost: list[Connection] = []
        wire = Wire()
        connection = Connection(asyncio.get_running_loop(), window, lambda _: "", lost.append)
        connection.connection_made(wire)
        loop = asyncio.get_running_loop()
        tasks = [loop.create_task(outcome(loop.create_task(connection.ask(1, READ, 1.0)))) for _ in range(window)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        stream = b"".join(chunks)
        for cut in [*cuts, len(stream) + 1]:
            connection.data_received(stream[:cut])
            stream = stream[cut:]
            assert len(connection._rest) < 6 + LENGTH_MAX
            if wire.aborted:
                break
        for result in await asyncio.gather(*tasks):
            assert result in (LinkDown, DeviceSilent) or (isinstance(result, bytes) and result[0] & 0x7F == 3)
        assert wire.aborted == bool(lost) == bool(connection.down)
        if not wire.aborted:
            task = loop.create_task(connection.ask(1, READ, 1.0))
            await asyncio.sleep(0)
            if not connection._rest:
                connection.data_received(frame(struct.unpack_from(">H", wire.sent[-1])[0], 1, GOOD))
                assert await task == GOOD
            else:
                assert await outcome(task) in (LinkDown, DeviceSilent)
        connection.end("done")

    run(main())


def test_silence_for_ever_does_not_grow() -> None:
    async def main() -> None:
        wire = Wire()
        connection = Connection(asyncio.get_running_loop(), 1, lambda _: "", lambda _: None)
        connection.connection_made(wire)
        for _ in range(GIVEN_UP_MAX + 50):
            try:
                await connection.ask(1, READ, 0.1)
            except DeviceSilent:
                pass
        assert len(connection._given_up) == GIVEN_UP_MAX and not connection._under_way
        ids = [struct.unpack_from(">H", sent)[0] for sent in wire.sent]
        assert len(set(ids)) == len(ids)
        connection.end("done")

    run(main())


def test_ids_are_not_given_again_while_an_answer_may_come() -> None:
    async def main() -> None:
        wire = Wire()
        connection = Connection(asyncio.get_running_loop(), 1, lambda _: "", lambda _: None)
        connection.connection_made(wire)
        connection._tid = 65533
        used = []
        for _ in range(6):
            try:
                await connection.ask(1, READ, 0.1)
            except DeviceSilent:
                used.append(struct.unpack_from(">H", wire.sent[-1])[0])
        assert used == [65534, 65535, 1, 2, 3, 4]
        connection._tid = 65533
        task = asyncio.create_task(outcome(asyncio.create_task(connection.ask(1, READ, 0.1))))
        await asyncio.sleep(0.01)
        assert struct.unpack_from(">H", wire.sent[-1])[0] == 5
        await task
        connection.end("done")

    run(main())


def test_a_turn_that_comes_while_its_asker_leaves_goes_to_the_next() -> None:
    """Cancelled after the turn was given and before the task could run: the place must not be lost."""

    async def main() -> None:
        loop, wire = asyncio.get_running_loop(), Wire()
        connection = Connection(loop, 1, lambda _: "", lambda _: None)
        connection.connection_made(wire)

        def answer_last() -> None:
            tid, _, _, unit, *_ = struct.unpack_from(">HHHB", wire.sent[-1])
            pdu = wire.sent[-1][7:]
            connection.data_received(frame(tid, unit, GOOD if pdu[0] == 3 else pdu))

        async def settle() -> None:
            for _ in range(3):
                await asyncio.sleep(0)

        for leaver in ("read", "write"):
            first = loop.create_task(connection.ask(1, READ, 1.0))
            await settle()
            if leaver == "read":
                second = loop.create_task(connection.ask(1, READ, 1.0))
            else:
                second = loop.create_task(connection.command(1, b"\x06\0\0\0\1", 1.0, lambda: True))
            await settle()
            third = loop.create_task(connection.ask(1, READ, 1.0))
            await settle()
            before = len(wire.sent)
            answer_last()
            second.cancel()
            await settle()
            assert len(wire.sent) == before + 1
            answer_last()
            assert await first == await third == GOOD
            assert (await asyncio.gather(second, return_exceptions=True))[0].__class__ is asyncio.CancelledError
        assert connection._admitted == 0 and not connection._alone
        connection.end("done")

    run(main())


@given(st.binary(max_size=260))
def test_memory_answers_any_question(pdu: bytes) -> None:
    memory = Memory(64)
    answer = memory.answer(pdu)
    assert 2 <= len(answer) <= 253
    assert answer[0] & 0x7F == (pdu[0] & 0x7F if pdu else 0)
    assert len(memory.holding) == len(memory.coil) == 64


@given(noise)
@settings(max_examples=40)
def test_the_simulator_survives_any_bytes(chunks: list[bytes]) -> None:
    async def main() -> None:
        device = SimulatedDevice("X", {1: Memory(64)})
        await device.start()
        reader, writer = await asyncio.open_connection(device.host, device.port)
        for chunk in chunks:
            writer.write(chunk)
            await asyncio.sleep(0)
        await asyncio.sleep(0.01)
        writer.transport.abort()
        reader, writer = await asyncio.open_connection(device.host, device.port)
        writer.write(frame(7, 1, READ))
        assert await reader.readexactly(11) == frame(7, 1, b"\x03\x02\x00\x00")
        assert device.pending == 0
        writer.transport.abort()
        await device.stop()
        await asyncio.sleep(0.01)

    run(main())
