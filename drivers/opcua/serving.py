# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_opcua_simulator.py, tests/kit/test_opcua.py
"""One connection to a simulated server: channel, session, services, subscriptions.

Law of this file: what a client of the field asks for (session, Read, Write, subscriptions) without security; browsing
and history are not simulated. A session lives and dies with its connection. Time is `loop.time()`; what the knobs say
is `simulator`'s. Survives any bytes: what is not understood ends the connection.
"""

from __future__ import annotations

import asyncio
import itertools
import struct
from collections import deque
from collections.abc import Callable
from typing import Any, Final, Protocol, cast

from asyncua import ua
from asyncua.common.connection import SecureConnection, TransportLimits
from asyncua.crypto.security_policies import SecurityPolicyNone
from asyncua.ua.ua_binary import (
    header_from_binary,
    nodeid_from_binary,
    struct_from_binary,
    struct_to_binary,
    uatcp_to_binary,
)

from drivers.opcua.cells import EPOCH_TICKS
from drivers.opcua.described import description, endpoints
from drivers.opcua.nodes import BAD_ATTRIBUTE, UNKNOWN, VALUE, Nodes
from drivers.opcua.told import Told
from drivers.owed import Debtor, Owed
from drivers.sockets import reset

FRAME_MAX: Final = 65_535
PUBLISHES_MAX: Final = 10
SUBSCRIPTIONS_MAX: Final = 20
OPERATIONS_MAX: Final = 10_000
READS_MAX: Final = 256  # questions whose decoded form is kept
SERVICE_FAULT: Final = 397
TOO_BUSY: Final = 0x80EE0000
UNSUPPORTED, SESSION_INVALID, TOO_MANY_SUBSCRIPTIONS = 0x800B0000, 0x80250000, 0x80770000
NO_SUBSCRIPTION, TOO_MANY_PUBLISHES, TOO_MANY_OPERATIONS = 0x80790000, 0x80780000, 0x80100000
TOO_MANY_ITEMS: Final = 0x80DB0000

_IDS = ua.ObjectIds
_CHANNELS = itertools.count(1)


