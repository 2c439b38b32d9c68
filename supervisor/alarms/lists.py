# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_alarm_family.py
"""What people ask of an alarm: whether it stands before them, and what lies under a parent.

Law of this file: reads only; what is listed is complete, overlaid conditions included.
"""

from __future__ import annotations

from collections.abc import Iterable

from supervisor.alarms.engine import AlarmEngine
from supervisor.alarms.happening import Children
from supervisor.alarms.state import Rule, State


def standing(state: State, rule: Rule) -> bool:
    """Before the operator: retained, and nothing lies over it. What is protected (P1, safety, latching) stays there
    whatever lies over it: nothing dangerous is hidden.
    """
    return state.retain and (rule.protected or not state.overlaid)


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
