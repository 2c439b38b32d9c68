# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_event_notifier.py
"""An event, and the plainest kind of it.

Law of this file: frozen; no I/O, no clock. What an event is to those who filter and send it is `Event`, and nothing
more: its fields are made when somebody asks for them, in the language of who asks.

The notifiers of an event are the nodes that tell of it, by their names in the space ('21605/CAB-0003', '21605',
'Plant'), and SERVER, which tells of all. Source: OPC 10000-3, 6 and OPC 10000-5, 6.4.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from asyncua import ua

from supervisor.hmi.events import value as v
from supervisor.hmi.events.value import Id, Type, Value

SERVER: Final = ""
"""The Server object among the notifiers."""
SERVER_ID: Final[Id] = (0, ua.ObjectIds.Server)
SERVER_NAME: Final = "Server"


class Event(Protocol):
    """What is sent to whoever asked for it.

    Attributes:
        type: NodeId of its event type.
        notifiers: where it can be heard; SERVER last.
        domain: area and maintaining organisation of what it tells of; None: it is everybody's.
        personal: only for those who may read personal data.
        bypasses_where: it is sent whatever the where clause says (OPC 10000-9, 4.5).
        alike: events of an equal key differ in the fields `own` at most; None: it is like no other.
    """

    @property
    def type(self) -> Id: ...
    @property
    def notifiers(self) -> tuple[str, ...]: ...
    @property
    def domain(self) -> tuple[str, str] | None: ...
    @property
    def personal(self) -> bool: ...
    @property
    def bypasses_where(self) -> bool: ...
    @property
    def alike(self) -> Hashable | None: ...
    @property
    def own(self) -> frozenset[str]: ...

    def field(self, name: str, locale: str) -> Value | None:
        """A field by its path ('EnabledState/Id'), in 'fr' or 'en'; None: it has none, or no value."""
        ...


def notifiers_of(name: str) -> tuple[str, ...]:
    """Who tells of something that happens at a node: '21605/CAB-0003' -> itself, its area, Plant, Server.

    Args:
        name: of equipment, of an area, or of the plant.
    """
    area, slash, _ = name.partition("/")
    above = (area, "Plant", SERVER) if name != "Plant" else ("Plant", SERVER)
    return (name, *above) if slash else above


@dataclass(frozen=True, slots=True)
class PlainEvent:
    """An event whose fields are known beforehand: BaseEventType and subtypes that are no conditions.

    Attributes:
        id: EventId, unique for ever.
        time_ns, receive_ns: when it happened, when the server knew [UTC ns].
        message: by language, 'fr' and 'en'.
        source: NodeId and name of what it came from.
        more: fields of its type beyond those of BaseEventType, by path.
    """

    type: Id
    id: bytes
    time_ns: int
    severity: int
    message: Mapping[str, str]
    source: Id = SERVER_ID
    source_name: str = SERVER_NAME
    receive_ns: int = 0
    notifiers: tuple[str, ...] = (SERVER,)
    more: Mapping[str, Value] = field(default_factory=dict)
    domain: tuple[str, str] | None = None
    personal: bool = False
    bypasses_where: bool = False

    @property
    def alike(self) -> None:
        return None

    @property
    def own(self) -> frozenset[str]:
        return frozenset()

    def field(self, name: str, locale: str) -> Value | None:
        if name == "Message":
            return v.text(self.message.get(locale, ""), locale)
        made = self._base().get(name)
        return self.more.get(name) if made is None else made

    def _base(self) -> dict[str, Value | None]:
        return {
            "EventId": Value(Type.BYTE_STRING, self.id),
            "EventType": Value(Type.NODE_ID, self.type),
            "SourceNode": Value(Type.NODE_ID, self.source),
            "SourceName": v.string(self.source_name),
            "Time": v.time(self.time_ns),
            "ReceiveTime": v.time(self.receive_ns or self.time_ns),
            "Severity": Value(Type.UINT16, self.severity),
        }
