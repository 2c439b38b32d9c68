# SPDX-License-Identifier: Apache-2.0
# Tests: tests/system/test_opcua_history_events.py
"""Records of the journal as events of the past: what alarms did and what people did, under their original EventIds.

Law of this file: no I/O. A record stands for itself: it is told as it was written, whatever became of the rule or the
tag it speaks of; what nothing was written of is null. The EventId is the record's place in the chain, the same that
subscribers were sent. Source: OPC 10000-11, 6.5.2; OPC 10000-5, 6.4 (event types); OPC 10000-9, 5.5 and 5.8.
"""

from __future__ import annotations

import struct
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, Final, Protocol

from asyncua import ua
from asyncua.ua.ua_binary import struct_from_binary

from config.words import NS_PER_S, StatusCode
from historian.base import QUERY_MAX, Entry, Found, Query, RecordKind
from supervisor.alarms.records import EventId
from supervisor.alarms.state import SEVERITY, Isa
from supervisor.hmi.conditions.kind import NAMESPACE as CONDITIONS
from supervisor.hmi.entrance.wire import CarefulBuffer
from supervisor.hmi.events import value as v
from supervisor.hmi.events.event import SERVER, SERVER_ID, SERVER_NAME, PlainEvent, notifiers_of
from supervisor.hmi.events.filter import EventFilter, read_filter
from supervisor.hmi.events.hierarchy import CONDITION_ID, EventTypes
from supervisor.hmi.events.notifier import may_hear
from supervisor.hmi.events.value import Id, Type, Value
from supervisor.hmi.history.details import Refused, moment
from supervisor.hmi.model.nodes import Asker, Nodes
from supervisor.hmi.model.place import Place, What
from supervisor.hmi.model.space import Space

_IDS: Final = ua.ObjectIds
_ALARM: Final[Id] = (0, _IDS.AlarmConditionType)
_TYPES: Final[dict[RecordKind, int]] = {
    RecordKind.COMMAND: _IDS.AuditWriteUpdateEventType,
    RecordKind.VERDICT: _IDS.AuditWriteUpdateEventType,
    RecordKind.LOGIN: _IDS.AuditSessionEventType,
    RecordKind.LOCK: _IDS.AuditUpdateEventType,
    RecordKind.CONFIG: _IDS.AuditUpdateEventType,
    RecordKind.NOTE: _IDS.AuditEventType,
    RecordKind.PERSON: _IDS.AuditSecurityEventType,
    RecordKind.ROLE: _IDS.SystemEventType,
    RecordKind.SERVER: _IDS.SystemEventType,
}
_PRIVATE: Final = frozenset({RecordKind.LOGIN, RecordKind.PERSON})
"""What tells of people rather than of the plant: only for those who may read personal data."""
_PLAIN_SEVERITY: Final = 100
_ACTIVE: Final = {Isa.UNACK, Isa.ACKED}
_ACKED: Final = {Isa.NORM, Isa.ACKED, Isa.LACKED}
_CORE: Final = {*_ACTIVE, *_ACKED, Isa.RTNUN, Isa.LUNACK}
"""Flat states that say whether a condition is active and acknowledged; the others cover that up."""
_HISTORY_EVENT: Final = struct.pack("<BBH", 1, 0, 661)  # NodeId of its binary encoding
_TELLING: Final = frozenset({What.ROOT, What.AREA, What.EQUIPMENT})
_TIMES: Final = struct.Struct("<Iqq")
_WINDOW_NS: Final = 86_400 * NS_PER_S
_STEPS_MAX: Final = 64
"""Questions to the journal for one page."""
_BY_PRIORITY: Final = {p.value: severity for p, severity in SEVERITY.items()}


@dataclass(frozen=True, slots=True)
class Teller:
    """Makes events of records, for the names of one plant."""

    space: Space
    namespace: int

    def event(self, entry: Entry) -> PlainEvent:
        """A record as an event."""
        record = entry.record
        place = self._place(record.subject)
        source = SERVER_ID if place is None else (self.namespace, place.name)
        type_ = _ALARM if record.kind is RecordKind.ALARM else (0, _TYPES[record.kind])
        return PlainEvent(
            type=type_,
            id=bytes(EventId(entry.post, *entry.position)),
            time_ns=record.time_ns,
            severity=_BY_PRIORITY.get(str(record.data.get("priority")), _PLAIN_SEVERITY),
            message={"fr": record.text, "en": record.text},
            source=source,
            source_name=record.subject or SERVER_NAME,
            notifiers=(SERVER,) if place is None else notifiers_of(_teller(place)),
            more=self._alarm(entry) if record.kind is RecordKind.ALARM else _audit(entry),
            domain=self._domain(place),
            personal=record.kind in _PRIVATE or _personal(place),
        )

    def _place(self, subject: str) -> Place | None:
        """The node a record speaks of: its tag, equipment or area; a rule is its equipment's."""
        name = subject
        while name:
            if (place := self.space.find(name)) is not None and place.what is not What.ROOT:
                return place
            name = name.rpartition("/")[0]
        return None

    @staticmethod
    def _domain(place: Place | None) -> tuple[str, str] | None:
        if place is None:
            return None
        return place.area, place.type.maintainer(place.instance) if place.type is not None else ""

    def _alarm(self, entry: Entry) -> dict[str, Value]:
        """Fields of conditions, as far as they were written."""
        data, record = entry.record.data, entry.record
        made = {
            CONDITION_ID: v.node_id(CONDITIONS, record.subject),
            "ConditionName": v.string(record.subject.rpartition("/")[2]),
            "ClientUserId": v.string(record.user),
            "Comment": v.text(str(data.get("comment", "")), ""),
            "Quality": Value(Type.STATUS_CODE, 0),
        }
        if (after := data.get("after")) in _CORE:
            made["ActiveState/Id"] = v.boolean(after in _ACTIVE)
            made["AckedState/Id"] = v.boolean(after in _ACKED)
        return made


