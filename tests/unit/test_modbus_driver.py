# SPDX-License-Identifier: Apache-2.0
"""Reading a device: what its answers and its silence become."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from config.words import Kind, StatusCode
from drivers.base import Busy, DeviceSilent, LinkDown
from tests.modbus import Rig, point, registers, rig
from tests.sim.loop import run


def good_rows(batch: object) -> list[int]:
    return [int(r) for r, s in zip(batch.rows, batch.statuses, strict=True) if s == StatusCode.Good]  # type: ignore[attr-defined]


def test_a_block_of_every_sort_is_read_in_one_question() -> None:
    points = [
        point("A", Kind.Float, table="holding", address=0, type="float32"),
        point("B", Kind.Int16, table="holding", address=2, type="int16"),
        point("C", Kind.Boolean, table="holding", address=3, type="bit", bit=7),
        point("D", Kind.String, table="holding", address=4, type="string", length=4),
        point("E", Kind.UInt64, table="holding", address=8, type="uint64", order="CDAB"),
    ]

    async def main() -> None:
        async with rig(points) as r:
            for p, value in zip(points, (1.5, -7, True, "Quai é", 2**64 - 1), strict=True):
                r.memory.put(p.address, value)
            batch = await r.driver.read(r.requests[0], 1.0)
            assert len(r.requests) == 1 and r.peer.requests == 1
            cells = {int(row): int(cell) for row, cell in zip(batch.rows, batch.cells, strict=True)}
            assert np.int64(cells[0]).view(np.float64) == 1.5
            assert cells[1] == -7 and cells[2] == 1 and cells[4] == -1
            assert batch.texts is not None
            assert {int(batch.rows[i]): text for i, text in batch.texts.items()} == {3: "Quai é"}
            assert not batch.statuses.any() and (batch.source_ns > 0).all()

    run(main())


async def settle(r: Rig, polls: int = 6) -> None:
    for _ in range(polls):
        await r.driver.read(r.requests[0], 5.0)


def test_one_refused_address_costs_one_point_only_and_soon_only_one_more_question() -> None:
    async def main() -> None:
        async with rig(registers(100)) as r:
            r.memory.holding[:100] = np.arange(100)
            r.peer.reject("holding", 41)
            batch = await r.driver.read(r.requests[0], 5.0)
            assert batch.statuses[41] == StatusCode.BadConfigurationError
            assert good_rows(batch) == [*range(41), *range(42, 100)]
            assert [batch.cells[i] for i in good_rows(batch)] == good_rows(batch)
            await settle(r)
            before = r.peer.requests
            batch = await r.driver.read(r.requests[0], 5.0)
            assert r.peer.requests - before == 2
            assert len(good_rows(batch)) == 99
            (note,) = r.driver.notes(r.requests[0])
            assert "DEV-1: R41 at holding 41" in note and "exception 2" in note

    run(main())


def test_a_refused_point_is_asked_again_after_ten_minutes_and_forgotten_when_it_answers() -> None:
    async def main() -> None:
        async with rig(registers(20)) as r:
            r.peer.reject("holding", 3)
            await settle(r)
            r.peer.accept("holding", 3)
            assert len(good_rows(await r.driver.read(r.requests[0], 5.0))) == 19
            await asyncio.sleep(601)
            assert len(good_rows(await r.driver.read(r.requests[0], 5.0))) == 20
            await settle(r)
            assert r.requests[0].state is None
            before = r.peer.requests
            await r.driver.read(r.requests[0], 5.0)
            assert r.peer.requests - before == 1

    run(main())


def test_a_hole_between_points_ends_in_two_questions_and_no_bad_point() -> None:
    points = [*registers(5), *registers(5, first=12)]

    async def main() -> None:
        async with rig(points) as r:
            for at in range(5, 12):
                r.peer.reject("holding", at)
            assert len(good_rows(await r.driver.read(r.requests[0], 5.0))) == 10
            await settle(r)
            before = r.peer.requests
            assert len(good_rows(await r.driver.read(r.requests[0], 5.0))) == 10
            assert r.peer.requests - before == 2

    run(main())


def test_a_function_the_device_does_not_know_costs_one_question_a_minute() -> None:
    async def main() -> None:
        async with rig(registers(50)) as r:
            r.memory.answer = lambda pdu: bytes((pdu[0] | 0x80, 1))  # type: ignore[method-assign]
            batch = await r.driver.read(r.requests[0], 1.0)
            assert (batch.statuses == StatusCode.BadConfigurationError).all()
            for _ in range(10):
                await r.driver.read(r.requests[0], 1.0)
            assert r.peer.requests == 1
            await asyncio.sleep(61)
            await r.driver.read(r.requests[0], 1.0)
            assert r.peer.requests == 2

    run(main())


@pytest.mark.parametrize(("code", "error"), [(5, Busy), (6, Busy), (10, DeviceSilent), (11, DeviceSilent)])
def test_busy_and_gateway_exceptions_are_errors_with_the_device_named(code: int, error: type[Exception]) -> None:
    async def main() -> None:
        async with rig(registers(3)) as r:
            r.memory.answer = lambda pdu: bytes((pdu[0] | 0x80, code))  # type: ignore[method-assign]
            with pytest.raises(error, match=rf"DEV-1: holding 0..2: exception {code} "):
                await r.driver.read(r.requests[0], 1.0)
            assert r.link.is_up

    run(main())


def test_a_device_failure_is_bad_for_its_points() -> None:
    async def main() -> None:
        async with rig(registers(3)) as r:
            r.memory.answer = lambda pdu: bytes((pdu[0] | 0x80, 4))  # type: ignore[method-assign]
            assert (await r.driver.read(r.requests[0], 1.0)).statuses.tolist() == [StatusCode.BadDeviceFailure] * 3

    run(main())


@pytest.mark.parametrize("answer", [b"\x03\x04\0\0\0\0", b"\x03\x06\0\0", b"\x03\x06", b"\x83\x02\x00", b"\x83"])
def test_an_answer_of_the_wrong_size_is_never_a_value(answer: bytes) -> None:
    async def main() -> None:
        async with rig(registers(3)) as r:
            r.memory.answer = lambda pdu: answer  # type: ignore[method-assign]
            with pytest.raises(DeviceSilent, match=r"DEV-1: holding 0..2"):
                await r.driver.read(r.requests[0], 1.0)

    run(main())


def test_silence_is_the_device_s_and_names_what_was_asked() -> None:
    async def main() -> None:
        async with rig(registers(3)) as r:
            r.peer.turn("hang")
            with pytest.raises(DeviceSilent, match=r"DEV-1: holding 0..2: no answer within 0.5 s"):
                await r.driver.read(r.requests[0], 0.5)
            r.peer.heal()
            assert not (await r.driver.read(r.requests[0], 0.5)).statuses.any()

    run(main())


def test_a_reset_link_is_down_for_every_read() -> None:
    async def main() -> None:
        async with rig(registers(3)) as r:
            r.peer.turn("hang")
            reading = asyncio.create_task(r.driver.read(r.requests[0], 5.0))
            await asyncio.sleep(0.1)
            r.peer.reset()
            with pytest.raises(LinkDown, match=r"DEV-1: holding 0\.\.2: .*reset"):
                await reading
            with pytest.raises(LinkDown):
                await r.driver.read(r.requests[0], 5.0)

    run(main())


def test_a_search_is_bounded_per_poll_and_always_ends() -> None:
    """Every third address of a slow device is refused: other devices get their turns, and no good point is lost."""

    async def main() -> None:
        async with rig(registers(90)) as r:
            r.peer.turn("slow 400 ms")
            for at in range(0, 90, 3):
                r.peer.reject("holding", at)
            polls = 0
            while True:
                begun_s = asyncio.get_running_loop().time()
                polls += 1
                try:
                    batch = await r.driver.read(r.requests[0], 0.5)
                    break
                except Busy as busy:
                    assert "DEV-1: holding 0..89: looking for the refused address" in str(busy)
                    assert asyncio.get_running_loop().time() - begun_s <= 3 * 0.5
            assert 1 < polls < 100
            assert good_rows(batch) == [i for i in range(90) if i % 3]

    run(main())


def test_points_are_read_back_outside_their_poll_class() -> None:
    points = [
        *registers(3),
        point("W", Kind.UInt16, "w", None, table="holding", address=9),
        point("T", Kind.String, table="input", address=0, type="string", length=2),
    ]

    async def main() -> None:
        async with rig(points) as r:
            r.memory.holding[:3] = (7, 8, 9)
            r.memory.put(points[4].address, "abc")
            r.peer.reject("holding", 1)
            found = await r.driver.read_points([4, 2, 3, 1, 2], 1.0)
            assert found == [
                (0, StatusCode.Good, "abc"),
                (9, StatusCode.Good, None),
                (0, StatusCode.BadNotReadable, None),
                (0, StatusCode.BadConfigurationError, None),
                (9, StatusCode.Good, None),
            ]

    run(main())


def test_a_value_its_kind_cannot_hold_is_bad_and_alone() -> None:
    points = [
        point("A", Kind.Byte, table="holding", address=0, type="uint16"),
        point("B", Kind.Byte, table="holding", address=1, type="uint16"),
        point("C", Kind.UInt16, table="holding", address=2, type="bcd16"),
        point("D", Kind.DateTime, table="holding", address=3, type="unix64"),
        point("S", Kind.String, table="holding", address=7, type="string", length=1),
    ]

    async def main() -> None:
        async with rig(points) as r:
            r.memory.holding[:8] = (255, 256, 0x12A4, 0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF, 0xC328)
            batch = await r.driver.read(r.requests[0], 1.0)
            assert good_rows(batch) == [0]
            assert set(batch.statuses.tolist()) == {StatusCode.Good, StatusCode.BadOutOfRange}

    run(main())
