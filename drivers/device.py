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
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from config.words import NS_PER_S, Batch, LinkState, StatusCode
from drivers.base import Busy, DeviceSilent, DeviceSpec, Driver, DriverError, LinkDown, PollClass, Request
from drivers.connection import Connection
from drivers.link import Health, answered, silent
from drivers.sink import Means
from drivers.slots import Slot, after, phase_s, running_slot, slot_at
from drivers.status import DeviceStatus, duration

log = logging.getLogger("vigie.field")

SILENCES_A_SLOT: Final = 2  # one may be a block the device ignores; two in a row are a device that is not there
SMOOTHING: Final = 0.25  # weight of the newest interval in the achieved period


class _Lost(Exception):
    """The connection this slot began on is gone; the connection has told everybody already."""


@dataclass(slots=True)
class _Class:
    """A poll class of this device: its requests and where it stands on its grid."""

    poll: PollClass
    requests: list[Request]
    slot: Slot
    first: int = 0  # request a slot begins with
    begun_s: float = math.nan
    achieved_s: float = math.nan
    out_of_turn: bool = False

    def begin(self, now_s: float) -> None:
        """A slot begins; the interval since the one before counts, unless that one was out of turn."""
        interval_s = now_s - self.begun_s
        self.begun_s = now_s
        if self.out_of_turn:
            self.begun_s, self.out_of_turn = math.nan, False
        elif not math.isnan(interval_s):
            before_s = self.poll.period_s if math.isnan(self.achieved_s) else self.achieved_s
            self.achieved_s = before_s + SMOOTHING * (interval_s - before_s)

    def at_once(self, now_s: float) -> None:
        """Due now, out of turn; then again on the same grid."""
        self.slot = running_slot(self.slot, now_s)
        self.begun_s, self.out_of_turn = math.nan, True


