# SPDX-License-Identifier: Apache-2.0
"""The simulated device and its knobs, as a person turns them."""

from __future__ import annotations

import asyncio
import struct

import numpy as np
import pytest

from drivers.base import DeviceSilent, LinkDown
from drivers.knobs import Knob
from drivers.modbus.knobs import parse
from drivers.modbus.memory import Memory
from drivers.modbus.simulator import ModbusSimulator
from tests.modbus import Rig, registers, rig
from tests.sim.loop import run


@pytest.mark.parametrize(
    ("text", "knob"),
    [
        ("hang", Knob("hang")),
        ("hang 30 s", Knob("hang", seconds=30.0)),
        ("refuse 5 min", Knob("refuse", seconds=300.0)),
        ("slow 200 ms", Knob("slow", seconds=0.2)),
        ("late 5s", Knob("late", seconds=5.0)),
        ("garble", Knob("garble", count=1)),
        ("duplicate 7", Knob("duplicate", count=7)),
        ("reject holding 104", Knob("reject", what="holding 104")),
        (" heal ", Knob("heal")),
    ],
)
def test_knobs_are_words(text: str, knob: Knob) -> None:
    assert parse(text) == knob


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("explode", "expected one of hang, refuse,"),
        ("slow", "slow: expected a duration such as '10 s'"),
        ("hang 30", "hang: expected a duration"),
        ("garble x", "garble: expected a number 1..1000000"),
        ("reject register 4", "reject: expected one of coil, discrete_input, holding, input"),
        ("reject holding 70000", "reject: expected a number 0..65535"),
        ("reset now", "expected one of"),
        ("", "expected one of"),
    ],
)
def test_a_wrong_knob_is_told(text: str, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        parse(text)


async def value(r: Rig) -> int:
    return int((await r.driver.read(r.requests[0], 0.5)).cells[0])


def test_each_knob_does_what_it_says_and_heal_ends_it() -> None:
    async def main() -> None:
        async with rig(registers(3)) as r:
            loop = asyncio.get_running_loop()
            r.memory.holding[0] = 42
            r.peer.turn("hang 2 s")
            with pytest.raises(DeviceSilent):
                await value(r)
            await asyncio.sleep(2)
            assert await value(r) == 42
            r.peer.turn("slow 300 ms")
            begun_s = loop.time()
            assert await value(r) == 42 and loop.time() - begun_s == pytest.approx(0.3)
            r.peer.turn("late 1 s")
            with pytest.raises(DeviceSilent):
                await value(r)
            r.peer.turn("heal")
            assert await value(r) == 42
            r.peer.turn("duplicate 2")
            assert [await value(r) for _ in range(3)] == [42] * 3
            r.peer.turn("wrong_id")
            with pytest.raises(DeviceSilent):
                await value(r)
            assert await value(r) == 42
            r.peer.turn("reject holding 0")
            assert (await r.driver.read(r.requests[0], 0.5)).statuses.tolist()[0] != 0
            r.peer.turn("heal")
            for knob in ("garble", "reset", "restart", "truncate"):
                r.peer.turn(knob)
                await asyncio.sleep(0.1)
                with pytest.raises((LinkDown, DeviceSilent)):
                    await value(r)
                assert not r.link.is_up
                await r.link.open()
                assert (await r.driver.read_points([0], 0.5))[0][0] == 42

    run(main())


def test_refuse_turns_new_connections_away_until_its_time_is_over() -> None:
    async def main() -> None:
        async with rig(registers(1)) as r:
            lost: list[str] = []
            r.link.on_lost(lost.append)
            r.peer.turn("refuse 10 s")
            await asyncio.sleep(0.1)
            opened = 1
            for _ in range(5):
                assert not r.link.is_up and len(lost) == opened  # told once for each connection that stood, no more
                try:
                    await r.link.open()
                    opened += 1
                except LinkDown:
                    pass
                await asyncio.sleep(0.1)
            await asyncio.sleep(10)
            await r.link.open()
            assert await value(r) == 0

    run(main())


def test_pipelined_questions_are_all_answered_in_order() -> None:
    async def main() -> None:
        simulator = ModbusSimulator()
        device = simulator.add("CAB-1", units=(1, 2), size=100)
        device.units[2].input[5] = 77
        await simulator.start()
        reader, writer = await asyncio.open_connection(device.host, device.port)
        question = struct.pack(">BHH", 4, 5, 1)
        writer.write(b"".join(struct.pack(">HHHB", i, 0, 6, 1 + i % 2) + question for i in range(50)))
        for i in range(50):
            head = await reader.readexactly(11)
            assert struct.unpack(">HHHBBBH", head) == (i, 0, 5, 1 + i % 2, 4, 2, 77 * (i % 2))
        writer.write(struct.pack(">HHHB", 9, 0, 6, 3) + question)
        assert (await reader.readexactly(9))[7:] == b"\x84\x0b"  # no such unit: as a gateway says it
        writer.transport.abort()
        await simulator.stop()
        await simulator.stop()
        assert device.requests == 51 and device.pending == 0

    run(main())


def test_a_simulator_knows_its_devices() -> None:
    simulator = ModbusSimulator()
    simulator.add("CAB-1")
    with pytest.raises(ValueError, match="exists already"):
        simulator.add("CAB-1")
    with pytest.raises(ValueError, match="got 'CAB-2'"):
        simulator.turn("CAB-2", "reset")


def test_the_plant_is_told_what_was_written() -> None:
    told: list[tuple[str, int, int]] = []
    memory = Memory(100, lambda *what: told.append(what))
    assert memory.answer(struct.pack(">BHH", 6, 3, 9)) == struct.pack(">BHH", 6, 3, 9)
    memory.answer(struct.pack(">BHHBHH", 16, 4, 2, 4, 1, 2))
    memory.answer(struct.pack(">BHHBB", 15, 1, 3, 1, 0b101))
    memory.answer(struct.pack(">BHH", 6, 100, 9))
    assert told == [("holding", 3, 1), ("holding", 4, 2), ("coil", 1, 3)]
    assert memory.coil[:5].tolist() == [False, True, False, True, False]


@pytest.mark.parametrize(
    ("question", "code"),
    [
        (struct.pack(">BHH", 3, 0, 0), 3),
        (struct.pack(">BHH", 3, 0, 126), 3),
        (struct.pack(">BHH", 1, 0, 2001), 3),
        (struct.pack(">BHH", 3, 99, 2), 2),
        (struct.pack(">BHH", 5, 0, 0x00FF), 3),
        (struct.pack(">BHHB", 16, 0, 2, 3) + b"\0\0\0", 3),
        (struct.pack(">BH", 3, 0), 3),
        (b"\x2b\x0e\x01\x00", 1),
    ],
)
def test_wrong_questions_get_the_exception_of_the_standard(question: bytes, code: int) -> None:
    """Source: Modbus Application Protocol V1.1b3, the state diagram of each function in section 6."""
    assert Memory(100).answer(question) == bytes((question[0] | 0x80, code))


def test_mask_write_as_in_the_standard() -> None:
    """Source: Modbus Application Protocol V1.1b3, 6.16: 0x12 with AND 0xF2 and OR 0x25 becomes 0x17."""
    memory = Memory(10)
    memory.holding[4] = 0x12
    memory.answer(struct.pack(">BHHH", 22, 4, 0x00F2, 0x0025))
    assert int(memory.holding[4]) == 0x17
    assert np.count_nonzero(memory.holding) == 1
