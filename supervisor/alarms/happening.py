# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_alarm_engine.py
"""What the engine hands out: what happened, who did it, what belongs together.

Law of this file: frozen shapes only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from supervisor.alarms.events import Log
from supervisor.alarms.state import Rule, State
from supervisor.people import User


@dataclass(frozen=True, slots=True)
class By:
    """Who did it, from where, and why."""

    user: User
    terminal: str
    comment: str = ""


class Happening(NamedTuple):
    """One thing to be journalled, then shown.

    Attributes:
        time_ns: of the scan or the action [UTC ns].
        field_ns: when its input says that it rose [UTC ns].
        state: after everything that happened to it in this step.
        announced: it is put before the operator.
        first: first of its first-out group.
        by: None: the plant itself.
    """

    condition: int
    name: str
    rule: Rule
    time_ns: int
    field_ns: int
    log: Log
    state: State
    announced: bool
    first: bool
    by: By | None = None

    @property
    def severity(self) -> int:
        return self.rule.severity_at(self.state.level)


@dataclass(frozen=True, slots=True)
class Children:
    """What belongs to a parent condition, by name.

    Attributes:
        suppressed: in alarm, held back by it.
        blinded: in force, but not evaluable now.
        standing: annunciated before and still retained: 'last known since'.
    """

    suppressed: tuple[str, ...]
    blinded: tuple[str, ...]
    standing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Counts:
    """For the status page and for tags. `active` and `unacked` leave out what is disabled."""

    active: int
    unacked: int
    shelved: int
    suppressed: int
    out_of_service: int
    disabled: int
    unevaluable: int
