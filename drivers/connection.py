# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_host.py, tests/sim/test_many.py
"""The shell around one link: performs what the table of `drivers.link` orders, forever.

Law of this file: no decision that the table could make. One task per link; every change of state goes through `_step`.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Protocol

from config.words import LinkState
from drivers import base
from drivers.base import LinkDown
from drivers.gate import Gate
from drivers.link import Effect, Event, Health, Link, step
from drivers.sink import Means
from drivers.status import sentence

log = logging.getLogger("vigie.field")


class Standing(Protocol):
    """What the link tells a device of itself (`drivers.standing`)."""

    lost: bool
    health: Health

    def link_down(self, reason: str) -> None: ...

    def tell(self) -> None: ...


class Sharer(Protocol):
    """A device, as far as its link knows it (`drivers.device`)."""

    @property
    def name(self) -> str: ...

    @property
    def driver(self) -> base.Driver: ...

    @property
    def standing(self) -> Standing: ...

    def wake(self) -> None: ...


def passes(error: BaseException) -> bool:
    """True for what must go on through every handler: the end of the process, and being cancelled ourselves.

    A library may let out a `CancelledError` of its own, or derive its errors from `BaseException`; those are faults.
    """
    if isinstance(error, asyncio.CancelledError):
        task = asyncio.current_task()
        return task is None or task.cancelling() > 0
    return isinstance(error, KeyboardInterrupt | SystemExit)


class Connection:
    """One link, the devices on it, and the task that keeps it.

    Attributes:
        link: state of the machine.
        generation: how often it has come up; a driver opened in an older one must be opened again.
        turns: the link's window; writes pass polls.
        devices: who shares it.
        writing: writes under way; the link is not dropped under them.
        unanswered: generation in which a write last left of which nobody knows whether it arrived; 0: none.
        quiet: stopping; the sink is told nothing more.
    """

    def __init__(self, wire: base.Link, means: Means) -> None:
        self.wire = wire
        self.link = Link()
        self.generation = 0
        self.turns = Gate(max(1, wire.window))
        self.devices: list[Sharer] = []
        self.writing = 0
        self.unanswered = 0
        self._means = means
        self._loop = asyncio.get_running_loop()
        self._orders: deque[Effect] = deque()
        self._wake: asyncio.Future[None] | None = None
        self.quiet = False
        self._fault = ""
        wire.on_lost(self.lost)

    @property
    def is_up(self) -> bool:
        """True while questions may be put."""
        return self.link.state is LinkState.UP

    @property
    def may_hold_a_write(self) -> bool:
        """True while a byte of a write may be on its way: one is under way, or was never answered.

        A write that was answered has arrived and is carried out or refused: nothing of it can come later.
        """
        return self.is_up and (self.writing > 0 or self.unanswered == self.generation)

    async def run(self) -> None:
        """Keep the link up until cancelled."""
        self._step(Event.START)
        while True:
            while not self._orders:
                self._wake = self._loop.create_future()
                await self._wake
            await self._perform(self._orders.popleft())

    async def _perform(self, order: Effect) -> None:
        match order:
            case Effect.OPEN:
                await self._open()
            case Effect.CLOSE:
                await self._guard(self.wire.close)
            case Effect.WAIT:
                await asyncio.sleep(self.link.due_s - self._loop.time())
                self._step(Event.DUE)
            case _:
                raise ValueError(f"{order} is not an order to the task of a link")

    async def _open(self) -> None:
        ticket = await self._means.connects.enter()
        limit_s = self._means.limits.open_max_s
        reason = ""
        try:
            async with asyncio.timeout(limit_s):
                await self.wire.open()
        except LinkDown as error:
            reason = str(error) or "no connection"
        except TimeoutError:
            reason = f"no connection within {limit_s:g} s"
            self.wire.abort()
        except BaseException as error:
            if passes(error):
                raise
            reason = self._bug(error)
        finally:
            self._means.connects.leave(ticket)
        if not reason and self.wire.is_up:
            self._step(Event.OPENED)
        else:
            self._step(Event.FAILED, reason or "broken as soon as it was made")

    async def _guard(self, close: Callable[[], Awaitable[None]]) -> None:
        """Close what is broken already; that it cannot be closed in order is no news, but must not end the task."""
        try:
            async with asyncio.timeout(self._means.limits.close_max_s):
                await close()
        except (base.DriverError, TimeoutError):
            self.wire.abort()
        except BaseException as error:
            if passes(error):
                raise
            self._bug(error)
            self.wire.abort()

    def _bug(self, error: BaseException) -> str:
        reason = f"fault in the driver's link: {type(error).__name__}: {error}"
        if reason != self._fault:
            self._fault = reason
            log.error("%s: %s", self.devices[0].name, reason, exc_info=error)
        return reason

    def _step(self, event: Event, reason: str = "") -> None:
        chance = self._means.random.random() if event in (Event.FAILED, Event.LOST) else 0.0
        before = self.link
        limits = self._means.limits
        self.link, effects = step(before, event, self._loop.time(), limits.backoff, chance, reason)
        for effect in effects:
            if effect is Effect.TELL_UP:
                self.generation += 1
            elif effect is not Effect.TELL_DOWN:
                self._orders.append(effect)
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)
        if self.link.state is not before.state and not self.quiet:
            self._tell()

    def _tell(self) -> None:
        if self.link.state in (LinkState.DOWN, LinkState.BACKING_OFF):
            lost = [device.name for device in self.devices if not device.standing.lost]
            for device in self.devices:
                device.standing.link_down(self.link.reason)
            if lost:
                others = f" and {len(lost) - 1} more on its link" if len(lost) > 1 else ""
                log.warning("%s%s lost: %s", lost[0], others, self.link.reason)
        for device in self.devices:
            device.standing.tell()
            device.wake()

    # --- events from outside

    def lost(self, reason: str) -> None:
        """The connection broke, says the transport or a request that was under way."""
        self._step(Event.LOST, reason)

    def answered(self) -> None:
        """A device answered: earlier failures are forgotten."""
        self._fault = ""
        if self.link.failures:
            self._step(Event.ANSWERED)

    def drop(self, reason: str) -> None:
        """Nobody on it answers: begin anew, with back-off. Not while somebody writes; the next silence will do it."""
        if not self.writing:
            self.wire.abort()
            self._step(Event.LOST, reason)

    def abort(self, reason: str) -> None:
        """Nothing may leave any more, at once; also an attempt under way ends."""
        self.wire.abort()
        if self.is_up:
            self._step(Event.LOST, reason)

    async def stop(self) -> None:
        """After its task has ended: close drivers and link, tell nobody."""
        self.quiet = True
        self._step(Event.STOP)
        await asyncio.gather(*(self._guard(device.driver.close) for device in self.devices))
        await self._guard(self.wire.close)
        self.turns.close()

    def sentence(self, name: str, state: LinkState, since_s: float, reason: str, in_s: float = 0.0) -> str:
        """State of one of its devices as one sentence."""
        now_s = self._loop.time()
        if state is LinkState.BACKING_OFF:
            in_s = self.link.due_s - now_s
        return sentence(name, state, now_s - since_s, reason, self.link.failures + 1, in_s)
