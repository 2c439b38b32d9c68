# SPDX-License-Identifier: Apache-2.0
"""A load client that costs next to nothing: blocking socket, requests encoded beforehand, answers only framed.

It speaks to any OPC UA server without security. What it measures is the server, not itself: an answer's chunks are
counted and skipped; of a PublishResponse only the number of notifications is looked at.
"""

from __future__ import annotations

import os
import socket
import struct
import time
from pathlib import Path
from typing import Any

import numpy as np
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import nodeid_to_binary, struct_from_binary, struct_to_binary, uatcp_to_binary

_CHUNK = 65_000
_FIRST_BYTES = 24  # chunk header 12, security token 4, sequence and request 8


class LoadClient:
    """One connection with one anonymous session."""

    def __init__(self, url: str) -> None:
        host, _, port = url.removeprefix("opc.tcp://").partition("/")[0].partition(":")
        self.url = url
        self._socket = socket.create_connection((host, int(port)), timeout=30)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._channel = self._token = self._sequence = self._request = 0
        self._authentication = b"\0\0"
        self._received = bytearray()
        self._open()

    # -- frames -------------------------------------------------------------------------------------------------------

    def _open(self) -> None:
        hello = ua.Hello(0, 2**16 - 1, 2**16 - 1, 0, 0, self.url)
        self._socket.sendall(uatcp_to_binary(ua.MessageType.Hello, hello))
        self._chunk()
        request = ua.OpenSecureChannelRequest()
        request.Parameters.SecurityMode = ua.MessageSecurityMode.None_
        request.Parameters.RequestedLifetime = 3_600_000
        policy = b"http://opcfoundation.org/UA/SecurityPolicy#None"
        security = struct.pack("<i", len(policy)) + policy + struct.pack("<ii", -1, -1)
        self._sequence = self._request = 1
        body = security + struct.pack("<II", 1, 1) + struct_to_binary(request)
        self._socket.sendall(b"OPNF" + struct.pack("<II", len(body) + 12, 0) + body)
        chunk = self._chunk()
        at = 12
        for _ in range(3):
            at += 4 + max(struct.unpack_from("<i", chunk, at)[0], 0)
        response = struct_from_binary(ua.OpenSecureChannelResponse, Buffer(bytes(chunk[at + 8 :])))
        self._channel = response.Parameters.SecurityToken.ChannelId
        self._token = response.Parameters.SecurityToken.TokenId

    def frame(self, body: bytes) -> bytes:
        """The chunks of a request; its sequence numbers follow those of the frame made before."""
        self._request += 1
        parts = [body[i : i + _CHUNK] for i in range(0, len(body), _CHUNK)]
        made = []
        for i, part in enumerate(parts):
            self._sequence += 1
            final = b"F" if i == len(parts) - 1 else b"C"
            numbers = struct.pack("<IIII", self._channel, self._token, self._sequence, self._request)
            made.append(b"MSG" + final + struct.pack("<I", 24 + len(part)) + numbers + part)
        return b"".join(made)

    def _chunk(self) -> bytearray:
        received = self._received
        while len(received) < 8 or len(received) < struct.unpack_from("<I", received, 4)[0]:
            data = self._socket.recv(2**20)
            if not data:
                raise ConnectionError("the server closed the connection")
            received += data
        size = struct.unpack_from("<I", received, 4)[0]
        chunk = received[:size]
        del received[:size]
        if chunk[:3] == b"ERR":
            raise ConnectionError(f"the server said {chunk[16:].decode(errors='replace')}")
        return chunk

    def _message(self) -> bytes:
        parts = []
        while True:
            chunk = self._chunk()
            parts.append(chunk[_FIRST_BYTES:])
            if chunk[3:4] == b"F":
                return b"".join(parts)

    def skip_message(self) -> bytes:
        """Take one answer off the wire; returns the first bytes of its body."""
        chunk = self._chunk()
        head = bytes(chunk[_FIRST_BYTES : _FIRST_BYTES + 120])
        while chunk[3:4] != b"F":
            chunk = self._chunk()
        return head

    def send(self, body: bytes) -> None:
        self._socket.sendall(self.frame(body))

    def encode(self, request: Any) -> bytes:
        """A request with this session's token, without frame."""
        if self._authentication != b"\0\0":
            request.RequestHeader.AuthenticationToken = self.token
        request.RequestHeader.TimeoutHint = 0
        return bytes(struct_to_binary(request))

    def call(self, request: Any, response: Any) -> Any:
        self.send(self.encode(request))
        raw = self._message()
        if raw[:4] == b"\x01\x00\x8d\x01":
            fault = struct_from_binary(ua.ServiceFault, Buffer(raw))
            raise RuntimeError(f"{type(request).__name__}: {fault.ResponseHeader.ServiceResult}")
        return struct_from_binary(response, Buffer(raw))

    # -- services -----------------------------------------------------------------------------------------------------

    def open_session(self, timeout_ms: float = 600_000, response_bytes: int = 0) -> LoadClient:
        request = ua.CreateSessionRequest()
        request.Parameters.EndpointUrl = self.url
        request.Parameters.SessionName = "load"
        request.Parameters.ClientNonce = os.urandom(32)
        request.Parameters.RequestedSessionTimeout = timeout_ms
        request.Parameters.MaxResponseMessageSize = response_bytes
        made = self.call(request, ua.CreateSessionResponse).Parameters
        self.token = made.AuthenticationToken
        self._authentication = nodeid_to_binary(self.token)
        activate = ua.ActivateSessionRequest()
        activate.Parameters.UserIdentityToken = ua.AnonymousIdentityToken("anonymous")
        self.call(activate, ua.ActivateSessionResponse)
        return self

    def read_body(self, ids: list[ua.NodeId]) -> bytes:
        request = ua.ReadRequest()
        request.Parameters.TimestampsToReturn = ua.TimestampsToReturn.Both
        request.Parameters.NodesToRead = [ua.ReadValueId(i, ua.AttributeIds.Value) for i in ids]
        return self.encode(request)

    def read_for(self, bodies: list[bytes], duration_s: float, in_flight: int = 4) -> int:
        """Keep `in_flight` Reads going, in rotation; returns how many were answered."""
        sent = answered = 0
        until = time.perf_counter() + duration_s
        while sent < in_flight:
            self.send(bodies[sent % len(bodies)])
            sent += 1
        while time.perf_counter() < until:
            self.skip_message()
            answered += 1
            self.send(bodies[sent % len(bodies)])
            sent += 1
        while answered < sent:
            self.skip_message()
            answered += 1
        return answered

    def subscribe(self, ids: list[ua.NodeId], interval_ms: float) -> int:
        """One subscription with an item per node; returns its number."""
        request = ua.CreateSubscriptionRequest()
        request.Parameters = ua.CreateSubscriptionParameters(interval_ms, 10_000, 100, 0, True, 0)
        number = self.call(request, ua.CreateSubscriptionResponse).Parameters.SubscriptionId
        for at in range(0, len(ids), 1000):
            self.send(self._items_body(number, ids[at : at + 1000], at))
            raw = np.frombuffer(self._message(), np.uint8)
            results = raw[32 : 32 + 23 * len(ids[at : at + 1000])].reshape(-1, 23)
            if results[:, :4].any():
                raise RuntimeError(f"{int(results[:, :4].any(1).sum())} items refused")
        return int(number)

    def _items_body(self, number: int, ids: list[ua.NodeId], handle: int) -> bytes:
        """CreateMonitoredItems without the client's own encoder, which would take longer than the server."""
        request = ua.CreateMonitoredItemsRequest()
        request.Parameters.SubscriptionId = number
        request.Parameters.TimestampsToReturn = ua.TimestampsToReturn.Both
        items = [
            nodeid_to_binary(node_id) + struct.pack("<IiHiIId3xIB", 13, -1, 0, -1, 2, handle + i, 0.0, 1, 1)
            for i, node_id in enumerate(ids)
        ]
        return self.encode(request)[:-4] + struct.pack("<i", len(ids)) + b"".join(items)

    def notifications_for(self, duration_s: float, in_flight: int = 8) -> int:
        """Publish for a while; returns the number of notifications received."""
        publish = self.encode(ua.PublishRequest())
        for _ in range(in_flight):
            self.send(publish)
        self._socket.settimeout(2.0)
        received = 0
        until = time.perf_counter() + duration_s
        while time.perf_counter() < until:
            try:
                number, sequence, count = _published(self.skip_message())
            except TimeoutError:
                continue
            received += count
            request = ua.PublishRequest()
            if count:
                request.Parameters.SubscriptionAcknowledgements = [ua.SubscriptionAcknowledgement(number, sequence)]
            self.send(self.encode(request))
        self._socket.settimeout(30)
        return received

    def close(self) -> None:
        self._socket.close()


def _published(head: bytes) -> tuple[int, int, int]:
    """Subscription, sequence number and notifications of a PublishResponse, from its first bytes."""
    at = 4 + 8 + 4 + 4 + 1 + 4 + 3  # type id, response header without diagnostics or strings
    number, available = struct.unpack_from("<Ii", head, at)
    at += 8 + 4 * max(available, 0) + 1
    if len(head) < at + 16:
        raise RuntimeError("more unacknowledged messages than the head of an answer holds")
    sequence, _, parts = struct.unpack_from("<Iqi", head, at)
    at += 16
    if parts <= 0:
        return number, sequence, 0
    at += 4 if head[at] == 1 else 7
    return number, sequence, struct.unpack_from("<i", head, at + 5)[0]


def cpu_s(pid: int) -> float:
    """User and system time of a process so far [s]."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_bytes(pid: int) -> int:
    """Resident memory of a process [B]."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
