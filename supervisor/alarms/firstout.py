# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_alarm_engine.py
"""First-out: which of a group of conditions was the first, when one fault sets off all of them.

Law of this file: it remembers nothing; who was first stands in the conditions themselves. A group lives within one
equipment (`first_out: name` in the rules); it begins with the first that rises and ends when none of it is in alarm.
"""

from __future__ import annotations

from collections.abc import Mapping

from supervisor.alarms.rows import Live
from supervisor.alarms.rules import RuleBook


class FirstOut:
    """The groups of a plant."""

    def __init__(self, book: RuleBook) -> None:
        self._book = book
        self._members: dict[tuple[str, str], tuple[int, ...]] = {}
        for block in book.blocks:
            if (group := block.model.first_out) is not None:
                key = (block.type, group)
                self._members[key] = (*self._members.get(key, ()), block.start)

    def rises(self, condition: int, living: Mapping[int, Live]) -> bool:
        """A condition rises. True: it is the first of its group, or was and rises again while the group lasts."""
        block = self._book.block(condition)
        group = block.model.first_out
        if group is None:
            return False
        instance = condition - block.start
        others = (living.get(start + instance) for start in self._members[block.type, group])
        if any(other is not None and other.state.process for other in others):
            return (live := living.get(condition)) is not None and live.first
        return True
