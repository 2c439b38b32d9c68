# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_modbus_line.py, tests/property/test_modbus_rtu_hostile.py, tests/kit/test_modbus_rtu.py
"""One RTU line, by serial port or through TCP: one question at a time, and each answer to its own question.

Law of this file: as `wire`, for frames without a transaction id. `LinkDown` (with `NotSent`), `DeviceSilent` and `Busy`
come out, nothing else. Time is `loop.time()`.

Theory of operation. Nothing in an RTU answer says which question it belongs to, so the line is asked one question at a
time, writes first, and what arrives is judged by unit, function, length and checksum:

    unit, function and length asked for   the answer (or its exception)
    a unit that still owes an answer      late: dropped, counted, the debt is paid
    any other sound frame                 stray: dropped, counted
    unit and function, then a silence     garbled or cut short: the question fails at once
    anything else, then a silence         noise: dropped, counted

A unit that did not answer in time **owes** an answer, for as long again as it had had. Until then it is not asked: its
late answer would look just like the next one. Other units of the line are, for their answers bear another address. The
first time the next question waits for the debt to end, so that a question lost to noise is asked again within its
slot; a unit that was silent twice in a row is left alone until then, so that it costs the line no more than its
time-outs. An answer later than that is taken for the next one's if unit, function and length agree: a limit of RTU;
give slow devices a longer `timeout`.

Noise before a frame is skipped: the frame asked for is looked for wherever it may begin, a bounded number of times. A
frame with a broken checksum is never used. A write waits until the line is quiet and free; then its permit is asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, cast

from drivers.base import Busy, DeviceSilent, LinkDown
from drivers.gate import Gate
from drivers.modbus import rtu
from drivers.modbus.wire import WAITING_MAX, NotSent

OWED_MAX_S: Final = 5.0  # longest time a late answer is waited for
BUFFER_MAX: Final = 2 * rtu.FRAME_MAX
LOOKS_MAX: Final = 16  # places where a frame is looked for at each arrival
NOISE_MAX: Final = 65536  # bytes in a row that are no frame; then the line is given up


@dataclass(frozen=True, slots=True)
class Pace:
    """Times of a line.

    Attributes:
        turnaround_s: silence kept after the last byte before the next question [s].
        idle_s: silence within an answer after which it is cut short [s].
        character_s: time of one character, added to what an answer may take; 0 over a network [s].
    """

    turnaround_s: float
    idle_s: float
    character_s: float = 0.0


@dataclass(slots=True)
class _Question:
    """What is asked now."""

    unit: int
    function: int
    length: int
    timeout_s: float
    answer: asyncio.Future[bytes]


class RtuConnection(asyncio.Protocol):
    """One line, from open to loss; never used again afterwards. Has the face of `wire.Connection`.

    Attributes:
        down: why it cannot be used; empty while it can.
        late, strays: sound frames dropped.
        noise: bytes dropped.
        under_way_max: the most questions that were ever under way: 1.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        pace: Pace,
        prepare: Callable[[asyncio.Transport], str],
        stuck: Callable[[asyncio.Transport], str],
        lost: Callable[[RtuConnection], None],
    ) -> None:
        """Make one for a transport.

        Args:
            prepare: makes the transport ready when it stands; returns why it cannot be used, or ''.
            stuck: why a byte handed over now might leave later than now, or ''.
            lost: called once when the line breaks, not when `end` ends it.
        """
        self._loop, self._pace = loop, pace
        self._prepare, self._stuck, self._lost = prepare, stuck, lost
        self.down = "not connected yet"
        self.late = self.strays = self.noise = self.under_way_max = 0
        self._noise_in_row = 0
        self._transport: asyncio.Transport | None = None
        self._turns = Gate(1)
        self._open: _Question | None = None
        self._owed: dict[int, tuple[float, int]] = {}  # unit -> (until when [s], silences in a row)
        self._quiet_s = 0.0
        self._rest = b""
        self._pause: asyncio.Future[None] | None = None
        self._idle: asyncio.TimerHandle | None = None

    # --- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Make the line ready, or drop it at once."""
        made = cast(asyncio.Transport, transport)  # uvloop's own class does not say that it is one
        self.down = self._prepare(made)
        if self.down:
            made.abort()
        else:
            self._transport = made

    def connection_lost(self, exc: Exception | None) -> None:
        """The other side, the network or the port ended it."""
        self._break("closed by the device" if exc is None else getattr(exc, "strerror", None) or str(exc))

    def data_received(self, data: bytes) -> None:
        """Take what arrived apart into frames and noise."""
        self._quiet_s = self._loop.time() + self._pace.turnaround_s
        self._rest += data
        while self._rest and (found := self._find()) is not None:
            start, stop = found
            self._drop(start)
            taken, self._rest = self._rest[: stop - start], self._rest[stop - start :]
            self._noise_in_row = 0
            self._take(taken[0], taken[1:-2])
        if len(self._rest) > BUFFER_MAX:
            self._drop(len(self._rest) - BUFFER_MAX)
        if self._noise_in_row > NOISE_MAX:
            self._break(f"framing lost: {self._noise_in_row} bytes in a row are no frame")
        self._watch_idle()

    def _drop(self, n: int) -> None:
        self._rest = self._rest[n:]
        self.noise += n
        self._noise_in_row += n

    def _find(self) -> tuple[int, int] | None:
        """Where the next sound frame lies: any frame at the very front, else the one asked for further behind."""
        data = self._rest
        length = rtu.answer_length(data)
        if length and length <= len(data) and rtu.is_sound(data[:length]):
            return 0, length
        asked = self._open
        if asked is None:
            return None
        at, looks = -1, 0
        while looks < LOOKS_MAX and (at := data.find(asked.unit, at + 1)) >= 0:
            function = data[at + 1] if at + 1 < len(data) else -1
            if function & 0x7F != asked.function or function < 0:
                continue
            looks += 1
            stop = at + (asked.length if function < 0x80 else rtu.EXCEPTION_LEN)
            if stop <= len(data) and rtu.is_sound(data[at:stop]):
                return at, stop
        return None

    def _take(self, unit: int, pdu: bytes) -> None:
        asked = self._open
        if asked is not None and unit == asked.unit and pdu[0] & 0x7F == asked.function:
            if pdu[0] >= 0x80 or len(pdu) + 3 == asked.length:
                self._open = None
                self._owed.pop(unit, None)
                if not asked.answer.done():
                    asked.answer.set_result(pdu)
                return
        if self._owed.get(unit, (0.0, 0))[0] > self._loop.time():
            self.late += 1
            del self._owed[unit]
            self._wake()
        else:
            self.strays += 1

    # --- silences

    def _watch_idle(self) -> None:
        """A frame that began and does not go on is no answer."""
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        if self._rest and self._transport is not None:
            self._idle = self._loop.call_later(self._pace.idle_s, self._on_idle)

    def _on_idle(self) -> None:
        self._idle = None
        seen, asked = self._rest, self._open
        self._drop(len(seen))
        if asked is not None and not asked.answer.done() and _begins(seen, asked):
            self._open = None
            said = f"{len(seen)} bytes {seen[:8].hex(' ')}"
            reason = f"unit {asked.unit}: expected an answer of {asked.length} bytes with its checksum, got {said}"
            asked.answer.set_exception(DeviceSilent(f"{reason}: garbled or cut short"))

    def _on_timeout(self, asked: _Question) -> None:
        if self._open is asked:
            self._give_up(asked)
        if not asked.answer.done():
            reason = f"unit {asked.unit} did not answer function {asked.function} in time"
            asked.answer.set_exception(DeviceSilent(reason))

    def _give_up(self, asked: _Question) -> None:
        self._open = None
        silences = self._owed.get(asked.unit, (0.0, 0))[1] + 1
        self._owed[asked.unit] = (self._loop.time() + min(asked.timeout_s, OWED_MAX_S), silences)

    # --- questions

    async def ask(self, unit: int, pdu: bytes, timeout_s: float) -> bytes:
        """Put a question and wait for its answer.

        Args:
            pdu: unit and checksum are put around it.
            timeout_s: longest wait for the answer, from the moment the question leaves [s].

        Returns: the answer's PDU; unit and function are those asked for, the function perhaps with the exception bit.

        Raises:
            LinkDown: the line is not there or broke.
            DeviceSilent: no proper answer in time, or its last one may still come.
            Busy: too many questions wait for this line already.
        """
        ticket = await self._enter(first=False)
        try:
            await self._until_free(unit, DeviceSilent)
            return await self._talk(unit, pdu, timeout_s)
        finally:
            self._turns.leave(ticket)

    async def command(self, unit: int, pdu: bytes, timeout_s: float, may_leave: Callable[[], bool]) -> bytes:
        """Put a question that changes the device; it leaves once, and only if `may_leave` says so last.

        Raises:
            NotSent: nothing left.
            LinkDown: it broke after the question had left; nobody knows what the device did.
            DeviceSilent: no proper answer in time; nobody knows either.
            Busy: too many questions wait already; nothing left.
        """
        ticket = await self._enter(first=True)
        try:
            await self._until_free(unit, NotSent)
            if self._transport is None:
                raise NotSent(self.down)
            if stuck := self._stuck(self._transport):
                raise NotSent(f"the line does not take bytes: {stuck}")
            if not may_leave():
                raise NotSent("the permit to write has ended")
            return await self._talk(unit, pdu, timeout_s)
        finally:
            self._turns.leave(ticket)

    async def _enter(self, first: bool) -> int:
        if self._transport is None:
            raise NotSent(self.down)
        if self._turns.waiting >= WAITING_MAX:
            raise Busy(f"{WAITING_MAX} questions wait for this line already")
        return self._turns.try_enter() or await self._turns.enter(first)

    async def _until_free(self, unit: int, refusal: type[DeviceSilent] | type[NotSent]) -> None:
        """Wait until the line is quiet and the unit owes nothing."""
        while True:
            if self._transport is None:
                raise NotSent(self.down)
            now_s = self._loop.time()
            until_s, silences = self._owed.get(unit, (0.0, 0))
            if silences > 1 and until_s > now_s:
                raise refusal(f"unit {unit} may still answer the last question; left alone for {until_s - now_s:.3g} s")
            free_s = max(self._quiet_s, until_s)
            if free_s <= now_s:
                return
            await self._wait_until(free_s)

    async def _wait_until(self, at_s: float) -> None:
        pause = self._pause = self._loop.create_future()
        timer = self._loop.call_at(at_s, self._wake)
        try:
            await pause
        finally:
            timer.cancel()
            self._pause = None

    def _wake(self) -> None:
        if self._pause is not None and not self._pause.done():
            self._pause.set_result(None)

    async def _talk(self, unit: int, pdu: bytes, timeout_s: float) -> bytes:
        if self._transport is None:
            raise NotSent(self.down)
        self._drop(len(self._rest))
        self._watch_idle()
        question = rtu.frame(unit, pdu)
        length = rtu.expected_length(pdu)
        answer: asyncio.Future[bytes] = self._loop.create_future()
        asked = self._open = _Question(unit, pdu[0], length, timeout_s, answer)
        self.under_way_max = 1
        self._transport.write(question)
        on_line_s = (len(question) + length) * self._pace.character_s
        timer = self._loop.call_later(timeout_s + on_line_s, self._on_timeout, asked)
        try:
            return await answer
        except asyncio.CancelledError:
            if self._open is asked:
                self._give_up(asked)
            raise
        finally:
            timer.cancel()

    # --- the end

    def end(self, reason: str) -> asyncio.Transport | None:
        """Fail all that hangs on this line and give its transport back for closing. Idempotent."""
        transport, self._transport = self._transport, None
        if transport is None:
            return None
        self.down = reason
        self._rest = b""
        self._watch_idle()
        asked, self._open = self._open, None
        if asked is not None and not asked.answer.done():
            asked.answer.set_exception(LinkDown(reason))
        self._wake()
        return transport

    def _break(self, reason: str) -> None:
        if (transport := self.end(reason)) is not None:
            transport.abort()
            self._lost(self)


def _begins(seen: bytes, asked: _Question) -> bool:
    """True if somewhere in it an answer to the question began; other noise does not end the wait for one."""
    heads = (bytes((asked.unit, asked.function)), bytes((asked.unit, asked.function | 0x80)))
    return any(head in seen for head in heads)
