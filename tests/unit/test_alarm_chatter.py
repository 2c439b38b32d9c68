# SPDX-License-Identifier: Apache-2.0
"""Storm S3: a contact that beats at 1 Hz for an hour is one alarm in the list, marked, with shelving offered."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

from config.model import AlarmRule, Priority
from historian.base import Query, RecordKind
from supervisor.alarms.events import Acknowledge, Alarm, Announce, Return, Shelve
from supervisor.alarms.machine import step
from supervisor.alarms.state import REST, Isa, Rule, check_invariants
from supervisor.cli.alarms import alarm_text
from supervisor.control.alarm_view import document, order
from tests.desk import RULES, TEXT, Post, story
from tests.sim.loop import run

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


def test_s3_a_whole_hour_at_1_hz_is_announced_twice() -> None:
    assert rises(*range(3600)) == [True, True] + [False] * 3598


def test_s4_a_windy_night_is_p4_and_a_flood_and_the_p1_is_on_top(tmp_path: Path) -> None:
    """300 lamps flicker within ten minutes; a trip in the middle; the flood ends when fewer than 5 in ten minutes."""

    async def tell(post: Post) -> None:
        rng = random.Random(4)
        moments = sorted((rng.randrange(600), lamp) for lamp in rng.sample(range(3, 403), 300))
        for second in range(0, 1500, 5):
            for at, lamp in moments:
                if second - 10 <= at < second:
                    post.set(f"CAB-{lamp:04d}/Loss", at >= second - 5)  # out for one look, then lit again
            post.set("CAB-0001/V", post.desk.annunciated())
            if second == 300:
                post.set("CAB-0002/Trip", True)
            await post.scan(5)
            if second == 400:
                assert post.state("CAB-0001/Flood") is Isa.UNACK
                rank = order(post.desk.book, newest=False)
                shown = sorted(post.desk.shown, key=lambda f: rank(*f))
                assert len(shown) > 100 and post.desk.book.name(shown[0][0]) == "21000/CAB-0002/Trip"
        told = await post.journal.query(Query(kinds=frozenset({RecordKind.ALARM}), limit=10_000))
        announced = Counter(e.record.data["priority"] for e in told.entries if e.record.data.get("announced"))
        assert announced == {"P4": 300 + 1, "P1": 1}
        assert post.state("CAB-0001/Flood") is Isa.RTNUN and post.desk.annunciated() < 5

    async def main() -> None:
        post = Post(tmp_path, 402)
        lamp, flood = {**RULES["Loss"], "parent": False, "priority": "P4"}, {**RULES["V"], "priority": "P4"}
        flood |= {"high": 10, "high_high": None, "priority_extreme": None, "deadband": 5}
        post.rules = {
            name: AlarmRule.model_validate({"text": TEXT} | rule)
            for name, rule in (("Lamp", lamp), ("Flood", flood), ("Trip", RULES["Trip"]))
        }
        await post.open()
        try:
            await tell(post)
        finally:
            await post.close()
            post.offload.close()

    run(main(), debug=False)
