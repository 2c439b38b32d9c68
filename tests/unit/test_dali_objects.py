# SPDX-License-Identifier: Apache-2.0
"""The objects of a LOYTEC L-DALI: numbers as in its manual, what it does not show, what is refused."""

from __future__ import annotations

import asyncio
import math

import numpy as np
import pytest

from config.words import Access, Kind, Outcome, Permit, StatusCode, cell_of
from drivers.base import Point, WriteItem, bind
from drivers.dali.address import DaliDevice, DaliPoint
from drivers.dali.objects import translate
from drivers.dali.plan import plan
from drivers.dali.protocol import PROTOCOL
from tests.kit.loytec_peer import LoytecPeer
from tests.sim.loop import clock, run

LASTING = Permit(1, math.inf)


def device(**settings: object) -> DaliDevice:
    return DaliDevice.model_validate({"wire": "loytec", "host": "h", "instance": 1, **settings})


def point(value: str, kind: Kind = Kind.Double, access: Access = Access.RW, group: int | None = None) -> Point:
    return Point(value, kind, access, DaliPoint(value=value, group=group), "p")


@pytest.mark.parametrize(
    ("value", "line", "short_address", "group", "object_"),
    [
        ("level_set", 1, 3, None, "analog-output 103"),
        ("group_level", 0, None, 5, "analog-output 1005"),
        ("line_level", 3, None, None, "analog-output 2300"),
        ("scene", 3, None, None, "multi-state-output 2300"),
        ("lamp_failure", 3, 63, None, "analog-input 4300"),
        ("gear_failure", 0, 0, None, "analog-input 4000"),
    ],
)
def test_objects_are_those_of_the_manual(
    value: str, line: int, short_address: int | None, group: int | None, object_: str
) -> None:
    """Source: LOYTEC L-DALI user manual 5.2, 8.3.3.10 (its examples: ballast 3 on channel 2 is 103) and 8.3.3.14."""
    [found] = translate(device(line=line, short_address=short_address), [point(value, group=group)])
    assert found.address.object == object_
    assert found.address.bit == (short_address if value.endswith("failure") else None)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"wire": "loytec", "instance": None}, "expected an instance with wire loytec"),
        ({"wire": "intesis", "instance": 5}, "expected an instance with wire loytec"),
    ],
)
def test_a_gateway_has_an_instance(settings: dict[str, object], expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        device(**settings)


def test_a_line_that_the_gateway_lacks_is_refused_and_so_is_gear_without_an_address() -> None:
    with pytest.raises(ValueError, match="expected a short_address"):
        plan(device(), [point("level_set")])
    assert device().port == 47808


def test_what_the_gateway_does_not_show_is_said_and_what_the_model_forbids_never_leaves() -> None:
    points = [point("level", access=Access.R), point("level_set"), point("scene", Kind.Int32), point("arc_level_set")]

    async def main() -> None:
        peer = LoytecPeer()
        await peer.start()
        where = peer.device()
        link = PROTOCOL.make_link(where, clock())
        driver = PROTOCOL.make_driver("L-1.gear", where, points, link, clock())
        await link.open()
        await driver.open()
        try:
            seen: dict[str, int] = {}
            for i, exchange in enumerate(plan(where, points)):
                request = bind(exchange, np.arange(len(points)), i)
                batch = await driver.read(request, 1.0)
                seen |= {points[r].name: s for r, s in zip(batch.rows.tolist(), batch.statuses.tolist(), strict=True)}
                if "not offered" in exchange.label:
                    assert "L-1.gear: level: LOYTEC L-DALI offers no level" in driver.notes(request)
            not_supported = int(StatusCode.BadNotSupported)
            assert seen == {"level": not_supported, "level_set": 0, "scene": 0, "arc_level_set": not_supported}
            before = peer.requests
            for at, value, why in (
                (1, 100.5, "0..100"),
                (2, 16, "0..15"),
                (0, 5.0, "read only"),
                (3, 5.0, "offers no"),
            ):
                item = WriteItem(at, cell_of(points[at].kind, value))
                [outcome] = await driver.write([item], LASTING, 1.0)
                assert outcome.outcome is Outcome.REFUSED and why in outcome.reason, outcome
            assert peer.requests == before
            peer.objects.hold(next(o for o in peer.objects if o.name == "multi-state-output 2100"), 20)
            [(_, status, _)] = await driver.read_points([2], 1.0)
            assert status == StatusCode.BadOutOfRange, "storing a scene is none that was recalled"
        finally:
            await link.close()
            await peer.stop()
            await asyncio.sleep(0)

    run(main(), debug=False)
