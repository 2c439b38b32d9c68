# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_commands.py, tests/unit/test_command_endings.py
"""One command carried out: journal, write, read back, watch the effect, journal again.

Law of this file: the step it is at is `life`'s; each method here does what one step asks and moves it on or ends it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import numpy as np

from config.words import BAD, UNCERTAIN, Batch, Clock, Outcome, Permit
from drivers.base import DriverError, WriteItem, WriteOutcome
from historian.base import TEXT_LENGTH_MAX, Journal, JournalError, Plain, Position, Record, RecordKind
from supervisor.commands import values
from supervisor.commands.gates import Order
from supervisor.commands.life import Cause, Event, Life, Step, step
from supervisor.commands.permit import ExpiringPermit, PermitSource
from supervisor.people import User
from supervisor.plant.plant import Plant
from supervisor.tags.table import TagTable

log = logging.getLogger(__name__)

WRITE_TIMEOUT_S: Final = 2.0
# A remote terminal unit shows a new setpoint after its own cycle; three looks within about a second.
READ_BACK_PAUSES_S: Final = (0.0, 0.3, 0.7)
EFFECT_LOOK_S: Final = 0.1
EFFECT_ASK_S: Final = 1.0
_TOO_LATE: Final = "it waited too long for its turn; no byte left"
_AWAITED: Final = {
    Step.RECORDED: "the device answered",
    Step.ANSWERED: "it was read back",
    Step.HELD: "its effect was seen",
}


class FieldHost(Protocol):
    """What commands need of the driver host."""

    async def write(
        self, device: int, items: Sequence[WriteItem], permit: Permit, timeout_s: float
    ) -> Sequence[WriteOutcome]:
        """One outcome per item; refused without a byte if the link is down or the permit is over; never repeated."""
        ...

    async def read_back(
        self, device: int, points: Sequence[int], timeout_s: float
    ) -> Sequence[tuple[int, int, str | None]]:
        """What the device holds now, for each point: raw cell, StatusCode, text of a String.

        Raises:
            DriverError: no answer.
        """
        ...


@dataclass(frozen=True, slots=True)
class Shop:
    """What every command works with.

    Attributes:
        seen: where what was read back goes, so that the table knows it before the next poll (`Inbox.batch`).
        turns: one lock per device that was ever commanded; at most as many as devices.
    """

    plant: Plant
    table: TagTable
    host: FieldHost
    journal: Journal
    permits: PermitSource
    clock: Clock
    seen: Callable[[Batch], None]
    turns: dict[int, asyncio.Lock] = field(default_factory=dict)


class Command:
    """One command that passed the gates.

    Attributes:
        life: how far it has come.
        reason: one sentence with the evidence, once it has ended.
        verdict_journalled: False if the disk refused the second record.
    """

    def __init__(self, shop: Shop, user: User, order: Order, origin: str, note: str, expires_s: float) -> None:
        self._shop = shop
        self._user = user
        self._order = order
        self._origin = origin
        self._note = note
        self._began_s = asyncio.get_running_loop().time()
        self.life = Life(self._began_s + expires_s, order.within_s)
        self.reason = ""
        self.verdict_journalled = True
        self._position: Position | None = None
        self._sent_ns = 0
        self._held = ""

    async def run(self) -> None:
        """Carry it out. Returns whatever happens; being cancelled ends it as not begun or as unknown."""
        try:
            await self._act()
        except asyncio.CancelledError:  # the server stops and does not wait for this one any longer
            if self.life.step in (Step.ASKED, Step.CHECKED):
                self._end(Cause.STOPPING, "the server is stopping; no byte left")
            elif self.life.step is not Step.ENDED:
                self._end(Cause.ABANDONED, f"the server stopped before {_AWAITED[self.life.step]}")
        except Exception as e:  # a bug must not leave a command without a verdict
            log.exception("command %s", self._order.name)
            if self.life.step is not Step.ENDED:
                self._end(Cause.BUG, f"internal error: {type(e).__name__}: {e}")
        await self._record_verdict()

    async def _act(self) -> None:
        self._move(Event.PASSED)
        turn = self._shop.turns.setdefault(self._order.device, asyncio.Lock())
        if not await self._take(turn):
            return
        try:
            await self._with_the_device()
        finally:
            turn.release()
        if self.life.step is Step.HELD:
            await self._await_effect()

    async def _take(self, turn: asyncio.Lock) -> bool:
        try:
            async with asyncio.timeout_at(self.life.expires_s):
                await turn.acquire()
        except TimeoutError:  # some loops fire a timer up to a millisecond early: their word counts, not the clock's
            self._end(Cause.EXPIRED, _TOO_LATE)
            return False
        return True

    async def _with_the_device(self) -> None:
        if self._expired() or self._link_is_down():
            return
        await self._write_down()
        if self.life.step is Step.RECORDED and not self._expired():
            await self._write()
        if self.life.step is Step.ANSWERED:
            await self._read_back()

    def _link_is_down(self) -> bool:
        """By `Comm`, which is Good and false once the device no longer answers; the host knows the last instant."""
        rows = self._shop.plant.devices[self._order.device].comm_rows
        if not len(rows) or self._shop.table.value(int(rows[0])) is not False:
            return False
        device = self._shop.plant.devices[self._order.device].name
        self._end(Cause.LINK_DOWN, f"{device} does not answer; no byte left")
        return True

    def _asked(self) -> dict[str, Plain]:
        value = self._order.value
        data: dict[str, Plain] = {
            "origin": self._origin[:200],
            "value": value[:200] if isinstance(value, str) else value,
        }
        return data | {"note": self._note} if self._note else data

    async def _write_down(self) -> None:
        order = self._order
        data = self._asked() | {"epoch": self._shop.permits.current().epoch}
        text = f"put {values.shown(order.info, order.value)}"[:TEXT_LENGTH_MAX]
        record = Record(self._shop.clock.wall_ns(), RecordKind.COMMAND, self._user.name, order.name, text, data)
        written = asyncio.ensure_future(self._shop.journal.append([record]))
        try:
            self._position = (await asyncio.shield(written))[0]
        except asyncio.CancelledError:  # the record is written all the same, and its verdict must name it
            with contextlib.suppress(JournalError):
                self._position = (await written)[0]
            raise
        except JournalError as e:
            self._end(Cause.NOT_RECORDED, f"cannot be journalled, so it is not done: {e}")
        else:
            self._move(Event.RECORDED)

    async def _write(self) -> None:
        permit = self._shop.permits.current()
        if not permit.valid(self._shop.clock.boot_s()):
            self._end(Cause.NO_PERMIT, "this post lost its permit to command the field; no byte left")
            return
        # It may wait for its link behind another device: after its own time no byte leaves either.
        left_s = self.life.expires_s - asyncio.get_running_loop().time()
        expires_s = self._shop.clock.boot_s() + left_s
        late = asyncio.Event()
        expiring = ExpiringPermit(permit.epoch, permit.deadline_s, permit, expires_s, late.set)
        item = WriteItem(self._order.point, self._order.cell, self._order.text)
        self._sent_ns = self._shop.clock.wall_ns()
        try:
            async with asyncio.timeout(2 * WRITE_TIMEOUT_S + 1):  # the host keeps its time; this guards against a bug
                outcome = (await self._shop.host.write(self._order.device, [item], expiring, WRITE_TIMEOUT_S))[0]
        except (DriverError, TimeoutError) as e:
            self._end(Cause.ANSWER_LOST, f"no answer to the write ({e or 'timeout'}); look before asking again")
            return
        if outcome.outcome is Outcome.ACCEPTED:
            self._move(Event.ACCEPTED)
        elif outcome.outcome is Outcome.REFUSED and late.is_set():
            self._end(Cause.EXPIRED, _TOO_LATE)
        elif outcome.outcome is Outcome.REFUSED:
            self._end(Cause.DEVICE_REFUSED, outcome.reason or "the device refused")
        else:
            self._end(Cause.ANSWER_LOST, f"{outcome.reason or 'no answer to the write'}; look before asking again")

    async def _read_back(self) -> None:
        if not self._order.readable:
            self._held = "accepted by the device, which cannot be read back"
            self._move(Event.UNREADABLE)
            return
        asked = values.shown(self._order.info, self._order.value)
        cause, told = Cause.READ_BACK_LOST, "no answer"
        for pause_s in READ_BACK_PAUSES_S:
            await asyncio.sleep(pause_s)
            try:
                read = await self._look()
            except (DriverError, TimeoutError) as e:
                cause, told = Cause.READ_BACK_LOST, f"read-back: {e or 'timeout'}"
                continue
            if read is None:
                cause, told = Cause.READ_BACK_LOST, "its answer to the read-back is Bad"
                continue
            shown = values.shown(self._order.info, read)
            if values.holds(self._order.info, self._order.value, read):
                self._held = f"accepted, reads back {shown}"
                self._move(Event.EQUAL)
                return
            cause, told = Cause.DIFFERS, f"reads back {shown}"
        self._end(cause, f"the device accepted {asked}; {told}")

    async def _look(self) -> values.Value | None:
        """What the device holds; None if it says that it does not know."""
        cell, status, text = await self._read(self._order.row, self._order.device, self._order.point)
        return None if status >= BAD else values.from_wire(self._order.info, cell, text)

    async def _read(self, row: int, device: int, point: int) -> tuple[int, int, str | None]:
        """A row as its device says it now: raw cell, StatusCode, text. The table knows it, too, from the next scan on.

        Raises:
            DriverError, TimeoutError: no answer.
        """
        async with asyncio.timeout(2 * WRITE_TIMEOUT_S + 1):
            ((cell, status, text),) = await self._shop.host.read_back(device, [point], WRITE_TIMEOUT_S)
        self._shop.seen(self._batch(row, cell, status, text))
        return cell, status, text

    def _batch(self, row: int, cell: int, status: int, text: str | None) -> Batch:
        """A reading beside the plan: request -1."""
        return Batch(
            request=-1,
            rows=np.array([row], np.int64),
            cells=np.array([cell], np.int64),
            statuses=np.array([status], np.uint32),
            source_ns=np.array([self._shop.clock.wall_ns()], np.int64),
            texts=None if text is None else {0: text},
        )

    async def _await_effect(self) -> None:
        loop = asyncio.get_running_loop()
        if self._order.feedback is None:
            self._end(Cause.CONFIRMED, self._held)
            return
        began_s = asks_s = loop.time()
        while True:
            tag, seen, follows, fresh = self._effect(self._order.feedback)
            if follows and not fresh and loop.time() >= asks_s:
                fresh = await self._device_says_so(self._order.feedback)
                asks_s = loop.time() + EFFECT_ASK_S
            if follows and fresh:
                self._end(Cause.CONFIRMED, f"{self._held}, {tag} {seen} after {loop.time() - began_s:.1f} s")
                return
            self.life = step(self.life, Event.TICK, loop.time())
            if self.life.step is Step.ENDED:
                self.reason = f"{self._held}, but within {self._order.within_s:g} s no effect: {tag} {seen}"
                return
            await asyncio.sleep(EFFECT_LOOK_S)

    async def _device_says_so(self, row: int) -> bool:
        """Whether the effect that the feedback tag shows is there now. A value that is told only when it changes is as
        old as its last change: nothing will come by itself of a fan that was running already.
        """
        if self._order.feedback_at is None:
            return False
        try:
            cell, status, text = await self._read(row, *self._order.feedback_at)
        except (DriverError, TimeoutError):
            return False  # it is asked again, and the time for the effect goes on
        info = self._shop.plant.block(row).info
        seen = values.from_wire(info, cell, text)
        return status < UNCERTAIN and values.follows(self._order.info, self._order.value, info, seen)

    def _effect(self, row: int) -> tuple[str, str, bool, bool]:
        """The feedback tag, what it shows, whether that is the effect, and whether it was seen since the write."""
        table, block = self._shop.table, self._shop.plant.block(row)
        status = int(table.status[row])
        value = table.value(row)
        if status >= UNCERTAIN or value is None:
            return block.tag, values.status_name(status), False, False
        fresh = int(table.source_ns[row]) >= self._sent_ns
        follows = values.follows(self._order.info, self._order.value, block.info, value)
        return block.tag, values.shown(block.info, value), follows, fresh

    async def _record_verdict(self) -> None:
        if self._position is None and self.life.cause is Cause.NOT_RECORDED:
            return  # there is no record it could answer, and no disk to put it on
        ending = self.life.ending
        data: dict[str, Plain] = {
            "verdict": ending.verdict.value,
            "cause": self.life.cause.value if self.life.cause else "",
            "command": self._position.sequence if self._position else None,
            "took_s": round(asyncio.get_running_loop().time() - self._began_s, 3),
        }
        if self._position is None:  # it ended before its own record was due: this one stands alone and says all
            data |= self._asked()
        text = f"{ending.verdict}: {self.reason}"[:TEXT_LENGTH_MAX]
        record = Record(self._shop.clock.wall_ns(), RecordKind.VERDICT, self._user.name, self._order.name, text, data)
        try:
            await self._shop.journal.append([record])
        except JournalError as e:
            # The field has already moved: the person must hear the verdict even though the disk does not keep it.
            self.verdict_journalled = False
            self.reason += f" (this verdict could not be journalled: {e})"
            log.error("verdict of %s not journalled: %s", self._order.name, e)

    def _expired(self) -> bool:
        self.life = step(self.life, Event.TICK, asyncio.get_running_loop().time())
        if self.life.step is not Step.ENDED:
            return False
        self.reason = _TOO_LATE
        return True

    def _move(self, event: Event) -> None:
        self.life = step(self.life, event, asyncio.get_running_loop().time())

    def _end(self, cause: Cause, sentence: str) -> None:
        self.life = step(self.life, cause, asyncio.get_running_loop().time())
        self.reason = sentence
