# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_condition_board.py
"""The board: what the alarm desk shows becomes events, and the last event of each retained condition is kept.

Law of this file: nothing is decided here; events follow what the writer says is shown, in its order. The loop is never
held up: a storm is told in slices of SLICE_S.

What the journal cannot take is shown all the same, marked `Recorded` false, under an EventId that no journal knows; it
comes again with its own when it is recorded. If so much waits to be told that BACKLOG_MAX is passed, the oldest is not
told: the board knows its outcome, and a RefreshRequiredEvent asks the terminals to look (OPC 10000-9, 4.5).
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final

from asyncua import ua

from config.words import BAD, Clock, StatusCode
from historian.base import Plain, Record
from supervisor.alarms.desk import AlarmDesk
from supervisor.alarms.events import What
from supervisor.alarms.happening import Happening
from supervisor.alarms.records import Batch, EventId
from supervisor.alarms.shown import Entry
from supervisor.alarms.state import State
from supervisor.hmi.conditions.condition import ConditionEvent, where_heard
from supervisor.hmi.conditions.kind import CERTIFICATE_EXPIRES, Expiring, Kind, kind_of
from supervisor.hmi.conditions.moment import NO_REMARK, Remark
from supervisor.hmi.events.event import PlainEvent
from supervisor.hmi.events.notifier import Notifier
from supervisor.hmi.events.value import Id

SLICE_S: Final = 0.005
"""Longest time events are made without a pause [s]."""
BACKLOG_MAX: Final = 200_000
"""Happenings that wait to be told."""
IDS_MAX: Final = 32
"""EventIds by which the present occurrence of a condition may be acknowledged: the newest ones."""

REFRESH_REQUIRED: Final[Id] = (0, ua.ObjectIds.RefreshRequiredEventType)
_SYSTEM_SEVERITY: Final = 100
_REFRESH_TEXT: Final = {
    "fr": "L'état des alarmes doit être relu",
    "en": "The state of the alarms must be read again",
}


@dataclass(slots=True)
class _Told:
    batch: Batch
    values: Sequence[Plain]
    events: Sequence[EventId] | None
    loud: bool = True


class _Ids:
    """EventIds of the present occurrence of one condition."""

    __slots__ = ("known", "occurrence_ns")

    def __init__(self) -> None:
        self.occurrence_ns = 0
        self.known: list[bytes] = []

    def add(self, *ids: bytes) -> None:
        """The newest come last; IDS_MAX are kept."""
        self.known += ids
        del self.known[:-IDS_MAX]


class Board:
    """Conditions as OPC UA sees them. `start` it before the desk tells anything, `run` it, `close` it.

    Args:
        first_to_expire: the certificate that expires first, own or trusted; None: not known.
    Attributes:
        last: the last event of every retained condition, by number.
    """

    def __init__(
        self,
        desk: AlarmDesk,
        notifier: Notifier,
        clock: Clock,
        first_to_expire: Callable[[], Expiring | None] = lambda: None,
    ) -> None:
        self.desk = desk
        self.last: dict[int, ConditionEvent] = {}
        self._notifier = notifier
        self._clock = clock
        self._first_to_expire = first_to_expire
        book = desk.book
        self._kinds: tuple[Kind, ...] = tuple(kind_of(block, book.plant) for block in book.blocks)
        self._limit_of = desk.engine.conditions.limit
        self._ids: dict[int, _Ids] = {}
        self._backlog: deque[_Told] = deque()
        self._waiting = 0
        self._missed = False
        self._work = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Take up what is shown already, then follow. Whoever listens by now has to look anew."""
        for condition, entry in self.desk.shown:
            self._take_up(condition, entry)
        self.desk.writer.told.append(self._tell)
        self._task = asyncio.create_task(self._serve(), name="alarm events")
        self.require_refresh()

    async def close(self) -> None:
        """Idempotent."""
        with suppress(ValueError):
            self.desk.writer.told.remove(self._tell)
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    @property
    def waiting(self) -> int:
        """Happenings that are not told yet."""
        return self._waiting

    # --- what is asked of it

    def occurrence(self, condition: int, event_id: bytes) -> int | None:
        """The occurrence that an EventId belongs to [UTC ns]; None: it is not the present one of this condition."""
        ids = self._ids.get(condition)
        return ids.occurrence_ns if ids is not None and event_id in ids.known else None

    def require_refresh(self) -> None:
        """Tell every terminal to read the alarms again."""
        now_ns = self._clock.wall_ns()
        number = secrets.token_bytes(16)
        self._notifier.emit(
            PlainEvent(REFRESH_REQUIRED, number, now_ns, _SYSTEM_SEVERITY, _REFRESH_TEXT, bypasses_where=True)
        )

    # --- from the writer

    def _tell(self, batch: Batch, values: Sequence[Plain], events: Sequence[EventId] | None) -> None:
        if not (batch.happenings or batch.notes):
            return
        self._backlog.append(_Told(batch, values, events))
        self._waiting += len(batch.happenings)
        for told in self._backlog:
            if self._waiting <= BACKLOG_MAX or told.batch is batch:
                break
            self._hush(told)
        self._work.set()

    def _hush(self, told: _Told) -> None:
        """What comes of it is taken up in its turn; no event is sent."""
        if told.loud:
            told.loud = False
            self._missed = True
            self._waiting -= len(told.batch.happenings)

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._work.wait()
            self._work.clear()
            since_s = loop.time()
            while self._backlog:
                told = self._backlog[0]
                for event in self._events(told):
                    self._keep(event)
                    if told.loud:
                        self._notifier.emit(event)
                    if loop.time() - since_s > SLICE_S:
                        await asyncio.sleep(0)
                        since_s = loop.time()
                self._backlog.popleft()
                self._waiting -= len(told.batch.happenings) if told.loud else 0
            if self._missed:
                self._missed = False
                self.require_refresh()

    # --- events

    def _events(self, told: _Told) -> Iterator[ConditionEvent]:
        """An event for each happening, then for each comment."""
        batch, ids = told.batch, told.events
        qualities = _qualities(batch)
        for n, (h, value) in enumerate(zip(batch.happenings, told.values, strict=True)):
            yield self._event(h, value, qualities[n], None if ids is None else bytes(ids[n]))
        if ids is None:
            return
        for note, event_id in zip(batch.notes, ids[len(batch.happenings) :], strict=True):
            if (event := self._commented(note, bytes(event_id))) is not None:
                yield event

    def _event(self, h: Happening, value: Plain, quality: int, event_id: bytes | None) -> ConditionEvent:
        before = self.last.get(h.condition)
        if before is not None and before.state.occurrence_ns != h.state.occurrence_ns:
            before = None
        remark = NO_REMARK if before is None else before.remark
        if h.by is not None:
            remark = Remark(h.by.user.name, h.by.comment or remark.comment, h.time_ns)
        rose = h.log.what is What.ALARM and h.field_ns > 0
        return ConditionEvent(
            kind=self._kinds[self.desk.book.block_of[h.condition]],
            number=h.condition,
            name=h.name,
            id=b"\0" * 4 + secrets.token_bytes(12) if event_id is None else event_id,
            state=h.state,
            time_ns=h.field_ns if rose else h.time_ns,
            receive_ns=h.time_ns,
            what=h.log.what.value,
            limit_of=self._limit_of,
            notifiers=where_heard(h.name),
            domain=self.desk.book.domain(h.condition),
            value=value,
            quality=_quality(h.state, quality),
            first=h.first,
            recorded=event_id is not None,
            remark=remark,
            expiring=self._expiring(h.condition),
        )

    def _expiring(self, condition: int) -> Expiring | None:
        """The certificate that an alarm on certificates is about: the first that expires."""
        kind = self._kinds[self.desk.book.block_of[condition]]
        return self._first_to_expire() if kind.type == CERTIFICATE_EXPIRES else None

    def _commented(self, note: Record, event_id: bytes) -> ConditionEvent | None:
        """Somebody said something about a condition that is before the operator."""
        condition = self.desk.book.find(note.subject) if note.data.get("what") == "comment" else None
        before = None if condition is None else self.last.get(condition)
        if before is None:
            return None
        remark = Remark(note.user, str(note.data.get("comment", "")), note.time_ns)
        times = {"time_ns": note.time_ns, "receive_ns": note.time_ns, "seen_ns": 0}
        return replace(before, id=event_id, what="comment", remark=remark, recorded=True, **times)

    def _take_up(self, condition: int, entry: Entry) -> None:
        """A condition that stood when the server began: known by the record of its occurrence."""
        state, book = entry.live.state, self.desk.book
        name = book.name(condition)
        when_ns = state.occurrence_ns or state.raised_ns or self._clock.wall_ns()
        user = entry.acked_by or entry.shelved_by
        event = ConditionEvent(
            kind=self._kinds[book.block_of[condition]],
            number=condition,
            name=name,
            id=b"\0" * 4 + secrets.token_bytes(12) if entry.event is None else bytes(entry.event),
            state=state,
            time_ns=entry.live.field_ns or when_ns,
            receive_ns=when_ns,
            what=What.ALARM.value,
            limit_of=self._limit_of,
            notifiers=where_heard(name),
            domain=book.domain(condition),
            value=entry.value,
            quality=_quality(state, 0),
            first=entry.live.first,
            recorded=self.desk.shown.recorded(entry),
            remark=Remark(user, entry.comment, state.acked_ns) if user or entry.comment else NO_REMARK,
            expiring=self._expiring(condition),
        )
        self._keep(event)
        if (ids := self._ids.get(condition)) is not None:
            ids.add(*map(bytes, reversed(entry.later)))

    def _keep(self, event: ConditionEvent) -> None:
        """The event is the present one of its condition; EventIds of former occurrences are forgotten."""
        state = event.state
        if state.retain:
            self.last[event.number] = event
        else:
            self.last.pop(event.number, None)
        if state.at_rest:
            self._ids.pop(event.number, None)
            return
        ids = self._ids.setdefault(event.number, _Ids())
        if ids.occurrence_ns != state.occurrence_ns:
            ids.occurrence_ns = state.occurrence_ns
            ids.known.clear()
        ids.add(event.id)


def _qualities(batch: Batch) -> Sequence[int]:
    """Statuses of the tags of its happenings; Good where a rule looks at no single tag."""
    glance = batch.values
    if glance is None:
        return [0] * len(batch.happenings)
    statuses: list[Any] = glance.statuses.tolist()
    return [0 if row < 0 else status for row, status in zip(glance.rows.tolist(), statuses, strict=True)]


def _quality(state: State, status: int) -> int:
    """What cannot be evaluated is Bad, whatever a single tag says."""
    if state.evaluable or status >= BAD:
        return status
    return int(StatusCode.Bad)
