# SPDX-License-Identifier: Apache-2.0
"""One value, once: priorities, giving them back, and what each answer means."""

from __future__ import annotations

import pytest

from config.words import Kind, Outcome, Permit, cell_of
from drivers.bacnet import frames
from drivers.bacnet.objects import Objects
from drivers.bacnet.tags import ENUMERATED, REAL, TEXT, UNSIGNED
from drivers.bacnet.writing import CannotEncode, judge, question
from drivers.base import WriteItem, WriteOutcome
from tests.bacnet import FOREVER, INSTANCE, Rig, point, rig
from tests.sim.loop import run

SP = point("SP", Kind.Float, "rw", object="analog-output 1", priority=8, release=-1)
FAN = point("Fan", Kind.Boolean, "rw", object="binary-output 1", priority=12)


def plant() -> Objects:
    made = Objects(INSTANCE, "BLD")
    made.add("analog-output 1", REAL, 20.0, commanded=True)
    made.add("binary-output 1", ENUMERATED, 0, commanded=True)
    made.add("analog-value 1", REAL, 20.0, writable=True)
    made.add("analog-value 2", REAL, 20.0)
    made.add("multi-state-value 1", UNSIGNED, 1, writable=True)
    return made


async def put(r: Rig, i: int, value: float) -> WriteOutcome:
    [outcome] = await r.driver.write([WriteItem(i, cell_of(r.points[i].kind, value))], FOREVER, 1.0)
    return outcome


def test_a_value_is_written_with_its_priority_and_given_back_by_null() -> None:
    async def main() -> None:
        made = plant()
        output, fan = list(made)[:2]
        async with rig([SP, FAN], made) as r:
            assert (await put(r, 0, 21.5)).outcome is Outcome.ACCEPTED
            assert (await put(r, 1, 1)).outcome is Outcome.ACCEPTED
            assert output.priorities is not None and output.priorities[7] == 21.5 and output.value == 21.5
            assert fan.priorities is not None and fan.priorities[11] == 1
            assert (await put(r, 0, -1)).outcome is Outcome.ACCEPTED
            assert output.priorities == [None] * 16 and output.value == 20.0

    run(main())


def test_a_value_that_a_higher_priority_holds_is_told() -> None:
    """Clause 19.2: the device says yes, and nothing happens."""

    async def main() -> None:
        async with rig([SP, FAN], plant()) as r:
            r.peer.turn("hold 5")
            outcome = await put(r, 0, 21.5)
            assert outcome.outcome is Outcome.REFUSED
            assert "with priority 8, but the present-value is held by priority 5" in outcome.reason
            r.peer.turn("release")
            assert (await put(r, 0, 21.5)).outcome is Outcome.ACCEPTED
        async with rig([SP], plant(), check_priority=False) as r:
            r.peer.turn("hold 5")
            assert (await put(r, 0, 21.5)).outcome is Outcome.ACCEPTED

    run(main())


def test_a_priority_that_the_device_refuses_is_named() -> None:
    async def main() -> None:
        async with rig([SP, FAN], plant()) as r:
            r.peer.turn("deny 8")
            outcome = await put(r, 0, 21.5)
            assert outcome.outcome is Outcome.REFUSED
            assert "DEV-1: SP at analog-output 1: the device says property: write-access-denied" in outcome.reason
            assert "to priority 8" in outcome.reason
            r.peer.turn("heal")
            assert (await put(r, 0, 21.5)).outcome is Outcome.ACCEPTED

    run(main())


def test_what_the_device_refuses_is_said_in_its_words() -> None:
    async def main() -> None:
        points = [
            point("No", Kind.Float, "rw", object="analog-value 2"),
            point("Gone", Kind.Float, "rw", object="analog-value 9"),
            point("Type", Kind.Float, "rw", object="analog-value 1", type="unsigned"),
            point("Read", Kind.Float, "r", object="analog-value 1"),
        ]
        async with rig(points, plant()) as r:
            for i, part in enumerate(("property: write-access-denied", "object: unknown-object", "invalid-data-type")):
                outcome = await put(r, i, 1)
                assert outcome.outcome is Outcome.REFUSED and part in outcome.reason, outcome
                assert f"DEV-1: {points[i].name} at analog-value" in outcome.reason
            before = r.peer.requests
            assert "read only" in (await put(r, 3, 1)).reason and r.peer.requests == before

    run(main())


