# SPDX-License-Identifier: Apache-2.0
"""Writing: the function each type takes, what is refused before a byte leaves, and the three outcomes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from config.words import Kind, Outcome, Permit, cell_of
from drivers.base import Point, WriteItem, WriteOutcome
from tests.modbus import FOREVER, Rig, point, rig
from tests.sim.loop import run

H: dict[str, Any] = {"table": "holding", "address": 10}
POINTS = [
    point("Coil", Kind.Boolean, "rw", table="coil", address=3),
    point("Word", Kind.Int16, "rw", **H, type="int16"),
    point("Wide", Kind.Double, "rw", table="holding", address=20, type="float64", order="CDAB"),
    point("Bit", Kind.Boolean, "rw", table="holding", address=30, type="bit", bit=4),
    point("Owned", Kind.Boolean, "rw", table="holding", address=31, type="bit", bit=4, owns_register=True),
    point("Text", Kind.String, "rw", table="holding", address=40, type="string", length=3),
    point("Else", Kind.UInt16, "rw", table="input", address=5, write_table="holding", write_address=50),
    point("Read", Kind.UInt16, "r", table="holding", address=60),
    point("Only", Kind.UInt16, "w", None, table="holding", address=61),
]
BY_NAME = {p.name: i for i, p in enumerate(POINTS)}


def item(name: str, value: Any) -> WriteItem:
    p: Point = POINTS[BY_NAME[name]]
    if p.kind is Kind.String:
        return WriteItem(BY_NAME[name], 0, value)
    return WriteItem(BY_NAME[name], cell_of(p.kind, value))


async def put(r: Rig, name: str, value: Any, permit: Permit = FOREVER) -> WriteOutcome:
    (outcome,) = await r.driver.write([item(name, value)], permit, 1.0)
    return outcome


def seen(r: Rig) -> list[bytes]:
    """Questions from now on, as they arrive."""
    questions: list[bytes] = []
    answer = r.memory.answer

    def record(pdu: bytes) -> bytes:
        questions.append(pdu)
        return answer(pdu)

    r.memory.answer = record  # type: ignore[method-assign]
    return questions


@pytest.mark.parametrize(
    ("name", "value", "functions", "multiple"),
    [
        ("Coil", True, [5], [15]),
        ("Word", -5, [6], [16]),
        ("Wide", 1e300, [16], [16]),
        ("Bit", True, [22], [22]),
        ("Owned", True, [3, 6], [3, 16]),
        ("Text", "Öl", [16], [16]),
        ("Else", 7, [6], [16]),
        ("Only", 65535, [6], [16]),
    ],
)
def test_each_type_takes_its_function_and_the_device_holds_the_value(
    name: str, value: Any, functions: list[int], multiple: list[int]
) -> None:
    async def main(write_multiple: bool, expected: list[int]) -> None:
        async with rig(POINTS, write_multiple=write_multiple) as r:
            r.memory.holding[30:32] = 0xA5A5
            questions = seen(r)
            assert await put(r, name, value) == WriteOutcome(Outcome.ACCEPTED)
            assert [q[0] for q in questions] == expected
            assert r.memory.written(POINTS[BY_NAME[name]].address) == value

    run(main(False, functions))
    run(main(True, multiple))


@pytest.mark.parametrize("name", ["Bit", "Owned"])
def test_a_bit_is_written_and_its_neighbours_stay(name: str) -> None:
    async def main() -> None:
        async with rig(POINTS) as r:
            at = POINTS[BY_NAME[name]].address.address
            for before in (0x0000, 0xFFFF, 0xA5B5):
                for on in (True, False):
                    r.memory.holding[at] = before
                    assert (await put(r, name, on)).outcome is Outcome.ACCEPTED
                    assert int(r.memory.holding[at]) == (before | 0x10 if on else before & ~0x10)

    run(main())


@pytest.mark.parametrize(
    ("name", "cell", "text", "reason"),
    [
        ("Word", 40_000, None, "Word at holding 10: expected -32768..32767 for int16, got 40000; nothing was sent"),
        ("Coil", 2, None, "Coil at coil 3: expected true or false"),
        ("Text", 0, "too long", "Text at holding 40: expected at most 6 bytes of utf-8, got 8"),
        ("Text", 0, None, "expected a text"),
        ("Read", 1, None, "Read at holding 60: expected a point that may be written"),
        ("Else", 70_000, None, "Else at holding 50: expected 0..65535"),
    ],
)
def test_what_cannot_be_is_refused_before_a_byte_leaves(name: str, cell: int, text: str | None, reason: str) -> None:
    async def main() -> None:
        async with rig(POINTS) as r:
            (outcome,) = await r.driver.write([WriteItem(BY_NAME[name], cell, text)], FOREVER, 1.0)
            assert outcome.outcome is Outcome.REFUSED
            assert outcome.reason.startswith("DEV-1: ") and reason in outcome.reason
            assert r.peer.requests == 0

    run(main())


def test_an_ended_permit_lets_nothing_leave() -> None:
    async def main() -> None:
        async with rig(POINTS) as r:
            await asyncio.sleep(10)
            outcome = await put(r, "Word", 1, Permit(1, 9.9))
            assert outcome.outcome is Outcome.REFUSED and "permit" in outcome.reason
            assert r.peer.requests == 0
            assert (await put(r, "Word", 1, Permit(1, 10.1))).outcome is Outcome.ACCEPTED

    run(main())


def test_a_permit_that_ends_while_the_write_waits_its_turn_lets_nothing_leave() -> None:
    async def main() -> None:
        async with rig(POINTS) as r:
            r.peer.turn("slow 2 s")
            reading = asyncio.create_task(r.driver.read(r.requests[0], 5.0))
            await asyncio.sleep(0.1)
            outcome = await put(r, "Word", 1, Permit(1, 1.0))
            assert outcome.outcome is Outcome.REFUSED and r.peer.requests == 1
            await reading

    run(main())


@pytest.mark.parametrize(
    ("code", "outcome", "reason"),
    [
        (1, Outcome.REFUSED, "does not know this function"),
        (2, Outcome.REFUSED, "no such address"),
        (3, Outcome.REFUSED, "does not take this value"),
        (4, Outcome.UNKNOWN, "failed while doing it"),
        (5, Outcome.ACCEPTED, ""),
        (6, Outcome.REFUSED, "busy"),
        (10, Outcome.REFUSED, "no way to it"),
        (11, Outcome.UNKNOWN, "passed it on and got no answer"),
        (99, Outcome.UNKNOWN, "exception 99"),
    ],
)
def test_each_exception_has_its_outcome(code: int, outcome: Outcome, reason: str) -> None:
    async def main() -> None:
        async with rig(POINTS) as r:
            r.memory.answer = lambda pdu: bytes((pdu[0] | 0x80, code))  # type: ignore[method-assign]
            found = await put(r, "Word", 1)
            assert found.outcome is outcome and reason in found.reason
            assert r.peer.requests == 1

    run(main())


def test_a_device_without_mask_write_is_told_apart() -> None:
    async def main() -> None:
        async with rig(POINTS) as r:
            r.memory.answer = lambda pdu: bytes((pdu[0] | 0x80, 1))  # type: ignore[method-assign]
            found = await put(r, "Bit", True)
            assert found.outcome is Outcome.REFUSED and "owns_register: true" in found.reason

    run(main())


def test_a_wrong_echo_is_unknown() -> None:
    async def main() -> None:
        async with rig(POINTS) as r:
            r.memory.answer = lambda pdu: pdu[:-1] + b"\x09"  # type: ignore[method-assign]
            found = await put(r, "Word", 1)
            assert found.outcome is Outcome.UNKNOWN and "expected the echo 06 00 0a 00 01" in found.reason

    run(main())


def test_silence_and_a_broken_link_are_unknown_and_nothing_is_sent_twice() -> None:
    async def main() -> None:
        async with rig(POINTS) as r:
            r.peer.turn("hang")
            found = await put(r, "Word", 1)
            assert found.outcome is Outcome.UNKNOWN
            assert "Word at holding 10: no answer within 1 s" in found.reason and "may or may not" in found.reason
            assert r.peer.requests == 1
            r.peer.heal()
            r.peer.faults.cuts_write = True
            first, second = await r.driver.write([item("Word", 2), item("Coil", True)], FOREVER, 1.0)
            assert first.outcome is Outcome.UNKNOWN and "link broke" in first.reason
            assert second.outcome is Outcome.REFUSED and "nothing was sent" in second.reason
            assert r.peer.requests == 2 and r.memory.written(POINTS[1].address) == 2

    run(main())


def test_an_owned_bit_whose_register_cannot_be_read_is_refused() -> None:
    async def main() -> None:
        async with rig(POINTS) as r:
            r.peer.turn("hang")
            found = await put(r, "Owned", True)
            assert found.outcome is Outcome.REFUSED and "cannot read the other bits" in found.reason

    run(main())
