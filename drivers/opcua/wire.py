# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_opcua_link.py, tests/kit/test_opcua.py
"""One connection to an OPC UA server: frames, the window, each answer to its own question.

Law of this file: asyncua's secure channel does the cryptography, everything else of the connection is here: framing
that is bounded before it is believed, questions that are given up, and one reason for the end. No sessions, no points.

    a frame that is none, too long, not decodable        the connection is dropped: LinkDown
    an answer to a question given up                     late: dropped, counted
    an answer to no question at all                      the connection is dropped
    more than GIVEN_UP_MAX questions without an answer   the connection is dropped

A **write** leaves only when both send queues (ours and the kernel's) are empty, and its permit is asked last.
"""

from __future__ import annotations

import asyncio
import logging
import struct
from collections.abc import Callable
from typing import Any, Final

from asyncua import ua
from asyncua.client.ua_client import UASocketProtocol, UASocketState
from asyncua.common.connection import SecureConnection, TransportLimits
from asyncua.crypto.security_policies import SecurityPolicy
from asyncua.ua.ua_binary import header_from_binary, nodeid_to_binary, struct_from_binary

from config.words import Clock
from drivers.base import DeviceSilent, LinkDown
from drivers.opcua import codec
from drivers.sockets import close_in_order, prepare, stuck

FRAME_MAX: Final = 65_535  # what our Hello allows in one chunk
FRAME_MIN: Final = 8_192  # what every server must take in one. Source: OPC 10000-6, 7.1.2.4
MESSAGE_MAX: Final = 16 * 2**20  # an answer, in all its chunks
CHUNKS_MAX: Final = MESSAGE_MAX // FRAME_MIN
REQUEST_TOO_LARGE: Final = 0x80B80000
GIVEN_UP_MAX: Final = 64
TYPES: Final = (b"MSG", b"OPN", b"ACK", b"ERR")

logging.getLogger("asyncua.client").setLevel(logging.CRITICAL)  # what it reports there, the host tells once


class NotSent(LinkDown):
    """Nothing has left: the connection was not there or not free, or the permit had ended."""


