# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_host.py, tests/sim/test_many.py
"""The shell around one device: asks it in its slots, tells the sink what came and what did not.

Law of this file: one task per device and none per request; a slot serves its requests one after another. Time comes
from the loop, decisions from `drivers.slots` and `drivers.link`.

Theory. What answers is asked on its grid. A silence is asked again within the slot (`retries`, reads only); after two
requests in a row without an answer the rest of the slot is given up, and the next slot begins behind the one that was
silent, so that one dead register block cannot hide the others. After `demote_after` silent slots the device is
demoted: one question every `probe_s`. When everybody on a link is demoted the link is dropped, and its back-off takes
over. An error that is no `DriverError` is a bug of the driver: logged once with its traceback, the device is down
with that reason, and tried again later; nobody else notices.

A device of which it is declared who it must be is asked that when it is opened, when it comes back, and every hour
(`drivers.identity`). While another one answers, nothing else is asked of it: its values are BadConfigurationError.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from operator import attrgetter
from typing import Final

from config.words import NS_PER_S, Batch
from drivers.base import (
    Busy,
    DeviceSilent,
    DeviceSpec,
    Driver,
    DriverError,
    LinkDown,
    NoTurn,
    PollClass,
    Request,
    is_budgeted,
    is_watching,
)
from drivers.connection import Connection, passes
from drivers.identifying import Identifier
from drivers.polled import Polled, polled
from drivers.sink import Means
from drivers.standing import Standing
from drivers.status import DeviceStatus, ExchangeStatus

SILENCES_A_SLOT: Final = 2  # one may be a block the device ignores; two in a row are a device that is not there
TICK_S: Final = 1e-3  # uvloop counts in milliseconds: a timer that fires early must not find that nothing is due

_DUE: Final = attrgetter("due_s")


class _Lost(Exception):
    """The connection this slot began on is gone; the connection has told everybody already."""


class Device:
    """One device, its driver and the task that asks it.

    Attributes:
        standing: what is known of it and was told.
        identity: whether it is the one that it should be.
    """

    def __init__(
        self, index: int, spec: DeviceSpec, driver: Driver, requests: Sequence[Request], link: Connection, means: Means
    ) -> None:
        self.name = spec.name
        self.driver = driver
        self._budget = driver if is_budgeted(driver) else None
        self.connection = link
        self.standing = Standing(index, spec.name, requests, link, means)
        self.identity = Identifier(spec, driver, link, means)
        self._spec = spec
        self._means = means
        self._loop = asyncio.get_running_loop()
        self._polled = polled(spec, requests, self._loop.time())
        self._bugs = 0
        self._silence = "no reply"
        self._waker: asyncio.Future[None] | None = None
        self._proven = False  # it answered the last question
        self._asked = self._answers = self._missed_slots = 0
        self._trip_last_s = math.nan
        self._trip_sum_s = 0.0

    # --- the task

    async def run(self) -> None:
        """Ask until cancelled."""
        while True:
            try:
                await self._turn()
            except _Lost:
                continue
            except BaseException as error:
                if passes(error):
                    raise
                await self._bug(error)

    async def _turn(self) -> None:
        """Wait for what is due next, or do it."""
        if not self.connection.is_up:
            await self._sleep(math.inf)
        elif self.standing.opened != self.connection.generation:
            await self._open()
        elif self.standing.health.demoted:
            await self._probe_or_sleep()
        elif self.identity.check.due_s <= self._loop.time() + TICK_S:
            await self._identify(self.identity.ask)
        elif not self._polled:
            await self._sleep(self.identity.check.due_s)
        else:
            next_ = self._polled[0] if len(self._polled) == 1 else min(self._polled, key=_DUE)
            if next_.due_s > self._loop.time() + TICK_S:
                await self._sleep(min(next_.due_s, self.identity.check.due_s))
            else:
                await self._serve(next_)

    async def _sleep(self, until_s: float) -> None:
        """Until then, or until the connection changes."""
        waker = self._waker = self._loop.create_future()
        timer = None if until_s == math.inf else self._loop.call_at(until_s, self.wake)
        try:
            await waker
        finally:
            self._waker = None
            if timer is not None:
                timer.cancel()

    def wake(self) -> None:
        """Look again at what is due."""
        if self._waker is not None and not self._waker.done():
            self._waker.set_result(None)

    async def _open(self) -> None:
        """Open the driver on a connection that has come up; if it does not follow, again every `probe_s`."""
        generation, limits = self.connection.generation, self._means.limits
        try:
            async with asyncio.timeout(limits.open_max_s):
                await self.driver.open()
        except LinkDown as error:
            self._link_lost(generation, error)
        except TimeoutError:
            await self._not_opened(f"not opened within {limits.open_max_s:g} s")
        except DeviceSilent as error:
            self._unheard(self._reason(error))
            await self._not_opened(self._reason(error))
        except DriverError as error:
            await self._not_opened(self._reason(error))
        else:
            await self._identify(self.identity.who_is_there)
            if generation == self.connection.generation and self.connection.is_up:
                self._ready(generation)

    def _ready(self, generation: int) -> None:
        self.standing.opened = generation
        self.standing.probe_s = 0.0
        self._all_at_once()
        if is_watching(self.driver):
            self.driver.watch(self._told)
        self.standing.tell()

    def _all_at_once(self) -> None:
        now_s = self._loop.time()
        for each in self._polled:
            each.at_once(now_s)

    async def _identify(self, ask: Callable[[], Awaitable[bool]]) -> None:
        """Who is there? If that has changed, so have all its values."""
        generation = self.connection.generation
        try:
            if await ask():
                self._all_at_once()
        except LinkDown as error:
            self._link_lost(generation, error)
            raise _Lost from None

    def refusal(self) -> str:
        """Why nothing can be put to it now; empty if it can."""
        return self.standing.refusal() or self.identity.impostor

    def _told(self, batch: Batch) -> None:
        """The device tells a change; not believed of one that does not answer, or is another."""
        stands = self.connection.is_up and self.standing.opened == self.connection.generation
        if stands and not self.standing.lost and self.identity.check.is_believed:
            self._means.sink.batch(batch)

    async def _not_opened(self, reason: str) -> None:
        self.standing.troubled(reason)
        await self._sleep(self._loop.time() + self._means.limits.probe_s)

    async def _bug(self, error: BaseException) -> None:
        self._bugs += 1
        self.standing.troubled(f"fault in the driver: {type(error).__name__}: {error}", error)
        pause_s = self._means.limits.backoff.pause_s(self._bugs, self._means.random.random())
        await self._sleep(self._loop.time() + pause_s)

    # --- slots

    async def _serve(self, each: Polled) -> None:
        """One slot of one poll class."""
        each.begin(self._loop.time())
        n, start, silences, heard = len(each.requests), each.first, 0, False
        for i in range(n):
            request = each.requests[(start + i) % n]
            if i and len(self._polled) > 1:
                await self._serve_faster(each)
            if silences >= SILENCES_A_SLOT:
                self.standing.miss(request, self._silence)
            elif await self._ask_in_turn(request, each, 1 if silences else each.poll.retries + 1):
                heard, silences = True, 0
            else:
                silences += 1
                each.first = (start + i + 1) % n
        if not heard:
            self._unheard(self._silence)
        missed = each.end(self._loop.time(), self._budget.waited_s if self._budget else 0.0)
        if not self.standing.health.demoted:
            self._missed_slots += missed

    async def _ask_in_turn(self, request: Request, each: Polled, attempts: int) -> bool:
        """Put one question; while its bus has no room for it, what is due of the faster classes goes first."""
        while (answered := await self._ask(request, each.poll, attempts)) is None:
            await self._serve_faster(each)
        return answered

    async def _serve_faster(self, than: Polled) -> None:
        """A long slot of a slow class does not delay a fast one: look between its requests."""
        for each in self._polled:
            if each is than:
                return
            if each.due_s <= self._loop.time():
                await self._serve(each)

    async def _probe_or_sleep(self) -> None:
        """One question to a demoted device, if it is time."""
        now_s = self._loop.time()
        if self.standing.probe_s > now_s + TICK_S:
            await self._sleep(self.standing.probe_s)
            return
        each = self._polled[0]
        request = each.requests[each.first]
        each.first = (each.first + 1) % len(each.requests)
        self.standing.probe_s = now_s + self._means.limits.probe_s
        answered = await self._ask(request, each.poll, 1)
        if answered:
            self._all_at_once()
        elif answered is not None:
            self._unheard(self._silence)

    def _unheard(self, reason: str) -> None:
        self.standing.unheard(reason)
        if all(device.standing.health.demoted for device in self.connection.devices):
            self.connection.drop(reason)

    # --- questions

    async def _ask(self, request: Request, poll: PollClass, attempts: int) -> bool | None:
        """Put one question, up to `attempts` times; False: no answer; None: it was not its turn, nothing was asked."""
        if not self.identity.check.is_believed:
            self._take(request, self.identity.disbelieved(request))
            return True
        for attempt in range(attempts):
            generation = self.connection.generation
            try:
                batch = await self._read(request, poll.timeout_s)
            except LinkDown as error:
                self._link_lost(generation, error)
                raise _Lost from None
            except NoTurn:
                return None
            except Busy as error:
                self.standing.heard()
                if attempt + 1 == attempts:
                    self.standing.miss(request, self._reason(error))
                    return True
                await asyncio.sleep(self._means.limits.busy_pause_s)
            except DriverError as error:
                self._silence = self._reason(error) or f"no reply within {poll.timeout_s:g} s"
            else:
                if self.standing.lost and self.identity.check.is_wanted:
                    await self._identify(self.identity.who_is_there)
                    if not self.identity.check.is_believed:
                        batch = self.identity.disbelieved(request)
                self._take(request, batch)
                return True
        self.standing.miss(request, self._silence)
        return False

    async def _read(self, request: Request, timeout_s: float) -> Batch:
        turns, polls = self.connection.turns, self._means.polls if self._proven else self._means.probes
        turn = turns.try_enter() or await turns.enter()
        try:
            ticket = polls.try_enter() or await polls.enter()
            try:
                if self.standing.opened != self.connection.generation or not self.connection.is_up:
                    raise _Lost
                self._asked += 1
                proven, self._proven = self._proven, False
                begun_s = self._loop.time()
                batch = await self.driver.read(request, timeout_s)
                self._trip_last_s = self._loop.time() - begun_s
                self._trip_sum_s += self._trip_last_s
                self._answers += 1
                self._proven = True
                return batch
            except NoTurn:  # nothing was asked, and nothing is known that was not
                self._asked -= 1
                self._proven = proven
                raise
            finally:
                polls.leave(ticket)
        finally:
            turns.leave(turn)

    def _take(self, request: Request, batch: Batch) -> None:
        if batch.request != request.id or len(batch.cells) != len(request.rows):
            raise ValueError(
                f"expected {len(request.rows)} cells for request {request.id} ({request.exchange.label}), "
                f"got {len(batch.cells)} for request {batch.request}"
            )
        self._bugs = 0
        self.standing.took(request)
        self._means.sink.batch(batch)

    def _link_lost(self, generation: int, error: LinkDown) -> None:
        """A request has found out before the transport did; not if a newer connection stands already."""
        if generation == self.connection.generation:
            self.connection.lost(self._reason(error))

    def _reason(self, error: DriverError) -> str:
        return str(error).removeprefix(f"{self.name}: ")

    # --- what is known

    def exchanges(self) -> tuple[ExchangeStatus, ...]:
        """Its questions, by poll class."""
        return tuple(e for each in self._polled for e in each.exchanges(self.standing.answers, self.driver.notes))

    def status(self) -> DeviceStatus:
        """As `DeviceStatus` says."""
        standing, impostor = self.standing, self.identity.impostor
        state, since_s, _ = standing.state()
        ago_ns = round((self._loop.time() - since_s) * NS_PER_S)
        fastest = self._polled[0] if self._polled else None
        return DeviceStatus(
            name=self.name,
            protocol=self._spec.protocol,
            link=state,
            reason=f"{standing.sentence()}; {impostor}" if impostor else standing.sentence(),
            since_ns=self._means.clock.wall_ns() - ago_ns,
            requests=self._asked,
            answers=self._answers,
            misses=standing.misses,
            missed_slots=self._missed_slots,
            demoted=standing.health.demoted,
            round_trip_last_s=self._trip_last_s,
            round_trip_mean_s=self._trip_sum_s / self._answers if self._answers else math.nan,
            requested_s=fastest.poll.period_s if fastest else math.nan,
            achieved_s=fastest.achieved_s if fastest else math.nan,
            notes=tuple(note for each in self._polled for r in each.requests for note in self.driver.notes(r)),
            failures=standing.health.silences + self.connection.link.failures,
            declared=self.identity.declared,
            answered=self.identity.answered,
            impostor=impostor,
        )
