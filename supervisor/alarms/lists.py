# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_alarm_family.py
"""What people ask of the alarms: what is in the list, what lies under a parent, how many of each.

Law of this file: reads only; every list is complete, overlaid conditions included.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from supervisor.alarms.engine import AlarmEngine
from supervisor.alarms.happening import Children, Counts
from supervisor.alarms.rows import Live
from supervisor.alarms.state import Rule, State


def standing(state: State, rule: Rule) -> bool:
    """Before the operator: retained, and nothing lies over it. What is protected (P1, safety, latching) stays there
    whatever lies over it: nothing dangerous is hidden.
    """
    return state.retain and (rule.protected or not state.overlaid)


def retained(engine: AlarmEngine) -> list[tuple[str, Live]]:
    """The operator's list: everything with Retain true, whatever lies over it, by condition number."""
    live = engine.living.of
    return [(engine.book.name(c), live[c]) for c in sorted(live) if live[c].state.retain]


def children(engine: AlarmEngine, parent: str) -> Children:
    """What a parent holds back, blinds, or leaves standing.

    Raises:
        KeyError: there is no such condition.
    """
    condition = engine.book.find(parent)
    if condition is None:
        raise KeyError(parent)
    below = engine.book.below(condition)
    states = {c: engine.living.of[c].state for c in below if c in engine.living.of}
    unknown = engine.conditions.unevaluable

    def names(conditions: Iterable[int]) -> tuple[str, ...]:
        return tuple(engine.book.name(c) for c in conditions)

    return Children(
        suppressed=names(c for c, s in states.items() if any(cause.rule == parent for cause in s.causes)),
        blinded=names(c for c in below if unknown[c]),
        standing=names(c for c, s in states.items() if s.annunciated and s.retain),
    )


def counts(engine: AlarmEngine) -> Counts:
    """How many of each, over the whole plant."""
    states = [live.state for live in engine.living.of.values()]
    return Counts(
        active=sum(s.enabled and s.active for s in states),
        unacked=sum(s.enabled and not s.acked for s in states),
        shelved=sum(s.shelved for s in states),
        suppressed=sum(s.suppressed for s in states),
        out_of_service=sum(s.out_of_service for s in states),
        disabled=sum(not s.enabled for s in states),
        unevaluable=int(np.count_nonzero(engine.conditions.unevaluable)),
    )


def unevaluable_by_desk(engine: AlarmEngine) -> dict[str, int]:
    """Owner desk -> rules in force that nobody can evaluate now ('' for rules without a desk)."""
    unknown = engine.conditions.unevaluable
    by_desk: dict[str, int] = {}
    for block in engine.book.blocks:
        desk = block.model.owner_desk or ""
        by_desk[desk] = by_desk.get(desk, 0) + int(np.count_nonzero(unknown[block.conditions]))
    return by_desk


def unevaluable_by_area(engine: AlarmEngine) -> dict[str, int]:
    """Area code -> rules in force that nobody can evaluate now; every area of the plant is named."""
    by_area = dict.fromkeys(engine.book.plant.areas, 0)
    for condition in np.flatnonzero(engine.conditions.unevaluable).tolist():
        by_area[engine.book.equipment(condition).partition("/")[0]] += 1
    return by_area
