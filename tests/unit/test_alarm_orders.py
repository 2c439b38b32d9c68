# SPDX-License-Identifier: Apache-2.0
"""A parent and its children fail and recover in every order: nothing is lost, told twice or left behind."""

from __future__ import annotations

from itertools import permutations

import pytest

from supervisor.alarms.state import Isa, check_invariants
from tests.cabinets import RULES, TAGS, Post, announced

PARENT, CHILDREN = "Loss", ("Sw", "V")
VALUES = {"Loss": (0, 1), "Sw": (0, 1), "V": (230, 255)}
ON = {"Loss": 2.0, "Sw": 0.0, "V": 4.0}
"""On-delays [s]: a child may be quicker or slower than its parent."""


def orders() -> list[tuple[str, ...]]:
    """Every order of '+' (fails) and '-' (recovers) of three conditions, each failing first: 90."""
    events = [f"{name}{sign}" for name in VALUES for sign in "+-"]
    return [o for o in permutations(events) if all(o.index(f"{n}+") < o.index(f"{n}-") for n in VALUES)]


def post() -> Post:
    rules = {name: {k: v for k, v in RULES[name].items() if k != "first_out"} for name in VALUES}
    rules["V"] |= {"on_delay": "4 s"}
    assert set(VALUES) <= set(TAGS)
    return Post(1, rules)


def turn(at: Post, event: str) -> None:
    name = event[:-1]
    at.set(name, VALUES[name][event.endswith("+")])


@pytest.mark.parametrize("gap_s", [1, 3, 5])
def test_in_every_order_a_child_is_told_of_when_its_parent_does_not_explain_it(gap_s: int) -> None:
    assert len(orders()) == 90
    for order in orders():
        at = post()
        at.scan()
        failing: set[str] = set()
        told: list[str] = []
        for event in order:
            turn(at, event)
            name = event[:-1]
            failing ^= {name}
            for _ in range(gap_s):
                stood = at.flat(f"CAB-0001/{PARENT}") is Isa.UNACK
                new = [n.partition("/")[2] for n in announced(at.scan(1))]
                if stood and at.flat(f"CAB-0001/{PARENT}") is Isa.UNACK:
                    assert not set(new) & set(CHILDREN), f"{order}: told under a parent that stands"
                told += new
                for condition, live in at.engine.living.of.items():
                    check_invariants(live.state, at.engine.book.block(condition).rule)
        assert len(told) == len(set(told)), f"{order}: told twice: {told}"
        lasted = {n: (order.index(f"{n}-") - order.index(f"{n}+")) * gap_s for n in VALUES}
        assert (PARENT in told) is (lasted[PARENT] > ON[PARENT]), order
        for name in told:
            assert isinstance(at.ack(f"CAB-0001/{name}"), list), f"{order}: {name} was told and cannot be acknowledged"
        at.scan(60)
        assert not at.engine.living.of and not at.engine.family.under, f"{order}: left behind"
        assert not at.engine.family.waiting, f"{order}: somebody waits for nobody"


@pytest.mark.parametrize("gap_s", [1, 3, 5])
def test_in_every_order_what_stays_in_alarm_is_told_of_once_its_parent_is_gone(gap_s: int) -> None:
    """The same orders; the children never recover."""
    stays = sorted({tuple(e for e in order if e in ("Loss+", "Loss-", "Sw+", "V+")) for order in orders()})
    assert len(stays) == 12
    for order in stays:
        at = post()
        at.scan()
        told: list[str] = []
        for event in order:
            turn(at, event)
            for _ in range(gap_s):
                told += announced(at.scan(1))
        for _ in range(60):
            told += announced(at.scan(1))
        assert sorted(n for n in told if not n.endswith(PARENT)) == ["CAB-0001/Sw", "CAB-0001/V"], order
        assert {at.flat(f"CAB-0001/{name}") for name in CHILDREN} == {Isa.UNACK}
