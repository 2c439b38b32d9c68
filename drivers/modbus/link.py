# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_modbus_link.py, tests/unit/test_modbus_serial.py, tests/kit/test_modbus.py
"""The way to one host and port, or to one serial port: connect, close, abort; the units behind it share it.

Law of this file: the life of the connection only. Reconnecting is the host's; frames are `wire`'s, of RTU `line`'s.

Every socket has TCP_USER_TIMEOUT (bytes that nobody acknowledges end the connection) and SO_LINGER (1, 0) from the
start: when this process dies, the system drops what has not left instead of delivering it seconds later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from drivers.base import LinkDown
from drivers.modbus import rtu
from drivers.modbus.address import ModbusDevice
from drivers.modbus.line import Pace, RtuConnection
from drivers.modbus.serialport import SerialTransport, open_port
from drivers.modbus.wire import Connection, NotSent
from drivers.opening import NotOpened, Opening, reason_of
from drivers.sockets import close_in_order, prepare, stuck

IDLE_NETWORK_S: Final = 0.25  # a frame sent in pieces through a network
IDLE_SERIAL_S: Final = 0.05  # a frame handed over in pieces by a port; USB adapters hold bytes for 16 ms

_Wire = Connection | RtuConnection


class ModbusLink:
    """A `drivers.base.Link` over Modbus/TCP, RTU through TCP or a serial port."""

    def __init__(self, device: ModbusDevice) -> None:
        self._device = device
        self.where = device.where
        self._connection: _Wire | None = None
        self._opening: Opening[_Wire] = Opening(_drop)
        self._down = "not connected yet"
        self._on_lost: Callable[[str], None] | None = None

    async def open(self) -> None:
        """Connect.

        Raises:
            LinkDown: refused, unreachable, timed out or closed meanwhile, with address and reason.
        """
        if self.is_up:
            return
        try:
            connection = await self._opening.run(self._connect(), self._device.connect_timeout)
        except UnicodeError as error:
            raise self._cannot(f"expected a host name or address: {error}") from error
        except (NotOpened, OSError) as error:
            raise self._cannot(reason_of(error)) from error
        if connection.down:
            raise self._cannot(connection.down)
        self._connection = connection

    async def _connect(self) -> _Wire:
        loop = asyncio.get_running_loop()
        device = self._device
        if device.transport == "serial":
            line = self._line(loop, lambda transport: "", _stuck_port)
            open_port(loop, device, line)
            return line
        _, connection = await loop.create_connection(
            lambda: (
                self._line(loop, self._prepare, stuck)
                if device.is_rtu
                else Connection(loop, device.window, self._prepare, self._lost)
            ),
            device.host,
            device.port,
        )
        return connection

    def _line(
        self,
        loop: asyncio.AbstractEventLoop,
        prepare: Callable[[asyncio.Transport], str],
        stuck: Callable[[asyncio.Transport], str],
    ) -> RtuConnection:
        return RtuConnection(loop, pace(self._device), prepare, stuck, self._lost)

    def _cannot(self, reason: str) -> LinkDown:
        self._down = reason
        return LinkDown(f"{self.where}: {reason}")

    def _prepare(self, transport: asyncio.Transport) -> str:
        return prepare(transport, self._device.user_timeout, self._device.keepalive)

    async def close(self) -> None:
        """Close in order; pending questions fail with LinkDown. Idempotent, also during `open`."""
        self._opening.end()
        if (transport := self._end("closed by us")) is not None:
            close_in_order(transport)

    def abort(self) -> None:
        """Drop the connection at once with a reset; nothing unsent may still leave. Idempotent."""
        self._opening.end()
        if (transport := self._end("aborted by us")) is not None:
            transport.abort()

    def _end(self, reason: str) -> asyncio.Transport | None:
        connection, self._connection = self._connection, None
        if connection is None:
            return None
        self._down = reason
        return connection.end(f"{self.where}: {reason}")

    def _lost(self, connection: _Wire) -> None:
        if connection is not self._connection:
            return
        self._connection = None
        self._down = connection.down
        if self._on_lost is not None:
            self._on_lost(f"{self.where}: {connection.down}")

    @property
    def device(self) -> ModbusDevice:
        """Whose settings the connection has: the first of those that share it."""
        return self._device

    @property
    def is_up(self) -> bool:
        """True while questions may be put."""
        return self._connection is not None

    @property
    def window(self) -> int:
        """Questions that may be under way at once."""
        return self._device.window

    @property
    def connection(self) -> _Wire | None:
        """The connection that stands now; for counters and tests."""
        return self._connection

    def on_lost(self, callback: Callable[[str], None]) -> None:
        """Call with the reason each time an open connection breaks (not when we close it). The last one set counts."""
        self._on_lost = callback

    def ask(self, unit: int, pdu: bytes, timeout_s: float) -> Awaitable[bytes]:
        """As `Connection.ask`."""
        if self._connection is None:
            raise LinkDown(f"{self.where}: {self._down}")
        return self._connection.ask(unit, pdu, timeout_s)

    def command(self, unit: int, pdu: bytes, timeout_s: float, may_leave: Callable[[], bool]) -> Awaitable[bytes]:
        """As `Connection.command`."""
        if self._connection is None:
            raise NotSent(f"{self.where}: {self._down}")
        return self._connection.command(unit, pdu, timeout_s, may_leave)


def pace(device: ModbusDevice) -> Pace:
    """Times of an RTU line with these settings."""
    if device.transport == "serial":
        silence_s = rtu.silence_s(device.baud_rate) if device.turnaround is None else device.turnaround
        return Pace(silence_s, max(IDLE_SERIAL_S, silence_s), rtu.character_s(device.baud_rate))
    return Pace(device.turnaround or 0.0, IDLE_NETWORK_S)


def _stuck_port(transport: asyncio.Transport) -> str:
    waiting = transport.unsent() if isinstance(transport, SerialTransport) else transport.get_write_buffer_size()
    return f"{waiting} bytes wait to leave" if waiting else ""


def _drop(connection: _Wire) -> None:
    if (transport := connection.end("given up")) is not None:
        transport.abort()
