# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_hmi_audit.py, tests/system/test_opcua_login.py
"""What the security officer hears of those who are inside: channels, sessions, writes, calls, cancelled requests.

Law of this file: events only. What must be kept stands in the journal already: a write and a call are told when their
verdict is there, which is after their record. Source: OPC 10000-5, 6.4; of conditions OPC 10000-9, 5.10.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from asyncua import ua

from config.words import BAD, Clock, Kind
from supervisor.hmi.conditions.methods import METHODS, BadCall, Method, read_arguments
from supervisor.hmi.events import value as v
from supervisor.hmi.events.audited import Audited, AuditEvent, audit_event
from supervisor.hmi.events.event import SERVER_ID, Id
from supervisor.hmi.events.operand import BadClause, literal
from supervisor.hmi.events.value import Type, Value
from supervisor.hmi.model.place import Place
from supervisor.hmi.values import wire_type
from supervisor.people import User
from supervisor.plant.plant import Plant

if TYPE_CHECKING:
    from supervisor.hmi.entrance.wire import Wire

ARGUMENTS_MAX: Final = 16
ARGUMENT_LENGTH_MAX: Final = 4096
"""Bytes of one argument that are told. No method here takes a secret, so none is masked."""
_NS_PER_MS: Final = 1_000_000
_OF_CONDITIONS: Final = {
    "Acknowledge": Audited.ACKNOWLEDGE,
    "Confirm": Audited.CONFIRM,
    "AddComment": Audited.COMMENT,
    "Enable": Audited.ENABLE,
    "Disable": Audited.ENABLE,
    "TimedShelve": Audited.SHELVE,
    "OneShotShelve": Audited.SHELVE,
    "Unshelve": Audited.SHELVE,
    "Silence": Audited.SILENCE,
    "Reset": Audited.RESET,
    "PlaceInService": Audited.SERVICE,
}


class Officer:
    """Whom it is told to is the notifier's matter; nobody is made to wait.

    Attributes:
        emit: the notifier's, once there is one.
    """

    def __init__(self, clock: Clock, plant: Plant, namespace: int) -> None:
        self._clock = clock
        self._plant = plant
        self._namespace = namespace
        self.emit: Callable[[AuditEvent], object] | None = None

    def opened(self, wire: Wire, channel: int, lifetime_ms: float, *, renewed: bool) -> None:
        """A secure channel was opened or renewed, by a certificate that is trusted."""
        kind = ua.SecurityTokenRequestType.Renew if renewed else ua.SecurityTokenRequestType.Issue
        more = {
            "SecureChannelId": v.string(str(channel)),
            "ClientCertificateThumbprint": _thumbprint(wire),
            "RequestType": Value(Type.INT32, int(kind)),
            "SecurityPolicyUri": v.string(wire.security_policy.URI),
            "SecurityMode": Value(Type.INT32, int(wire.security_policy.Mode)),
            "RequestedLifetime": Value(Type.DOUBLE, float(lifetime_ms)),
        }
        text = f"secure channel {'renewed' if renewed else 'opened'} from {wire.peer}"
        self._tell(Audited.CHANNEL, "", text, "SecureChannel/OpenSecureChannel", more)

    def created(self, wire: Wire, session: ua.NodeId, timeout_ms: float) -> None:
        """A session was made; who it is for is not known yet."""
        more = {
            "SessionId": v.node_id(session.NamespaceIndex, session.Identifier),
            "ClientCertificateThumbprint": _thumbprint(wire),
            "RevisedSessionTimeout": Value(Type.DOUBLE, float(timeout_ms)),
        }
        self._tell(Audited.CREATED, "", f"session made from {wire.peer}", "Session/CreateSession", more)

    def cancelled(self, user: User, handle: int, count: int) -> None:
        more = {"RequestHandle": Value(Type.UINT32, handle)}
        self._tell(Audited.CANCEL, user.name, f"cancelled {count} requests", "Session/Cancel", more)

    def wrote(self, user: User, terminal: str, place: Place, value: Any, code: int) -> None:
        """A command by a Write has its verdict. Personal data is for whom may read it, like any event's."""
        info = None if place.block is None else place.block.info
        more = {
            "AttributeId": Value(Type.UINT32, int(ua.AttributeIds.Value)),
            "NewValue": Value(Type(wire_type(Kind.Double if info is None else info.kind)), value),
        }
        text, source = f"wrote {place.name} from {terminal}", (self._namespace, place.name)
        personal = info is not None and info.personal
        self._tell(Audited.WRITE, user.name, text, "Attribute/Write", more, code, source, personal)

    def called(self, user: User, request: ua.CallMethodRequest, result: ua.CallMethodResult) -> None:
        """A method was called, and has done what it does or was refused."""
        method, of = request.MethodId, request.ObjectId
        known = METHODS.get(method.Identifier) if method.NamespaceIndex == 0 else None
        name = "" if known is None else known.name.removesuffix("2")
        given = request.InputArguments or ()
        more = {
            "MethodId": v.node_id(method.NamespaceIndex, method.Identifier),
            "InputArguments": Value(Type.VARIANT, tuple(map(_argument, given[:ARGUMENTS_MAX])), is_array=True),
            **_said(known, given),
        }
        text, code = f"called {name or method.Identifier} of {of.Identifier}"[:200], int(result.StatusCode.value)
        source = (of.NamespaceIndex, of.Identifier)
        about = _OF_CONDITIONS.get(name, Audited.METHOD)
        self._tell(about, user.name, text, f"Method/{name}" if name else "Attribute/Call", more, code, source)

    def _tell(
        self,
        about: Audited,
        who: str,
        text: str,
        name: str,
        more: Mapping[str, Value],
        code: int = 0,
        source: Id = SERVER_ID,
        personal: bool = False,
    ) -> None:
        if self.emit is not None:
            made = audit_event(about, self._clock.wall_ns(), who, text, good=code < BAD, more=more)
            self.emit(made.of(source, name, self._domain(source), personal))

    def _domain(self, source: Id) -> tuple[str, str] | None:
        """Area and maintainer of the equipment that a tag or a condition belongs to."""
        path = "/".join(str(source[1]).split("/")[:2])
        found = self._plant.find(path)
        return None if found is None else (path.partition("/")[0], found[0].maintainer(found[1]))


