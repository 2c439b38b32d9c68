# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_event_notifier.py
"""The notifier: an event goes up its hierarchy, and into the queue of every item that wants it and may have it.

Law of this file: no I/O, nothing waits; a filter is evaluated once for an event, however many items share it. Whoever
has thousands of events lets the loop breathe between them.

    notifier.emit(event)                  to all who listen at one of `event.notifiers`
    notifier.send(event, items)           to these only (a refresh)

Source: OPC 10000-3, 6 (HasNotifier, HasEventSource).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import count
from typing import Final

from asyncua import ua

from config.words import Clock
from supervisor.hmi.contract import Counters
from supervisor.hmi.events.event import SERVER, Event, PlainEvent
from supervisor.hmi.events.filter import EventFilter
from supervisor.hmi.events.queue import EventItem, Group, Parcel
from supervisor.hmi.events.value import Id
from supervisor.people import User

ITEMS_MAX: Final = 1_000
"""Event items of the whole server."""
FILTERS_MAX: Final = 100
"""Different filters of the whole server: what an event costs."""

OVERFLOW: Final[Id] = (0, ua.ObjectIds.EventQueueOverflowEventType)
_OVERFLOW_SEVERITY: Final = 400
_OVERFLOW_TEXT: Final = {
    "fr": "Des événements ont été perdus : le terminal ne les a pas lus à temps",
    "en": "Events were lost: the terminal did not read them in time",
}


class NoRoom(Exception):
    """The bound of items or of filters is reached."""


def may_hear(user: User, event: Event) -> bool:
    """Whether an event is for this person: what happens where they see nothing is not told to them."""
    if event.personal and not user.may_read_personal():
        return False
    return event.domain is None or user.may_see(*event.domain)


@dataclass(frozen=True, slots=True)
class Wish:
    """What an item listens to.

    Attributes:
        node: name of the node, SERVER for all events.
        key: the filter as it was sent; equal bytes are the same filter.
    """

    node: str
    filter: EventFilter
    key: bytes
    locale: str


class Notifier:
    """All event items of a server.

    Args:
        allowed: who may have which event.
    """

    def __init__(self, clock: Clock, counters: Counters, allowed: Callable[[User, Event], bool] = may_hear) -> None:
        self._clock = clock
        self._counters = counters
        self._allowed = allowed
        self._groups: dict[tuple[bytes, str], Group] = {}
        self._keys = count(1)
        self._items = 0

    def __len__(self) -> int:
        return self._items

    # --- items

    def listen(self, number: int, wish: Wish, user: User) -> EventItem:
        """A new item.

        Raises:
            NoRoom: there are too many items, or too many different filters.
        """
        if self._items >= ITEMS_MAX:
            raise NoRoom
        item = EventItem(next(self._keys), number, wish.node, self._group(wish), user)
        self._join(item)
        self._items += 1
        return item

    def change(self, item: EventItem, wish: Wish) -> None:
        """An item wants something else from now on; what waits for it stays as it is.

        Raises:
            NoRoom: too many different filters; the item goes on as it was.
        """
        if (group := self._group(wish)) is item.group:
            return
        self._part(item)
        item.group = group
        self._join(item)

    def forget(self, item: EventItem) -> None:
        """The item is no more."""
        item.clear()
        self._part(item)
        self._items -= 1

    def _group(self, wish: Wish) -> Group:
        key = wish.key, wish.locale
        if (group := self._groups.get(key)) is None:
            if len(self._groups) >= FILTERS_MAX:
                raise NoRoom
            group = self._groups[key] = Group(key, wish.filter)
        return group

    def _join(self, item: EventItem) -> None:
        item.group.heard.setdefault(item.node, {})[item.key] = item

    def _part(self, item: EventItem) -> None:
        heard = item.group.heard
        del heard[item.node][item.key]
        if not heard[item.node]:
            del heard[item.node]
        if item.group.empty:
            del self._groups[item.group.key]

    # --- events

    def emit(self, event: Event) -> None:
        """Put an event into the queues of all who listen for it."""
        self._counters.events += 1
        for group in self._groups.values():
            items = [item for node in event.notifiers for item in group.heard.get(node, {}).values()]
            self._hand_out(event, group, items)

    def send(self, event: Event, items: Iterable[EventItem]) -> None:
        """Put an event into the queues of these items only, as far as they listen for it."""
        by_group: dict[int, list[EventItem]] = {}
        for item in items:
            if item.node in event.notifiers:
                by_group.setdefault(id(item.group), []).append(item)
        for alike in by_group.values():
            self._hand_out(event, alike[0].group, alike)

    def _hand_out(self, event: Event, group: Group, items: list[EventItem]) -> None:
        if not items or not group.wants(event):
            return
        parcel = Parcel(event, group)
        for item in items:
            if self._allowed(item.user, event) and not item.put(parcel, self._overflow):
                self._counters.events_lost += 1

    def _overflow(self) -> Event:
        return PlainEvent(
            OVERFLOW,
            secrets.token_bytes(16),
            self._clock.wall_ns(),
            _OVERFLOW_SEVERITY,
            _OVERFLOW_TEXT,
            notifiers=(SERVER,),
            bypasses_where=True,
        )
