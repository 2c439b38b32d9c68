# SPDX-License-Identifier: Apache-2.0
# Tests: tests/system/test_opcua_login.py
"""Audit events: who came and who was turned away, on the Server object, for the security officer alone.

Law of this file: frozen; no I/O. Source: OPC 10000-5, 6.4.3 (AuditEventType) and its subtypes.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from enum import Enum
from typing import Final

from asyncua import ua

from config.model import Role
from supervisor.hmi.events import value as v
from supervisor.hmi.events.event import Event, PlainEvent
from supervisor.hmi.events.notifier import may_hear
from supervisor.hmi.events.value import Type, Value
from supervisor.people import User

_SEVERITY: Final = {True: 100, False: 500}


class Audited(Enum):
    """What an audit event is about."""

    LOGIN = ua.ObjectIds.AuditActivateSessionEventType
    SESSION = ua.ObjectIds.AuditSessionEventType
    CERTIFICATE = ua.ObjectIds.AuditCertificateEventType


@dataclass(frozen=True, slots=True)
class AuditEvent(PlainEvent):
    """An event for the security officer."""


def audit_event(about: Audited, now_ns: int, who: str, text: str, *, good: bool) -> AuditEvent:
    """`good`: it was allowed; False: it was refused."""
    more = {
        "ActionTimeStamp": v.time(now_ns),
        "Status": Value(Type.BOOLEAN, good),
        "ClientUserId": v.string(who),
    }
    message = {"fr": f"{who}: {text}", "en": f"{who}: {text}"}
    return AuditEvent((0, about.value), secrets.token_bytes(16), now_ns, _SEVERITY[good], message, more=more)


def may_hear_all(user: User, event: Event) -> bool:
    """Who may have which event, audit events among them."""
    if isinstance(event, AuditEvent):
        return user.role is Role.SECURITY
    return may_hear(user, event)
