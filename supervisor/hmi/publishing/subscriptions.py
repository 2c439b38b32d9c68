# SPDX-License-Identifier: Apache-2.0
# Tests: tests/system/conformance/test_subscriptions.py, tests/system/test_opcua_subscribe.py
"""All subscriptions of the server: made, changed, moved to another session, ended; and the hook into the scan.

Law of this file: every bound is checked before anything is allocated; a subscription belongs to exactly one session,
or is gone. Who may touch which is the session's matter (`session.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import numpy as np
from asyncua import ua
from asyncua.common.utils import ServiceError

from config.words import Cells, Rows
from supervisor.hmi.lane import Lane
from supervisor.hmi.model.nodes import Asker
from supervisor.hmi.publishing.notices import ItemSource
from supervisor.hmi.publishing.outbox import Outbox
from supervisor.hmi.publishing.publisher import Publisher
from supervisor.hmi.publishing.subscription import Source, Subscription, Terms

_CODES: Final = ua.StatusCodes
_INTERVAL_MS_MAX: Final = 86_400_000.0
_FIRST: Final = 78


EventItems = Callable[[Subscription, Asker], ItemSource]
"""Makes the event items of a subscription."""


class Subscriptions:
    """All subscriptions of the server.

    Attributes:
        subscriptions: by number.
        event_items: makes the event items of a subscription; None: no events are offered.
        created: subscriptions made since start.
    """

    def __init__(self, source: Source, lane: Lane) -> None:
        self.source = source
        self.subscriptions: dict[int, Subscription] = {}
        self.event_items: EventItems | None = None
        self.publisher = Publisher(source.clock, lane, source.limits.sampling_ms_min / 1000)
        self.created = 0
        self._hit = np.zeros(source.table.plant.rows, np.bool_)
        self._tasks: list[asyncio.Task[None]] = []

    # -- life ---------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Publish and sample from now on."""
        ended: asyncio.Queue[Subscription] = asyncio.Queue()
        work = (self.publisher.run(ended), self.publisher.sample(self.subscriptions), self._bury(ended))
        self._tasks = [asyncio.create_task(part) for part in work]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with suppress(asyncio.CancelledError):
                await task
        self._tasks = []
        for subscription in list(self.subscriptions.values()):
            self.end(subscription)

    async def _bury(self, ended: asyncio.Queue[Subscription]) -> None:
        """End subscriptions whose clients have gone, and leave word. Source: OPC 10000-4, 5.14.1.1."""
        while True:
            subscription = await ended.get()
            if not subscription.closed:
                self.end(subscription)
                self.publisher.part(subscription, subscription.outbox, _CODES.BadTimeout)

    def scanned(self, rows: Rows, now_ns: int) -> None:
        """After each scan: items with queues see what it has changed. `rows`: ascending."""
        watching = [s for s in self.subscriptions.values() if len(s.items.queued)]
        if watching:
            self._hit[rows] = True
            for subscription in watching:
                subscription.items.sample(now_ns, self._hit)
            self._hit[rows] = False

    def texts(self) -> Cells:
        """Cells of String rows that wait in queues: the table must not forget their texts."""
        queues = [s.items.queued.texts(self.source.table) for s in self.subscriptions.values()]
        return np.concatenate([np.zeros(0, np.int64), *queues])

    # -- sums ---------------------------------------------------------------------------------------------------------

    @property
    def items(self) -> int:
        """Monitored items in all subscriptions."""
        return sum(len(s) for s in self.subscriptions.values())

    @property
    def node_items(self) -> int:
        """Those of them that watch attributes, one object each."""
        return sum(len(s.nodes) for s in self.subscriptions.values())

    @property
    def queue_slots(self) -> int:
        """Places in queues of values."""
        return sum(s.items.queued.slots for s in self.subscriptions.values())

    # -- services -----------------------------------------------------------------------------------------------------

    def open(
        self, params: ua.CreateSubscriptionParameters, session_id: ua.NodeId, asker: Asker, outbox: Outbox[Subscription]
    ) -> Subscription:
        """CreateSubscription for a session.

        Raises:
            ServiceError: BadTooManySubscriptions.
        """
        limits = self.source.limits
        if (
            len(self.subscriptions) >= limits.subscriptions
            or len(outbox.subscriptions) >= limits.subscriptions_per_session
        ):
            raise ServiceError(_CODES.BadTooManySubscriptions)
        number = _FIRST + self.created
        self.created += 1
        enabled = bool(params.PublishingEnabled)
        made = Subscription(self.source, number, session_id, asker, outbox, self.terms(params), enabled)
        if self.event_items is not None:
            made.events = self.event_items(made, asker)
        self.subscriptions[number] = outbox.subscriptions[number] = made
        self.publisher.schedule(made)
        return made

    def terms(self, params: Any) -> Terms:
        """Interval, lifetime and keep-alive within bounds; lifetime >= 3 keep-alives. Source: OPC 10000-4, 5.14.2."""
        limits = self.source.limits
        least_ms, wanted_ms = limits.publishing_ms_min, float(params.RequestedPublishingInterval)
        keep_alive = params.RequestedMaxKeepAliveCount or limits.keep_alive_count
        keep_alive = min(keep_alive, limits.keep_alive_count_max)
        wanted, most = params.MaxNotificationsPerPublish, limits.notifications_per_publish
        return Terms(
            # Written so that NaN, too, gives the shortest interval.
            interval_ms=min(wanted_ms, _INTERVAL_MS_MAX) if wanted_ms > least_ms else least_ms,
            lifetime=min(max(params.RequestedLifetimeCount, 3 * keep_alive), limits.lifetime_count_max),
            keep_alive=keep_alive,
            notifications_max=min(wanted, most) if wanted else most,
            priority=int(params.Priority),
        )

    def modify(self, subscription: Subscription, params: ua.ModifySubscriptionParameters) -> None:
        before_ms = subscription.terms.interval_ms
        subscription.revise(self.terms(params))
        if subscription.terms.interval_ms != before_ms:
            subscription.due_s = 0.0
            self.publisher.schedule(subscription)

    def delete(self, subscription: Subscription) -> None:
        """DeleteSubscriptions; requests of a session without subscriptions have nobody left to answer them."""
        self.end(subscription)
        if not subscription.outbox.subscriptions:
            subscription.outbox.clear(_CODES.BadNoSubscription)

    def end(self, subscription: Subscription) -> None:
        """A subscription is gone, without a word."""
        self.subscriptions.pop(subscription.number, None)
        subscription.outbox.subscriptions.pop(subscription.number, None)
        subscription.close()

    async def delete_subscriptions(self, numbers: list[int]) -> list[ua.StatusCode]:
        """What asyncua's session calls when it ends."""
        for number in numbers:
            if (found := self.subscriptions.get(number)) is not None:
                self.end(found)
        return [ua.StatusCode()] * len(numbers)

    def move(
        self, subscription: Subscription, session_id: ua.NodeId, asker: Asker, outbox: Outbox[Subscription]
    ) -> None:
        """To another session of the same user; the old one is told. Source: OPC 10000-4, 5.14.7."""
        old = subscription.outbox
        del old.subscriptions[subscription.number]
        self.publisher.part(subscription, old, _CODES.GoodSubscriptionTransferred)
        if not old.subscriptions:
            old.clear(_CODES.BadNoSubscription)
        subscription.session_id, subscription.outbox = session_id, outbox
        subscription.asker = subscription.nodes.asker = asker
        outbox.subscriptions[subscription.number] = subscription
        subscription.cycle.touch()
