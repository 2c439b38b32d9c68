# SPDX-License-Identifier: Apache-2.0
"""The simulated device: its knobs have names, its properties are the standard's."""

from __future__ import annotations

import asyncio

import pytest

from drivers.bacnet import tags
from drivers.bacnet.address import BacnetPoint
from drivers.bacnet.knobs import parse
from drivers.bacnet.names import OBJECT_LIST, OBJECT_NAME, PRIORITY_ARRAY
from drivers.bacnet.objects import Objects, Refused
from drivers.bacnet.tags import REAL
from tests.bacnet import inputs, objects, rig
from tests.sim.loop import run


def test_knobs_are_read() -> None:
    assert parse("hang 30 s").seconds == 30 and parse("hang").seconds is None
    assert parse("small").count == 206 and parse("hold 3").count == 3 and parse("garble").count == 1
    assert parse("reject analog-input 3").what == "analog-input 3"
    for wrong in ("", "hangs", "hang soon", "late", "garble x", "heal now", "reject"):
        with pytest.raises(ValueError, match="expected"):
            parse(wrong)


def test_a_priority_array_and_the_object_list_are_arrays() -> None:
    made = Objects(7, "BLD")
    each = made.add("analog-output 1", REAL, 1.0, commanded=True)
    each.write(85, tags.Value(REAL, 5.0), 16)
    assert each.value == 5.0 and each.encoded(PRIORITY_ARRAY, 16) == tags.encode(REAL, 5.0)
    assert each.encoded(PRIORITY_ARRAY, 0) == tags.encode(tags.UNSIGNED, 16)
    assert made.device(OBJECT_LIST, 0) == tags.encode(tags.UNSIGNED, 2)
    for pid, index, code in ((PRIORITY_ARRAY, 17, 42), (OBJECT_NAME, 1, 50), (9999, None, 32)):
        with pytest.raises(Refused) as no:
            each.encoded(pid, index)
        assert no.value.code == code
    with pytest.raises(ValueError, match="expected a new object"):
        made.add("analog-output 1", REAL, 1.0)


def test_knobs_are_turned_by_their_words() -> None:
    async def main() -> None:
        async with rig(inputs(2), objects(2)) as r:
            for words in ("reject analog-input 1", "slow 200 ms", "late 1 s", "silent 5 s", "no_room", "release"):
                r.peer.turn(words)
            assert r.peer.limits.deny == {BacnetPoint(object="analog-input 1").oid: (1, 31)}
            r.peer.turn("accept analog-input 1")
            assert r.peer.limits.deny == {}
            r.peer.turn("restart")
            await asyncio.sleep(0.1)
            r.peer.turn("heal")
            assert await r.read() == [(0.0, 0), (1.0, 0)]

    run(main())