class Fault(Exception):
    """A whole request is refused with this StatusCode."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Served(Debtor, Protocol):
    """The server, as far as its connections know it."""

    nodes: Nodes
    uri: str
    gives_subscriptions: bool
    items_max: int

    @property
    def endpoint(self) -> str: ...

    def enter(self, connection: Serving) -> bool: ...

    def leave(self, connection: Serving) -> None: ...

    def asked(self, connection: Serving, type_id: int, frame: Callable[[], bytes] | None) -> None: ...


class Serving(asyncio.Protocol):
    """A `SimulatedServer`'s end of one connection."""

    def __init__(self, server: Served) -> None:
        self.server = server
        self._transport: asyncio.Transport | None = None
        self.owed = Owed(server)
        self._channel = SecureConnection(SecurityPolicyNone(), TransportLimits(FRAME_MAX, FRAME_MAX, 0, 0))
        self._buffer = bytearray()
        self._session: ua.NodeId | None = None
        self._active = False
        self._told: dict[int, Told] = {}
        self._reads: dict[bytes, list[Any]] = {}
        self._publishes: deque[tuple[int, int]] = deque()
        self._numbers = itertools.count(1)
        self._items = itertools.count(1)
        self._services: dict[int, Callable[[int, int, Any], bytes | None]] = {
            _IDS.GetEndpointsRequest_Encoding_DefaultBinary: self._get_endpoints,
            _IDS.FindServersRequest_Encoding_DefaultBinary: self._find_servers,
            _IDS.CreateSessionRequest_Encoding_DefaultBinary: self._create_session,
            _IDS.ActivateSessionRequest_Encoding_DefaultBinary: self._activate_session,
            _IDS.CloseSessionRequest_Encoding_DefaultBinary: self._close_session,
            _IDS.ReadRequest_Encoding_DefaultBinary: self._read,
            _IDS.WriteRequest_Encoding_DefaultBinary: self._write,
            _IDS.CreateSubscriptionRequest_Encoding_DefaultBinary: self._create_subscription,
            _IDS.DeleteSubscriptionsRequest_Encoding_DefaultBinary: self._delete_subscriptions,
            _IDS.CreateMonitoredItemsRequest_Encoding_DefaultBinary: self._create_items,
            _IDS.PublishRequest_Encoding_DefaultBinary: self._publish,
        }

    # --- the connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.server.enter(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self.owed.drop()
        self.forget()
        self.server.leave(self)

    def abort(self) -> None:
        """Reset it."""
        if (transport := self._transport) is not None:
            self.connection_lost(None)
            reset(transport)

    def forget(self) -> None:
        """The session is not known any more, nor are its subscriptions."""
        self._session, self._active = None, False
        for told in self._told.values():
            told.close()
        self._told.clear()
        self._publishes.clear()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        try:
            while len(self._buffer) >= 8:
                kind, _, size = struct.unpack_from("<3scI", self._buffer)
                if kind not in (b"HEL", b"OPN", b"MSG", b"CLO") or not 8 <= size <= FRAME_MAX:
                    raise ua.UaError("no message")
                if len(self._buffer) < size:
                    return
                frame = bytes(self._buffer[:size])
                del self._buffer[:size]
                self._frame(frame)
        except Exception:  # whatever asyncua makes of bytes that are none
            self.abort()

    def _frame(self, frame: bytes) -> None:
        buffer = ua.utils.Buffer(frame)
        header = header_from_binary(buffer)
        message = self._channel.receive_from_header_and_body(header, buffer)
        if isinstance(message, ua.Hello):
            self.server.asked(self, 0, lambda: uatcp_to_binary(ua.MessageType.Acknowledge, self._acknowledge()))
        elif header.MessageType == ua.MessageType.SecureClose:
            self.abort()
        elif isinstance(message, ua.Message):
            body, number = message.body(), message.request_id()
            if header.MessageType == ua.MessageType.SecureOpen:
                request = struct_from_binary(ua.OpenSecureChannelRequest, body)
                self.server.asked(self, 0, lambda: self._open(request, number))
            else:
                self._message(body, number)

    def _acknowledge(self) -> Any:
        """What it takes."""
        return ua.Acknowledge(0, FRAME_MAX, FRAME_MAX, 0, 0)

    def get_new_channel_id(self) -> int:
        """As asyncua's channel asks for it."""
        return next(_CHANNELS)

    def _open(self, request: Any, number: int) -> bytes:
        response = ua.OpenSecureChannelResponse()
        response.Parameters = self._channel.open(request.Parameters, self)
        response.ResponseHeader.RequestHandle = request.RequestHeader.RequestHandle
        return self._framed(struct_to_binary(response), number, ua.MessageType.SecureOpen)

    def _framed(self, body: bytes, number: int, message_type: ua.MessageType = ua.MessageType.SecureMessage) -> bytes:
        data: bytes = self._channel.message_to_binary(body, message_type, number)
        return data

    def answer(self, frame: Callable[[], bytes], counts: bool) -> None:
        """Make and send an answer when its time has come."""

        def say() -> None:
            self.owed.settled(counts)
            self._say(frame())

        if not self.owed.answer(asyncio.get_running_loop().time(), say):
            self.abort()

    def _say(self, frame: bytes) -> None:
        if self._transport is not None:
            self._transport.write(frame)

    # --- services

    def _message(self, body: Any, number: int) -> None:
        type_id = nodeid_from_binary(body).Identifier
        header = struct_from_binary(ua.RequestHeader, body)

        try:
            self._check(type_id, header)
            made = self._services[type_id](number, header.RequestHandle, body)
        except Fault as fault:
            made = self._head(SERVICE_FAULT, header.RequestHandle, fault.code)
        self.server.asked(self, type_id, None if made is None else lambda: self._framed(made, number))

    def _check(self, type_id: int, header: Any) -> None:
        if self.server.faults.take("busy"):
            raise Fault(TOO_BUSY)
        if type_id not in self._services:
            raise Fault(UNSUPPORTED)
        before = (428, 422, _IDS.CreateSessionRequest_Encoding_DefaultBinary)
        activating = type_id == _IDS.ActivateSessionRequest_Encoding_DefaultBinary
        if type_id in before:
            return
        if self._session is None or header.AuthenticationToken != self._session or not (self._active or activating):
            raise Fault(SESSION_INVALID)

    def _head(self, type_id: int, handle: int, status: int = 0) -> bytes:
        ticks = self.server.nodes.now_ns() // 100 + EPOCH_TICKS
        return struct.pack("<BBHqIIBi", 1, 0, type_id, ticks, handle, status, 0, -1) + b"\0\0\0"

    def _whole(self, response: Any, handle: int) -> bytes:
        response.ResponseHeader.RequestHandle = handle
        data: bytes = struct_to_binary(response)
        return data

    def _get_endpoints(self, number: int, handle: int, body: Any) -> bytes:
        return self._whole(ua.GetEndpointsResponse(Endpoints=endpoints(self.server.uri, self.server.endpoint)), handle)

    def _find_servers(self, number: int, handle: int, body: Any) -> bytes:
        return self._whole(ua.FindServersResponse(Servers=[description(self.server.uri)]), handle)

    def _create_session(self, number: int, handle: int, body: Any) -> bytes:
        wanted = struct_from_binary(ua.CreateSessionParameters, body)
        self._session, self._active = ua.NodeId(ua.utils.create_nonce(32)), False
        made = ua.CreateSessionResult(
            SessionId=ua.NodeId(next(self._numbers), 1),
            AuthenticationToken=self._session,
            RevisedSessionTimeout=wanted.RequestedSessionTimeout,
            ServerNonce=ua.utils.create_nonce(32),
            ServerEndpoints=endpoints(self.server.uri, self.server.endpoint),
        )
        return self._whole(ua.CreateSessionResponse(Parameters=made), handle)

    def _activate_session(self, number: int, handle: int, body: Any) -> bytes:
        self._active = True
        made = ua.ActivateSessionResult(ServerNonce=ua.utils.create_nonce(32))
        return self._whole(ua.ActivateSessionResponse(Parameters=made), handle)

    def _close_session(self, number: int, handle: int, body: Any) -> bytes:
        self.forget()
        return self._whole(ua.CloseSessionResponse(), handle)

    def _limited(self, what: str, n: int) -> None:
        limit = self.server.nodes[what].value or OPERATIONS_MAX
        if n > limit:
            raise Fault(TOO_MANY_OPERATIONS)

    def _read(self, number: int, handle: int, body: Any) -> bytes:
        key = bytes(body)
        wanted = self._reads.get(key)
        if wanted is None:  # the same question again and again: decoding it is most of the work
            wanted = struct_from_binary(ua.ReadParameters, body).NodesToRead
            if len(self._reads) >= READS_MAX:
                self._reads.clear()
            self._reads[key] = wanted
        self._limited("i=11705", len(wanted))
        nodes = self.server.nodes
        values = [nodes.read(each.NodeId, each.AttributeId, each.IndexRange) for each in wanted]
        return self._head(634, handle) + struct.pack("<i", len(values)) + b"".join(values) + struct.pack("<i", -1)

    def _write(self, number: int, handle: int, body: Any) -> bytes:
        wanted = struct_from_binary(ua.WriteParameters, body).NodesToWrite
        self._limited("i=11707", len(wanted))
        codes = [self._put(each) for each in wanted]
        return self._head(676, handle) + struct.pack(f"<i{len(codes)}Ii", len(codes), *codes, -1)

    def _put(self, each: Any) -> int:
        if (node := self.server.nodes.get(each.NodeId)) is None:
            return UNKNOWN
        if each.AttributeId != VALUE or each.Value.Value is None:
            return BAD_ATTRIBUTE
        value = each.Value.Value.Value
        if node.type == "DateTime":
            value = ua.datetime_to_win_epoch(value)
        return node.write(value, int(each.Value.Value.VariantType), each.IndexRange, self.server.nodes.now_ns())

    # --- subscriptions

    def _create_subscription(self, number: int, handle: int, body: Any) -> bytes:
        wanted = struct_from_binary(ua.CreateSubscriptionParameters, body)
        if not self.server.gives_subscriptions or len(self._told) >= SUBSCRIPTIONS_MAX:
            raise Fault(TOO_MANY_SUBSCRIPTIONS)
        publishing_s = max(0.05, wanted.RequestedPublishingInterval / 1000)
        count = max(1, wanted.RequestedMaxKeepAliveCount)
        told = Told(next(self._numbers), publishing_s, count, self.tell)
        self._told[told.number] = told
        made = struct.pack("<IdII", told.number, publishing_s * 1000, wanted.RequestedLifetimeCount, count)
        return self._head(790, handle) + made

    def _delete_subscriptions(self, number: int, handle: int, body: Any) -> bytes:
        codes = []
        for each in struct_from_binary(ua.DeleteSubscriptionsParameters, body).SubscriptionIds:
            told = self._told.pop(each, None)
            if told is not None:
                told.close()
            codes.append(0 if told is not None else 0x80280000)
        return self._head(850, handle) + struct.pack(f"<i{len(codes)}Ii", len(codes), *codes, -1)

    def _create_items(self, number: int, handle: int, body: Any) -> bytes:
        wanted = struct_from_binary(ua.CreateMonitoredItemsParameters, body)
        if (told := self._told.get(wanted.SubscriptionId)) is None:
            raise Fault(0x80280000)
        self._limited("i=11714", len(wanted.ItemsToCreate))
        results = []
        for each in wanted.ItemsToCreate:
            node, code, item = self.server.nodes.get(each.ItemToMonitor.NodeId), 0, 0
            if node is None:
                code = UNKNOWN
            elif len(told.items) >= self.server.items_max:
                code = TOO_MANY_ITEMS
            else:
                asked, item = each.RequestedParameters, next(self._items)
                deadband = getattr(asked.Filter, "DeadbandValue", 0.0)
                told.add(item, node, asked.ClientHandle, each.ItemToMonitor.IndexRange, deadband)
            results.append(struct.pack("<IIdI", code, item, 1000 * told.publishing_s, 1) + b"\0\0\0")
        return self._head(754, handle) + struct.pack("<i", len(results)) + b"".join(results) + struct.pack("<i", -1)

    def _publish(self, number: int, handle: int, body: Any) -> bytes | None:
        if not self._told:
            raise Fault(NO_SUBSCRIPTION)
        self._publishes.append((number, handle))
        if len(self._publishes) > PUBLISHES_MAX:
            oldest, its_handle = self._publishes.popleft()
            self._say(self._framed(self._head(SERVICE_FAULT, its_handle, TOO_MANY_PUBLISHES), oldest))
        return None

    def tell(self, told: Told) -> None:
        """Answer a waiting Publish with what has changed, or that nothing has."""
        if self.server.faults.lasts("silent") or not self._publishes:
            return
        number, handle = self._publishes.popleft()
        records, told.pending, told.quiet = list(told.pending.values()), {}, 0
        sequence = told.sequence
        body = struct.pack("<Ii?Iq", told.number, 0, False, sequence, self.server.nodes.now_ns() // 100 + EPOCH_TICKS)
        if records:
            told.sequence = sequence + 1
            items = struct.pack("<i", len(records)) + b"".join(records) + struct.pack("<i", -1)
            body += struct.pack("<iBBHBi", 1, 1, 0, 811, 1, len(items)) + items
        else:
            body += struct.pack("<i", 0)
        whole = self._head(829, handle) + body + struct.pack("<ii", 0, 0)
        self.server.asked(self, 829, lambda: self._framed(whole, number))
