# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_alarm_engine.py
"""First-out: which of a group of conditions was the first, when one fault sets off all of them.

Law of this file: bookkeeping by condition number. A group lives within one equipment (`first_out: name` in the rules);
it begins with the first that rises and ends when none of it is in alarm any more.
"""

from __future__ import annotations

from collections.abc import Callable

from supervisor.alarms.rules import RuleBook


class FirstOut:
    """Who was first in each group that is in alarm."""

    def __init__(self, book: RuleBook) -> None:
        self._book = book
        self._first: dict[tuple[str, int, str], int] = {}

    def rose(self, condition: int) -> bool:
        """A condition rose. True: it is the first of its group."""
        key = self._key(condition)
        return key is not None and self._first.setdefault(key, condition) == condition

    def stood(self, condition: int, first: bool) -> None:
        """A condition stands since before a restart."""
        key = self._key(condition)
        if key is not None and (first or key not in self._first):
            self._first[key] = condition

    def returned(self, condition: int, in_alarm: Callable[[int], bool]) -> None:
        """A condition returned; with the last of its group the group is over."""
        key = self._key(condition)
        if key is None or key not in self._first:
            return
        type_name, instance, group = key
        blocks = (b for b in self._book.of_type(type_name) if b.model.first_out == group)
        if not any(in_alarm(b.start + instance) for b in blocks):
            del self._first[key]

    def _key(self, condition: int) -> tuple[str, int, str] | None:
        block = self._book.block(condition)
        group = block.model.first_out
        return None if group is None else (block.type, condition - block.start, group)
