# SPDX-License-Identifier: Apache-2.0
"""Storm S3: a contact that beats at 1 Hz for an hour is one alarm in the list, marked, with shelving offered."""

from __future__ import annotations

from pathlib import Path

from supervisor.alarms.chatter import CHATTER_NS, MEMORY_MAX, QUIET_NS, Chatter
from supervisor.alarms.events import Shelve
from supervisor.cli.alarms import alarm_text
from supervisor.control.alarm_view import document
from tests.unit.test_alarm_desk import Post, story

S = 1_000_000_000
T0 = 1_750_000_000 * S


def test_three_within_a_minute_until_ten_quiet_minutes() -> None:
    chatter = Chatter()
    assert [chatter.rises(7, T0 + t * S) for t in (0, 30, 500)] == [False, True, True]
    assert chatter.flagged(7, T0 + 500 * S + QUIET_NS - 1) and not chatter.flagged(7, T0 + 500 * S + QUIET_NS)
    assert not chatter.flagged(8, T0)
    assert not chatter.flagged(7, T0 - S), "a clock set back ends it"


def test_two_that_are_a_minute_apart_do_not_chatter() -> None:
    chatter = Chatter()
    assert [chatter.rises(1, T0 + i * CHATTER_NS) for i in range(5)] == [False] * 5


def test_what_is_remembered_is_bounded_and_the_oldest_go_first() -> None:
    chatter = Chatter()
    for condition in range(MEMORY_MAX + 5):
        chatter.rises(condition, T0)
    assert chatter.rises(0, T0 + S) is False, "forgotten"
    assert chatter.rises(MEMORY_MAX, T0 + S) is True


def test_s3_a_contact_at_1_hz_is_one_alarm_that_says_it_chatters(tmp_path: Path) -> None:
    async def tell(post: Post) -> None:
        for k in range(120):
            post.set("CAB-0001/V", 255 if k % 2 == 0 else 230)
            post.set("CAB-0002/Loss", k % 2 == 0)
            await post.scan(0.5)
        told = await post.told()
        assert told.count("CAB-0001/V alarm") == told.count("CAB-0001/V returned") == 60, "all of it is in the journal"
        assert post.desk.annunciated() == 2 * 2, "the first, and the second, before anybody knows that it chatters"
        assert len([c for c, _ in post.desk.shown]) == 2
        condition = post.desk.book.find("21000/CAB-0001/V")
        assert condition is not None
        shown = document(post.desk, condition, post.seen("CAB-0001/V"), post.clock.wall_ns())
        assert shown["chattering"] and shown["event"]
        assert "vigie shelve" in alarm_text(shown, "fr") and "vigie shelve" in alarm_text(shown, "en")
        # It can be acknowledged by what is shown, and shelved.
        assert await post.ack("CAB-0001/V") is None
        assert await post.act("CAB-0002/Loss", Shelve(3600 * S, "bat")) is None

    story(tmp_path, tell)


def test_a_p1_that_chatters_is_announced_each_time(tmp_path: Path) -> None:
    async def tell(post: Post) -> None:
        for k in range(20):
            post.set("CAB-0001/Trip", k % 2 == 0)
            await post.scan(0.5)
        assert post.desk.annunciated() == 10

    story(tmp_path, tell)