class Device:
    """One device, its driver and the task that asks it.

    Attributes:
        lost: it is known not to answer, and that was logged.
    """

    def __init__(
        self, index: int, spec: DeviceSpec, driver: Driver, requests: Sequence[Request], link: Connection, means: Means
    ) -> None:
        self.index = index
        self.name = spec.name
        self.driver = driver
        self.connection = link
        self.lost = False
        self._spec = spec
        self._means = means
        self._loop = asyncio.get_running_loop()
        self._classes = self._sort(spec, requests)
        self._opened = 0  # generation of the connection in which the driver was opened
        self._health = Health(since_s=self._loop.time())
        self._fault = ""
        self._faults = 0
        self._told: LinkState | None = None
        self._told_s = self._loop.time()
        self._missed: set[int] = set()
        self._waker: asyncio.Future[None] | None = None
        self._probe_s = 0.0
        self._proven = False  # it answered the last question
        self._asked = self._answers = self._misses = self._missed_slots = 0
        self._trip_last_s = math.nan
        self._trip_sum_s = 0.0

    def _sort(self, spec: DeviceSpec, requests: Sequence[Request]) -> list[_Class]:
        classes = []
        for name, poll in sorted(spec.polls.items(), key=lambda item: item[1].period_s):
            if mine := [r for r in requests if r.exchange.poll == name]:
                phase = phase_s(f"{spec.name}/{name}", poll.period_s)
                classes.append(_Class(poll, mine, slot_at(poll.period_s, phase, self._loop.time())))
        return classes

    # --- the task

    async def run(self) -> None:
        """Ask until cancelled."""
        while True:
            try:
                await self._turn()
            except _Lost:
                continue
            except (KeyboardInterrupt, SystemExit):
                raise
            except asyncio.CancelledError as error:
                task = asyncio.current_task()
                if task is None or task.cancelling():
                    raise
                await self._bug(error)  # a driver's future was cancelled, not we
            except BaseException as error:  # some protocol libraries derive their errors from it
                await self._bug(error)

    async def _turn(self) -> None:
        """Wait for what is due next, and do it."""
        if not self.connection.is_up:
            await self._sleep(math.inf)
            return
        if self._opened != self.connection.generation:
            await self._open()
            return
        if not self._classes:
            await self._sleep(math.inf)
            return
        now_s = self._loop.time()
        if self._health.demoted:
            if self._probe_s > now_s:
                await self._sleep(self._probe_s)
                return
            await self._probe()
            return
        next_ = min(self._classes, key=lambda c: c.slot.due_s)
        if next_.slot.due_s > now_s:
            await self._sleep(next_.slot.due_s)
            return
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
        generation = self.connection.generation
        limit_s = self._means.limits.open_max_s
        try:
            async with asyncio.timeout(limit_s):
                await self.driver.open()
        except LinkDown as error:
            self.connection.lost(str(error))
            return
        except TimeoutError:
            await self._cannot_open(f"not opened within {limit_s:g} s")
            return
        except DriverError as error:
            await self._cannot_open(self._reason(error))
            return
        if generation != self.connection.generation or not self.connection.is_up:
            return
        self._opened = generation
        self._probe_s = 0.0
        for each in self._classes:
            each.at_once(self._loop.time())
        self.tell()

    async def _cannot_open(self, reason: str) -> None:
        """The link stands but the device does not follow: try again at the pace of a demoted one."""
        self._slot_silent(reason)
        self._miss_all(reason)
        await self._sleep(self._loop.time() + self._means.limits.probe_s)

    async def _bug(self, error: BaseException) -> None:
        fault = f"fault in the driver: {type(error).__name__}: {error}"
        if fault != self._fault:
            log.error("%s lost: %s", self.name, fault, exc_info=error)
        self._fault = fault
        self._faults += 1
        self.lost = True
        self._miss_all(fault)
        self.tell()
        pause_s = self._means.limits.backoff.pause_s(self._faults, self._means.random.random())
        await self._sleep(self._loop.time() + pause_s)

    # --- slots

    async def _serve(self, each: _Class) -> None:
        """One slot of one poll class."""
        each.begin(self._loop.time())
        n, start, silences, heard = len(each.requests), each.first, 0, False
        for i in range(n):
            request = each.requests[(start + i) % n]
            if i and len(self._classes) > 1:
                await self._serve_faster(each)
            if silences >= SILENCES_A_SLOT:
                self._miss((request,), self._health.reason or "no reply")
                continue
            if await self._ask(request, each.poll, 1 if silences else each.poll.retries + 1):
                heard, silences = True, 0
            else:
                silences += 1
                each.first = (start + i + 1) % n
        if not heard:
            self._slot_silent(self._silence)
        each.slot, missed = after(each.slot, self._loop.time())
        if not self._health.demoted:
            self._missed_slots += missed

    async def _serve_faster(self, than: _Class) -> None:
        """A long slot of a slow class does not delay a fast one: look between its requests."""
        for each in self._classes:
            if each is than:
                return
            if each.slot.due_s <= self._loop.time():
                await self._serve(each)

    async def _probe(self) -> None:
        """One question to a demoted device."""
        each = self._classes[0]
        request = each.requests[each.first % len(each.requests)]
        each.first = (each.first + 1) % len(each.requests)
        self._probe_s = self._loop.time() + self._means.limits.probe_s
        if await self._ask(request, each.poll, 1):
            for other in self._classes:
                other.at_once(self._loop.time())
        else:
            self._slot_silent(self._silence)

    async def _ask(self, request: Request, poll: PollClass, attempts: int) -> bool:
        """Put one question, up to `attempts` times; False: no answer."""
        for attempt in range(attempts):
            try:
                batch = await self._read(request, poll.timeout_s)
            except LinkDown as error:
                if self._opened == self.connection.generation:
                    self.connection.lost(self._reason(error))
                raise _Lost from None
            except Busy as error:
                self._heard()
                if attempt + 1 == attempts:
                    self._miss((request,), self._reason(error))
                    return True
                await asyncio.sleep(self._means.limits.busy_pause_s)
            except DeviceSilent as error:
                self._silence = self._reason(error) or f"no reply within {poll.timeout_s:g} s"
            except DriverError as error:
                self._silence = self._reason(error)
            else:
                self._take(request, batch)
                return True
        self._miss((request,), self._silence)
        return False

    _silence = ""

    async def _read(self, request: Request, timeout_s: float) -> Batch:
        turns, polls = self.connection.turns, self._means.polls if self._proven else self._means.probes
        turn = turns.try_enter() or await turns.enter()
        try:
            ticket = polls.try_enter() or await polls.enter()
            try:
                if self._opened != self.connection.generation or not self.connection.is_up:
                    raise _Lost
                self._asked += 1
                self._proven = False
                begun_s = self._loop.time()
                batch = await self.driver.read(request, timeout_s)
                self._trip_last_s = self._loop.time() - begun_s
                self._trip_sum_s += self._trip_last_s
                self._answers += 1
                self._proven = True
                return batch
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
        self._missed.discard(request.id)
        if self._health.silences or self.lost or self._fault or self.connection.link.failures:
            self._heard()
        self._means.sink.batch(batch)

    # --- what it says

    def _heard(self) -> None:
        """It answered: as usual from now on."""
        self.connection.answered()
        self._health = answered(self._health, self._loop.time())
        self._fault, self._faults = "", 0
        if self.lost:
            self.lost = False
            log.info("%s back after %s", self.name, duration(self._loop.time() - self._lost_s))
        self.tell()

    _lost_s = 0.0

    def _slot_silent(self, reason: str) -> None:
        limits, before = self._means.limits, self._health
        self._health = silent(before, self._loop.time(), limits.demote_after, reason)
        if not self._health.demoted:
            return
        if not before.demoted:
            self._probe_s = self._loop.time() + limits.probe_s
            self._miss_all(reason)
            self.tell()
            if not self.lost:
                self.lost, self._lost_s = True, self._health.since_s
                log.warning("%s lost: %s", self.name, reason)
        if all(device.demoted for device in self.connection.devices):
            self.connection.drop(reason)

    @property
    def demoted(self) -> bool:
        """Asked rarely, because it is silent."""
        return self._health.demoted

    def link_down(self, reason: str) -> None:
        """The connection is gone, or could not be made."""
        if not self.lost:
            self.lost, self._lost_s = True, self._loop.time()
        self._miss_all(reason)

    def _miss_all(self, reason: str) -> None:
        self._miss([r for each in self._classes for r in each.requests], reason, count=False)

    def _miss(self, requests: Sequence[Request], reason: str, count: bool = True) -> None:
        self._misses += len(requests) if count else 0
        new = [r.id for r in requests if r.id not in self._missed]
        if new:
            self._missed.update(new)
            status = StatusCode.UncertainNoCommunicationLastUsableValue
            self._means.sink.missed(new, status, reason, self._means.clock.wall_ns())

    def _reason(self, error: DriverError) -> str:
        return str(error).removeprefix(f"{self.name}: ")

    def state(self) -> tuple[LinkState, float, str]:
        """State, since when [s of the loop] and why, as the device's users see it."""
        link = self.connection.link
        if link.state is not LinkState.UP:
            return link.state, self._lost_s if self.lost else link.since_s, link.reason
        if self._fault:
            return LinkState.DOWN, self._lost_s, self._fault
        if self._health.demoted:
            return LinkState.DOWN, self._health.since_s, self._health.reason
        return LinkState.UP, max(link.since_s, self._health.since_s), ""

    def tell(self) -> None:
        """Pass a change of state on, once."""
        state, _, reason = self.state()
        if state is not self._told:
            self._told = state
            now_ns = self._means.clock.wall_ns()
            self._means.sink.link(self.index, state, self.sentence() if reason else "", now_ns)

    def sentence(self) -> str:
        """Its state in one sentence."""
        state, since_s, reason = self.state()
        in_s = max(0.0, self._probe_s - self._loop.time()) if self._health.demoted else 0.0
        return self.connection.sentence(self.name, state, since_s, reason, in_s)

    def refusal(self) -> str:
        """Why nothing can be put to it now; empty if it can."""
        if self.state()[0] is not LinkState.UP:
            return self.sentence()
        return "" if self._opened == self.connection.generation else f"{self.name} is not opened yet"

    def status(self) -> DeviceStatus:
        """As `DeviceStatus` says."""
        state, since_s, _ = self.state()
        ago_ns = round((self._loop.time() - since_s) * NS_PER_S)
        fastest = self._classes[0] if self._classes else None
        return DeviceStatus(
            name=self.name,
            protocol=self._spec.protocol,
            link=state,
            reason=self.sentence(),
            since_ns=self._means.clock.wall_ns() - ago_ns,
            requests=self._asked,
            answers=self._answers,
            misses=self._misses,
            missed_slots=self._missed_slots,
            demoted=self._health.demoted,
            round_trip_last_s=self._trip_last_s,
            round_trip_mean_s=self._trip_sum_s / self._answers if self._answers else math.nan,
            requested_s=fastest.poll.period_s if fastest else math.nan,
            achieved_s=fastest.achieved_s if fastest else math.nan,
            notes=tuple(note for c in self._classes for r in c.requests for note in self.driver.notes(r)),
        )
