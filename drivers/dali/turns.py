# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_dali_turns.py, tests/kit/test_dali.py
"""The shell around the bus's schedule: who sends a frame waits here for his turn.

Law of this file: no decision that `schedule` could make. One frame at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from drivers.base import NoTurn
from drivers.dali.schedule import Rank, Schedule


class Turns:
    """Turns on one bus.

    Attributes:
        schedule: for its load.
    """

    def __init__(self, share: float) -> None:
        self._loop = asyncio.get_running_loop()
        self.schedule = Schedule(share, self._loop.time())
        self._waiters: dict[int, asyncio.Future[None]] = {}
        self._ticket = 0
        self._busy = False
        self._timer: asyncio.TimerHandle | None = None

    def ticket(self) -> int:
        """A new number, for one poll or command."""
        self._ticket += 1
        return self._ticket

    @asynccontextmanager
    async def turn(
        self, ticket: int, rank: Rank, air_s: float, holds: bool, ties: bool = False, patience_s: float | None = None
    ) -> AsyncIterator[None]:
        """Wait until this frame may go; the bus is ours within.

        Raises:
            NoTurn: it may not within `patience_s`.
        """
        waiter: asyncio.Future[None] = self._loop.create_future()
        self._waiters[ticket] = waiter
        self.schedule.enter(ticket, rank, self._loop.time())
        self._next()
        try:
            async with asyncio.timeout(patience_s):
                await waiter
        except BaseException as error:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self._busy = False
            self.leave(ticket)
            if isinstance(error, TimeoutError):
                raise NoTurn(f"no room on the bus within {patience_s:g} s") from None
            raise
        self.schedule.sent(ticket, air_s, self._loop.time(), holds, ties)
        try:
            yield
        finally:
            self._busy = False
            self._next()

    def leave(self, ticket: int) -> None:
        """No more frames of this ticket."""
        self._waiters.pop(ticket, None)
        self.schedule.leave(ticket)
        self._next()

    def _next(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._busy:
            return
        ticket, at_s = self.schedule.choose(self._loop.time())
        if ticket:
            self._busy = True
            waiter = self._waiters.pop(ticket)
            if waiter.done():  # cancelled, and about to leave
                self._busy = False
                self.schedule.leave(ticket)
                self._next()
            else:
                waiter.set_result(None)
        elif at_s < float("inf"):
            self._timer = self._loop.call_at(at_s, self._next)

    def fail(self, error: Exception) -> None:
        """The bus is gone: whoever waits gets this error."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        waiters, self._waiters = self._waiters, {}
        for ticket, waiter in waiters.items():
            self.schedule.leave(ticket)
            if not waiter.done():
                waiter.set_exception(error)
