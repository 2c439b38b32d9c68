# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_gate.py
"""How many may be inside at once, where the slow cannot keep the quick out.

Law of this file: no knowledge of links or devices. One loop, no threads.

Theory. A plain semaphore is unfair to the living: 200 dead devices that wait for their time-outs would hold 200 places
for a second each. Here a place is held for `patience_s` at most: who is still inside after that has *overstayed*, keeps
waiting in its own time-out and no longer counts. So `places` bounds the burst (what was begun within `patience_s`),
and the number of overstayers is bounded by whoever is guarded (one question per device, one attempt per link).
With `patience_s` infinite it is a plain semaphore with two queues: writes before polls.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from typing import Final

TOLERANCE_S: Final = 1e-3  # uvloop counts in milliseconds: its timer may fire early and must not find nothing to do

_Waiter = asyncio.Future[int]


class Gate:
    """Places, two queues, and a limit of patience.

    Attributes:
        places: how many may be inside, >= 1.
        patience_s: how long one counts as inside [s].
        inside_max: the most that ever counted as inside.
        overstayed: how many places were taken away after `patience_s`.
    """

    def __init__(self, places: int, patience_s: float = math.inf) -> None:
        if places < 1 or not patience_s > 0:
            raise ValueError(f"expected places >= 1 and patience_s > 0, got {places} and {patience_s}")
        self.places = places
        self.patience_s = patience_s
        self.inside_max = 0
        self.overstayed = 0
        self._loop = asyncio.get_running_loop()
        self._inside: dict[int, float] = {}  # ticket -> when it will have overstayed, oldest first
        self._ticket = 0
        self._first: deque[_Waiter] = deque()
        self._then: deque[_Waiter] = deque()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def waiting(self) -> int:
        """How many stand before the gate."""
        return len(self._first) + len(self._then)

    def try_enter(self) -> int:
        """A ticket if there is a place and nobody waits, else 0. No suspension: the common case of a hot path."""
        if len(self._inside) < self.places and not self._first and not self._then:
            return self._take()
        return 0

    async def enter(self, first: bool = False) -> int:
        """Wait for a place; those who come `first` pass all others. Returns a ticket for `leave`."""
        if ticket := self.try_enter():
            return ticket
        waiter: _Waiter = self._loop.create_future()
        (self._first if first else self._then).append(waiter)
        self._admit()
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self.leave(waiter.result())
            else:
                self._admit()
            raise

    def leave(self, ticket: int) -> None:
        """Give the place back. Harmless for one that has overstayed."""
        self._inside.pop(ticket, None)
        if self._first or self._then:
            self._admit()

    def _take(self) -> int:
        self._ticket += 1
        self._inside[self._ticket] = self._loop.time() + self.patience_s
        if len(self._inside) > self.inside_max:
            self.inside_max = len(self._inside)
        return self._ticket

    def _admit(self) -> None:
        self._evict()
        for queue in (self._first, self._then):
            while queue and len(self._inside) < self.places:
                waiter = queue.popleft()
                if not waiter.done():
                    waiter.set_result(self._take())
        if self.waiting and self._timer is None and self._inside and self.patience_s < math.inf:
            self._timer = self._loop.call_at(next(iter(self._inside.values())), self._on_timer)

    def _evict(self) -> None:
        now_s = self._loop.time() + TOLERANCE_S
        while len(self._inside) >= self.places:
            ticket, until_s = next(iter(self._inside.items()))
            if until_s > now_s:
                return
            del self._inside[ticket]
            self.overstayed += 1

    def _on_timer(self) -> None:
        self._timer = None
        if self.waiting:
            self._admit()

    def close(self) -> None:
        """Let go of the timer. Whoever still waits is cancelled."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for queue in (self._first, self._then):
            for waiter in queue:
                waiter.cancel()
            queue.clear()
