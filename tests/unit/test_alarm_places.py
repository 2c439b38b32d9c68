# SPDX-License-Identifier: Apache-2.0
"""Alarm counts as tags: each area and desk its own, as shown to people, Good from the first scan."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from config.model import ALARM_COUNTS, AlarmRule
from supervisor.alarms.events import Shelve
from supervisor.alarms.places import Places
from supervisor.alarms.rules import RuleBook
from supervisor.plant.plant import Plant
from supervisor.tags.freshness import Freshness
from supervisor.tags.pool import StringPool
from supervisor.tags.system import SystemTags
from supervisor.tags.table import TagTable
from tests.desk import LEA, RULES, TAGS, TEXT, Post, S, story
from tests.plants import TypeSpec, make_plant, tag

AREAS = ("21000", "21605")
COUNTERS = ["21000/ALM-0001", "21605/ALM-0001", "21605/ALM-0002"]
DESKS = {"Loss": "lighting", "V": "lighting", "Trip": "security"}


def plant(counters: list[str]) -> Plant:
    """Two cabinets in each of two areas, and what counts: an area, the other, its security desk."""
    counts = {what.partition(".")[2]: replace(tag("Int32"), system=what) for what in ALARM_COUNTS}
    made = make_plant(
        {"CAB": TypeSpec({t: tag(k) for t, k in TAGS.items()}), "ALM": TypeSpec(counts)},
        {"CAB": [f"{a}/CAB-000{i}" for a in AREAS for i in (1, 2)], "ALM": counters},
    )
    desks = np.array(["", "", "security"], object)[: len(counters)]
    made.types["ALM"] = replace(made.types["ALM"], parameters={"desk": desks})
    return made


def book(of: Plant) -> RuleBook:
    rules = {n: AlarmRule.model_validate({"text": TEXT, "owner_desk": DESKS[n]} | r) for n, r in RULES.items()}
    return RuleBook(of, {"CAB": rules})


def test_each_place_counts_its_own() -> None:
    of = plant(COUNTERS)
    rules = book(of)
    places = Places(rules)
    shown = [[0] * 6 for _ in range(places.groups)]
    blind = np.zeros(rules.count, np.bool_)
    active = ["21000/CAB-0001/V", "21605/CAB-0002/V", "21605/CAB-0002/Trip"]
    for name, i in [*((name, 0) for name in active), ("21605/CAB-0001/Trip", 3)]:
        condition = rules.find(name)
        assert condition is not None
        shown[places.group_of[condition]][i] += 1
        blind[condition] = name.startswith("21605/CAB-0002")
    numbers = places.numbers(shown, blind)
    assert {source: n for source, n in numbers.items() if n} == {
        "alarms.active 21000 ": 1,
        "alarms.active 21605 ": 2,
        "alarms.active 21605 security": 1,
        "alarms.suppressed 21605 ": 1,
        "alarms.suppressed 21605 security": 1,
        "alarms.unevaluable 21605 ": 2,
        "alarms.unevaluable 21605 security": 1,
    }
    assert len(numbers) == 3 * len(ALARM_COUNTS), "every tag has its number, 0 too"


def test_a_plant_that_shows_no_counts_pays_nothing() -> None:
    rules = book(plant([]))
    assert Places(rules).numbers([], np.zeros(rules.count, np.bool_)) == {}


def test_the_tags_are_good_from_the_first_scan() -> None:
    of = plant(COUNTERS)
    places = Places(book(of))
    table = TagTable(of, StringPool(), 0)
    shown = [[7, 0, 0, 0, 0, 0] for _ in range(places.groups)]
    blind = np.zeros(len(places.group_of), np.bool_)
    batch = SystemTags(of, lambda: places.numbers(shown, blind)).sample(table, Freshness([], [], [], 0, boot_ns=0), 5)
    assert batch is not None and not batch.statuses.any()
    rows = [of.row(f"{name}/{what.partition('.')[2]}") for name in COUNTERS for what in ALARM_COUNTS]
    assert sorted(batch.rows.tolist()) == sorted(rows)
    cells = dict(zip(batch.rows.tolist(), batch.cells.tolist(), strict=True))
    assert [cells[of.row(f"{name}/active")] for name in COUNTERS] == [14, 14, 7]


def test_groups_add_up_to_what_is_counted(tmp_path: Path) -> None:
    """Through a storm, a shelving and the way back."""

    async def tell(post: Post) -> None:
        def same() -> tuple[int, ...]:
            counts = post.desk.counts()
            told = (counts.active, counts.unacked, counts.shelved, counts.suppressed)
            assert told == tuple(sum(group[i] for group in post.desk.shown.by_group) for i in range(4))
            return told

        post.set("V", 255)
        post.set("Trip", 1)
        await post.scan()
        assert same() == (6, 6, 0, 0)
        await post.act("CAB-0001/V", Shelve(3600 * S, "travaux"), LEA)
        await post.ack("CAB-0002/V")
        assert same() == (6, 5, 1, 0)
        post.set("V", 230)
        await post.scan()
        assert same() == (3, 5, 1, 0)

    story(tmp_path, tell)
