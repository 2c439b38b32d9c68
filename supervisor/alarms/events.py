# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_alarm_machine.py
"""What can happen to a condition, and what follows from it: words between the machine and its shell.

Law of this file: frozen shapes only. Events come from the plant, the clock, other conditions and people; effects are
data, carried out by whoever called the machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

from config.model import Priority
from config.words import StatusCode
from supervisor.alarms.state import Cause, Isa

# --- from the plant -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Alarm:
    """The condition holds, on-delay over: it rose, or its level changed.

    Attributes:
        level: -2, -1, 1, 2.
        hold_until_ns: a parent may be about to stand: wait for it until then, once [UTC ns]; 0: no.
    """

    level: int = 1
    hold_until_ns: int = 0


@dataclass(frozen=True, slots=True)
class Return:
    """The condition no longer holds, deadband and off-delay over."""


@dataclass(frozen=True, slots=True)
class Evaluable:
    """The inputs became usable, or stopped being so."""

    evaluable: bool


@dataclass(frozen=True, slots=True)
class Tick:
    """Time passed: whatever is due happens (`machine.due_ns`)."""


# --- from other conditions and expressions --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Suppress:
    """A parent stands, or the rule's own `suppress_when` became true."""

    cause: Cause


@dataclass(frozen=True, slots=True)
class Release:
    """That cause is gone."""

    cause: Cause


@dataclass(frozen=True, slots=True)
class Unhold:
    """The parent for which the rise was held back did not come to stand."""


# --- from people ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """'I have seen this occurrence.'"""

    occurrence_ns: int


@dataclass(frozen=True, slots=True)
class Confirm:
    """'The cause of this occurrence has been treated.'"""

    occurrence_ns: int


@dataclass(frozen=True, slots=True)
class Reset:
    """Unlatch."""


@dataclass(frozen=True, slots=True)
class Silence:
    """Stop the sound."""


@dataclass(frozen=True, slots=True)
class Shelve:
    """Hide for a while. `duration_ns` None: one shot, until it returns to normal."""

    duration_ns: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class Unshelve:
    """Take off the shelf."""


@dataclass(frozen=True, slots=True)
class Remove:
    """Out of service, under a work order, to be reviewed at a date [UTC ns]."""

    work_order: str
    review_ns: int


@dataclass(frozen=True, slots=True)
class Place:
    """Back in service."""


@dataclass(frozen=True, slots=True)
class Disable:
    """No longer evaluated. `record`: number of the management-of-change record."""

    record: str


@dataclass(frozen=True, slots=True)
class Enable:
    """Evaluated again."""

    record: str


Operator: TypeAlias = Acknowledge | Confirm | Reset | Silence | Shelve | Unshelve | Remove | Place | Disable | Enable
Event: TypeAlias = Alarm | Return | Evaluable | Tick | Suppress | Release | Unhold | Operator

# --- effects --------------------------------------------------------------------------------------------------------


class What(StrEnum):
    """What a journal record says happened."""

    ALARM = "alarm"
    RETURNED = "returned"
    LEVEL = "level"
    RE_ALARM = "re-alarm"
    UNKNOWN = "not evaluable"
    KNOWN = "evaluable"
    ACKED = "acknowledged"
    CONFIRMED = "confirmed"
    RESET = "reset"
    SILENCED = "silenced"
    SHELVED = "shelved"
    UNSHELVED = "unshelved"
    SHELF_EXPIRED = "shelving expired"
    SUPPRESSED = "suppressed"
    HELD = "held"
    RELEASED = "released"
    REMOVED = "out of service"
    PLACED = "in service"
    DISABLED = "disabled"
    ENABLED = "enabled"


VALUED: Final = frozenset({What.ALARM, What.LEVEL, What.HELD, What.SUPPRESSED})
"""What tells the value an alarm has, besides being announced."""


@dataclass(frozen=True, slots=True)
class Announce:
    """A new occurrence before the operator: sound, blink, a new EventId."""

    occurrence_ns: int
    priority: Priority


@dataclass(frozen=True, slots=True)
class Quiet:
    """Stop the sound of this condition."""


@dataclass(frozen=True, slots=True)
class Log:
    """One journal record; shown as an event once it is durable.

    Attributes:
        before, after: flat states.
        retain: Retain after it.
        detail: reason, work order, record number or cause, as given.
    """

    what: What
    before: Isa
    after: Isa
    retain: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing changed. A sentence for the person, a code for the client (OPC 10000-9)."""

    code: StatusCode
    text: str


Effect: TypeAlias = Announce | Quiet | Log | Refused
