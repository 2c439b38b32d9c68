# SPDX-License-Identifier: Apache-2.0
"""The alarm engine: families, staged release, rights, rows, restarts, and a storm. Stories: tests/cases/alarms."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from config.model import AlarmRule, Role
from config.words import StatusCode, cell_of
from supervisor.alarms.conditions import Conditions
from supervisor.alarms.engine import RELEASES_PER_S, SETTLE_NS, AlarmEngine
from supervisor.alarms.events import (
    Acknowledge,
    Disable,
    Enable,
    Operator,
    Place,
    Refused,
    Remove,
    Reset,
    Shelve,
    Unshelve,
    What,
)
from supervisor.alarms.happening import By, Happening
from supervisor.alarms.lists import children, counts, retained, unevaluable_by_area, unevaluable_by_desk
from supervisor.alarms.rows import decode, encode
from supervisor.alarms.rules import RuleBook
from supervisor.alarms.state import Isa, check_invariants
from supervisor.people import User
from supervisor.plant.compile import compile_plant
from supervisor.plant.plant import Plant
from supervisor.tags.locality import Locality
from supervisor.tags.pool import StringPool
from supervisor.tags.table import TagTable
from tests.plants import TypeSpec, make_plant, tag
from tests.sites import sennecey

S = 1_000_000_000
T0 = 1_750_000_000 * S
TEXT = {"fr": "x", "en": "x"}
TAGS = {"V": "Float", "Sw": "Boolean", "Trip": "Boolean", "Rcd": "Boolean", "Loss": "Boolean"}
RULES: dict[str, dict[str, Any]] = {
    "Loss": {"on": "discrete", "tag": "Loss", "equals": True, "parent": True, "priority": "P2", "on_delay": "2 s",
             "owner_desk": "lighting"},
    "V": {"on": "limit", "tag": "V", "high": 253, "high_high": 264, "priority": "P3", "priority_extreme": "P2",
          "owner_desk": "lighting"},
    "Sw": {"on": "discrete", "tag": "Sw", "equals": True, "priority": "P4", "first_out": "feeder"},
    "Trip": {"on": "discrete", "tag": "Trip", "equals": True, "priority": "P2", "latching": True,
             "first_out": "feeder"},
    "Rcd": {"on": "discrete", "tag": "Rcd", "equals": True, "class": "safety", "priority": "P1"},
}  # fmt: skip


def by(role: Role = Role.ENGINEER, areas: frozenset[str] | None = None) -> By:
    return By(User(str(role.value), role, areas), "desk 1", "as said")


class Post:
    """N cabinets of area 21000, a scan when asked for."""

    def __init__(self, n: int, rules: Mapping[str, Mapping[str, Any]] = RULES) -> None:
        self.names = [f"21000/CAB-{i + 1:04d}" for i in range(n)]
        self.rules = {name: AlarmRule.model_validate({"text": TEXT} | dict(r)) for name, r in rules.items()}
        self.plant: Plant = make_plant(
            {"CAB": TypeSpec({name: tag(kind) for name, kind in TAGS.items()})}, {"CAB": self.names}
        )
        self.now_ns = T0
        self.table = TagTable(self.plant, StringPool(), T0)
        everything = np.arange(self.plant.rows)
        self.table.put(everything, np.zeros(len(everything), np.int64), np.zeros(len(everything), np.uint32), T0)
        self.engine = self.new_engine()

    def new_engine(self) -> AlarmEngine:
        return AlarmEngine(Conditions(RuleBook(self.plant, {"CAB": self.rules}), Locality(47.3, 5.0, "Europe/Paris")))

    def set(self, name: str, value: float, *, of: int | slice = slice(None), status: int = 0) -> Post:
        block = self.plant.types["CAB"].blocks[name]
        rows = np.atleast_1d(np.arange(block.start, block.start + block.count)[of])
        cells = np.full(len(rows), cell_of(block.info.kind, value))
        self.table.put(rows, cells, np.full(len(rows), status, np.uint32), self.now_ns)
        return self

    def scan(self, seconds: float = 1.0) -> list[Happening]:
        self.now_ns += round(seconds * S)
        return self.engine.scan(self.table, self.now_ns)

    def act(self, name: str, event: Operator, who: By | None = None) -> list[Happening] | Refused:
        return self.engine.act(f"21000/{name}", event, who or by(), self.now_ns)

    def ack(self, name: str) -> list[Happening] | Refused:
        condition = self.engine.book.find(f"21000/{name}")
        assert condition is not None
        return self.act(name, Acknowledge(self.engine.living.of[condition].state.occurrence_ns))

    def flat(self, name: str) -> Isa:
        condition = self.engine.book.find(f"21000/{name}")
        assert condition is not None
        live = self.engine.living.of.get(condition)
        return live.state.flat if live else Isa.NORM

    def restart(self, seconds: float = 0.0, *, with_columns: bool = True) -> list[str]:
        """Kill it; a new one goes on from rows that went through a file."""
        rows = json.loads(json.dumps(self.engine.rows()))
        columns = {name: column.copy() for name, column in self.engine.conditions.columns().items()}
        stopped_ns = self.now_ns
        self.now_ns += round(seconds * S)
        self.engine = self.new_engine()
        if with_columns:
            everything = np.arange(self.engine.book.count)
            self.engine.conditions.restore(columns, everything, everything, stopped_ns)
        return self.engine.restore(rows, self.now_ns, with_columns=with_columns)


def announced(happenings: list[Happening]) -> list[str]:
    return [h.name.partition("/")[2] for h in happenings if h.announced]


def test_a_plant_in_order_has_no_objects() -> None:
    post = Post(100)
    assert post.scan() == [] and not post.engine.living.of
    post.set("Sw", 1, of=3).scan()
    assert len(post.engine.living.of) == 1
    post.set("Sw", 0, of=3).scan()
    post.ack("CAB-0004/Sw")
    assert not post.engine.living.of


def test_happenings_say_what_the_journal_needs() -> None:
    post = Post(1)
    post.set("V", 255)
    (h,) = post.scan()
    assert (h.name, h.log.what, h.severity, h.time_ns, h.field_ns) == (
        "21000/CAB-0001/V", What.ALARM, 600, T0 + S, T0,
    )  # fmt: skip
    (h,) = post.set("V", 265).scan()
    assert h.severity == 750 and h.announced
    (h,) = post.ack("CAB-0001/V")
    assert h.by is not None and h.by.user.name == "engineer" and h.by.comment == "as said"


def test_first_out_is_the_first_by_field_time_within_one_scan() -> None:
    post = Post(1)
    post.set("Trip", 1)
    post.now_ns -= S // 10
    post.set("Sw", 1)
    happenings = post.scan()
    assert [(h.name[-2:], h.first) for h in happenings] == [("Sw", True), ("ip", False)]
    post.set("Sw", 0).set("Trip", 0).scan()
    assert post.set("Trip", 1).scan()[0].first, "the group was over: a new one begins"


def test_the_first_stays_the_first_while_its_group_lasts() -> None:
    post = Post(1)
    post.set("Sw", 1).scan()
    post.set("Trip", 1).scan()
    post.set("Sw", 0).scan()
    assert post.set("Sw", 1).scan()[0].first


def test_first_out_survives_a_restart() -> None:
    post = Post(1)
    post.set("Trip", 1).scan()
    post.restart()
    (h,) = post.set("Sw", 1).scan()
    assert not h.first


def test_children_are_freed_ten_a_second() -> None:
    """40 cabinets of a street come back, all main switches still off."""
    post = Post(40)
    post.set("Loss", 1).scan()
    post.set("Sw", 1)
    post.scan(3)
    assert counts(post.engine).suppressed == 40
    assert len(retained(post.engine)) == 80, "what is suppressed is in the list, marked"
    freed = [len(announced(post.set("Loss", 0).scan(0.1)))]
    freed += [len(announced(post.scan(0.1))) for _ in range(60)]
    assert sum(freed) == 40
    for start in range(len(freed) - 10):
        assert sum(freed[start : start + 10]) <= 2 * RELEASES_PER_S, "one second saved up, one second due"
    assert sum(freed[20:]) > 0, "and so it takes some seconds"


def test_p1_does_not_wait_for_its_turn() -> None:
    post = Post(40, RULES | {"Rcd": RULES["Rcd"] | {"suppress_when": "Loss", "on_delay": "1 s"}})
    post.set("Loss", 1).set("Rcd", 1).scan()
    post.scan(3)
    assert all(h.flat is Isa.DSUPR for n, live in retained(post.engine) if n.endswith("Rcd") for h in [live.state])
    assert announced(post.set("Loss", 0).scan()) == []
    assert len(announced(post.scan())) == 40


def test_a_shelved_parent_still_holds_its_children_back_a_removed_one_does_not() -> None:
    post = Post(1)
    post.set("Loss", 1).scan()
    post.scan(2)
    post.set("Sw", 1).scan()
    assert post.flat("CAB-0001/Sw") is Isa.DSUPR
    post.act("CAB-0001/Loss", Shelve(3600 * S, "known"))
    assert post.flat("CAB-0001/Sw") is Isa.DSUPR
    post.act("CAB-0001/Loss", Remove("WO-1", T0 + 86400 * S))
    assert announced(post.scan(0.1)) == ["CAB-0001/Sw"]


TWO_PARENTS = RULES | {"Rcd": RULES["Loss"] | {"tag": "Rcd", "on_delay": "4 s"}}


def test_one_parent_of_two_goes_the_child_stays_under_the_other() -> None:
    post = Post(1, TWO_PARENTS)
    post.set("Loss", 1).set("Rcd", 1).scan()
    post.scan(2)
    post.set("Sw", 1).scan()
    assert children(post.engine, "21000/CAB-0001/Loss").suppressed == ("21000/CAB-0001/Sw",)
    assert announced(post.scan()) == ["CAB-0001/Rcd"]
    assert announced(post.set("Loss", 0).scan()) == [] and post.flat("CAB-0001/Sw") is Isa.DSUPR
    assert announced(post.scan(60)) == []
    assert children(post.engine, "21000/CAB-0001/Rcd").suppressed == ("21000/CAB-0001/Sw",)
    assert announced(post.set("Rcd", 0).scan()) == ["CAB-0001/Sw"]


def test_one_parent_of_two_comes_to_nothing_the_child_waits_for_the_other() -> None:
    post = Post(1, TWO_PARENTS)
    post.set("Loss", 1).set("Rcd", 1).set("Sw", 1).scan()
    assert announced(post.set("Loss", 0).scan()) == []
    assert announced(post.scan(3)) == ["CAB-0001/Rcd"] and post.flat("CAB-0001/Sw") is Isa.DSUPR


def test_parent_and_child_rise_in_one_scan_the_parent_is_first() -> None:
    post = Post(1, RULES | {"Zero": RULES["Loss"] | {"tag": "Rcd", "on_delay": "0 s"}})
    post.set("Sw", 1)
    post.now_ns += S // 2
    assert announced(post.set("Rcd", 1).scan()) == ["CAB-0001/Zero", "CAB-0001/Rcd"]
    assert post.flat("CAB-0001/Sw") is Isa.DSUPR


def test_a_child_waits_thirty_seconds_at_most() -> None:
    post = Post(1, RULES | {"Loss": RULES["Loss"] | {"on_delay": "5 min"}})
    assert announced(post.set("Loss", 1).set("Sw", 1).scan()) == []
    assert announced(post.scan(29)) == []
    assert announced(post.scan(1)) == ["CAB-0001/Sw"]


def test_a_child_does_not_wait_for_a_parent_nobody_can_see() -> None:
    post = Post(1)
    post.set("Loss", 1).scan(0.5)
    post.set("Loss", 1, status=StatusCode.BadNoCommunication).scan(0.5)
    assert announced(post.set("Sw", 1).scan(0.1)) == ["CAB-0001/Sw"]


def test_a_parent_suppressed_by_design_frees_its_children() -> None:
    post = Post(1, RULES | {"Loss": RULES["Loss"] | {"suppress_when": "Rcd"}})
    post.set("Loss", 1).scan()
    post.scan(2)
    post.set("Sw", 1).scan()
    assert announced(post.set("Rcd", 1).scan()) == ["CAB-0001/Rcd", "CAB-0001/Sw"]
    assert post.flat("CAB-0001/Loss") is Isa.DSUPR
    assert announced(post.set("V", 255).scan()) == ["CAB-0001/V"], "it holds nothing new back either"


def test_children_of_a_parent() -> None:
    post = Post(2)
    post.set("V", 255, of=0).scan()
    post.set("Loss", 1, of=0).scan()
    post.scan(2)
    post.set("Sw", 1, of=0).set("Rcd", 0, of=0, status=StatusCode.BadNoCommunication).scan()
    found = children(post.engine, "21000/CAB-0001/Loss")
    assert found.suppressed == ("21000/CAB-0001/Sw",)
    assert found.blinded == ("21000/CAB-0001/Rcd",)
    assert found.standing == ("21000/CAB-0001/V",)
    with pytest.raises(KeyError):
        children(post.engine, "21000/CAB-0001/Nothing")
    assert unevaluable_by_area(post.engine) == {"21000": 1}
    assert unevaluable_by_desk(post.engine) == {"lighting": 0, "": 1}


RIGHTS = [
    (Shelve(S, "x"), "Sw", {Role.OPERATOR, Role.SUPERVISOR, Role.ENGINEER}),
    (Shelve(S, "x"), "Rcd", {Role.SUPERVISOR, Role.ENGINEER}),
    (Remove("WO-1", T0 + 86400 * S), "Sw", {Role.SUPERVISOR, Role.ENGINEER}),
    (Disable("MOC-1"), "Sw", {Role.ENGINEER}),
]


@pytest.mark.parametrize(("event", "rule", "allowed"), RIGHTS)
@pytest.mark.parametrize("role", list(Role))
def test_rights(event: Operator, rule: str, allowed: set[Role], role: Role) -> None:
    post = Post(1)
    post.scan()
    followed = post.act(f"CAB-0001/{rule}", event, by(role))
    if role in allowed:
        assert isinstance(followed, list)
    else:
        assert isinstance(followed, Refused) and followed.code is StatusCode.BadUserAccessDenied
        assert not post.engine.living.of


def test_nobody_acts_outside_their_area() -> None:
    post = Post(1)
    post.scan()
    followed = post.act("CAB-0001/Sw", Shelve(S, "x"), by(Role.OPERATOR, frozenset({"21605"})))
    assert isinstance(followed, Refused) and followed.code is StatusCode.BadUserAccessDenied


def test_an_unknown_alarm_is_refused() -> None:
    followed = Post(1).act("CAB-0009/Sw", Unshelve())
    assert isinstance(followed, Refused) and followed.code is StatusCode.BadNodeIdUnknown


def test_dirty_rows_are_the_table() -> None:
    """Rows taken after each scan, laid one over the other, are the table: what a standby holds."""
    post, copy = Post(5), {}
    chance = random.Random(7)
    for _ in range(200):
        disturb(post, chance)
        for name, row in post.engine.take_dirty().items():
            if row is None:
                copy.pop(name, None)
            else:
                copy[name] = row
        assert copy == post.engine.rows()


def disturb(post: Post, chance: random.Random) -> list[Happening]:
    """Anything may happen to a few cabinets."""
    n = len(post.names)
    out: list[Happening] = []
    for _ in range(chance.randrange(3)):
        name, i = chance.choice(list(TAGS)), chance.randrange(n)
        value = chance.choice([230, 255, 265]) if name == "V" else chance.randrange(2)
        post.set(name, value, of=i, status=chance.choice([0, 0, 0, 0x80310000]))
    out += post.scan(chance.choice([0.1, 1, 5]))
    for _ in range(chance.randrange(3)):
        name = f"CAB-{chance.randrange(n) + 1:04d}/{chance.choice(list(RULES))}"
        event = chance.choice([
            None, None, Reset(), Shelve(chance.choice([None, 20 * S]), "x"), Unshelve(),
            Remove("WO-1", post.now_ns + S), Place(), Disable("MOC-1"), Enable("MOC-2"),
        ])  # fmt: skip
        condition = post.engine.book.find(f"21000/{name}")
        if event is None and condition in post.engine.living.of:
            followed = post.ack(name)
        elif event is not None:
            followed = post.act(name, event)
        else:
            continue
        out += followed if isinstance(followed, list) else []
    return out


@pytest.mark.parametrize("seed", range(6))
def test_killed_at_any_moment_of_a_storm_it_goes_on_as_if_nothing_had_been(seed: int) -> None:
    """Two posts see the same; one is killed again and again. Nothing is lost, doubled or acknowledged twice."""
    steady, killed = Post(4), Post(4)
    chances = random.Random(seed), random.Random(seed)
    moments = random.Random(seed + 1000)
    for _ in range(150):
        told = [disturb(post, chance) for post, chance in zip((steady, killed), chances, strict=True)]
        assert [(h.name, h.log, h.announced) for h in told[0]] == [(h.name, h.log, h.announced) for h in told[1]]
        assert steady.engine.rows() == killed.engine.rows()
        for condition, live in steady.engine.living.of.items():
            check_invariants(live.state, steady.engine.book.block(condition).rule)
        waits = any(live.state.release_ns is not None for live in killed.engine.living.of.values())
        if moments.random() < 0.2 and not waits:
            assert killed.restart() == []
            # The interval of the kill was watched by nobody; without one they must agree to the scan.
            steady.engine.conditions.last_ns = killed.engine.conditions.last_ns = killed.now_ns
            killed.engine.conditions.delays.usable[:] = steady.engine.conditions.delays.usable
            killed.engine._next_release_ns = steady.engine._next_release_ns
            killed.engine._settled_ns = None


def test_without_columns_what_stands_still_stands() -> None:
    post = Post(2)
    post.set("V", 255).set("Rcd", 1, of=0).scan()
    post.ack("CAB-0001/V")
    post.restart(60, with_columns=False)
    assert post.scan() == [], "nobody is told again"
    assert post.flat("CAB-0001/V") is Isa.ACKED and post.flat("CAB-0001/Rcd") is Isa.UNACK
    (h,) = post.set("V", 230, of=0).scan()
    assert h.log.after is Isa.NORM


def test_what_returned_while_the_server_was_down_returns() -> None:
    post = Post(1)
    post.set("V", 255).scan()
    post.restart(60, with_columns=False)
    (h,) = post.set("V", 230).scan()
    assert h.log.what is What.RETURNED


def test_what_is_no_longer_fitted_is_named() -> None:
    post = Post(1)
    post.set("V", 255).scan()
    post.plant.supported[post.plant.types["CAB"].blocks["V"].rows] = False
    assert post.restart(with_columns=False) == ["21000/CAB-0001/V"]


def test_what_has_no_inputs_after_a_restart_is_unknown_soon() -> None:
    post = Post(1)
    post.set("V", 255).scan()
    post.restart()
    post.set("V", 255, status=StatusCode.BadWaitingForInitialData)
    assert post.scan() == []
    (h,) = post.scan(SETTLE_NS / S)
    assert h.log.what is What.UNKNOWN and not h.state.evaluable


def test_a_rule_that_is_gone_is_named() -> None:
    post = Post(1)
    post.set("V", 255).set("Sw", 1).scan()
    del post.rules["V"]
    assert post.restart(with_columns=False) == ["21000/CAB-0001/V"]
    assert [name for name, _ in retained(post.engine)] == ["21000/CAB-0001/Sw"]


def test_a_new_generation_goes_on_where_the_old_one_was() -> None:
    """Two cabinets are added in front, one is gone, a rule is new: what stands stands, what was on its way still is."""
    old, new = Post(3), Post(3)
    old.set("V", 255).set("Loss", 1, of=2).scan()
    old.ack("CAB-0002/V")
    names = ["21000/CAB-0009", "21000/CAB-0008", "21000/CAB-0003", "21000/CAB-0002"]
    new.plant = make_plant({"CAB": TypeSpec({name: tag(kind) for name, kind in TAGS.items()})}, {"CAB": names})
    new.rules = {"Early": new.rules["Sw"]} | new.rules
    new.table = TagTable(new.plant, StringPool(), T0)
    everything = np.arange(new.plant.rows)
    new.table.put(everything, np.zeros(len(everything), np.int64), np.zeros(len(everything), np.uint32), T0)
    new.engine = new.new_engine()
    new.now_ns = old.now_ns
    assert new.engine.adopt(old.engine, new.now_ns) == ["21000/CAB-0001/V"], "its equipment is gone: said, not dropped"
    new.set("V", 255, of=slice(2, 4)).set("Loss", 1, of=2)
    assert new.scan(0.5) == []
    assert new.flat("CAB-0002/V") is Isa.ACKED and new.flat("CAB-0003/V") is Isa.DSUPR
    assert announced(new.scan(1.5)) == ["CAB-0003/Loss"], "its delay of 2 s went on from the old generation"
    assert children(new.engine, "21000/CAB-0003/Loss").suppressed == ("21000/CAB-0003/V",)


def test_last_known_since_when() -> None:
    post = Post(1)
    post.set("V", 255).scan()
    (h,) = post.set("V", 0, status=StatusCode.BadNoCommunication).scan()
    assert h.state.evaluable_ns == post.now_ns
    post.scan(60)
    (shelved,) = post.act("CAB-0001/V", Shelve(S, "x"))
    assert shelved.state.evaluable_ns == h.time_ns
    post.set("Sw", 0, status=StatusCode.BadNoCommunication).scan()
    (removed,) = post.act("CAB-0001/Sw", Remove("WO-1", T0 + 86400 * S))
    assert not removed.state.evaluable and removed.state.evaluable_ns == post.now_ns


def test_a_damaged_row_is_refused() -> None:
    post = Post(1)
    post.set("V", 255).scan()
    (row,) = post.engine.rows().values()
    assert encode(decode(row)) == row
    for bad in ([], [1, *row[1:]], row[:3], [*row[:2], [1, 2], *row[3:]]):
        with pytest.raises(ValueError, match="row"):
            decode(bad)


def test_a_storm_of_every_rule_in_one_scan() -> None:
    post = Post(2000)
    post.set("V", 265).set("Trip", 1).set("Rcd", 1).set("Sw", 1).set("Loss", 1)
    told = post.scan()
    assert len(told) == 8000 and len(announced(told)) == 4000, "what waits for the supply alarm is not annunciated"
    told = post.scan(2)
    assert len(announced(told)) == 2000
    assert counts(post.engine).suppressed == 4000


def test_the_rules_of_the_shipped_types_are_understood() -> None:
    """Every rule of the demo plant fits its type; a plant that has heard nothing yet is all unknown, and silent."""
    site = sennecey()
    plant = compile_plant(site, lambda names, kinds, was: np.arange(len(names), dtype=np.uint32))
    book = RuleBook(plant, {name: t.alarms for name, t in site.types.items()})
    engine = AlarmEngine(Conditions(book, Locality(47.25, 5.1, "Europe/Paris")))
    table = TagTable(plant, StringPool(), T0)
    for i in range(3):
        assert engine.scan(table, T0 + i * S) == []
    cab = next(t for t in plant.types.values() if t.name == "CAB")
    assert counts(engine).unevaluable > 30 * len(cab.equipment)
    row = plant.row(f"{cab.equipment[0]}/RCD_Trip")
    assert row is not None
    table.put(np.array([row]), np.array([1]), np.zeros(1, np.uint32), T0 + 3 * S)
    (h,) = engine.scan(table, T0 + 3 * S)
    assert h.name == f"{cab.equipment[0]}/RCD_Trip" and h.announced and h.severity == 900


def test_what_an_expression_suppressed_before_a_restart_is_let_go_when_it_is_false_afterwards() -> None:
    rules = {"Sw": {**RULES["Sw"], "suppress_when": "Rcd"}}
    post = Post(1, rules)
    post.set("Rcd", 1).scan()
    assert [h.announced for h in post.set("Sw", 1).scan()] == [False]
    assert post.flat("CAB-0001/Sw") is Isa.DSUPR
    post.set("Rcd", 0)
    assert post.restart(5, with_columns=False) == []
    told = [name for _ in range(3) for name in announced(post.scan())]
    assert told == ["CAB-0001/Sw"] and post.flat("CAB-0001/Sw") is Isa.UNACK
