# SPDX-License-Identifier: Apache-2.0
"""Storms S1, S2, S3 and S5 (plant documentation 3.8) at their full numbers. S4: test_alarm_chatter; S6: feeders."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from config.model import AlarmRule
from historian.base import Query, RecordKind
from historian.journal.verify import verify
from supervisor.alarms.conditions import Conditions
from supervisor.alarms.engine import AlarmEngine
from supervisor.alarms.events import Shelve
from supervisor.alarms.happening import Happening
from supervisor.alarms.lists import children
from supervisor.alarms.report import Tally
from supervisor.alarms.rules import RuleBook
from supervisor.alarms.state import Isa, check_invariants
from supervisor.control.alarm_view import document
from supervisor.tags.locality import Locality
from supervisor.tags.pool import StringPool
from supervisor.tags.table import TagTable
from tests.cabinets import counts
from tests.desk import RULES, TEXT, Post, story
from tests.plants import TypeSpec, make_plant, tag
from tests.sim.loop import run

S = 1_000_000_000
T0 = 1_750_000_000 * S
OFF: dict[str, Any] = {"on": "discrete", "tag": "On", "equals": False}
LOST = OFF | {"parent": True, "on_delay": "30 s", "priority": "P3"}
TYPES: dict[str, dict[str, dict[str, Any]]] = {
    "FDR": {"Lost": {"on": "fed", "share": 50, "at_least": 3, "on_delay": "5 s", "off_delay": "60 s", "parent": True,
                     "priority": "P2"}},
    "CAB": {"Loss": OFF | {"parent": True, "supply": True, "feeds": True, "on_delay": "10 s", "off_delay": "60 s",
                           "priority": "P2"}},
    "GWY": {"Lost": LOST | {"feeds": True, "on_delay": "10 s", "off_delay": "120 s", "priority": "P2"}},
    "LUM": {"Lost": LOST, "Dark": OFF | {"on_delay": "60 s", "priority": "P4"}},
    "JCT": {"Dark": OFF | {"parent": True, "supply": True, "priority": "P1"}},
    "CAM": {"Lost": LOST, "Rec": OFF | {"on_delay": "300 s", "priority": "P2"}},
    "BLD": {"Mains": LOST | {"supply": True, "on_delay": "600 s", "off_delay": "30 s"}},
}  # fmt: skip


class City:
    """So many of each type, each with one tag `On`; `fed_by`: type -> which equipment feeds each of them."""

    def __init__(self, many: dict[str, int], fed_by: dict[str, list[str]]) -> None:
        self.names = {t: [f"a/{t}-{i:04d}" for i in range(many.get(t, 0))] for t in TYPES}
        self.plant = make_plant({t: TypeSpec({"On": tag("Boolean")}) for t in TYPES}, self.names)
        for t, feeders in fed_by.items():
            self.plant.types[t] = replace(self.plant.types[t], fed_by=tuple(feeders))
        alarms = {
            t: {name: AlarmRule.model_validate(rule | {"text": TEXT}) for name, rule in rules.items()}
            for t, rules in TYPES.items()
        }
        self.table = TagTable(self.plant, StringPool(), T0)
        self.engine = AlarmEngine(Conditions(RuleBook(self.plant, alarms), Locality(47.3, 5.0, "Europe/Paris")))
        self.now_ns = T0
        self.out: list[Happening] = []
        for t in TYPES:
            self.turn(t, True)
        self.wait(1)

    def turn(self, type_: str, on: bool) -> None:
        """All of a type."""
        rows = self.plant.types[type_].blocks["On"].rows
        n = rows.stop - rows.start
        self.table.put(np.arange(rows.start, rows.stop), np.full(n, int(on)), np.zeros(n, np.uint32), self.now_ns)

    def wait(self, seconds: float, step_s: float = 1.0) -> None:
        for _ in range(round(seconds / step_s)):
            self.now_ns += round(step_s * S)
            self.out += self.engine.scan(self.table, self.now_ns)
        for condition, live in self.engine.living.of.items():
            check_invariants(live.state, self.engine.book.block(condition).rule)

    def announced(self) -> Counter[str]:
        """By '<type>/<rule>'."""
        names = (h.name.split("/") for h in self.out if h.announced)
        return Counter(f"{equipment[:3]}/{rule}" for _, equipment, rule in names)


def test_s1_a_medium_voltage_outage_is_a_feeder_and_three_junctions() -> None:
    """40 cabinets, their 1,600 lights, 3 junctions, 6 cameras, 4 buildings: at most 10 in the first 10 min."""
    feeder = ["a/FDR-0000"]
    city = City(
        {"FDR": 1, "CAB": 40, "LUM": 1600, "JCT": 3, "CAM": 6, "BLD": 4},
        {"CAB": feeder * 40, "JCT": feeder * 3, "CAM": feeder * 6, "BLD": feeder * 4,
         "LUM": [f"a/CAB-{i // 40:04d}" for i in range(1600)]},
    )  # fmt: skip
    cut = ("CAB", "JCT", "CAM", "BLD", "LUM")
    for t in cut:
        city.turn(t, False)
    city.wait(600)
    assert city.announced() == {"FDR/Lost": 1, "JCT/Dark": 3}, "what is a danger to people is never hidden"
    city.wait(5)  # a building's mains are missed after 10 min
    assert counts(city.engine).suppressed == 40 + 2 * 1600 + 2 * 6 + 4, "and the rest is listed, held back"
    assert len(children(city.engine, "a/FDR-0000/Lost").suppressed) == 40 + 6 + 4
    assert len(children(city.engine, "a/CAB-0007/Loss").suppressed) == 40
    for t in cut:
        city.turn(t, True)
    city.wait(180)
    assert city.announced().total() == 4, "supply is back: nothing more is announced"
    assert counts(city.engine).active == 0


def test_s2_a_gateway_down_with_1085_lights_is_one_alarm() -> None:
    city = City({"GWY": 1, "LUM": 1085}, {"LUM": ["a/GWY-0000"] * 1085})
    city.turn("GWY", False)
    city.turn("LUM", False)
    city.wait(600)
    assert city.announced() == {"GWY/Lost": 1}
    assert len(children(city.engine, "a/GWY-0000/Lost").suppressed) == 1085
    city.turn("GWY", True)
    city.turn("LUM", True)
    city.wait(300)
    assert city.announced() == {"GWY/Lost": 1} and counts(city.engine).active == 0


def test_s3_an_hour_at_1_hz_through_engine_and_journal(tmp_path: Path) -> None:
    """3,600 rises: one alarm in the list that says it chatters, two announcements, and all of it in the journal."""

    async def tell(post: Post) -> None:
        begun_ns = post.clock.wall_ns()
        for half in range(7200):
            post.set("CAB-0001/V", 255 if half % 2 == 0 else 230)
            now_ns = begun_ns + half * S // 2
            post.desk.watch(post.table, now_ns)
            if half % 300 == 299:  # the disk is asked when a few minutes are owed
                await post.settle()
        assert [post.desk.book.name(c) for c, _ in post.desk.shown] == ["21000/CAB-0001/V"]
        entry, condition = post.seen("CAB-0001/V"), post.desk.book.find("21000/CAB-0001/V")
        assert condition is not None and document(post.desk, condition, entry, now_ns, bool)["chattering"]
        found = await post.journal.query(Query(kinds=frozenset({RecordKind.ALARM}), limit=10_000))
        records = [e.record for e in found.entries]
        assert Counter(r.data["what"] for r in records) == {"alarm": 3600, "returned": 3600}
        assert sum(bool(r.data.get("announced")) for r in records) == 2
        tally = Tally(begun_ns, begun_ns + 3600 * S)
        tally.add(records)
        (beats,) = tally.document()["chattering"]
        assert (beats["name"], beats["per_minute_max"], beats["count"]) == ("21000/CAB-0001/V", 60, 3600)
        # Shelved it is out of the way, and what it does on the shelf is written down.
        assert await post.act("CAB-0001/V", Shelve(3600 * S, "contact à changer")) is None
        assert post.state("CAB-0001/V") is Isa.SHLVD

    story(tmp_path, tell)
    found = verify(tmp_path)
    assert (found.whole, found.records) == (True, 7201), found.reason


@pytest.mark.parametrize(
    ("night", "six"),
    [((2026, 10, 25), 5), ((2026, 3, 29), 4)],
    ids=["two o'clock comes twice", "two o'clock never comes"],
)
def test_s5_the_night_when_the_clocks_change(tmp_path: Path, night: tuple[int, int, int], six: int) -> None:
    """Durations are counted in UTC; `local_hour()` is what the wall shows. `six`: UTC hour of 6:00 in Paris [h]."""

    async def tell(post: Post) -> None:
        async def until(hour: int, minute: int) -> None:
            while post.clock.wall_ns() < round(datetime(*night, hour, minute, tzinfo=UTC).timestamp()) * S:
                await post.scan(59.999)  # `settle` takes a moment of its own

        post.set("CAB-0001/Loss", 1)
        await until(0, 30)
        assert await post.act("CAB-0002/V", Shelve(7200 * S, "essai")) is None
        begun_ns = post.clock.wall_ns()
        post.set("CAB-0003/V", 255)
        await until(six, 30)
        found = await post.journal.query(Query(kinds=frozenset({RecordKind.ALARM}), limit=1000))
        records = [e.record for e in found.entries]
        told = [(r.subject[6:], r.data["what"], round((r.time_ns - begun_ns) / 6e10)) for r in records]
        assert told[0] == ("CAB-0001/Loss", "suppressed", -29), "written down, and put before nobody"
        assert told[1:] == [
            ("CAB-0002/V", "shelved", 0),
            ("CAB-0003/V", "alarm", 46),  # an on-delay of 45 min, begun with the scan after
            ("CAB-0002/V", "shelving expired", 120),
            ("CAB-0001/Loss", "released", six * 60 - 30),
        ]
        assert [r.subject[6:] for r in records if r.data.get("announced")] == ["CAB-0003/V", "CAB-0001/Loss"]
        times = [r.time_ns for r in records]
        assert times == sorted(times)

    async def main() -> None:
        post = Post(tmp_path, 3)
        door = RULES["Loss"] | {"parent": False, "suppress_when": "local_hour() < 6"}
        for name, rule in (("Loss", door), ("V", RULES["V"] | {"on_delay": "45 min"})):
            post.rules[name] = AlarmRule.model_validate({"text": TEXT} | rule)
        await post.open()
        try:
            await tell(post)
        finally:
            await post.close()
            post.offload.close()

    run(main(), start=datetime(*night, 0, 0, tzinfo=UTC), debug=False)
    assert verify(tmp_path).whole
