# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_modbus_simulator.py, tests/property/test_modbus_hostile.py, tests/kit/test_modbus_rtu.py
"""How a simulated device is reached: framings, sockets and pseudo-terminals.

Law of this file: bytes and questions; what is answered is the device's business. Serves pipelined questions; survives
any bytes; bounded per connection. Time is `loop.time()`.

A simulated serial line is a pseudo-terminal whose path is a symbolic link, as /dev/serial/by-id has them: pulled out
and put in again it is another terminal of the same name.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import tty
from collections.abc import Callable
from typing import Final, Protocol, cast

from drivers.modbus import rtu
from drivers.modbus.serialport import SerialTransport
from drivers.modbus.wire import HEAD, LENGTH_MAX
from drivers.owed import Debtor, Owed
from drivers.sockets import reset

QUESTION_MIN: Final = 8  # header and a function
LINE_IDLE_S: Final = 0.05  # a silence after which an RTU frame begins anew

Question = tuple[int, int, bytes]
"""Transaction id (RTU: 0), unit, PDU."""


class Framing(Protocol):
    """How questions and answers lie on the wire."""

    is_stream: bool

    def questions(self, data: bytes) -> tuple[list[Question], bytes, bool]:
        """Whole questions, what remains, and whether framing is lost."""
        ...

    def frame(self, tid: int, unit: int, pdu: bytes) -> bytes:
        """An answer as it lies on the wire."""
        ...

    def other(self, tid: int, unit: int) -> tuple[int, int]:
        """The mark of an answer to another question."""
        ...


class Mbap:
    """Modbus/TCP."""

    is_stream = True

    def questions(self, data: bytes) -> tuple[list[Question], bytes, bool]:
        """As `Framing`."""
        found: list[Question] = []
        at = 0
        while len(data) - at >= QUESTION_MIN:
            tid, protocol, length, unit = HEAD.unpack_from(data, at)
            if protocol != 0 or not 2 <= length <= LENGTH_MAX:
                return found, b"", True
            if len(data) - at < 6 + length:
                break
            found.append((tid, unit, data[at + 7 : at + 6 + length]))
            at += 6 + length
        return found, data[at:], False

    def frame(self, tid: int, unit: int, pdu: bytes) -> bytes:
        """As `Framing`."""
        return HEAD.pack(tid, 0, len(pdu) + 1, unit) + pdu

    def other(self, tid: int, unit: int) -> tuple[int, int]:
        """Another transaction id."""
        return tid ^ 0x5555, unit


class Rtu:
    """RTU, on a line or through TCP; what is no sound question is not heard."""

    is_stream = False

    def questions(self, data: bytes) -> tuple[list[Question], bytes, bool]:
        """As `Framing`."""
        found: list[Question] = []
        while (length := rtu.question_length(data)) is not None:
            if length > len(data) and length <= rtu.FRAME_MAX:
                break
            if length == 0 or not rtu.is_sound(data[:length]):
                return found, b"", False
            found.append((0, data[0], data[1 : length - 2]))
            data = data[length:]
        return found, data[: rtu.FRAME_MAX], False

    def frame(self, tid: int, unit: int, pdu: bytes) -> bytes:
        """As `Framing`."""
        return rtu.frame(unit, pdu)

    def other(self, tid: int, unit: int) -> tuple[int, int]:
        """Another unit."""
        return tid, unit ^ 0x55


class Served(Debtor, Protocol):
    """The device, as far as its connections know it."""

    framing: Framing

    def serve(self, connection: Serving, tid: int, unit: int, pdu: bytes, now_s: float) -> None: ...

    def enter(self, connection: Serving) -> bool: ...

    def leave(self, connection: Serving) -> None: ...

    def plug_in(self) -> None: ...


class Serving(asyncio.Protocol):
    """One client of a simulated device."""

    def __init__(self, device: Served) -> None:
        self._device = device
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._rest = b""
        self._heard_s = 0.0
        self.owed = Owed(device)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own class does not say that it is one
        self._device.enter(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()

    def data_received(self, data: bytes) -> None:
        now_s = self._loop.time()
        if now_s - self._heard_s > LINE_IDLE_S and not self._device.framing.is_stream:
            self._rest = b""
        self._heard_s = now_s
        questions, self._rest, lost = self._device.framing.questions(self._rest + data)
        self.owed.asked(len(questions))
        for tid, unit, pdu in questions:
            if self._transport is not None:
                self._device.serve(self, tid, unit, pdu, now_s)
        if lost:
            self.abort()

    def answer(self, frame: bytes, now_s: float, late_s: float | None = None) -> None:
        """Send it when its time has come."""
        if not self.owed.answer(now_s, lambda: self._send(frame), late_s):
            self.abort()

    def _send(self, frame: bytes) -> None:
        if self._transport is not None:
            self.owed.settled()
            self._transport.write(frame)

    def abort(self) -> None:
        """Reset this connection."""
        if (transport := self._transport) is not None:
            self._forget()
            reset(transport)
            self._device.plug_in()

    def _forget(self) -> None:
        self._transport = None
        self._rest = b""
        self.owed.drop()
        self._device.leave(self)


class PtyDoor:
    """A pseudo-terminal with a name. Has the face of a server: `close` and `wait_closed`."""

    def __init__(self, path: str, make: Callable[[], Serving]) -> None:
        self._path, self._make = path, make
        self._transport: SerialTransport | None = None
        self._slave = -1

    def open(self) -> None:
        """Put it in, unless it is. A port that is there is kept open, so that a client may come and go.

        Raises:
            OSError: no terminal can be had, or the path is not ours.
        """
        if self._transport is not None and not self._transport.is_closing():
            return
        self._unlink()
        master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(master, False)
        os.symlink(os.ttyname(self._slave), self._path)
        self._transport = SerialTransport(asyncio.get_running_loop(), master, self._make())

    def _unlink(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path)
        if self._slave >= 0:
            os.close(self._slave)
            self._slave = -1

    def close(self) -> None:
        """Pull it out. Idempotent."""
        self._unlink()
        if self._transport is not None:
            self._transport.abort()
            self._transport = None

    async def wait_closed(self) -> None:
        """As a server's."""
