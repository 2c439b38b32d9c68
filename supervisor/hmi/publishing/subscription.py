# SPDX-License-Identifier: Apache-2.0
# Tests: tests/system/conformance/test_subscriptions.py, tests/system/test_opcua_subscribe.py
"""One subscription: its items, its state, and its messages.

Law of this file: what a message holds and what is remembered of it. When it leaves is `publisher.py`'s matter, which
request it answers `outbox.py`'s, whose it is `session.py`'s. Values of tags never pass through objects.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from asyncua import ua
from asyncua.common.utils import ServiceError

from config.words import Clock, Rows, StatusCode
from supervisor.hmi.contract import Counters, Limits
from supervisor.hmi.model.nodes import Asker
from supervisor.hmi.model.reading import Reading
from supervisor.hmi.model.space import Space
from supervisor.hmi.publishing.columns import Mask
from supervisor.hmi.publishing.cycle import Act, Cycle
from supervisor.hmi.publishing.links import Links
from supervisor.hmi.publishing.messages import data_change, notification_message
from supervisor.hmi.publishing.node_items import NodeItems
from supervisor.hmi.publishing.notices import EVENT_LIST, Changes, ItemSource, Notice
from supervisor.hmi.publishing.outbox import Outbox
from supervisor.hmi.publishing.retransmission import Retransmission
from supervisor.hmi.publishing.tag_items import TagItems
from supervisor.hmi.values import ValueEncoder
from supervisor.people import User
from supervisor.tags.table import TagTable

_SEQUENCE_MAX: Final = 2**32 - 1
_ITEM_ID_FIRST: Final = 1
_NS_PER_MS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Source:
    """What notifications are made of, and where sent ones are kept."""

    space: Space
    table: TagTable
    encoder: ValueEncoder
    reading: Reading
    clock: Clock
    limits: Limits
    counters: Counters
    sent: Retransmission


@dataclass(slots=True)
class Terms:
    """What client and server have agreed on.

    Attributes:
        interval_ms: publishing interval; `lifetime`, `keep_alive`: counts of it.
        notifications_max: most notifications in one message.
        priority: 0..255; of subscriptions that wait the highest is served first.
    """

    interval_ms: float
    lifetime: int
    keep_alive: int
    notifications_max: int
    priority: int = 0


@dataclass(slots=True)
class Tally:
    """What happened to one subscription. Source: OPC 10000-5, 12.15 (SubscriptionDiagnosticsDataType)."""

    modified: int = 0
    enabled: int = 0
    disabled: int = 0
    republish_requests: int = 0
    republished: int = 0
    transfer_requests: int = 0
    transferred_to_other_client: int = 0
    transferred_to_same_client: int = 0
    publish_requests: int = 0
    data_changes: int = 0
    events: int = 0
    messages: int = 0
    late_publish_requests: int = 0
    discarded_messages: int = 0


class Subscription:
    """One subscription of one session.

    Attributes:
        number: SubscriptionId.
        session_id, outbox: of the session it belongs to now.
        user: whose rights it reports by; nobody else may take it over.
        items: monitored values of tags; nodes: monitored attributes of other nodes.
        events: monitored events, None where nothing makes any.
        late_s: when it became late, on the loop's clock.
        due_s: when its publishing timer expires next.
        closed: it has ended.
        tally: for diagnostics; sequence: number of the next message.
    """

    def __init__(
        self,
        source: Source,
        number: int,
        session_id: ua.NodeId,
        asker: Asker,
        outbox: Outbox[Subscription],
        terms: Terms,
        enabled: bool,
    ) -> None:
        self._source = source
        self.number = number
        self.session_id = session_id
        self.outbox = outbox
        self.asker = asker
        self.terms = terms
        self.cycle = Cycle(terms.keep_alive, terms.lifetime, enabled)
        self.links = Links(source.limits.links_per_subscription)
        self.items = TagItems(
            source.table, source.encoder, source.space.is_float, self._interval_ns(), source.clock, self.fired
        )
        self.nodes = NodeItems(source.reading, asker, self.fired)
        self.events: ItemSource | None = None
        self.tally = Tally()
        self.sequence = 1
        self.late_s = self.due_s = 0.0
        self.closed = False
        self._item_id = _ITEM_ID_FIRST - 1

    def __len__(self) -> int:
        """Monitored items of all kinds."""
        return len(self.items) + len(self.nodes) + (0 if self.events is None else len(self.events))

    def handles(self) -> tuple[list[int], list[int]]:
        """MonitoredItemIds and ClientHandles of values and attributes."""
        tags, nodes = self.items.handles(), self.nodes.handles()
        return [*tags, *nodes], [*tags.values(), *nodes.values()]

    @property
    def user(self) -> User:
        return self.asker.user

    @property
    def disabled(self) -> int:
        """Monitored items of all kinds that are disabled."""
        return self.items.disabled + self.nodes.disabled + (0 if self.events is None else self.events.disabled)

    def next_item_id(self, count: int) -> int:
        """The first of `count` new item ids."""
        first = self._item_id + 1
        self._item_id += count
        return first

    def _interval_ns(self) -> int:
        return int(self.terms.interval_ms * _NS_PER_MS)

    def revise(self, terms: Terms) -> None:
        """ModifySubscription."""
        self.terms = terms
        self.cycle.revise(terms.keep_alive, terms.lifetime)
        self.items.revise(self._interval_ns())
        self.tally.modified += 1

    def enable(self, enabled: bool) -> None:
        """SetPublishingMode."""
        self.cycle.enable(enabled)
        if enabled:
            self.tally.enabled += 1
        else:
            self.tally.disabled += 1

    def hand_over(self, asker: Asker) -> None:
        """Another user has the session now."""
        self.asker = self.nodes.asker = asker
        rights = self._source.space.rights.of(asker.user)

        def readable(rows: Rows) -> Mask:
            allowed: Mask = rights.reading(rows) == np.uint32(StatusCode.Good)
            return allowed

        self.items.hand_over(readable)
        if self.events is not None:
            self.events.hand_over(asker.user)

    # -- what there is to tell --------------------------------------------------------------------------------------

    def fired(self, numbers: list[int]) -> None:
        """Items that others are linked to have something: what waits at the others may be told, too."""
        released = self.links.linked(numbers)
        self.items.release(np.array(released, np.uint32))
        self.nodes.release(released)
        if self.events is not None:
            self.events.release(released)

    def available(self) -> bool:
        """Whether a message would hold notifications."""
        events = self.events is not None and self.events.pending()
        return events or self.nodes.pending() or self.items.pending()

    def timer(self, now_s: float) -> Act:
        """The publishing timer has expired."""
        self.outbox.expire(now_s)
        queued = bool(self.outbox.requests)
        late = self.cycle.late
        waits = late and not queued  # it has something to say already, and still nobody to say it to
        act = self.cycle.timer(not waits and self.available(), queued)
        if self.cycle.late and not late:
            self.late_s = now_s
            self.tally.late_publish_requests += 1
        return act

    def message(self, now_ns: int) -> bytes:
        """The next NotificationMessage; it is kept until the client acknowledges it."""
        notices = self._notices(now_ns)
        events = self.events is not None and self.events.pending()
        self.cycle.more = events or self.nodes.pending() or self.items.left
        message = notification_message(self.sequence, now_ns, notices)
        if notices:
            self.tally.discarded_messages += self._source.sent.keep(self.number, self.sequence, message)
            self.sequence = self.sequence % _SEQUENCE_MAX + 1
            self.tally.messages += 1
        return message

    def keep_alive(self, now_ns: int) -> bytes:
        """A message without notifications: it tells the next sequence number, and does not use it."""
        return notification_message(self.sequence, now_ns, ())

    def _notices(self, now_ns: int) -> list[Notice]:
        """At most one DataChangeNotification and one EventNotificationList. Source: OPC 10000-4, 7.26."""
        room = self.terms.notifications_max
        events = [] if self.events is None else self.events.take(room)
        told = sum(notice.count for notice in events)
        changes = self._changes(room - told, now_ns)
        self.tally.data_changes += changes.count
        self.tally.events += sum(notice.count for notice in events if notice.type_id == EVENT_LIST)
        self._source.counters.notifications += changes.count + told
        return [data_change(changes.count, changes.items), *events] if changes.count else events

    def _changes(self, room: int, now_ns: int) -> Changes:
        nodes = self.nodes.take(room)
        tags = self.items.take(room - nodes.count, now_ns)
        return Changes(nodes.count + tags.count, nodes.items + tags.items)

    def refresh(self, now_s: float) -> None:
        """Report all values again (a transfer with initial values)."""
        self.items.refresh()
        self.nodes.refresh(now_s)

    # -- what was told ----------------------------------------------------------------------------------------------

    def acknowledge(self, sequence: int) -> int:
        """Forget a message that the client has; returns a status code."""
        known = self._source.sent.acknowledge(self.number, sequence)
        return int(StatusCode.Good if known else ua.StatusCodes.BadSequenceNumberUnknown)

    def sent(self) -> list[int]:
        """AvailableSequenceNumbers."""
        return self._source.sent.numbers(self.number)

    def republish(self, sequence: int) -> bytes:
        """A message not acknowledged yet; it stays until it is. Source: OPC 10000-4, 5.14.6.

        Raises:
            ServiceError: BadMessageNotAvailable. (A Good empty answer sends reconnecting clients into an endless loop.)
        """
        self.cycle.touch()
        self.tally.republish_requests += 1
        message = self._source.sent.get(self.number, sequence)
        if message is None:
            raise ServiceError(ua.StatusCodes.BadMessageNotAvailable)
        self.tally.republished += 1
        return message

    def close(self) -> None:
        """It has ended; its items and messages with it."""
        self.closed = True
        self._source.sent.drop(self.number)
        if self.events is not None:
            self.events.close()
