# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_condition_refresh.py
"""ConditionRefresh: every retained condition once more, with the EventId and Time it had, between a start and an end.

Law of this file: one refresh of a subscription at a time; it goes no faster than its client reads, and the loop is
never held up. New events may come in between; a condition that is no longer retained when its turn comes is left out,
for its last event has been sent. Source: OPC 10000-9, 4.5, 5.5.7 and 5.5.8.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from asyncua import ua

from config.words import Clock
from supervisor.hmi.conditions.board import SLICE_S, Board
from supervisor.hmi.events.event import PlainEvent
from supervisor.hmi.events.notifier import Notifier
from supervisor.hmi.events.queue import EventItem
from supervisor.hmi.events.value import Id

PATIENCE_S: Final = 30.0
"""How long a client that reads nothing is waited for; then its queue overflows, and it is told so [s]."""
_PAUSE_S: Final = 0.05

START: Final[Id] = (0, ua.ObjectIds.RefreshStartEventType)
END: Final[Id] = (0, ua.ObjectIds.RefreshEndEventType)
_SEVERITY: Final = 100
_TEXTS: Final = {
    START: {"fr": "Début de relecture des alarmes", "en": "Alarms are told again"},
    END: {"fr": "Fin de relecture des alarmes", "en": "All alarms have been told"},
}


class Refreshing:
    """The refreshes under way."""

    def __init__(self, board: Board, notifier: Notifier, clock: Clock) -> None:
        self._board = board
        self._notifier = notifier
        self._clock = clock
        self._tasks: dict[int, asyncio.Task[None]] = {}

    def begin(self, subscription: int, items: Sequence[EventItem]) -> bool:
        """Begin for these items of a subscription; False: one is under way for it."""
        if subscription in self._tasks:
            return False
        task = asyncio.create_task(self._refresh(items), name=f"condition refresh {subscription}")
        self._tasks[subscription] = task
        task.add_done_callback(lambda _: self._tasks.pop(subscription))
        return True

    async def close(self) -> None:
        for task in list(self._tasks.values()):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _refresh(self, items: Sequence[EventItem]) -> None:
        loop = asyncio.get_running_loop()
        self._mark(START, items)
        since_s = loop.time()
        for number in sorted(self._board.last):
            if (event := self._board.last.get(number)) is None:
                continue
            self._notifier.send(event.seen(self._clock.wall_ns()), items)
            if not all(_has_room(item) for item in items):
                await self._wait(items)
                since_s = loop.time()
            elif loop.time() - since_s > SLICE_S:
                await asyncio.sleep(0)
                since_s = loop.time()
        self._mark(END, items)

    def _mark(self, type_: Id, items: Sequence[EventItem]) -> None:
        """Start and end reach every one of the items, wherever it listens and whatever it filters."""
        now_ns, nodes = self._clock.wall_ns(), tuple({item.node for item in items})
        event_id, text = secrets.token_bytes(16), _TEXTS[type_]
        mark = PlainEvent(type_, event_id, now_ns, _SEVERITY, text, notifiers=nodes, bypasses_where=True)
        self._notifier.send(mark, items)

    async def _wait(self, items: Sequence[EventItem]) -> None:
        """Until the client has read, or its patience is over."""
        for _ in range(round(PATIENCE_S / _PAUSE_S)):
            if all(_has_room(item) for item in items):
                return
            await asyncio.sleep(_PAUSE_S)


def _has_room(item: EventItem) -> bool:
    """Half the queue is left for what happens meanwhile; a queue nobody reads is not waited for."""
    return not item.pending or 2 * len(item) < item.queue_max
