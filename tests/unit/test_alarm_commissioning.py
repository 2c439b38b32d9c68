# SPDX-License-Identifier: Apache-2.0
"""Equipment under commissioning: its alarms are journalled and listed as suppressed, and put before nobody."""

from __future__ import annotations

from pathlib import Path

import pytest

from supervisor.alarms.state import Isa
from supervisor.control.alarm_view import LISTS, document
from tests.desk import Post
from tests.sim import loop as sim

COMMISSIONING = "commissioning"


def listed(post: Post, which: str) -> set[str]:
    book = post.desk.book
    return {book.name(c)[6:] for c, e in post.desk.shown if LISTS[which](e, book.block(c).rule)}


def test_a_p1_under_commissioning_is_written_down_and_in_no_list_but_that_of_the_suppressed(tmp_path: Path) -> None:
    async def play() -> None:
        post = await Post(tmp_path).open(life=COMMISSIONING)
        post.set("CAB-0001/Trip", 1)
        post.set("CAB-0002/V", 255)
        await post.scan()
        told = await post.told()
        assert "CAB-0001/Trip suppressed" in told and "CAB-0002/V alarm" in told
        assert listed(post, "active") == listed(post, "unacked") == {"CAB-0002/V"}
        assert listed(post, "suppressed") == {"CAB-0001/Trip"}
        counts = post.desk.counts()
        assert (counts.active, counts.unacked, counts.suppressed) == (1, 1, 0)
        assert post.desk.annunciated() == 1
        condition = post.desk.book.find("21000/CAB-0001/Trip")
        assert condition is not None
        shown = document(post.desk, condition, post.seen("CAB-0001/Trip"), post.clock.wall_ns(), bool)
        assert shown["suppressed_by"] == [COMMISSIONING]
        await post.close()
        # It goes into service: what still stands is announced now, once.
        await post.open()
        post.set("CAB-0001/Trip", 1)
        await post.scan()
        assert post.state("CAB-0001/Trip") is Isa.UNACK
        assert listed(post, "active") == {"CAB-0001/Trip", "CAB-0002/V"}
        assert (await post.told()).count("CAB-0001/Trip released") == 1
        await post.close()
        post.offload.close()

    sim.run(play())


@pytest.mark.parametrize("life", ["planned", "retired"])
def test_what_is_planned_or_retired_is_not_evaluated(tmp_path: Path, life: str) -> None:
    async def play() -> None:
        post = await Post(tmp_path).open(life=life)
        post.set("CAB-0001/Trip", 1)
        await post.scan()
        assert not post.desk.shown.entries and not await post.told()
        assert post.desk.counts().unevaluable == 0
        await post.close()
        post.offload.close()

    sim.run(play())
