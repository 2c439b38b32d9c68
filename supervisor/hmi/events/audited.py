# SPDX-License-Identifier: Apache-2.0
# Tests: tests/system/test_opcua_login.py
"""Audit events: who came and who was turned away, on the Server object, for the security officer alone.

Law of this file: frozen; no I/O. Source: OPC 10000-5, 6.4.3 (AuditEventType) and its subtypes.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from asyncua import ua

from config.model import Role
from supervisor.hmi.events import value as v
from supervisor.hmi.events.event import Event, Id, PlainEvent
from supervisor.hmi.events.notifier import may_hear
from supervisor.hmi.events.value import Type, Value
from supervisor.people import User

_NONE: Final[Mapping[str, Value]] = {}
_SEVERITY: Final = {True: 100, False: 500}


class Audited(Enum):
    """What an audit event is about."""

    LOGIN = ua.ObjectIds.AuditActivateSessionEventType
    SESSION = ua.ObjectIds.AuditSessionEventType
    CERTIFICATE = ua.ObjectIds.AuditCertificateEventType
    CHANNEL = ua.ObjectIds.AuditOpenSecureChannelEventType
    CREATED = ua.ObjectIds.AuditCreateSessionEventType
    CANCEL = ua.ObjectIds.AuditCancelEventType
    WRITE = ua.ObjectIds.AuditWriteUpdateEventType
    METHOD = ua.ObjectIds.AuditUpdateMethodEventType
    ACKNOWLEDGE = ua.ObjectIds.AuditConditionAcknowledgeEventType
    CONFIRM = ua.ObjectIds.AuditConditionConfirmEventType
    COMMENT = ua.ObjectIds.AuditConditionCommentEventType
    ENABLE = ua.ObjectIds.AuditConditionEnableEventType
    SHELVE = ua.ObjectIds.AuditConditionShelvingEventType
    SILENCE = ua.ObjectIds.AuditConditionSilenceEventType
    RESET = ua.ObjectIds.AuditConditionResetEventType
    SERVICE = ua.ObjectIds.AuditConditionOutOfServiceEventType


@dataclass(frozen=True, slots=True)
class AuditEvent(PlainEvent):
    """An event for the security officer."""

    def of(self, source: Id, name: str, domain: tuple[str, str] | None, personal: bool) -> AuditEvent:
        """The same, told of a node: `name` is what Part 5 calls the source, 'Attribute/Write'."""
        return replace(self, source=source, source_name=name, domain=domain, personal=personal)


def audit_event(
    about: Audited, now_ns: int, who: str, text: str, *, good: bool, more: Mapping[str, Value] = _NONE
) -> AuditEvent:
    """`good`: it was allowed; False: it was refused. `more`: fields of its own type."""
    fields = {
        "ActionTimeStamp": Value(Type.DATE_TIME, now_ns),
        "Status": Value(Type.BOOLEAN, good),
        "ClientUserId": v.string(who),
    }
    told = f"{who}: {text}" if who else text
    message = {"fr": told, "en": told}
    return AuditEvent(
        (0, about.value), secrets.token_bytes(16), now_ns, _SEVERITY[good], message, more={**fields, **more}
    )


def may_hear_all(user: User, event: Event) -> bool:
    """Who may have which event, audit events among them."""
    if isinstance(event, AuditEvent):
        return user.role is Role.SECURITY and may_hear(user, event)
    return may_hear(user, event)
