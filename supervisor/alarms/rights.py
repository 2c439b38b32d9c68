# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_alarm_engine.py
"""Who may do what to an alarm.

Law of this file: pure; a table of roles. Everything is refused that is not listed.
"""

from __future__ import annotations

from typing import Final

from config.model import Priority, Role
from config.words import StatusCode
from supervisor.alarms.events import (
    Acknowledge,
    Confirm,
    Disable,
    Enable,
    Operator,
    Place,
    Refused,
    Remove,
    Reset,
    Shelve,
    Silence,
    Unshelve,
)
from supervisor.alarms.state import Rule
from supervisor.people import User

_EVERY_WRITER: Final = frozenset({Role.OPERATOR, Role.SUPERVISOR, Role.ENGINEER})
_RESPONSIBLE: Final = frozenset({Role.SUPERVISOR, Role.ENGINEER})

_ROLES: Final[dict[type, frozenset[Role]]] = {
    Acknowledge: _EVERY_WRITER,
    Confirm: _EVERY_WRITER,
    Reset: _EVERY_WRITER,
    Silence: _EVERY_WRITER,
    Shelve: _EVERY_WRITER,
    Unshelve: _EVERY_WRITER,
    Remove: _RESPONSIBLE,
    Place: _RESPONSIBLE,
    Disable: frozenset({Role.ENGINEER}),
    Enable: frozenset({Role.ENGINEER}),
}


def roles_for(event: type) -> frozenset[Role]:
    """Roles that may do this to an alarm at all, in the areas where they act."""
    return _ROLES.get(event, frozenset())


def refusal(user: User, event: Operator, area: str, maintainer: str, rule: Rule) -> Refused | None:
    """Why this person may not do this; None if they may. Hiding a P1 or a safety alarm takes a supervisor."""
    roles = roles_for(type(event))
    if isinstance(event, Shelve) and (rule.safety or Priority.P1 in (rule.priority, rule.priority_extreme)):
        roles = _RESPONSIBLE
    if user.role not in roles:
        needed = ", ".join(sorted(roles)) or "nobody"
        return Refused(StatusCode.BadUserAccessDenied, f"this takes {needed}; {user.name} is {user.role}")
    if not user.may_write(area, maintainer):
        return Refused(StatusCode.BadUserAccessDenied, f"{user.name} may do nothing in area {area}")
    return None
