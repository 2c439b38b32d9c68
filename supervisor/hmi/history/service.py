# SPDX-License-Identifier: Apache-2.0
# Tests: tests/system/test_opcua_history.py, tests/unit/test_hmi_history.py
"""HistoryRead: one request from its bytes to the bytes of its answer.

Law of this file: every node gets exactly one result; no disk on the loop; how much one answer holds, how many requests
are under way and how long they take is bounded, and each bound has its status code.
Source: OPC 10000-4, 5.11.3; OPC 10000-11, 6.3 and 6.4.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from asyncua import ua
from asyncua.common.utils import NotEnoughData, ServiceError
from asyncua.ua.ua_binary import nodeid_from_binary, struct_from_binary

from config.words import StatusCode
from historian.base import JournalError
from historian.store.disk import StoreError
from supervisor.hmi.contract import Counters, Limits, PastSource
from supervisor.hmi.entrance.wire import CarefulBuffer
from supervisor.hmi.events.hierarchy import EventTypes
from supervisor.hmi.history import raw
from supervisor.hmi.history.details import (
    EVENT_DETAILS,
    AtTimeQuestion,
    ProcessedQuestion,
    Question,
    RawQuestion,
    Refused,
    question,
)
from supervisor.hmi.history.encoding import Column, history_data
from supervisor.hmi.history.events import (
    EventQuestion,
    Records,
    Teller,
    event_page,
    event_question,
    history_event,
    notifier_of,
)
from supervisor.hmi.history.points import Point
from supervisor.hmi.history.processed import at_time_page, fits, processed_page
from supervisor.hmi.history.tags import Tag, tag_of
from supervisor.hmi.values import Stamps
from supervisor.offload import OffloadFull

if TYPE_CHECKING:
    from supervisor.hmi.engine import Engine
    from supervisor.hmi.session import Session

_NO_DATA: Final = b"\0\0\0"  # a null ExtensionObject
_NO_POINT: Final = struct.pack("<i", -1)
_ENCODINGS: Final = (None, "", "Default Binary")


@dataclass(frozen=True, slots=True)
class _Request:
    """A decoded request. `details`: encoding and body of its HistoryReadDetails."""

    details: tuple[int, bytes]
    stamps: Stamps
    release: bool
    nodes: list[Any]


Job = Callable[[], tuple[Column, Any]]


class HistoryService:
    """Answers HistoryRead for every session of a server."""

    def __init__(
        self, engine: Engine, past: PastSource | None, journal: Records | None, limits: Limits, counters: Counters
    ) -> None:
        self._engine = engine
        self._past = past
        self._journal = journal
        self._limits = limits
        self._counters = counters
        self._under_way = 0

    async def read(self, session: Session, data: bytes, at: int) -> list[bytes]:
        """A result for each node, encoded.

        Raises:
            ServiceError: the request as a whole is refused.
        """
        try:
            request = _decode(data, at)
        except ServiceError:
            raise
        except (NotEnoughData, struct.error, ua.UaError, ValueError, TypeError, UnicodeError):
            raise ServiceError(ua.StatusCodes.BadDecodingError) from None
        if not request.nodes:
            raise ServiceError(ua.StatusCodes.BadNothingToDo)
        if len(request.nodes) > self._limits.history_nodes_per_read:
            raise ServiceError(ua.StatusCodes.BadTooManyOperations)
        if self._under_way >= self._limits.history_reads:
            self._counters.history_refused += 1
            raise ServiceError(ua.StatusCodes.BadServerTooBusy)
        self._under_way += 1
        try:
            return await self._answer(session, request)
        finally:
            self._under_way -= 1

    async def _answer(self, session: Session, request: _Request) -> list[bytes]:
        loop = asyncio.get_running_loop()
        until_s = loop.time() + self._limits.history_answer_s
        most = min(self._limits.history_values, max(1, self._limits.history_values_per_answer // len(request.nodes)))
        asked = _Asked(request, self._limits.history_values_per_answer, self._engine.event_types)
        results = []
        for number, node in enumerate(request.nodes):
            try:
                if loop.time() > until_s:
                    raise Refused(StatusCode.BadTimeout)
                results.append(await self._node(session, request, asked, number, node, most))
            except Refused as refusal:
                results.append(_result(refusal.code))
        return results

    async def _node(
        self, session: Session, request: _Request, asked: _Asked, number: int, node: Any, most: int
    ) -> bytes:
        points = session.history_points
        token = node.ContinuationPoint
        if request.release:
            if token:
                points.take(token, node.NodeId)
            return _result(StatusCode.Good)
        if token:
            point = points.take(token, node.NodeId)
        else:
            point = Point(node.NodeId, asked.question, None)
        if node.IndexRange:
            raise Refused(StatusCode.BadIndexRangeNoData)
        if node.DataEncoding is not None and node.DataEncoding.Name not in _ENCODINGS:
            raise Refused(StatusCode.BadDataEncodingInvalid)
        engine = self._engine
        known = engine.aspace.get(node.NodeId) is not None
        if isinstance(point.question, EventQuestion):
            subject = notifier_of(engine.nodes, node.NodeId, session.asker, known)
            n, body, rest = await self._events(session, subject, point.question, point.state, most)
        else:
            tag = tag_of(engine.nodes, node.NodeId, session.asker.user, known)
            column, rest = await self._page(tag, point.question, point.state, number, len(request.nodes), most)
            n, body = len(column), history_data(column, request.stamps)
        self._counters.history_values += n
        told, code = _NO_POINT, StatusCode.Good if n else StatusCode.GoodNoData
        if rest is not None:
            kept = Point(node.NodeId, point.question, rest)
            token = points.keep(kept, self._limits.history_points)
            told, code = struct.pack("<i", len(token)) + token, StatusCode.GoodMoreData
        return _result(code, told, body)

    async def _events(
        self, session: Session, subject: str, asked: EventQuestion, state: Any, most: int
    ) -> tuple[int, bytes, Any]:
        """How many events, these as HistoryEvent, and where to go on."""
        if self._journal is None:
            raise Refused(StatusCode.BadHistoryOperationUnsupported)
        most = min(most, self._limits.history_events, asked.most or most)
        try:
            entries, rest = await event_page(self._journal, subject, asked, state, most, self._engine.clock.wall_ns())
        except JournalError:
            raise Refused(StatusCode.BadUnexpectedError) from None
        teller = Teller(self._engine.space, self._engine.nodes.namespace)
        return *history_event(teller, entries, asked, session.asker), rest

    async def _page(
        self, tag: Tag, asked: Question, state: Any, number: int, nodes: int, most: int
    ) -> tuple[Column, Any]:
        past = self._past
        if past is None:
            raise Refused(StatusCode.BadHistoryOperationUnsupported)
        job = self._job(past, tag, asked, state, number, nodes, most)
        try:
            return await past.ask(job)
        except OffloadFull:
            raise Refused(StatusCode.BadResourceUnavailable) from None
        except StoreError:
            raise Refused(StatusCode.BadUnexpectedError) from None

    def _job(self, past: PastSource, tag: Tag, asked: Question, state: Any, number: int, nodes: int, most: int) -> Job:
        reader, now_ns = past.reader, self._engine.clock.wall_ns()
        if isinstance(asked, RawQuestion):
            begun = state if state is not None else raw.begin(asked)
            return lambda: raw.page(reader, tag.series, tag.kind, asked, begun, most)
        if isinstance(asked, AtTimeQuestion):
            return lambda: at_time_page(reader, tag, asked, state or 0, most, now_ns)
        name, first = state if state is not None else (_name(asked, number, nodes), 0)
        if not fits(name, tag.kind):
            raise Refused(StatusCode.BadAggregateInvalidInputs)

        def processed() -> tuple[Column, Any]:
            column, told = processed_page(reader, tag, name, asked, first, most, now_ns)
            return column, None if told is None else (name, told)

        return processed


class _Asked:
    """The question of a request, read when the first node needs it: nodes that go on carry their own."""

    def __init__(self, request: _Request, times_max: int, types: EventTypes) -> None:
        self._request, self._times_max, self._types = request, times_max, types
        self._question: Question | EventQuestion | None = None

    @property
    def question(self) -> Question | EventQuestion:
        if self._question is None:
            type_id, body = self._request.details
            if type_id == EVENT_DETAILS:
                self._question = event_question(body, self._types)
            else:
                self._question = question(type_id, body, self._times_max)
        return self._question


def _name(asked: ProcessedQuestion, number: int, nodes: int) -> str:
    """The aggregate of node `number`: there is one for each. Source: OPC 10000-13, 5.3.2."""
    if len(asked.names) != nodes:
        raise Refused(StatusCode.BadAggregateListMismatch)
    name = asked.names[number]
    if name is None:
        raise Refused(StatusCode.BadAggregateNotSupported)
    return name


def _decode(data: bytes, at: int) -> _Request:
    buffer = CarefulBuffer(data, at)
    type_id = nodeid_from_binary(buffer)
    encoding, body = buffer.read(1), b""
    if encoding != b"\0":
        body = buffer.read(max(int.from_bytes(buffer.read(4), "little", signed=True), 0))
    stamps, release = struct.unpack("<i?", buffer.read(5))
    if stamps not in (Stamps.SOURCE, Stamps.SERVER, Stamps.BOTH):
        raise ServiceError(ua.StatusCodes.BadTimestampsToReturnInvalid)
    count = max(int.from_bytes(buffer.read(4), "little", signed=True), 0)
    if count > len(buffer):
        raise ServiceError(ua.StatusCodes.BadDecodingError)
    nodes = [struct_from_binary(ua.HistoryReadValueId, buffer) for _ in range(count)]
    standard = type_id.NamespaceIndex == 0 and isinstance(type_id.Identifier, int)
    return _Request((type_id.Identifier if standard else 0, body), Stamps(stamps), release, nodes)


def _result(code: StatusCode, point: bytes = _NO_POINT, data: bytes = _NO_DATA) -> bytes:
    """A HistoryReadResult."""
    return struct.pack("<I", code) + point + data
