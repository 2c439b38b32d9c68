# SPDX-License-Identifier: Apache-2.0
# Tests: tests/system/test_opcua_hostile.py
"""Bytes of one connection -> whole chunks, and the bounds of a connection.

Law of this file: no byte is kept that a chunk of allowed size cannot need; a client that sends faster than it is
served is not read from, and one that does not read is cut off.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from typing import TYPE_CHECKING, Any, Final

from asyncua import ua
from asyncua.common.connection import TransportLimits
from asyncua.common.utils import Buffer
from asyncua.server.binary_server_asyncio import BinaryServer, OPCUAProtocol
from asyncua.ua.ua_binary import header_from_binary

from supervisor.hmi.entrance.doorman import Visit
from supervisor.hmi.entrance.wire import error_message
from supervisor.hmi.processor import Processor

if TYPE_CHECKING:
    from supervisor.hmi.engine import Engine

_log = logging.getLogger(__name__)

_TYPES: Final = frozenset((b"HEL", b"OPN", b"MSG", b"CLO", b"ERR"))
_HEADER: Final = struct.Struct("<3scI")
_WAITING_MAX: Final = 64  # messages read and not served


class Connection(OPCUAProtocol):
    """One TCP connection."""

    def __init__(self, *, insecure: bool, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._insecure = insecure
        self._received = bytearray()
        self._paused = False
        self.visit: Visit

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        peer = transport.get_extra_info("peername")
        now_s = asyncio.get_running_loop().time()
        self.visit = Visit(str(peer[0]) if peer else "?", now_s, self._tell_doorman, self._drop)
        if not self.iserver.doorman.admit(self.visit, now_s):
            transport.write(error_message(ua.StatusCodes.BadTcpNotEnoughResources, "too many connections"))
            transport.close()
            return
        super().connection_made(transport)
        if self.processor is not None:
            self.processor = Processor(self.iserver, self.transport, self.limits, self._insecure)
            self.processor.set_policies(self.policies)
            self.iserver.processors[self.processor] = None

    def connection_lost(self, ex: BaseException | None) -> None:
        self.iserver.doorman.leave(self.visit)
        self.iserver.processors.pop(self.processor, None)
        super().connection_lost(ex)

    def _drop(self, reason: str) -> None:
        _log.warning("connection from %s ended: %s", self.peer_name, reason)
        if self.transport is None or self.transport.is_closing():
            self._abort_transport()
            return
        self.transport.write(error_message(ua.StatusCodes.BadTimeout, reason))
        if self.transport.get_write_buffer_size():
            self._abort_transport()  # it does not read; nothing would ever end a polite close
        else:
            self.transport.close()

    def _abort_transport(self) -> None:
        if self.transport is not None:
            self.transport.abort()

    def _tell_doorman(self, visit: Visit, now_s: float) -> None:
        if self.processor is not None:
            visit.reach(self.processor.stage, now_s)
            visit.channel_ends_s = self.processor.channel_ends_s
        if not self._received or self._paused:
            visit.partial_since_s = None
        elif visit.partial_since_s is None:
            visit.partial_since_s = now_s

    def data_received(self, data: bytes) -> None:
        self._received += data
        self._cut()

    def _cut(self) -> None:
        """Hand whole chunks on, and judge a chunk's size by its first 8 bytes."""
        received = self._received
        while len(received) >= _HEADER.size and self.messages.qsize() < _WAITING_MAX:
            type_, final, size = _HEADER.unpack_from(received)
            if type_ not in _TYPES or final not in b"FCA":
                return self._abort(ua.StatusCodes.BadTcpMessageTypeInvalid)
            if not 12 <= size <= self._limits().chunk_bytes:
                return self._abort(ua.StatusCodes.BadTcpMessageTooLarge)
            if len(received) < size:
                return None
            chunk = Buffer(bytes(received[:size]))
            del received[:size]
            self.visit.partial_since_s = None
            self.messages.put_nowait((header_from_binary(chunk), chunk))
        if len(received) >= _HEADER.size and not self._paused and self._open():
            self._paused = True
            self.transport.pause_reading()
        return None

    def _open(self) -> bool:
        return self.transport is not None and not self.transport.is_closing()

    def _limits(self) -> Any:
        return self.iserver.limits

    async def _process_one_msg(self, header: Any, buf: Buffer) -> bool:
        alive = await super()._process_one_msg(header, buf)
        if alive and self._paused and self.messages.qsize() < _WAITING_MAX // 2 and self._open():
            self._paused = False
            self.transport.resume_reading()
            self._cut()
        return bool(alive)

    def _abort(self, code: int) -> None:
        self._received.clear()
        self.iserver.counters.rejected_messages += 1
        if self._open():
            self.transport.write(error_message(code, "message rejected"))
            self.transport.close()


class Listener(BinaryServer):
    """Accepts connections on a socket that is already bound."""

    def __init__(self, engine: Engine, sock: socket.socket, limits: TransportLimits, *, insecure: bool) -> None:
        host, port = sock.getsockname()[:2]
        super().__init__(engine, host, port, limits)
        self._socket = sock
        self._insecure = insecure

    @property
    def policies(self) -> list[Any]:
        """The factories of what it offers."""
        return self._policies

    def _make_protocol(self) -> OPCUAProtocol:
        return Connection(
            insecure=self._insecure,
            iserver=self.iserver,
            policies=self._policies,
            clients=self.clients,
            closing_tasks=self.closing_tasks,
            limits=self.limits,
        )

    async def start(self) -> None:
        self._server = await asyncio.get_running_loop().create_server(self._make_protocol, sock=self._socket)
        self.cleanup_task = asyncio.create_task(self._close_task_loop())