class Wire(UASocketProtocol):
    """asyncua's client protocol with the connection in our hands.

    Attributes:
        down: why it has ended; '' while it stands.
        late: answers to questions that had been given up.
        asked_s: when the last question left [s of the loop].
    """

    def __init__(
        self,
        timeout_s: float,
        policy: SecurityPolicy,
        clock: Clock,
        window: int,
        user_timeout_s: float,
        keepalive_s: float,
        on_lost: Callable[[Wire], None],
    ) -> None:
        super().__init__(timeout_s, policy)
        self._limits = TransportLimits(FRAME_MAX, FRAME_MAX, CHUNKS_MAX, MESSAGE_MAX)
        self._connection = SecureConnection(policy, self._limits)
        self.down = ""
        self.late = 0
        self.asked_s = asyncio.get_running_loop().time()
        self._clock, self._user_timeout_s, self._keepalive_s = clock, user_timeout_s, keepalive_s
        self._turns = asyncio.Semaphore(window)
        self._on_lost = on_lost
        self._buffer = bytearray()
        self._given_up = 0
        self._request_max = 0
        self._token: ua.NodeId | None = None
        self._token_bytes = b""

    # --- the connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:  # type: ignore[override]
        super().connection_made(transport)  # type: ignore[arg-type]
        if reason := prepare(transport, self._user_timeout_s, self._keepalive_s):
            self.drop(reason)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(str(exc) if exc else "the server closed the connection")
        self._on_lost(self)

    def _end(self, reason: str) -> asyncio.Transport | None:
        transport, self.transport = self.transport, None
        self.down = self.down or reason
        self.state = UASocketState.CLOSED
        self._fail_all_pending(LinkDown(self.down))
        return transport

    def _fail_all_pending(self, exc: Exception) -> None:
        for future in self._callbackmap.values():
            if not future.done():
                future.set_exception(exc)
                future.exception()  # whoever still waits gets it; nobody else must
        self._callbackmap.clear()

    def drop(self, reason: str) -> None:
        """End it with a reset; nothing unsent may leave. Idempotent."""
        if (transport := self._end(reason)) is not None:
            transport.abort()
            self._on_lost(self)

    def disconnect_socket(self) -> None:
        """End it in order. Idempotent."""
        if (transport := self._end("closed by us")) is not None:
            close_in_order(transport)

    # --- what arrives

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        try:
            while len(self._buffer) >= 8:
                kind, _, size = struct.unpack_from("<3scI", self._buffer)
                if kind not in TYPES or not 8 <= size <= FRAME_MAX:
                    raise ua.UaError(f"expected a message, got {bytes(self._buffer[:8]).hex(' ')}")
                if len(self._buffer) < size:
                    return
                frame = bytes(self._buffer[:size])
                del self._buffer[:size]
                self._frame(frame)
        except LinkDown as error:
            self.drop(str(error))
        except Exception as error:  # whatever asyncua makes of bytes that are none: the stream is lost
            self.drop(f"not understood: {type(error).__name__}: {error}"[:300])

    def _frame(self, frame: bytes) -> None:
        buffer = ua.utils.Buffer(frame)
        header = header_from_binary(buffer)
        message = self._connection.receive_from_header_and_body(header, buffer)
        if isinstance(message, ua.ErrorMessage):
            raise LinkDown(f"the server says {codec.status_name(message.Error.value)}: {message.Reason or 'no reason'}")
        if isinstance(message, ua.Acknowledge):
            self._agree(message)
            self._resolve(0, message)
        elif isinstance(message, ua.Message):
            if header.MessageType == ua.MessageType.SecureOpen:
                self._opened(message)
            self._resolve(message.request_id(), message.body())

    def _agree(self, theirs: ua.Acknowledge) -> None:
        """What the server takes bounds what we send, what our Hello said bounds what we take: asyncua has the two the
        other way round, and takes messages without end where a server names no limit. Source: OPC 10000-6, 7.1.2.4.
        """
        if theirs.ReceiveBufferSize < FRAME_MIN:
            raise LinkDown(f"expected a server that takes {FRAME_MIN} bytes, it takes {theirs.ReceiveBufferSize}")
        limits = self._limits
        limits.max_send_buffer, limits.max_recv_buffer = min(FRAME_MAX, theirs.ReceiveBufferSize), FRAME_MAX
        limits.max_message_size, limits.max_chunk_count = MESSAGE_MAX, CHUNKS_MAX
        self._request_max = theirs.MaxMessageSize

    def _opened(self, message: ua.Message) -> None:
        asked: Any = self._open_secure_channel_exchange
        if not isinstance(asked, ua.OpenSecureChannelParameters):
            raise ua.UaError("a secure channel that nobody asked for")
        response = struct_from_binary(ua.OpenSecureChannelResponse, message.body())
        response.ResponseHeader.ServiceResult.check()
        self._open_secure_channel_exchange = response
        self._connection.set_channel(response.Parameters, asked.RequestType, asked.ClientNonce)

    def _resolve(self, request_id: int, body: Any) -> None:
        future = self._callbackmap.pop(request_id, None)
        if future is None:
            raise ua.UaError(f"an answer to question {request_id}, which was not asked")
        if future.done():
            self.late += 1
            self._given_up = max(0, self._given_up - 1)
        else:
            future.set_result(body)

    # --- what leaves

    def post(self, type_id: int, parameters: bytes, timeout_s: float) -> asyncio.Future[Any]:
        """Send a question outside the window; the future has the response's bytes.

        Raises:
            LinkDown: the connection has ended; ServiceFault: the server takes no question of this length.
        """
        if self.transport is None:
            raise LinkDown(self.down or "not connected")
        self._request_id += 1
        self._request_handle = (self._request_handle + 1) & 0xFFFFFFFF
        if self.authentication_token is not self._token:
            self._token, self._token_bytes = self.authentication_token, nodeid_to_binary(self.authentication_token)
        body = codec.request(
            type_id, self._token_bytes, self._request_handle, self._clock.wall_ns(), timeout_s, parameters
        )
        if 0 < self._request_max < len(body):
            raise codec.ServiceFault(REQUEST_TOO_LARGE)
        self.revolve_security_token()
        frame = self._connection.message_to_binary(body, request_id=self._request_id)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        self._callbackmap[self._request_id] = future
        self.asked_s = loop.time()
        self.transport.write(frame)
        return future

    async def ask(self, type_id: int, parameters: bytes, timeout_s: float) -> bytes:
        """Put one question when there is room in the window.

        Raises:
            LinkDown: the connection ended.
            DeviceSilent: no answer in time.
        """
        async with self._turns:
            return await self._await(self.post(type_id, parameters, timeout_s), timeout_s)

    async def command(self, type_id: int, parameters: bytes, timeout_s: float, may_leave: Callable[[], bool]) -> bytes:
        """Put a question that changes something, once.

        Raises:
            NotSent: nothing has left.
            LinkDown, DeviceSilent: it has left and there is no answer.
        """
        try:
            async with asyncio.timeout(timeout_s):
                await self._turns.acquire()
        except TimeoutError:
            raise NotSent(f"other questions were under way for {timeout_s:g} s") from None
        try:
            if self.transport is None:
                raise NotSent(self.down or "not connected")
            if reason := stuck(self.transport):
                raise NotSent(f"the connection does not take bytes: {reason}")
            if not may_leave():
                raise NotSent("the permit to write has ended")
            return await self._await(self.post(type_id, parameters, timeout_s), timeout_s)
        finally:
            self._turns.release()

    async def _await(self, future: asyncio.Future[Any], timeout_s: float) -> bytes:
        try:
            async with asyncio.timeout(timeout_s):
                return bytes(await future)
        except TimeoutError:
            self._give_up(future)
            raise DeviceSilent("no reply") from None
        except asyncio.CancelledError:
            self._give_up(future)
            raise

    def _give_up(self, future: asyncio.Future[Any]) -> None:
        """Its answer may still come; it stays in the map to be known then."""
        self._given_up += future.cancelled()
        if self._given_up > GIVEN_UP_MAX:
            self.drop(f"{self._given_up} questions without an answer")
