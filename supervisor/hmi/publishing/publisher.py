# SPDX-License-Identifier: Apache-2.0
# Tests: tests/system/conformance/test_publish.py, tests/sim/test_hmi_time.py
"""When subscriptions publish: their timers, and the Publish requests that come meanwhile.

Law of this file: order and time only. Timers that expire together are served by priority; of subscriptions that wait
for a request, the highest priority and then the longest waiting one is served. A message is made and sent in one piece;
between two large ones everything else has its turn (`lane.py`).

Source: OPC 10000-4, 5.14.1 (subscriptions), 5.14.5 (Publish).
"""

from __future__ import annotations

import asyncio
import heapq
import logging
import math
from contextlib import suppress
from typing import Final

from config.words import Clock
from supervisor.hmi.lane import ROUND, Lane
from supervisor.hmi.publishing.cycle import Act
from supervisor.hmi.publishing.messages import notification_message, publish_response, status_change
from supervisor.hmi.publishing.outbox import Farewell, Outbox
from supervisor.hmi.publishing.subscription import Subscription

_log = logging.getLogger(__name__)

_HEAVY: Final = 1_000  # items above which a subscription's message waits for its turn


class Publisher:
    """One for all subscriptions of a server.

    Args:
        sampling_s: how often attributes of nodes are looked at.
    """

    def __init__(self, clock: Clock, lane: Lane, sampling_s: float) -> None:
        self._clock = clock
        self._lane = lane
        self._sampling_s = sampling_s
        self._timers: list[tuple[float, int, Subscription]] = []
        self._count = 0
        self._woken, self._watched = asyncio.Event(), asyncio.Event()
        self._alarms: dict[Outbox[Subscription], asyncio.TimerHandle] = {}

    # -- timers -------------------------------------------------------------------------------------------------------

    def schedule(self, subscription: Subscription) -> None:
        """Start the publishing timer anew."""
        self._start(subscription, asyncio.get_running_loop().time())
        self._woken.set()

    def _start(self, subscription: Subscription, now_s: float) -> None:
        """An interval that was missed is not made up for."""
        interval_s = subscription.terms.interval_ms / 1000
        due_s = subscription.due_s + interval_s
        subscription.due_s = due_s if now_s < due_s <= now_s + interval_s else now_s + interval_s
        self._count += 1
        heapq.heappush(self._timers, (subscription.due_s, self._count, subscription))

    async def run(self, ended: asyncio.Queue[Subscription]) -> None:
        """Publish until cancelled. `ended`: where subscriptions go whose client has gone."""
        loop = asyncio.get_running_loop()
        while True:
            self._woken.clear()
            left_s = self._timers[0][0] - loop.time() if self._timers else None
            if left_s is None or left_s > 0:
                await _wait(self._woken, left_s)
                continue
            for subscription in self._due(loop.time()):
                if await self._expire(subscription):
                    ended.put_nowait(subscription)

    def _due(self, now_s: float) -> list[Subscription]:
        """Subscriptions whose timers have expired, the most important first; their timers begin anew."""
        found = []
        while self._timers and self._timers[0][0] <= now_s:
            due_s, _, subscription = heapq.heappop(self._timers)
            if not subscription.closed and due_s == subscription.due_s:
                self._start(subscription, now_s)
                found.append(subscription)
        found.sort(key=lambda s: -s.terms.priority)
        return found

    async def _expire(self, subscription: Subscription) -> bool:
        """One expiry of a timer; True if the subscription has outlived its client."""
        try:
            await self._turn(subscription)
            if subscription.closed:
                return False
            act = subscription.timer(asyncio.get_running_loop().time())
            if act is Act.EXPIRE:
                return True
            await self._publish(subscription, act)
        except Exception:
            # One message that cannot be made must not silence all subscriptions for good.
            _log.exception("subscription %d could not publish", subscription.number)
        return False

    async def _turn(self, subscription: Subscription) -> None:
        if len(subscription) > _HEAVY:
            await self._lane.turn()

    # -- messages -----------------------------------------------------------------------------------------------------

    async def _publish(self, subscription: Subscription, act: Act) -> None:
        """Do what the state machine says, and go on while there is more and requests wait."""
        while act is not Act.NOTHING:
            self._send(subscription, act)
            if not subscription.cycle.more or not subscription.outbox.requests:
                return
            await self._lane.turn()  # a message of events may take ten milliseconds to make
            if subscription.closed or not subscription.outbox.requests:
                return
            act = subscription.cycle.request(subscription.available())

    def _send(self, subscription: Subscription, act: Act) -> None:
        """One message, one request."""
        outbox = subscription.outbox
        request = outbox.pop(asyncio.get_running_loop().time())
        if request is None:
            return
        now_ns = self._clock.wall_ns()
        available = subscription.sent()
        if act is Act.NOTIFY:
            message = subscription.message(now_ns)
            available = subscription.sent()
        else:
            message = subscription.keep_alive(now_ns)
        subscription.tally.publish_requests += 1
        more = subscription.cycle.more
        outbox.send(
            request,
            publish_response(now_ns, request.handle, subscription.number, available, more, message, request.results),
        )

    async def serve(self, outbox: Outbox[Subscription]) -> None:
        """A Publish request has come: whoever of the session waits for it is served."""
        self.farewell(outbox)
        for subscription in sorted(outbox.subscriptions.values(), key=lambda s: (-s.terms.priority, s.late_s)):
            if not outbox.requests:
                break
            if subscription.cycle.waits:
                await self._turn(subscription)
                if not subscription.closed and outbox.requests:
                    act = subscription.cycle.request(subscription.available())
                    await self._publish(subscription, act)
        self._set_alarm(outbox)

    def farewell(self, outbox: Outbox[Subscription]) -> None:
        """Last words go out as long as there are requests."""
        now_s = asyncio.get_running_loop().time()
        while outbox.farewells and (request := outbox.pop(now_s)) is not None:
            last, now_ns = outbox.farewells.popleft(), self._clock.wall_ns()
            message = notification_message(last.sequence, now_ns, (last.notice,))
            outbox.send(
                request,
                publish_response(now_ns, request.handle, last.subscription, (), False, message, request.results),
            )

    def part(self, subscription: Subscription, outbox: Outbox[Subscription], code: int) -> None:
        """Tell a session that a subscription is not its any more, and why."""
        outbox.farewells.append(Farewell(subscription.number, subscription.sequence, status_change(code)))
        self.farewell(outbox)

    # -- requests that time out ---------------------------------------------------------------------------------------

    def _set_alarm(self, outbox: Outbox[Subscription]) -> None:
        """Answer requests when their TimeoutHint has passed, even if no subscription publishes until then."""
        loop = asyncio.get_running_loop()
        due_s = outbox.expire(loop.time())
        if due_s < math.inf and outbox not in self._alarms:
            self._alarms[outbox] = loop.call_at(due_s, self._ring, outbox)

    def _ring(self, outbox: Outbox[Subscription]) -> None:
        del self._alarms[outbox]
        self._set_alarm(outbox)

    def forget(self, outbox: Outbox[Subscription], code: int) -> None:
        """The session has ended."""
        outbox.clear(code)
        if (alarm := self._alarms.pop(outbox, None)) is not None:
            alarm.cancel()

    # -- attributes of nodes ------------------------------------------------------------------------------------------

    def watch(self) -> None:
        """There is an attribute to sample, perhaps sooner than any other."""
        self._watched.set()

    async def sample(self, subscriptions: dict[int, Subscription]) -> None:
        """Sample attributes of nodes until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due_s = min((s.nodes.due_s for s in subscriptions.values()), default=math.inf)
            self._watched.clear()
            await _wait(self._watched, max(due_s - loop.time(), self._sampling_s) if due_s < math.inf else None)
            for subscription in [s for s in subscriptions.values() if len(s.nodes)]:
                now_s = loop.time()
                for n, number in enumerate(subscription.nodes.due(now_s)):
                    if n % ROUND == ROUND - 1:
                        await self._lane.turn()
                    subscription.nodes.sample(number, now_s)


async def _wait(event: asyncio.Event, most_s: float | None) -> None:
    """Until the event is set, but no longer than this; None: for ever."""
    with suppress(TimeoutError):
        async with asyncio.timeout(most_s):
            await event.wait()