def _argument(given: ua.Variant) -> Value | None:
    """As it was given; null for what is none of the types that methods take, or longer than anything they take."""
    try:
        value = literal(given)
    except BadClause:
        return None
    return value if len(v.pack(value)) <= ARGUMENT_LENGTH_MAX else None


def _said(method: Method | None, given: Sequence[ua.Variant] | None) -> dict[str, Value]:
    """What was said to a condition; nothing of arguments that make no sense. Source: OPC 10000-9, 5.10.4 to 5.10.7."""
    try:
        arguments = None if method is None else read_arguments(method, given)
    except BadCall:
        return {}
    if method is None or arguments is None:
        return {}
    made: dict[str, Value] = {}
    if Type.LOCALIZED_TEXT in method.takes:
        made["Comment"] = v.text(arguments.comment, "")
    if arguments.event_id is not None:
        made["ConditionEventId"] = Value(Type.BYTE_STRING, arguments.event_id)
    if arguments.duration_ns:
        made["ShelvingTime"] = Value(Type.DOUBLE, arguments.duration_ns / _NS_PER_MS)
    return made


def _thumbprint(wire: Wire) -> Value:
    """SHA-1 of the client's certificate: its name for tools. Nothing is decided by it."""
    certificate = wire.security_policy.peer_certificate or b""
    return v.string(hashlib.sha1(certificate, usedforsecurity=False).hexdigest() if certificate else "")
