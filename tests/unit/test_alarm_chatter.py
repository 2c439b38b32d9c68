# SPDX-License-Identifier: Apache-2.0
"""Storm S3: a contact that beats at 1 Hz for an hour is one alarm in the list, marked, with shelving offered."""

from __future__ import annotations

from pathlib import Path

from config.model import Priority
from supervisor.alarms.events import Acknowledge, Alarm, Announce, Return, Shelve
from supervisor.alarms.machine import step
from supervisor.alarms.state import REST, Rule, check_invariants
from supervisor.cli.alarms import alarm_text
from supervisor.control.alarm_view import document
from tests.desk import Post, story

S = 1_000_000_000
T0 = 1_750_000_000 * S
RULE = Rule("Door", Priority.P3, Priority.P3)


def rises(*seconds: float, rule: Rule = RULE) -> list[bool]:
    """Whether each rise is announced; it returns half a second after."""
    state, told = REST, []
    for second in seconds:
        state, effects = step(state, Alarm(), T0 + round(second * S), rule)
        told.append(any(isinstance(e, Announce) for e in effects))
        check_invariants(state, rule)
        state, _ = step(state, Return(), T0 + round((second + 0.5) * S), rule)
    return told


def test_three_within_a_minute_until_ten_quiet_minutes() -> None:
    assert rises(0, 29, 58, 300, 899) == [True, True, False, False, False]
    assert rises(0, 29, 58, 58 + 600) == [True, True, False, True]
    assert rises(0, 31, 62, 93) == [True] * 4


def test_what_is_dangerous_is_announced_each_time() -> None:
    assert rises(*range(20), rule=Rule("Rcd", Priority.P1, Priority.P1)) == [True] * 20


def test_an_acknowledgement_begins_anew() -> None:
    state = REST
    for second in range(3):
        state, _ = step(state, Alarm(), T0 + second * S, RULE)
        state, _ = step(state, Return(), T0 + second * S + 1, RULE)
    assert state.chatters
    state, _ = step(state, Acknowledge(state.occurrence_ns), T0 + 3 * S, RULE)
    state, effects = step(state, Alarm(), T0 + 4 * S, RULE)
    assert any(isinstance(e, Announce) for e in effects) and not state.chatters


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
        shown = document(post.desk, condition, post.seen("CAB-0001/V"), post.clock.wall_ns(), bool)
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
