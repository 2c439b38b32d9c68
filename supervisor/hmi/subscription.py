# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: SLF001 - hooks of the pinned asyncua, held by tests/unit/test_hmi_hooks.py
# Tests: tests/system/test_opcua_subscribe.py, tests/property/test_hmi_items.py
"""Subscriptions: when to publish, and how changed rows become a notification message.

Law of this file: values of tags never pass through objects; everything else of a subscription (keep-alive, lifetime,
acknowledgement, items on the server's own nodes, events) is asyncua's, corrected where it departs from OPC 10000-4.

Each publishing interval the columns of `Items` are compared with the table; what changed is encoded in one pass and
handed to asyncua as the finished body of a DataChangeNotification.
"""

from __future__ import annotations

import asyncio
import logging
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.server.internal_subscription import InternalSubscription

from config.words import Clock, Rows, StatusCode
from supervisor.hmi.contract import Counters, Limits
from supervisor.hmi.items import Items
from supervisor.hmi.notices import ItemSource
from supervisor.hmi.space import Space
from supervisor.hmi.values import Stamps, ValueEncoder
from supervisor.people import User
from supervisor.tags.table import TagTable

_log = logging.getLogger(__name__)

_DATA_CHANGE: Final = ua.NodeId(ua.ObjectIds.DataChangeNotification_Encoding_DefaultBinary)
_NO_DIAGNOSTICS: Final = struct.pack("<i", 0)


@dataclass(frozen=True, slots=True)
class Source:
    """What notifications are made of."""

    space: Space
    table: TagTable
    encoder: ValueEncoder
    clock: Clock
    limits: Limits
    counters: Counters