def test_a_write_that_is_not_answered_is_unknown_and_not_repeated() -> None:
    async def main() -> None:
        async with rig([SP], plant()) as r:
            r.peer.turn("hang")
            before = r.peer.requests
            outcome = await put(r, 0, 21.5)
            assert outcome.outcome is Outcome.UNKNOWN and "no answer within 1 s" in outcome.reason
            assert r.peer.requests - before == 1

    run(main())


def test_nothing_leaves_without_a_permit() -> None:
    async def main() -> None:
        async with rig([SP], plant()) as r:
            before = r.peer.requests
            [outcome] = await r.driver.write([WriteItem(0, 0)], Permit(1, 0.0), 1.0)
            assert outcome.outcome is Outcome.REFUSED and "permit" in outcome.reason
            assert r.peer.requests == before

    run(main())


@pytest.mark.parametrize(
    ("kind", "address", "value", "content"),
    [
        (Kind.Float, {"object": "analog-value 1"}, 21.5, "44 41 ac 00 00"),
        (Kind.Boolean, {"object": "binary-output 1"}, 1, "91 01"),
        (Kind.Enumeration, {"object": "multi-state-value 1"}, 3, "21 04"),
        (Kind.UInt16, {"object": "multi-state-value 1"}, 3, "21 03"),
        (Kind.Int32, {"object": "integer-value 1"}, -2, "31 fe"),
        (Kind.Double, {"object": "large-analog-value 1"}, 0.5, "55 08 3f e0 00 00 00 00 00 00"),
        (Kind.Boolean, {"object": "loop 1", "property": "out-of-service"}, 1, "11"),
        (Kind.Float, {"object": "loop 1", "property": "setpoint"}, 1.0, "44 3f 80 00 00"),
        (Kind.Double, {"object": "multi-state-value 1"}, 3.0, "21 03"),
    ],
)
def test_the_type_written_is_the_objects(kind: Kind, address: dict[str, object], value: float, content: str) -> None:
    """Clause 12: the property tables of the object types."""
    asked = question(point("x", kind, "rw", **address), WriteItem(0, cell_of(kind, value)))
    assert f"3e {content} 3f" in asked.hex(" ")


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (Kind.Float, "analog-value 1", float("nan")),
        (Kind.Double, "analog-value 1", 1e300),
        (Kind.Double, "multi-state-value 1", 1.5),
        (Kind.Int32, "multi-state-value 1", -1),
        (Kind.Int64, "integer-value 1", 2**40),
    ],
)
def test_what_does_not_fit_is_refused_before_a_byte_leaves(kind: Kind, text: str, value: float) -> None:
    with pytest.raises(CannotEncode):
        question(point("x", kind, "rw", object=text), WriteItem(0, cell_of(kind, value)))


@pytest.mark.parametrize("length", [450, 2_000, 70_000])
def test_a_text_longer_than_the_device_takes_is_refused_before_a_byte_leaves(length: int) -> None:
    """Clause 5.2.1: no request is longer than the max-APDU-length-accepted of who is asked."""

    async def main() -> None:
        made = plant()
        made.add("characterstring-value 1", TEXT, "", writable=True)
        async with rig([point("Text", Kind.String, "rw", object="characterstring-value 1")], made, apdu=480) as r:
            before = r.peer.requests
            [outcome] = await r.driver.write([WriteItem(0, 0, "x" * (length + 20))], FOREVER, 1.0)
            assert outcome.outcome is Outcome.REFUSED and "nothing was sent" in outcome.reason
            assert r.peer.requests == before and len(outcome.reason) < 300
            [outcome] = await r.driver.write([WriteItem(0, 0, "x" * 440)], FOREVER, 1.0)
            assert outcome.outcome is Outcome.ACCEPTED

    run(main())


def test_an_error_of_another_service_does_not_say_what_became_of_a_write() -> None:
    """Clause 20.1.7: an Error names the service it answers."""
    for service, outcome in ((15, Outcome.REFUSED), (12, Outcome.UNKNOWN)):
        frame = frames.parse(frames.envelope(b"\x01\x00", frames.error(3, service, 2, 40)))
        assert judge("DEV-1", frame, "").outcome is outcome