def _teller(place: Place) -> str:
    """The notifier that tells of a node: of a tag its equipment."""
    return place.name.rpartition("/")[0] if place.what is What.TAG else place.name


def _personal(place: Place | None) -> bool:
    return place is not None and place.block is not None and place.block.info.personal


def _audit(entry: Entry) -> dict[str, Value]:
    """Fields of AuditEventType. Source: OPC 10000-5, 6.4.3."""
    record = entry.record
    if not _TYPES[record.kind] or record.kind in (RecordKind.ROLE, RecordKind.SERVER):
        return {}
    stamp = v.time(record.time_ns)
    made: dict[str, Any] = {
        "ClientUserId": v.string(record.user),
        "ServerId": v.string(SERVER_NAME),
        "Status": v.boolean(record.data.get("verdict") not in ("refused", "unknown", "expired")),
    }
    return made if stamp is None else {**made, "ActionTimeStamp": stamp}


class Records(Protocol):
    """The part of the journal that is asked."""

    def query(self, query: Query) -> Awaitable[Found]: ...


@dataclass(frozen=True, slots=True)
class EventQuestion:
    """Events of a span. A time that is None was not specified; `most` 0: all."""

    start_ns: int | None
    end_ns: int | None
    most: int
    filter: EventFilter

    @property
    def backward(self) -> bool:
        if self.start_ns is None:
            return True
        return self.end_ns is not None and self.end_ns < self.start_ns


def event_question(body: bytes, types: EventTypes) -> EventQuestion:
    """What ReadEventDetails ask.

    Raises:
        Refused: the times or the filter make no sense.
    """
    try:
        most, start, end = _TIMES.unpack_from(body)
        wanted = struct_from_binary(ua.EventFilter, CarefulBuffer(body, _TIMES.size))
    except (struct.error, ua.UaError, ValueError, TypeError, EOFError):
        raise Refused(StatusCode.BadHistoryOperationInvalid) from None
    start_ns, end_ns = (None if t <= 0 else moment(t) for t in (start, end))
    if (start_ns is None and end_ns is None) or ((start_ns is None or end_ns is None) and not most):
        raise Refused(StatusCode.BadInvalidTimestampArgument)
    read, _ = read_filter(wanted, types)
    if read is None:
        raise Refused(StatusCode.BadEventFilterInvalid)
    return EventQuestion(start_ns, end_ns, most, read)


def notifier_of(nodes: Nodes, node_id: Any, asker: Asker, known: bool) -> str:
    """Subject whose records a node tells of: '' of the Server and the plant, else area or equipment.

    Raises:
        Refused: BadNodeIdUnknown or BadHistoryOperationUnsupported.
    """
    if node_id == ua.NodeId(_IDS.Server):
        return ""
    place = nodes.find_for(node_id, asker.user)
    if place is None:
        raise Refused(StatusCode.BadHistoryOperationUnsupported if known else StatusCode.BadNodeIdUnknown)
    if place.what not in _TELLING:
        raise Refused(StatusCode.BadHistoryOperationUnsupported)
    return "" if place.what is What.ROOT else place.name


async def event_page(
    journal: Records, subject: str, asked: EventQuestion, state: int | None, most: int, now_ns: int
) -> tuple[list[Entry], int | None]:
    """At most about `most` records in the order asked, and where to go on; None: that was all.

    Raises:
        JournalError: it cannot be read.
    """
    if asked.backward:
        return await _backward(journal, subject, asked, state, most)
    at = state if state is not None else asked.start_ns or 0
    end_ns, width_ns = asked.end_ns if asked.end_ns is not None else now_ns + 1, _WINDOW_NS
    entries: list[Entry] = []
    for _ in range(_STEPS_MAX):
        if at >= end_ns or len(entries) >= most:
            break
        stop = min(at + width_ns, end_ns)
        limit = QUERY_MAX if stop - at <= 1 else most - len(entries)
        found = await journal.query(Query(at, stop, subject=subject, limit=limit))
        if found.more and stop - at > 1:
            width_ns = max(1, (stop - at) // 4)
            continue
        entries += found.entries
        at, width_ns = stop, width_ns * 4
    return entries, at if at < end_ns else None


async def _backward(
    journal: Records, subject: str, asked: EventQuestion, before: int | None, most: int
) -> tuple[list[Entry], int | None]:
    first = asked.end_ns if asked.start_ns is None else asked.start_ns
    low = None if asked.start_ns is None else (asked.end_ns or 0) + 1
    found = await journal.query(Query(low, (first or 0) + 1, subject=subject, before=before, limit=most))
    entries = found.entries[::-1]
    return entries, entries[-1].position.sequence if found.more and entries else None


def history_event(teller: Teller, entries: list[Entry], asked: EventQuestion, asker: Asker) -> tuple[int, bytes]:
    """How many events of these the asker may hear and wants, and an ExtensionObject that holds HistoryEvent."""
    told = []
    for entry in entries:
        event = teller.event(entry)
        if may_hear(asker.user, event) and asked.filter.passes(event, asker.locale):
            told.append(asked.filter.pack(event, asker.locale))
    body = struct.pack("<i", len(told)) + b"".join(told)
    return len(told), _HISTORY_EVENT + struct.pack("<Bi", 1, len(body)) + body
