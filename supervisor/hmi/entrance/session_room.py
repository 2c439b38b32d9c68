# SPDX-License-Identifier: Apache-2.0
# Tests: tests/system/test_opcua_diagnostics.py
"""Sessions as objects under SessionsDiagnosticsSummary, each with its diagnostics.

Law of this file: a room; the object's NodeId is the SessionId itself, all below it is named after that. Nothing is
kept: a session that ends takes its nodes with it. Source: OPC 10000-5, 6.3.5 (SessionDiagnosticsObjectType).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final
from uuid import UUID

from asyncua import ua

from supervisor.hmi.entrance.diagnostics import Diagnostics, may_see_security, subscription
from supervisor.hmi.model.live import Live, Value
from supervisor.hmi.model.properties import data_value
from supervisor.hmi.model.references import HAS_COMPONENT
from supervisor.hmi.model.structures import Field, fields_of
from supervisor.people import User

if TYPE_CHECKING:
    from supervisor.hmi.engine import Engine
    from supervisor.hmi.session import Session

_IDS: Final = ua.ObjectIds
_SUMMARY: Final = ua.NodeId(_IDS.Server_ServerDiagnostics_SessionsDiagnosticsSummary)
_VARIABLE: Final = ua.NodeId(_IDS.BaseDataVariableType)
_STRUCTURE: Final = ua.VariantType.ExtensionObject
_PREFIX: Final = "session"
DIAGNOSTICS, SECURITY, SUBSCRIPTIONS = (
    "SessionDiagnostics", "SessionSecurityDiagnostics", "SubscriptionDiagnosticsArray",
)  # fmt: skip
_SHAPES: Final = {
    DIAGNOSTICS: (_IDS.SessionDiagnosticsVariableType, _IDS.SessionDiagnosticsDataType, -1),
    SECURITY: (_IDS.SessionSecurityDiagnosticsType, _IDS.SessionSecurityDiagnosticsDataType, -1),
    SUBSCRIPTIONS: (_IDS.SubscriptionDiagnosticsArrayType, _IDS.SubscriptionDiagnosticsDataType, 1),
}


class Sessions:
    """The room of sessions."""

    def __init__(self, engine: Engine, diagnostics: Diagnostics) -> None:
        self._engine = engine
        self._diagnostics = diagnostics

    def find(self, node_id: ua.NodeId) -> Live | None:
        identifier = node_id.Identifier
        if node_id.NamespaceIndex != 1:
            return None
        if isinstance(identifier, UUID):
            session = self._session(identifier)
            return None if session is None else self._object(session)
        parts = identifier.split("/") if isinstance(identifier, str) else []
        if len(parts) not in (3, 4) or parts[0] != _PREFIX or parts[2] not in _SHAPES:
            return None
        session = next((s for s in self._engine.sessions if str(s.session_id.Identifier) == parts[1]), None)
        if session is None:
            return None
        if len(parts) == 3:
            return self._variable(session, parts[2])
        named = {field.name: field for field in fields_of(ua.SessionDiagnosticsDataType)}
        return self._field(session, named[parts[3]]) if parts[2] == DIAGNOSTICS and parts[3] in named else None

    def under(self, node_id: ua.NodeId) -> Sequence[Live]:
        return [self._object(s) for s in self._engine.sessions] if node_id == _SUMMARY else ()

    def _session(self, number: UUID) -> Session | None:
        return next((s for s in self._engine.sessions if s.session_id.Identifier == number), None)

    def _object(self, session: Session) -> Live:
        name = str(session.introduction.SessionName or session.session_id.Identifier)
        return Live(
            session.session_id,
            ua.QualifiedName(name, 1),
            ua.NodeId(_IDS.SessionDiagnosticsObjectType),
            _SUMMARY,
            HAS_COMPONENT,
            (name, name),
            children=lambda: [self._variable(session, part) for part in _SHAPES],
        )

    def _variable(self, session: Session, part: str) -> Live:
        type_, data_type, rank = _SHAPES[part]
        return Live(
            _id(session, part),
            ua.QualifiedName(part, 0),
            ua.NodeId(type_),
            session.session_id,
            HAS_COMPONENT,
            (part, part),
            Value(ua.NodeId(data_type), lambda: data_value(self._value(session, part)), rank),
            children=lambda: self._fields(session) if part == DIAGNOSTICS else [],
            open_to=may_see_security if part == SECURITY else _everyone,
        )

    def _value(self, session: Session, part: str) -> ua.Variant:
        if part == SUBSCRIPTIONS:
            own = [subscription(s) for s in self._diagnostics.of_session(session)]
            return ua.Variant(own, _STRUCTURE, is_array=True)
        make = self._diagnostics.session if part == DIAGNOSTICS else self._diagnostics.security
        return ua.Variant(make(session), _STRUCTURE)

    def _fields(self, session: Session) -> list[Live]:
        return [self._field(session, field) for field in fields_of(ua.SessionDiagnosticsDataType)]

    def _field(self, session: Session, field: Field) -> Live:
        def read() -> ua.DataValue:
            return data_value(field.variant(getattr(self._diagnostics.session(session), field.name)))

        return Live(
            _id(session, DIAGNOSTICS, field.name),
            ua.QualifiedName(field.name, 0),
            _VARIABLE,
            _id(session, DIAGNOSTICS),
            HAS_COMPONENT,
            (field.name, field.name),
            Value(field.data_type, read, field.rank),
        )


def _everyone(_user: User) -> bool:
    return True


def _id(session: Session, *parts: str) -> ua.NodeId:
    return ua.NodeId("/".join((_PREFIX, str(session.session_id.Identifier), *parts)), 1, ua.NodeIdType.String)
