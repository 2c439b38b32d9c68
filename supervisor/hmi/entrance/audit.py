# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_hmi_audit.py, tests/system/test_opcua_login.py
"""Who came, who was turned away and why: records for the journal, and audit events for the security officer.

Law of this file: telling never makes anybody wait and never fills the disk: a bounded queue, one writer, and of what
strangers can cause only so much a minute; the rest is counted and told as one sentence. What is lost is counted.
The journal comes first: an event is told once its record is durable.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Final

from config.words import NS_PER_S, Clock
from historian.base import JournalError, Plain, Record, RecordKind
from supervisor.hmi.contract import Counters
from supervisor.hmi.events.audited import Audited, AuditEvent, audit_event

_log = logging.getLogger(__name__)

WAITING_MAX: Final = 1_000
STRANGERS_PER_MINUTE: Final = 30

Append = Callable[[Sequence[Record]], Awaitable[Any]]


class Audit:
    """Takes what happened at the door.

    Args:
        append: the journal's; None: it is logged only.

    Attributes:
        emit: the notifier's, once there is one.
    """

    def __init__(self, clock: Clock, append: Append | None, counters: Counters) -> None:
        self._clock = clock
        self._append = append
        self._counters = counters
        self._waiting: deque[tuple[Record, AuditEvent | None]] = deque()
        self._more = asyncio.Event()
        self._minute = -1
        self._told = self._untold = 0
        self.emit: Callable[[AuditEvent], object] | None = None

    def tell(self, user: str, text: str, about: Audited = Audited.SESSION, **data: Plain) -> None:
        """Something a known person did: logged in, left, changed a certificate."""
        self._put(RecordKind.LOGIN, user, text, data, self._event(about, user, text, good=True))

    def _event(self, about: Audited, who: str, text: str, *, good: bool) -> AuditEvent:
        return audit_event(about, self._clock.wall_ns(), who[:64], text[:500], good=good)

    def tell_of_stranger(self, name: str, text: str, about: Audited = Audited.LOGIN, **data: Plain) -> None:
        """Something anybody can cause as often as they like: a wrong password, an unknown certificate."""
        minute = self._clock.wall_ns() // (60 * NS_PER_S)
        if minute != self._minute:
            self.sum_up()
            self._minute, self._told = minute, 0
        if self._told >= STRANGERS_PER_MINUTE:
            self._untold += 1
            self._counters.audit_summarised += 1
            return
        self._told += 1
        self._put(RecordKind.LOGIN, name, text, data, self._event(about, name, text, good=False))

    def sum_up(self) -> None:
        """One sentence for all that were only counted."""
        untold, self._untold = self._untold, 0
        if untold:
            text = f"{untold} more refusals at the OPC UA door within a minute, not written one by one"
            self._put(RecordKind.LOGIN, "vigie", text, {"refusals": untold})

    def _put(
        self, kind: RecordKind, user: str, text: str, data: dict[str, Plain], event: AuditEvent | None = None
    ) -> None:
        if self._append is None:
            _log.info("%s: %s", user, text)
            self._tell([event])
        elif len(self._waiting) >= WAITING_MAX:
            self._counters.audit_lost += 1
        else:
            shown = {key: value[:200] if isinstance(value, str) else value for key, value in data.items()}
            record = Record(self._clock.wall_ns(), kind, user[:64], "", text[:500], shown)
            self._waiting.append((record, event))
            self._more.set()

    async def run(self) -> None:
        """Write until cancelled; what waits then is written by `close`."""
        while True:
            await self._more.wait()
            self._more.clear()
            await self.close()

    async def close(self) -> None:
        """Write what waits; an event is told once its record is durable."""
        while self._waiting and self._append is not None:
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), 100))]
            try:
                await self._append([record for record, _ in batch])
            except JournalError as error:
                self._counters.audit_lost += len(batch)
                _log.error("%d records of the OPC UA door were not journalled: %s", len(batch), error)
            else:
                self._tell(event for _, event in batch)

    def _tell(self, events: Iterable[AuditEvent | None]) -> None:
        for event in events:
            if event is not None and self.emit is not None:
                self.emit(event)
