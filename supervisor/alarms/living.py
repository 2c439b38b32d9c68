# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_alarm_engine.py
"""The conditions that are not at rest, what is due for them, and which rows of theirs changed.

Law of this file: bookkeeping; it changes no state and knows no rule but its times. Bounded by the number of conditions.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from config.words import Rows
from supervisor.alarms.machine import due_ns
from supervisor.alarms.rows import Live
from supervisor.alarms.state import Rule

_SLACK: Final = 1000
"""Outdated entries the heap may hold beyond three times the living ones before it is made anew."""


class Living:
    """Condition number -> `Live`, for those not at rest.

    Args:
        count: number of conditions.
    Attributes:
        of: the dict itself; written by `put` only.
        dirty: conditions put since it was last cleared.
        mask: the same as the keys of `of`, (count,).
    """

    def __init__(self, count: int) -> None:
        self.of: dict[int, Live] = {}
        self.dirty: set[int] = set()
        self.mask: npt.NDArray[np.bool_] = np.zeros(count, np.bool_)
        self._due: dict[int, int] = {}
        self._heap: list[tuple[int, int]] = []

    def among(self, conditions: Rows) -> list[int]:
        """Those of some conditions that live, in the same order."""
        living: list[int] = conditions[self.mask[conditions]].tolist()
        return living

    def put(self, condition: int, live: Live, rule: Rule) -> None:
        """The condition is this now; at rest, it is forgotten."""
        self.dirty.add(condition)
        if live.state.at_rest:
            self.of.pop(condition, None)
            self._due.pop(condition, None)
            self.mask[condition] = False
            return
        self.of[condition] = live
        self.mask[condition] = True
        due = due_ns(live.state, rule)
        if due is None:
            self._due.pop(condition, None)
        elif self._due.get(condition) != due:
            self._due[condition] = due
            heapq.heappush(self._heap, (due, condition))
            if len(self._heap) > 4 * len(self._due) + _SLACK:
                self._heap = sorted((at_ns, c) for c, at_ns in self._due.items())

    def due(self, now_ns: int) -> Iterator[int]:
        """Conditions for which something is due, earliest first; each is asked for once."""
        while self._heap and self._heap[0][0] <= now_ns:
            at_ns, condition = heapq.heappop(self._heap)
            if self._due.get(condition) == at_ns:
                del self._due[condition]
                yield condition
