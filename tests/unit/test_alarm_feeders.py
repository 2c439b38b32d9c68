# SPDX-License-Identifier: Apache-2.0
"""Feeders: forty cabinets cut in one scan are one alarm; evidence in any order; what is dangerous is never hidden."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.model import AlarmRule, Role
from config.words import StatusCode
from supervisor.alarms.conditions import Conditions
from supervisor.alarms.engine import AlarmEngine
from supervisor.alarms.events import Acknowledge
from supervisor.alarms.happening import By, Happening
from supervisor.alarms.lists import children
from supervisor.alarms.rules import RuleBook
from supervisor.alarms.state import check_invariants
from supervisor.people import User
from supervisor.tags.locality import Locality
from supervisor.tags.pool import StringPool
from supervisor.tags.table import TagTable
from tests.cabinets import go_on, rows_of
from tests.plants import TypeSpec, make_plant, tag
from tests.sites import compiled, sennecey

S = 1_000_000_000
T0 = 1_750_000_000 * S
TEXT = {"fr": "x", "en": "x"}
CABINET: dict[str, dict[str, Any]] = {
    "Loss": {"on": "discrete", "tag": "Loss", "equals": True, "parent": True, "supply": True, "priority": "P2",
             "on_delay": "10 s", "off_delay": "30 s"},
    "Sw": {"on": "discrete", "tag": "Sw", "equals": True, "priority": "P2", "on_delay": "5 s"},
    "V": {"on": "limit", "tag": "V", "low": 207, "priority": "P3", "on_delay": "60 s"},
    "Rcd": {"on": "discrete", "tag": "Rcd", "equals": True, "class": "safety", "latching": True, "priority": "P1"},
}  # fmt: skip
JUNCTION: dict[str, dict[str, Any]] = {
    "Dark": {"on": "discrete", "tag": "Mains", "equals": False, "parent": True, "supply": True, "priority": "P1"},
}
FEEDER = {"on": "fed", "share": 50, "at_least": 3, "on_delay": "5 s", "off_delay": "60 s", "parent": True,
          "priority": "P2"}  # fmt: skip


class Street:
    """N cabinets on one feeder, and a junction on it."""

    def __init__(self, n: int, junctions: int = 0) -> None:
        names = {
            "CAB": [f"a/CAB-{i:04d}" for i in range(n)],
            "JCT": [f"a/JCT-{i:04d}" for i in range(junctions)],
            "FDR": ["a/FDR-0001"],
        }
        kinds = {"Loss": "Boolean", "Sw": "Boolean", "V": "Float", "Rcd": "Boolean"}
        types = {
            "CAB": TypeSpec({name: tag(kind) for name, kind in kinds.items()}),
            "JCT": TypeSpec({"Mains": tag("Boolean")}),
            "FDR": TypeSpec({}),
        }
        self.plant = make_plant(types, names)
        for name in ("CAB", "JCT"):
            fed_by = ("a/FDR-0001",) * len(names[name])
            self.plant.types[name] = replace(self.plant.types[name], fed_by=fed_by)
        rules = {"CAB": CABINET, "JCT": JUNCTION, "FDR": {"Lost": FEEDER}}
        alarms = {
            t: {name: AlarmRule.model_validate(rule | {"text": TEXT}) for name, rule in of.items()}
            for t, of in rules.items()
        }
        self.table = TagTable(self.plant, StringPool(), T0)
        self.engine = AlarmEngine(Conditions(RuleBook(self.plant, alarms), Locality(47.3, 5.0, "Europe/Paris")))
        self.now_ns = T0
        self.out: list[Happening] = []
        for name in names["CAB"]:
            self.set(name, Loss=0, Sw=0, Rcd=0, V=np.float64(230).view(np.int64))
        for name in names["JCT"]:
            self.set(name, Mains=1)
        self.wait(1)

    def set(self, equipment: str, status: int = 0, **cells: int) -> None:
        for name, cell in cells.items():
            row = self.plant.row(f"{equipment}/{name}")
            assert row is not None
            one = np.array([row])
            self.table.put(one, np.array([cell]), np.array([status], np.uint32), np.array([self.now_ns]))

    def cut(self, equipment: str) -> None:
        """No supply: the main switch reads open and the voltage is gone."""
        if equipment.startswith("a/JCT"):
            self.set(equipment, Mains=0)
        else:
            self.set(equipment, Loss=1, Sw=1, V=0)

    def restore(self, equipment: str) -> None:
        self.set(equipment, Loss=0, Sw=0, V=np.float64(230).view(np.int64))

    def wait(self, seconds: float, step_s: float = 0.5) -> None:
        for _ in range(round(seconds / step_s)):
            self.now_ns += round(step_s * S)
            self.out += self.engine.scan(self.table, self.now_ns)
            for condition, live in self.engine.living.of.items():
                check_invariants(live.state, self.engine.book.block(condition).rule)

    def announced(self) -> list[str]:
        return [h.name for h in self.out if h.announced]


def test_s1_forty_cabinets_and_junctions_of_one_feeder_are_one_alarm_and_their_dangers() -> None:
    """Storm S1 (plant documentation 3.8): at most 10 annunciated in the first 10 min."""
    street = Street(40, junctions=3)
    for name in (*street.plant.types["CAB"].equipment, *street.plant.types["JCT"].equipment):
        street.cut(name)
    street.wait(600)
    # A dark junction is a danger to people (P1): never hidden.
    assert sorted(street.announced()) == ["a/FDR-0001/Lost", *(f"a/JCT-{i:04d}/Dark" for i in range(3))]
    below = children(street.engine, "a/FDR-0001/Lost")
    assert len(below.suppressed) == 40 and set(below.standing) == {f"a/JCT-{i:04d}/Dark" for i in range(3)}
    for name in street.plant.types["CAB"].equipment:
        street.restore(name)
    for name in street.plant.types["JCT"].equipment:
        street.set(name, Mains=1)
    street.wait(120)
    assert len(street.announced()) == 4, "supply is back: nothing more is announced"
    assert not any(live.state.process for live in street.engine.living.of.values())


@pytest.mark.parametrize("after_s", [0, 2, 6, 30])
def test_s6_a_post_that_takes_over_in_the_middle_of_s1_repeats_and_loses_nothing(after_s: float) -> None:
    """Storm S6 (plant documentation 3.8): no lost, no duplicate, no re-ack, whenever the other post goes on."""
    street = Street(40, junctions=3)
    names = [*street.plant.types["CAB"].equipment, *street.plant.types["JCT"].equipment]
    for name in names[:25]:
        street.cut(name)
    street.wait(after_s)
    acked = [name for name in street.announced() if name.endswith("Lost")]
    by = By(User("anne", Role.SUPERVISOR), "desk 1")
    for name in acked:
        condition = street.engine.book.find(name)
        assert condition is not None
        seen = Acknowledge(street.engine.living.of[condition].state.occurrence_ns)
        assert isinstance(street.engine.act(name, seen, by, street.now_ns), list)
    before = rows_of(street.engine)
    street.engine = AlarmEngine(Conditions(street.engine.book, Locality(47.3, 5.0, "Europe/Paris")))
    assert go_on(street.engine, before, street.now_ns, with_columns=False) == []
    for name in names[25:]:
        street.cut(name)
    street.wait(600)
    assert sorted(street.announced()) == ["a/FDR-0001/Lost", *(f"a/JCT-{i:04d}/Dark" for i in range(3))]
    state = street.engine.living.of[street.engine.book.find("a/FDR-0001/Lost") or 0].state
    assert state.acked == bool(acked) and state.process


def test_polls_of_ten_seconds_find_it_in_time() -> None:
    """Each cabinet is asked every 10 s, at a moment of its own: its own delay is the time to gather evidence."""
    street = Street(17)
    for k, name in enumerate(street.plant.types["CAB"].equipment):
        street.cut(name)
        street.wait(10 / 17, step_s=10 / 17)
        assert not street.announced() or k > 8
    street.wait(60)
    assert street.announced() == ["a/FDR-0001/Lost"]


@pytest.mark.parametrize(("fed", "dark", "expected"), [(4, 2, 2), (6, 3, 1), (7, 3, 3), (3, 3, 1), (2, 2, 2)])
def test_a_feeder_is_dead_from_three_cabinets_and_half_of_those_that_answer(fed: int, dark: int, expected: int) -> None:
    street = Street(fed)
    for name in street.plant.types["CAB"].equipment[:dark]:
        street.cut(name)
    street.wait(60)
    assert len(street.announced()) == expected


def test_a_feeder_whose_cabinets_are_all_silent_is_unknown_not_normal() -> None:
    street = Street(4)
    for name in street.plant.types["CAB"].equipment:
        street.set(name, int(StatusCode.BadNoCommunication), Loss=0)
    street.wait(1)
    condition = street.engine.book.find("a/FDR-0001/Lost")
    assert condition is not None and street.engine.conditions.unevaluable[condition]


@given(st.permutations(range(6)), st.lists(st.sampled_from([0.5, 2.0, 6.0, 12.0]), min_size=6, max_size=6), st.data())
@settings(max_examples=10, deadline=None)
def test_whatever_the_order_nothing_is_lost_and_nothing_dangerous_hidden(
    order: list[int], gaps: list[float], data: st.DataObject
) -> None:
    street = Street(6)
    names = street.plant.types["CAB"].equipment
    danger = data.draw(st.sampled_from(names))
    for i, gap_s in zip(order, gaps, strict=True):
        street.cut(names[i])
        if names[i] == danger:
            street.set(danger, Rcd=1)
        street.wait(gap_s)
    street.wait(40, step_s=1)
    told = street.announced()
    assert told.count(f"{danger}/Rcd") == 1
    assert told.count("a/FDR-0001/Lost") == 1
    assert len(told) == len(set(told)), "nothing is announced twice"
    below = children(street.engine, "a/FDR-0001/Lost")
    # Every cabinet is under the feeder: held back by it, or announced before and left standing.
    losses = {f"{name}/Loss" for name in names}
    assert losses == {n for n in (*below.suppressed, *below.standing) if n in losses}
    assert set(below.standing) == {n for n in told if n in losses}


def test_sennecey_a_dead_feeder_is_the_parent_of_its_cabinets() -> None:
    plant = compiled(sennecey())
    fed_by = plant.types["CAB"].fed_by
    assert [fed_by.count(f"21605/{name}") for name in ("FDR-0001", "FDR-0002")] == [9, 8]


def test_sennecey_a_dead_gateway_is_the_parent_of_its_36_luminaires() -> None:
    site = sennecey()
    book = RuleBook(compiled(site), {name: t.alarms for name, t in site.types.items()})
    for rule in ("Comm_lost", "BusFault_set"):
        parent = book.find(f"21605/DLI-0001/{rule}")
        assert parent is not None
        assert [book.name(c) for c in book.fed(parent)] == [f"21605/LUM-{i:04}/Comm_lost" for i in range(1, 37)]


# --- a feeder that can tell by itself

LINE: dict[str, dict[str, Any]] = {
    "Comm_lost": {"on": "discrete", "tag": "Comm", "equals": False, "parent": True, "feeds": True, "priority": "P3",
                  "on_delay": "5 s", "off_delay": "60 s"},
    "Bus": {"on": "discrete", "tag": "Bus", "equals": True, "parent": True, "feeds": True, "priority": "P3",
            "off_delay": "60 s"},
}  # fmt: skip
LUMINAIRE: dict[str, dict[str, Any]] = {
    "Comm_lost": {"on": "discrete", "tag": "Comm", "equals": False, "parent": True, "priority": "P4",
                  "on_delay": "30 s"},
    "Lamp": {"on": "discrete", "tag": "Lamp", "equals": True, "priority": "P4"},
}  # fmt: skip


class Line(Street):
    """A DALI line and 36 luminaires that it feeds."""

    def __init__(self) -> None:
        lamps = tuple(f"a/LUM-{i:04d}" for i in range(36))
        booleans = {name: tag("Boolean") for name in ("Comm", "Lamp", "Bus")}
        types = {"LUM": TypeSpec(booleans), "DLI": TypeSpec(booleans)}
        self.plant = make_plant(types, {"LUM": list(lamps), "DLI": ["a/DLI-0001"]})
        self.plant.types["LUM"] = replace(self.plant.types["LUM"], fed_by=("a/DLI-0001",) * 36)
        alarms = {
            t: {name: AlarmRule.model_validate(rule | {"text": TEXT}) for name, rule in of.items()}
            for t, of in (("LUM", LUMINAIRE), ("DLI", LINE))
        }
        self.table = TagTable(self.plant, StringPool(), T0)
        self.engine = AlarmEngine(Conditions(RuleBook(self.plant, alarms), Locality(47.3, 5.0, "Europe/Paris")))
        self.now_ns, self.out, self.lamps = T0, [], lamps
        for name in (*lamps, "a/DLI-0001"):
            self.set(name, Comm=1, Lamp=0, Bus=0)
        self.wait(1)

    def comm(self, on: bool, *names: str) -> None:
        for name in names:
            self.set(name, Comm=on)


def test_a_dead_gateway_is_one_alarm_with_its_36_luminaires_under_it() -> None:
    line = Line()
    line.comm(False, "a/DLI-0001", *line.lamps)
    line.wait(60)
    assert line.announced() == ["a/DLI-0001/Comm_lost"]
    assert len(children(line.engine, "a/DLI-0001/Comm_lost").suppressed) == 36
    line.comm(True, "a/DLI-0001")
    line.wait(30)
    line.comm(True, *line.lamps)  # heard again one after another, while the line's alarm still lasts
    line.wait(60)
    assert line.announced() == ["a/DLI-0001/Comm_lost"] and not line.engine.family.under


def test_either_alarm_of_the_line_holds_its_luminaires_and_the_last_lets_go() -> None:
    line = Line()
    line.set("a/DLI-0001", Bus=1)
    line.wait(10)
    line.comm(False, "a/DLI-0001", *line.lamps)
    line.wait(60)
    assert line.announced() == ["a/DLI-0001/Bus", "a/DLI-0001/Comm_lost"]
    line.set("a/DLI-0001", Bus=0)
    line.wait(90)
    assert len(line.announced()) == 2, "the gateway is still gone"


def test_a_luminaire_that_is_silent_alone_is_announced_and_a_lamp_never_hidden_by_the_line() -> None:
    line = Line()
    line.comm(False, line.lamps[7])
    line.wait(40)
    line.comm(False, "a/DLI-0001")
    line.set(line.lamps[3], Lamp=1)
    line.wait(40)
    assert line.announced() == ["a/LUM-0007/Comm_lost", "a/LUM-0003/Lamp", "a/DLI-0001/Comm_lost"]
