# SPDX-License-Identifier: Apache-2.0
"""Whatever happened (inputs, people, clocks that are set, restarts), in the end nothing is left behind or forgotten."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import pytest

from supervisor.alarms.events import Enable, Place, Reset, Unshelve
from supervisor.alarms.state import Isa, check_invariants
from tests.cabinets import RULES, Post, S
from tests.unit.test_alarm_resuming import disturb

RULE_SETS: dict[str, Mapping[str, Mapping[str, Any]]] = {
    "one parent": RULES,
    "two parents": RULES | {"Rcd": RULES["Loss"] | {"tag": "Rcd", "on_delay": "4 s"}},
    "by design": RULES | {"Sw": RULES["Sw"] | {"suppress_when": "Trip", "on_delay": "3 s"}},
}
QUIET = {"V": 230, "Sw": 0, "Trip": 0, "Rcd": 0, "Loss": 0}
CHILDREN = ("V", "Sw")


def bad_days(seed: int, rules: Mapping[str, Mapping[str, Any]]) -> Post:
    """Some minutes in which anything happens to four cabinets; what people laid over their alarms is taken off."""
    chance, post = random.Random(seed), Post(4, rules)
    for _ in range(80):
        disturb(post, chance)
        if chance.random() < 0.1:
            post.now_ns += chance.choice([-3600, 3600, -60, 60, -5, 5]) * S
        if chance.random() < 0.05:
            post.restart(chance.choice([0, 5, 60]), with_columns=chance.random() < 0.5)
        for condition, live in post.engine.living.of.items():
            check_invariants(live.state, post.engine.rule(condition))
    for name in standing(post):
        for event in (Enable("MOC-9"), Unshelve(), Place()):
            post.act(name, event)
    return post


def standing(post: Post) -> list[str]:
    return [post.engine.book.name(c).partition("/")[2] for c in list(post.engine.living.of)]


def settle(post: Post, **values: float) -> None:
    for name, value in (QUIET | values).items():
        post.set(name, value)
    for _ in range(120):
        post.scan(1)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("rules", RULE_SETS.values(), ids=RULE_SETS)
def test_when_all_is_normal_and_treated_nothing_is_left(rules: Mapping[str, Mapping[str, Any]], seed: int) -> None:
    post = bad_days(seed, rules)
    settle(post)
    for name in standing(post):
        post.ack(name)
        post.act(name, Reset())
    assert standing(post) == []
    assert not post.engine.family.under and not post.engine.family.waiting


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("rules", RULE_SETS.values(), ids=RULE_SETS)
def test_what_is_in_alarm_with_nothing_over_it_is_before_the_operator(
    rules: Mapping[str, Mapping[str, Any]], seed: int
) -> None:
    post = bad_days(seed, rules)
    settle(post, V=255, Sw=1)
    for cabinet in range(1, 5):
        for rule in CHILDREN:
            assert post.flat(f"CAB-{cabinet:04d}/{rule}") in (Isa.UNACK, Isa.ACKED), f"{cabinet} {rule}"
