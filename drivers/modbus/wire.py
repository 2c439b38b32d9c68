# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_modbus_wire.py, tests/property/test_modbus_hostile.py, tests/kit/test_modbus.py
"""One connection to a Modbus/TCP server: each answer to its own question, everything bounded.

Law of this file: frames only; no registers, no points, no reconnecting. `LinkDown` (with `NotSent`: nothing had left),
`DeviceSilent` and `Busy` come out, nothing else. Time is `loop.time()`.

Theory of operation. Each question carries a transaction id that is not given again while an answer to it may still
come. At most `window` questions are under way; others wait in a bounded line, writes before reads. One timer serves
all questions: it is set for the earliest deadline known and set again when it fires, so a question that is answered in
time costs no timer. What arrives is judged frame by frame:

    id of a question under way      the answer, if unit and function are those of the question; else DeviceSilent
    id of a question given up       late: dropped, counted
    any other id                    stray (duplicate, garbage): dropped, counted; too many in a row: LinkDown
    protocol id or length wrong     framing is lost: LinkDown
    a frame begun but not ended when a question times out: framing is lost: LinkDown

A **write** leaves alone: when nothing else is under way, both send queues (ours and the kernel's) are empty and the
system is not sending old bytes again, so that it waits nowhere while the permit behind it ends.

Source of the layout: Modbus Messaging on TCP/IP Implementation Guide V1.0b, 3.1.3 (MBAP header).
"""

from __future__ import annotations

import asyncio
import struct
from collections import deque
from collections.abc import Callable
from typing import Final, cast

from drivers.base import Busy, DeviceSilent, LinkDown
from drivers.sockets import stuck

HEAD: Final = struct.Struct(">HHHB")
FRAME_MIN: Final = 9  # header and the shortest answer: function with the exception bit, and a code
LENGTH_MIN: Final = FRAME_MIN - 6  # the header's own length counts from the unit on
LENGTH_MAX: Final = 254  # unit and 253 bytes of PDU
WAITING_MAX: Final = 64  # questions in line for the window; the host's own limits are below
GIVEN_UP_MAX: Final = 256  # ids of questions given up whose answer may still come
STRAYS_MAX: Final = 16  # frames in a row that answer nothing

_Answer = asyncio.Future[bytes]
_Turn = asyncio.Future[None]


class NotSent(LinkDown):
    """Nothing has left: the connection was not there or not free, or the permit had ended."""


