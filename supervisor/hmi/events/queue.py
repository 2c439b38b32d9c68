# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_event_notifier.py
"""A monitored item for events: whom it belongs to, what it wants, and what waits for its client.

Law of this file: pure. A queue is bounded; what does not fit is lost, and the client is told so by an event of type
EventQueueOverflowEventType in its place, which needs no room. Source: OPC 10000-4, 5.13.1.5 and 7.22.3.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable
from typing import Final

from supervisor.hmi.events.event import Event
from supervisor.hmi.events.filter import EventFilter, Template
from supervisor.hmi.publishing.columns import Mode
from supervisor.people import User

QUEUE_DEFAULT: Final = 1_000
"""Events that wait where the client asks for 0 or 1: 'the server's default'."""
QUEUE_MAX: Final = 10_000

TEMPLATES_MAX: Final = 256
"""Kinds of events alike whose common fields a group keeps; in a storm thousands of alarms are a few."""


def revised(queue_size: int) -> int:
    """The queue size a client gets."""
    return QUEUE_DEFAULT if queue_size <= 1 else min(queue_size, QUEUE_MAX)


class Group:
    """All items that want the same of the same events in the same language: what they get is made once.

    Attributes:
        key: the filter as it was sent, and the language.
        heard: items by the node they listen at.
    """

    def __init__(self, key: tuple[bytes, str], filter_: EventFilter) -> None:
        self.key = key
        self.filter = filter_
        self.locale = key[1]
        self.heard: dict[str, dict[int, EventItem]] = {}
        self._templates: dict[Hashable, Template] = {}

    @property
    def empty(self) -> bool:
        return not self.heard

    def pack(self, event: Event) -> bytes:
        """EventFields; what events that are alike have in common is packed once."""
        template = self._template(event)
        return self.filter.pack(event, self.locale) if template is None else template.fill(event, self.locale)

    def wants(self, event: Event) -> bool:
        """Whether it passes the filter; of events that are alike one is asked, where that is enough."""
        template = None if event.bypasses_where else self._template(event)
        if template is None or template.passes is None:
            return self.filter.passes(event, self.locale)
        return template.passes

    def _template(self, event: Event) -> Template | None:
        """None: it is like no other."""
        key = event.alike
        if key is None:
            return None
        if (template := self._templates.get(key)) is None:
            if len(self._templates) >= TEMPLATES_MAX:
                self._templates.clear()
            template = self._templates[key] = self.filter.template(event, self.locale)
        return template


class Parcel:
    """An event on its way to all items of a group; encoded when the first of them is published."""

    __slots__ = ("_bytes", "_event", "_group")

    def __init__(self, event: Event, group: Group) -> None:
        self._event = event
        self._group = group
        self._bytes: bytes | None = None

    @property
    def bytes(self) -> bytes:
        """EventFields."""
        if self._bytes is None:
            self._bytes = self._group.pack(self._event)
        return self._bytes


class EventItem:
    """One item of one subscription.

    Attributes:
        number: MonitoredItemId; unique on the server together with its subscription, `key` alone.
        node: name of the node it listens at.
        lost: events it had no room for.
        fired: told when something is queued; None: no other items are linked to this one.
    """

    def __init__(self, key: int, number: int, node: str, group: Group, user: User) -> None:
        self.key = key
        self.number = number
        self.node = node
        self.group = group
        self.user = user
        self.handle = 0
        self.mode = Mode.REPORTING
        self.queue_max = QUEUE_DEFAULT
        self.discard_oldest = True
        self.lost = 0
        self.fired: Callable[[], None] | None = None
        self._released = False
        self._queue: deque[Parcel] = deque()
        self._overflow: Parcel | None = None

    def __len__(self) -> int:
        return len(self._queue) + (self._overflow is not None)

    @property
    def pending(self) -> bool:
        reports = self.mode is Mode.REPORTING or (self._released and self.mode is Mode.SAMPLING)
        return reports and len(self) > 0

    def release(self) -> None:
        """An item that triggers this one has fired: what waits may be told although it only samples.

        Source: OPC 10000-4, 5.13.1.6.
        """
        self._released = len(self) > 0

    def put(self, parcel: Parcel, overflow: Callable[[], Event]) -> bool:
        """Keep a parcel for the client.

        Args:
            overflow: makes the event that tells of lost ones.
        Returns: False: one was lost, this or another.
        """
        if self.mode is Mode.DISABLED:
            return True
        lost = len(self._queue) >= self.queue_max
        if lost:
            self.lost += 1
            if self._overflow is None:
                self._overflow = Parcel(overflow(), self.group)
            if self.discard_oldest:
                self._queue.popleft()
            else:
                self._queue.pop()
        self._queue.append(parcel)
        if self.fired is not None:
            self.fired()
        return not lost

    def take(self) -> Parcel:
        """The next parcel; call only while `len` is not 0. What tells of losses stands where they were."""
        if self._overflow is not None and (self.discard_oldest or not self._queue):
            told, self._overflow = self._overflow, None
        else:
            told = self._queue.popleft()
        self._released = self._released and len(self) > 0
        return told

    def set_mode(self, mode: Mode) -> None:
        """A disabled item keeps nothing."""
        self.mode = mode
        if mode is Mode.DISABLED:
            self.clear()

    def resize(self, queue_max: int, discard_oldest: bool) -> None:
        """A smaller queue loses what does not fit, oldest or newest as the client wants; nothing is said of it."""
        self.queue_max, self.discard_oldest = queue_max, discard_oldest
        while len(self._queue) > queue_max:
            if discard_oldest:
                self._queue.popleft()
            else:
                self._queue.pop()

    def clear(self) -> None:
        self._queue.clear()
        self._overflow, self._released = None, False
