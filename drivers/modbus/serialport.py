# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_modbus_serial.py, tests/system/test_modbus_serial_peers.py
"""A serial port as an asyncio transport.

Law of this file: bytes in and out of one port, without a thread; no frames. Everything that waits to leave is bounded.

Theory of operation. pyserial sets the line (speed, parity, stop bits, exclusive use); after that the port is a
non-blocking file that the loop watches. A port that is unplugged reads as ready and gives an error or nothing: then it
is lost. Closing first throws away what has not left: the system would go on sending it, and wait for it.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import select
import struct
import termios
from typing import Any, Final

from drivers.modbus.address import ModbusDevice

CHUNK: Final = 4096
WAITING_MAX: Final = 4096  # bytes that wait to leave; an RTU line has one frame of 256 under way
GONE: Final = select.POLLHUP | select.POLLERR | select.POLLNVAL
_PARITIES: Final = {"none": "N", "even": "E", "odd": "O"}


class SerialTransport(asyncio.Transport):
    """One open port and the protocol that reads from it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, fd: int, protocol: asyncio.Protocol, port: Any = None) -> None:
        """Begin to watch; `protocol.connection_made` is called before this returns.

        Args:
            fd: a terminal, non-blocking; owned from now on.
            port: the pyserial object that opened it, if one did.
        """
        super().__init__()
        self._loop, self._fd, self._protocol, self._port = loop, fd, protocol, port
        self._waiting = b""
        self._closing = False
        loop.add_reader(fd, self._readable)
        protocol.connection_made(self)

    def _readable(self) -> None:
        try:
            data = os.read(self._fd, CHUNK)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._lost(error)
            return
        if data:
            self._protocol.data_received(data)
        elif _is_gone(self._fd):
            self._lost(OSError(errno.EIO, "the serial port has gone"))

    def write(self, data: Any) -> None:
        """Hand bytes to the port; what it does not take at once waits, at most WAITING_MAX, else the port is lost."""
        if self._closing:
            return
        if self._waiting:
            self._waiting += bytes(data)
        else:
            self._waiting = bytes(data)
            self._writable()
            if self._waiting and not self._closing:
                self._loop.add_writer(self._fd, self._writable)
        if len(self._waiting) > WAITING_MAX:
            self._lost(OSError(errno.EIO, f"the serial port has not taken {len(self._waiting)} bytes"))

    def _writable(self) -> None:
        try:
            sent = os.write(self._fd, self._waiting)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._lost(error)
            return
        self._waiting = self._waiting[sent:]
        if not self._waiting:
            self._loop.remove_writer(self._fd)

    def get_write_buffer_size(self) -> int:
        """Bytes that the port has not taken."""
        return len(self._waiting)

    def unsent(self) -> int:
        """Bytes that have not left: ours and the system's."""
        if self._closing:
            return 0
        (queued,) = struct.unpack("i", fcntl.ioctl(self._fd, termios.TIOCOUTQ, b"\0\0\0\0"))
        return len(self._waiting) + int(queued)

    def is_closing(self) -> bool:
        """True once it is closed or lost."""
        return self._closing

    def close(self) -> None:
        """As `abort`: a line has no farewell."""
        self.abort()

    def abort(self) -> None:
        """Throw away what has not left, and close. Idempotent."""
        self._end(None)

    def _lost(self, error: OSError) -> None:
        self._end(error)

    def _end(self, error: OSError | None) -> None:
        if self._closing:
            return
        self._closing = True
        self._waiting = b""
        self._loop.remove_reader(self._fd)
        self._loop.remove_writer(self._fd)
        try:
            termios.tcflush(self._fd, termios.TCOFLUSH)
        except termios.error:
            pass  # the port has gone, and all bytes with it
        if self._port is None:
            os.close(self._fd)
        else:
            self._port.close()
        self._loop.call_soon(self._protocol.connection_lost, error)


def _is_gone(fd: int) -> bool:
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return any(events & GONE for _, events in poll.poll(0))


def open_port(loop: asyncio.AbstractEventLoop, device: ModbusDevice, protocol: asyncio.Protocol) -> SerialTransport:
    """Open and set the port of a device, for us alone; what has arrived before is thrown away.

    Raises:
        OSError: there is no such port, it is not ours to open, in use, or it does not take these settings.
    """
    import serial  # type: ignore[import-untyped]  # only sites with a serial line need it

    try:
        port = serial.Serial(
            device.serial_port,
            device.baud_rate,
            bytesize=8,
            parity=_PARITIES[device.parity],
            stopbits=device.stop_bits,
            timeout=0,
            write_timeout=0,
            exclusive=True,
        )
    except serial.SerialException as error:
        if error.errno in (errno.EAGAIN, errno.EWOULDBLOCK):
            raise OSError("another program uses this serial port") from error
        raise
    except (ValueError, termios.error) as error:
        raise OSError(f"the serial port does not take {device.baud_rate} baud, {device.parity} parity") from error
    os.set_blocking(port.fd, False)
    return SerialTransport(loop, port.fd, protocol, port)
