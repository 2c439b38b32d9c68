# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_alarm_family.py, tests/unit/test_alarm_orders.py
"""Parents and what they hold back: which conditions of an equipment wait for, or lie under, which parent.

Law of this file: bookkeeping by condition number; no state of a condition is changed here. What it remembers can be
rebuilt from the causes in the conditions themselves.

A parent *stands* while its standing level is not normal; it is *about to stand* while its own on-delay runs. In that
time a child that rises waits, once and at most HOLD_MAX_NS, so that a cut cabinet gives one alarm even where the
child's delay is shorter than the parent's.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from config.words import NS_PER_S, Rows
from supervisor.alarms.conditions import Conditions
from supervisor.alarms.living import Living
from supervisor.alarms.rules import RuleBook
from supervisor.alarms.state import Cause

HOLD_MAX_NS: Final = 30 * NS_PER_S
"""Longest wait of a child for a parent's on-delay [ns]: longer than the delays of a lost supply (10 s), and short
against the time an operator has for a P2 (30 min)."""


class Family:
    """Parents, children, and who waits for whom.

    Args:
        living: what is not at rest; read only.

    Attributes:
        under: parent -> children it holds back now.
        waiting: parent that is about to stand -> children that wait for it.
    """

    def __init__(self, book: RuleBook, conditions: Conditions, living: Living) -> None:
        self._book = book
        self._conditions = conditions
        self._living = living
        self.under: dict[int, set[int]] = {}
        self.waiting: dict[int, set[int]] = {}

    def parents(self, child: int) -> list[int]:
        """Conditions that may hold this one back."""
        block = self._book.block(child)
        instance = child - block.start
        own = [self._book.blocks[p].start + instance for p in block.parents]
        if not len(block.feeders):
            return own
        return [*own, *(feeder for feeder in block.feeders[:, instance].tolist() if feeder >= 0)]

    def stands(self, parent: int) -> bool:
        return bool(self._conditions.level[parent])

    def holds(self, parent: int) -> bool:
        """A parent that nobody is told of holds nothing back. Shelving it is being told; so is its own feeder."""
        return self.stands(parent) and self.told_of(parent)

    def told_of(self, parent: int) -> bool:
        if (live := self._living.of.get(parent)) is None:
            return True
        state, rule = live.state, self._book.block(parent).rule
        told = not state.suppressed or (rule.fed and all(cause.topology for cause in state.causes))
        return state.enabled and not state.out_of_service and told

    def cause(self, parent: int) -> Cause:
        return Cause(self._book.name(parent), topology=True)

    def wait(self, child: int, now_ns: int) -> int:
        """Until when a child that rises from rest waits for parents about to stand [UTC ns]; 0: it does not."""
        if child in self._living.of:
            return 0
        until_ns = 0
        for parent in self.parents(child):
            decides_ns = self.decides_ns(parent, now_ns)
            if decides_ns > now_ns and self.told_of(parent):
                self.waiting.setdefault(parent, set()).add(child)
                until_ns = max(until_ns, decides_ns)
        return until_ns

    def file(self, child: int) -> None:
        """Note under which parents it lies."""
        live = self._living.of.get(child)
        if live is None or not live.state.causes:
            return
        rules = {c.rule for c in live.state.causes if c.topology}
        for parent in self.parents(child):
            if self._book.name(parent) in rules:
                self.under.setdefault(parent, set()).add(child)

    def may_hold(self, parents: Rows) -> npt.NDArray[np.bool_]:
        """Which of some parents stand, or may be about to, (k,)."""
        delays = self._conditions.delays
        held: npt.NDArray[np.bool_] = (delays.level[parents] != 0) | (delays.raw[parents] != 0)
        return held

    def decides_ns(self, parent: int, now_ns: int) -> int:
        """When a parent that is about to stand will stand [UTC ns]; 0: it is not."""
        delays = self._conditions.delays
        if delays.level[parent] or not delays.raw[parent] or not delays.usable[parent]:
            return 0
        decides_ns = int(delays.since_1[parent]) + self._book.block(parent).rule.on_delay_ns
        return min(decides_ns, now_ns + HOLD_MAX_NS)

    def waited_in_vain(self, now_ns: int) -> list[int]:
        """Children whose parent came to nothing and who wait for no other; they wait no longer."""
        delays = self._conditions.delays
        ended = [p for p in self.waiting if not delays.level[p] and not delays.raw[p]]
        children = sorted(set().union(*(self.waiting.pop(p) for p in ended)))
        return [c for c in children if not any(self.decides_ns(p, now_ns) for p in self.parents(c))]

    def forget(self, child: int) -> None:
        """The child lies under nobody and waits for nobody any more."""
        for parent in self.parents(child):
            for index in (self.under, self.waiting):
                if (children := index.get(parent)) is not None:
                    children.discard(child)
                    if not children:
                        del index[parent]
