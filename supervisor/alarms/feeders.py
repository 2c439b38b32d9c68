# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_alarm_feeders.py, tests/cases/alarms
"""Feeders: how much of what an equipment feeds has lost its supply.

Law of this file: numpy over conditions; no delay, no state but who feeds whom.

When do we know that it is the feeder? When at least `at_least` of what it feeds say so, and they are `share` per cent
or more of those that can say anything. What does not answer counts neither way: silence is no evidence. What counts is
what the members' rules see now, before their on-delay. That delay is the time in which evidence gathers: with 10 s
every cabinet polled each 10 s was asked before the first of them would be announced.
"""

from __future__ import annotations

import numpy as np

from supervisor.alarms.delays import Levels, Mask
from supervisor.alarms.rules import RuleBlock, RuleBook


class Feeders:
    """One rule on `fed`, all its instances.

    Attributes:
        conditions: slice of the rule.
    """

    def __init__(self, book: RuleBook, block: RuleBlock) -> None:
        model = block.model
        if model.share is None or model.at_least is None:
            raise ValueError(
                f"{block.type}: alarm rule {block.rule.name}: an alarm on fed needs `share` and `at_least`"
            )
        self.conditions = block.conditions
        self._share = float(model.share) / 100
        self._at_least = model.at_least
        pairs = [
            (instance, member)
            for instance in range(block.count)
            for member in book.fed(block.start + instance)
            if book.block(member).model.supply
        ]
        self._feeder, self._member = np.array(pairs, np.int64).reshape(-1, 2).T

    def look(self, raw: Levels, usable: Mask) -> None:
        """Put the levels of this rule where they belong.

        Args:
            raw, usable: of all conditions in this scan; those of what is fed are there already.
        """
        n = self.conditions.stop - self.conditions.start
        says = usable[self._member]
        dark = says & (raw[self._member] != 0)
        lost = np.bincount(self._feeder[dark], minlength=n)
        answers = np.bincount(self._feeder[says], minlength=n)
        raw[self.conditions] = (lost >= self._at_least) & (lost >= self._share * answers)
        # Where nobody can say anything, nobody knows.
        usable[self.conditions] &= (answers > 0) | (np.bincount(self._feeder, minlength=n) == 0)