class Connection(asyncio.Protocol):
    """One connection, from connect to loss; never used again afterwards.

    Attributes:
        down: why it cannot be used; empty while it can.
        late, strays: frames dropped.
        under_way_max: the most questions that were ever under way.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        window: int,
        prepare: Callable[[asyncio.Transport], str],
        lost: Callable[[Connection], None],
    ) -> None:
        """Make one for `create_connection`.

        Args:
            prepare: sets the socket's options when the connection stands; returns why it cannot be used, or ''.
            lost: called once when the connection breaks, not when `end` ends it.
        """
        self._loop, self._window, self._prepare, self._lost = loop, window, prepare, lost
        self.down = "not connected yet"
        self.late = self.strays = self.under_way_max = 0
        self._strays_in_row = 0
        self._transport: asyncio.Transport | None = None
        self._tid = 0
        self._under_way: dict[int, tuple[_Answer, float, int]] = {}  # id -> (answer, deadline, unit and function)
        self._given_up: dict[int, None] = {}
        self._reads: deque[_Turn] = deque()
        self._writes: deque[_Turn] = deque()
        self._admitted = 0  # reads whose turn has come and that have not left yet
        self._alone = False  # a write is under way, or its turn has come
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._rest = b""

    # --- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Make the connection ready, or drop it at once."""
        tcp = cast(asyncio.Transport, transport)  # uvloop's own class does not say that it is one
        self.down = self._prepare(tcp)
        if self.down:
            tcp.abort()
        else:
            self._transport = tcp

    def connection_lost(self, exc: Exception | None) -> None:
        """The other side or the network ended it."""
        self._break("closed by the device" if exc is None else getattr(exc, "strerror", None) or str(exc))

    def data_received(self, data: bytes) -> None:
        """Take what arrived apart into frames."""
        if self._rest:
            data = self._rest + data
            self._rest = b""
        at, end = 0, len(data)
        while end - at >= FRAME_MIN:
            tid, protocol, length, unit = HEAD.unpack_from(data, at)
            if protocol != 0 or not LENGTH_MIN <= length <= LENGTH_MAX:
                self._break(f"framing lost: expected a Modbus/TCP header, got {data[at : at + 8].hex(' ')}")
                return
            stop = at + 6 + length
            if stop > end:
                break
            self._take(tid, unit, data[at + 7 : stop])
            if self._transport is None:
                return
            at = stop
        if at < end:
            self._rest = data[at:]  # less than one frame, hence bounded

    def _take(self, tid: int, unit: int, pdu: bytes) -> None:
        asked = self._under_way.pop(tid, None)
        if asked is None:
            self._take_unasked(tid)
            return
        self._strays_in_row = 0
        answer, _, of = asked
        if not answer.done():
            if (unit << 8 | pdu[0] & 0x7F) == of:
                answer.set_result(pdu)
            else:
                said = f"unit {of >> 8} to function {of & 255}, got one of unit {unit} to function {pdu[0]}"
                answer.set_exception(DeviceSilent(f"expected an answer of {said}"))
        if self._reads or self._writes:
            self._admit()

    def _take_unasked(self, tid: int) -> None:
        if tid in self._given_up:
            del self._given_up[tid]
            self.late += 1
            return
        self.strays += 1
        self._strays_in_row += 1
        if self._strays_in_row > STRAYS_MAX:
            self._break(f"framing lost: {self._strays_in_row} frames in a row answer no question")

    # --- questions

    async def ask(self, unit: int, pdu: bytes, timeout_s: float) -> bytes:
        """Put a question and wait for its answer.

        Args:
            pdu: function and data, without the header.
            timeout_s: longest wait for the answer, from the moment the question leaves [s].

        Returns: the answer's PDU; unit and function are those asked for, the function perhaps with the exception bit.

        Raises:
            LinkDown: the connection is not there or broke.
            DeviceSilent: no proper answer in time.
            Busy: too many questions wait for this connection already.
        """
        if self._alone or self._reads or self._writes or len(self._under_way) + self._admitted >= self._window:
            await self._stand_in_line(self._reads)
            self._admitted -= 1
        tid, answer = self._send(unit, pdu, timeout_s)
        try:
            return await answer
        except asyncio.CancelledError:
            self._forget(tid)
            raise

    async def command(self, unit: int, pdu: bytes, timeout_s: float, may_leave: Callable[[], bool]) -> bytes:
        """Put a question that changes the device; it leaves alone, once, and only if `may_leave` says so last.

        Raises:
            NotSent: nothing left.
            LinkDown: it broke after the question had left; nobody knows what the device did.
            DeviceSilent: no proper answer in time; nobody knows either.
            Busy: too many questions wait already; nothing left.
        """
        if self._alone or self._writes or self._under_way or self._admitted:
            await self._stand_in_line(self._writes)
        self._alone = True
        try:
            if self._transport is None:
                raise NotSent(self.down)
            if reason := stuck(self._transport):
                raise NotSent(f"the connection does not take bytes: {reason}")
            if not may_leave():
                raise NotSent("the permit to write has ended")
            tid, answer = self._send(unit, pdu, timeout_s)
            try:
                return await answer
            except asyncio.CancelledError:
                self._forget(tid)
                raise
        finally:
            self._alone = False
            self._admit()

    def _send(self, unit: int, pdu: bytes, timeout_s: float) -> tuple[int, _Answer]:
        if self._transport is None:
            raise NotSent(self.down)
        tid = self._next_tid()
        answer: _Answer = self._loop.create_future()
        deadline = self._loop.time() + timeout_s
        under_way = self._under_way
        under_way[tid] = (answer, deadline, unit << 8 | pdu[0])
        if len(under_way) > self.under_way_max:
            self.under_way_max = len(under_way)
        self._transport.write(HEAD.pack(tid, 0, len(pdu) + 1, unit) + pdu)
        if self._timer is None or deadline < self._timer_at:
            self._set_timer(deadline)
        return tid, answer

    def _forget(self, tid: int) -> None:
        """The asker of a question under way is gone."""
        if self._under_way.pop(tid, None) is not None:
            self._give_up(tid)

    def _next_tid(self) -> int:
        tid = self._tid % 65535 + 1
        while tid in self._under_way or tid in self._given_up:
            tid = tid % 65535 + 1
        self._tid = tid
        return tid

    def _give_up(self, tid: int) -> None:
        self._given_up[tid] = None
        if len(self._given_up) > GIVEN_UP_MAX:
            del self._given_up[next(iter(self._given_up))]
        self._admit()

    # --- the line

    async def _stand_in_line(self, line: deque[_Turn]) -> None:
        if self._transport is None:
            raise NotSent(self.down)
        if len(line) >= WAITING_MAX:
            raise Busy(f"{WAITING_MAX} questions wait for this connection already")
        turn: _Turn = self._loop.create_future()
        line.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            self._leave_line(line, turn)
            raise

    def _leave_line(self, line: deque[_Turn], turn: _Turn) -> None:
        """The asker is gone: give back the turn, if it had come."""
        if turn in line:
            line.remove(turn)
        elif line is self._writes:
            self._alone = False
        else:
            self._admitted -= 1
        self._admit()

    def _admit(self) -> None:
        """Give the turn to whoever may go now: a write goes alone and before any read that waits."""
        while self._writes and not self._alone:
            if self._under_way or self._admitted:
                return
            if not (turn := self._writes.popleft()).done():
                self._alone = True
                turn.set_result(None)
        while self._reads and not self._alone and len(self._under_way) + self._admitted < self._window:
            if not (turn := self._reads.popleft()).done():
                self._admitted += 1
                turn.set_result(None)

    # --- the one timer

    def _set_timer(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = at
        self._timer = self._loop.call_at(at, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        now = self._loop.time()
        overdue = [tid for tid, (_, deadline, _) in self._under_way.items() if deadline <= now]
        for tid in overdue:
            answer, _, of = self._under_way.pop(tid)
            if not answer.done():
                answer.set_exception(DeviceSilent(f"unit {of >> 8} did not answer function {of & 255} in time"))
            self._give_up(tid)
        if overdue and self._rest:
            self._break(f"framing lost: an answer began ({len(self._rest)} bytes) and did not end in time")
        elif self._under_way:
            self._set_timer(min(deadline for _, deadline, _ in self._under_way.values()))

    # --- the end

    def end(self, reason: str) -> asyncio.Transport | None:
        """Fail all that hangs on this connection and give its transport back for closing. Idempotent."""
        transport, self._transport = self._transport, None
        if transport is None:
            return None
        self.down = reason
        self._rest = b""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for answer, _, _ in self._under_way.values():
            if not answer.done():
                answer.set_exception(LinkDown(reason))
        self._under_way.clear()
        for turn in (*self._writes, *self._reads):
            if not turn.done():
                turn.set_exception(NotSent(reason))
        self._writes.clear()
        self._reads.clear()
        return transport

    def _break(self, reason: str) -> None:
        if (transport := self.end(reason)) is not None:
            transport.abort()
            self._lost(self)
