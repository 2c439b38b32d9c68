# SPDX-License-Identifier: Apache-2.0
"""The alarm engine: what a scan tells, first-out, rights, and a storm. Stories: tests/cases/alarms."""

from __future__ import annotations

import numpy as np
import pytest

from config.model import Role
from config.words import StatusCode
from supervisor.alarms.conditions import Conditions
from supervisor.alarms.engine import AlarmEngine
from supervisor.alarms.events import Disable, Operator, Refused, Remove, Shelve, Unshelve, What
from supervisor.alarms.rules import RuleBook
from supervisor.plant.compile import compile_plant
from supervisor.tags.locality import Locality
from supervisor.tags.pool import StringPool
from supervisor.tags.table import TagTable
from tests.cabinets import T0, TAGS, Post, S, announced, by, counts
from tests.sites import sennecey


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


@pytest.mark.parametrize(("first", "second"), [("Sw", "Trip"), ("Trip", "Sw")])
def test_first_out_is_the_first_by_field_time_within_one_scan(first: str, second: str) -> None:
    """Whichever of the two was polled, or is written, first."""
    post = Post(1)
    post.set(second, 1)
    post.now_ns -= S // 10
    post.set(first, 1)
    happenings = post.scan()
    assert [(h.name.rpartition("/")[2], h.first) for h in happenings] == [(first, True), (second, False)]


def test_the_first_of_a_group_that_is_over_begins_a_new_one() -> None:
    post = Post(1)
    post.set("Sw", 1).set("Trip", 1).scan()
    post.set("Sw", 0).set("Trip", 0).scan()
    assert post.set("Trip", 1).scan()[0].first, "the group was over: a new one begins"


def test_the_first_stays_the_first_while_its_group_lasts() -> None:
    post = Post(1)
    post.set("Sw", 1).scan()
    post.set("Trip", 1).scan()
    post.set("Sw", 0).scan()
    assert post.set("Sw", 1).scan()[0].first


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


def test_a_storm_of_every_rule_in_one_scan() -> None:
    post = Post(2000)
    post.set("V", 265).set("Trip", 1).set("Rcd", 1).set("Sw", 1).set("Loss", 1)
    told = post.scan()
    assert len(told) == 8000 and len(announced(told)) == 4000, "what waits for the supply alarm is not annunciated"
    told = post.scan(2)
    assert len(announced(told)) == 2000
    assert counts(post.engine).suppressed == 4000


def test_350_000_rules_are_one_look_a_scan_and_not_an_object_each() -> None:
    post = Post(70_000)
    assert post.engine.book.count == 350_000
    for volts in (230, 231):
        for name in TAGS:
            post.set(name, volts if name == "V" else 0)
        assert post.scan(0.1) == [] and not post.engine.living.of
    (h,) = post.set("V", 255, of=69_999).scan(0.1)
    assert h.name == "21000/CAB-70000/V" and len(post.engine.living.of) == 1


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
