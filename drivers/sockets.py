# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_modbus_link.py, tests/unit/test_opcua_link.py, tests/kit
"""What every TCP socket to the field has, and how one tells that a byte would leave at once.

Law of this file: options and questions of a socket; no protocol.

TCP_USER_TIMEOUT ends a connection whose bytes nobody acknowledges. SO_LINGER (1, 0) from the start: when this process
dies, the system drops what has not left instead of delivering it seconds later.
"""

from __future__ import annotations

import asyncio
import fcntl
import socket
import struct
from typing import Final

RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)
ORDERLY_CLOSE: Final = struct.pack("ii", 0, 0)
SIOCOUTQNSD: Final = 0x894B  # bytes in the send queue that have not been sent; linux/sockios.h


def prepare(transport: asyncio.BaseTransport, user_timeout_s: float, keepalive_s: float) -> str:
    """Set the options of a connection that has just been made.

    Args:
        user_timeout_s: how long sent bytes may stay unacknowledged before the system drops the connection [s].
        keepalive_s: silence after which the system probes the connection [s].

    Returns: why it is no connection to a device; '' if it is one.
    """
    sock = transport.get_extra_info("socket")
    if sock.getsockname() == sock.getpeername():  # a local port without a listener can connect to itself
        return "Connection refused"
    keepalive = max(1, round(keepalive_s))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(user_timeout_s * 1000))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, keepalive)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, max(1, keepalive // 3))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    return ""


def close_in_order(transport: asyncio.Transport) -> None:
    """Close so that what was sent still arrives; without a reset."""
    if (sock := transport.get_extra_info("socket")) is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ORDERLY_CLOSE)
    transport.close()


def reset(transport: asyncio.Transport) -> None:
    """Drop a connection so that the other end hears of it as a reset. Harmless for what is no socket."""
    if (sock := transport.get_extra_info("socket")) is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    transport.abort()


def stuck(transport: asyncio.Transport) -> str:
    """Why a byte handed over now might leave later than now; '' if it leaves at once.

    Bytes that wait in our queue or the kernel's, or bytes sent before that the system sends again and again. Bytes on
    their way for the first time do not count: their acknowledgement may take 200 ms on a healthy path.
    """
    sock = transport.get_extra_info("socket")
    (queued,) = struct.unpack("i", fcntl.ioctl(sock.fileno(), SIOCOUTQNSD, b"\0\0\0\0"))
    if waiting := transport.get_write_buffer_size() + queued:
        return f"{waiting} bytes wait to leave"
    _, _, retransmits, probes = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 4)
    if retransmits or probes:
        return f"what was sent before is not acknowledged, sent again {retransmits + probes} times"
    return ""