class Subscription(InternalSubscription):
    """One subscription of one session.

    Attributes:
        user: whose rights it reports by; nobody else may take it over.
        items: monitored values of tags.
        events: monitored events, None where nothing makes any.
        notifications_max: most notifications in one message.
    """

    def __init__(
        self,
        source: Source,
        data: ua.CreateSubscriptionResult,
        aspace: Any,
        callback: Callable[..., Any],
        session_id: ua.NodeId,
        request_callback: Callable[..., Any] | None,
        delete_callback: Callable[[], Any],
        publishing_enabled: bool,
        notifications_max: int,
        user: User,
    ) -> None:
        super().__init__(
            data,
            aspace,
            callback,
            session_id,
            request_callback=request_callback,
            delete_callback=delete_callback,
            no_acks_limit=source.limits.unacknowledged,
            publishing_enabled=publishing_enabled,
        )
        self._source = source
        self.user = user
        self._lost_rights = False
        self.items = Items()
        self.events: ItemSource | None = None
        self.limit_notifications(notifications_max)

    @property
    def count(self) -> int:
        """Monitored items of all kinds."""
        events = 0 if self.events is None else len(self.events)
        return len(self.items) + events + len(self.monitored_item_srv._monitored_items)

    def limit_notifications(self, requested: int) -> None:
        """MaxNotificationsPerPublish as the client wants it (0: no limit of its own)."""
        most = self._source.limits.notifications_per_publish
        self.notifications_max = min(requested, most) if requested else most

    def next_item_id(self, count: int) -> int:
        """The first of `count` new item ids, from the counter that asyncua's own items use too."""
        first = int(self.monitored_item_srv._monitored_item_counter) + 1
        self.monitored_item_srv._monitored_item_counter += count
        return first

    async def _subscription_loop(self) -> None:
        """Publish each interval, on the loop's clock; an interval that was missed is not made up for."""
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        while not self._closing:
            try:
                await self.publish_results()
            except Exception:
                # One message that cannot be made must not silence the subscription for good.
                _log.exception("subscription %d could not publish", self.data.SubscriptionId)
            due_s = max(due_s + self.data.RevisedPublishingInterval / 1000.0, loop.time())
            await asyncio.sleep(due_s - loop.time())

    def hand_over(self, user: User) -> None:
        """Another user has the session now: every item is reported anew, as far as *their* rights go.

        What they may not see is told once as BadUserAccessDenied; not even that it changes is told afterwards.
        Source: OPC 10000-4, 5.7.3.1.
        """
        self.user = user
        self._lost_rights = not self._source.space.all_open(self.items.rows, user)
        self.items.refresh()
        if self.events is not None:
            self.events.hand_over(user)

    def _changed(self) -> Rows:
        at = self.items.changed(self._source.table, self._source.space.is_float)
        if self._lost_rights and len(at):
            seen = self._source.space.rights.of(self.user).reading(self.items.rows[at]) == StatusCode.Good
            self.items.backlog = at = at[seen | self.items.fresh[at]]
        return at

    def _events_pending(self) -> bool:
        return self.events is not None and self.events.pending()

    async def stop(self) -> None:
        await super().stop()
        if self.events is not None:
            self.events.close()

    def has_published_results(self) -> bool:
        if self._publishing_enabled and (len(self._changed()) or self._events_pending()):
            return True
        return bool(super().has_published_results())

    async def publish_results(self, requestdata: Any = None) -> bool:
        """Publish what there is, in several messages if need be.

        Returns: True if the request handed over was used. (Whether later messages found one does not matter here:
            the caller would queue a used request again and answer it twice.)
        """
        used = bool(await super().publish_results(requestdata))
        again = used
        while again and (len(self.items.backlog) or self._events_pending()):
            await asyncio.sleep(0)  # a message may take ten milliseconds to make
            again = bool(await super().publish_results(None))
        return used

    def _pop_publish_result(self) -> ua.PublishResult:
        result = super()._pop_publish_result()
        result.MoreNotifications = bool(
            self._publishing_enabled and (len(self.items.backlog) or self._events_pending())
        )
        return result

    def _pop_triggered_datachanges(self, result: ua.PublishResult) -> None:
        super()._pop_triggered_datachanges(result)
        if not len(self._changed()):
            return
        at = self.items.take(self.notifications_max)
        for stamps in np.unique(self.items.stamps[at]).tolist():
            body = self._notification(at[self.items.stamps[at] == stamps], Stamps(stamps))
            result.NotificationMessage.NotificationData.append(ua.ExtensionObject(TypeId=_DATA_CHANGE, Body=body))
        self.items.reported(at, self._source.table)
        self._source.counters.notifications += len(at)

    def _pop_triggered_events(self, result: ua.PublishResult) -> None:
        super()._pop_triggered_events(result)
        if self.events is None or not self.events.pending():
            return
        for notice in self.events.take(self.notifications_max):
            type_id = ua.NodeId(notice.type_id)
            result.NotificationMessage.NotificationData.append(ua.ExtensionObject(TypeId=type_id, Body=notice.body))
            self._source.counters.notifications += notice.count

    def _notification(self, at: Rows, stamps: Stamps) -> bytes:
        """Body of a DataChangeNotification for the items at these positions."""
        rows = self.items.rows[at]
        status = self._source.table.status[rows]
        now_ns = self._source.clock.wall_ns()
        if self._lost_rights:
            rows, status = self._source.space.readable(rows, status, self.user)
            status[rows < 0] = StatusCode.BadUserAccessDenied
        values = self._source.encoder.encode(rows, status, stamps, now_ns, self.items.handles[at])
        return b"".join((struct.pack("<i", len(at)), values, _NO_DIAGNOSTICS))

    def acknowledge(self, number: int) -> ua.StatusCode:
        """Forget a message that the client has."""
        if self._not_acknowledged_results.pop(number, None) is None:
            return ua.StatusCode(ua.StatusCodes.BadSequenceNumberUnknown)
        return ua.StatusCode()

    def publish(self, acks: Iterable[int]) -> None:
        for number in acks:
            self.acknowledge(number)

    def republish(self, nb: int) -> ua.NotificationMessage:
        """A message not acknowledged yet; it stays until it is. Source: OPC 10000-4, 5.14.6.

        Raises:
            ServiceError: BadMessageNotAvailable. (A Good empty answer sends reconnecting clients into an endless loop.)
        """
        result = self._not_acknowledged_results.get(nb)
        if result is None:
            raise ServiceError(ua.StatusCodes.BadMessageNotAvailable)
        return result.NotificationMessage
