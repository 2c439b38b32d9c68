# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_control_alarms.py
"""One request about the alarms: who asks, from where, with which arguments, and what is there for them.

Law of this file: arguments come from outside and are checked here; a wrong one is a ValueError whose sentence goes to
who asked. Nothing is decided and nothing done.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from historian.base import Journal
from supervisor.alarms.desk import COMMENT_LENGTH_MAX, AlarmDesk
from supervisor.alarms.happening import By
from supervisor.alarms.shown import Entry
from supervisor.control.alarm_names import is_shown, resolve, seeing
from supervisor.control.alarm_view import document
from supervisor.people import User
from supervisor.rights import Sight

LIST_MAX: Final = 1000
"""Alarms or records of one answer."""
_TEXT_LENGTH_MAX: Final = 1000


@dataclass(frozen=True, slots=True)
class AlarmCall:
    """One request."""

    desk: AlarmDesk
    journal: Journal
    user: User
    origin: str
    arguments: dict[str, Any]
    now_ns: int

    def text(self, name: str, default: str | None = None) -> str:
        value = self.arguments.get(name, default)
        if not isinstance(value, str) or len(value) > _TEXT_LENGTH_MAX:
            raise ValueError(f"{name}: expected a text of at most {_TEXT_LENGTH_MAX} characters")
        return value

    def number(self, name: str, default: int | None, most: int) -> int:
        value = self.arguments.get(name, default)
        if type(value) is not int or not 0 <= value <= most:
            raise ValueError(f"{name}: expected a whole number 0..{most}")
        return value

    def by(self) -> By:
        return By(self.user, self.origin, self.note())

    def note(self) -> str:
        """What is said of it, or why; never cut in silence."""
        if len(note := self.text("note", "")) > COMMENT_LENGTH_MAX:
            raise ValueError(
                f"note: expected at most {COMMENT_LENGTH_MAX} characters, got {len(note)}; 'vigie note' holds more"
            )
        return note

    def condition(self) -> str:
        """The condition that is meant, by its whole name."""
        return resolve(self.desk.book, self.text("condition"), self.sight)

    @property
    def sight(self) -> Sight:
        return Sight(self.desk.book.plant, self.user)

    def sees(self, condition: int) -> bool:
        """Whether an alarm is there for who asks."""
        return is_shown(self.desk.book, condition, self.sight)

    def seeing(self) -> Callable[[int], bool]:
        """`sees`, for many."""
        return seeing(self.desk.book, self.sight)

    def sees_name(self, name: str) -> bool:
        """The same of a name, of which there may be no rule any more."""
        condition = self.desk.book.find(name)
        return self.sight.subject(name) if condition is None else self.sees(condition)

    def document(self, condition: int, entry: Entry) -> dict[str, Any]:
        return document(self.desk, condition, entry, self.now_ns, self.sees_name)
