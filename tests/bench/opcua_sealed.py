# SPDX-License-Identifier: Apache-2.0
"""The load client on a channel that signs and encrypts (Basic256Sha256), for tests/bench/bench_opcua_secure.py.

asyncua's client logs in; then a counter takes its connection over. Requests are sealed one by one, as a channel
demands; answers are only framed, for what is measured is the server.
"""

from __future__ import annotations

import asyncio
import struct
from pathlib import Path
from typing import Any

from asyncua import Client, ua
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256
from asyncua.ua.ua_binary import struct_to_binary

from tests.system.opcua_kit import CLIENT_URI

USER, PASSWORD = "bench", "bench-pass"


class _Counter(asyncio.Protocol):
    """Counts whole answers."""

    def __init__(self) -> None:
        self._received = bytearray()
        self._answers: asyncio.Queue[None] = asyncio.Queue()
        self._lost = False

    def data_received(self, data: bytes) -> None:
        received = self._received
        received += data
        while len(received) >= 8 and len(received) >= (size := struct.unpack_from("<I", received, 4)[0]):
            if received[:4] == b"MSGF":
                self._answers.put_nowait(None)
            self._lost |= received[:3] == b"ERR"
            del received[:size]

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True

    async def answer(self) -> None:
        await asyncio.wait_for(self._answers.get(), 30)
        if self._lost:
            raise ConnectionError("the server closed the connection")


class SealedClient:
    """One connection with one session. Use `sealed` to open one."""

    def __init__(self, client: Client) -> None:
        protocol: Any = client.uaclient.protocol
        self._connection, self._transport = protocol._connection, protocol.transport
        self._token, self._request = protocol.authentication_token, protocol._request_id
        self._counter = _Counter()
        self._transport.set_protocol(self._counter)

    def read_body(self, ids: list[ua.NodeId]) -> bytes:
        request = ua.ReadRequest()
        request.RequestHeader.AuthenticationToken = self._token
        request.Parameters.TimestampsToReturn = ua.TimestampsToReturn.Both
        request.Parameters.NodesToRead = [ua.ReadValueId(i, ua.AttributeIds.Value) for i in ids]
        return bytes(struct_to_binary(request))

    def _send(self, body: bytes) -> None:
        self._request += 1
        self._transport.write(self._connection.message_to_binary(body, request_id=self._request))

    async def read_for(self, bodies: list[bytes], duration_s: float, in_flight: int = 4) -> int:
        """Keep `in_flight` Reads going, in rotation; returns how many were answered."""
        loop, sent, answered = asyncio.get_running_loop(), 0, 0
        until = loop.time() + duration_s
        while sent < in_flight or (answered < sent and loop.time() < until):
            self._send(bodies[sent % len(bodies)])
            sent += 1
            if sent > in_flight:
                await self._counter.answer()
                answered += 1
        for _ in range(sent - answered):
            await self._counter.answer()
        return sent

    def close(self) -> None:
        self._transport.abort()


async def sealed(url: str, files: tuple[Path, Path], *, named: bool) -> SealedClient:
    """Log in and take over. `files`: the client's certificate and key; `named`: with a password, else anonymously."""
    client = Client(url, timeout=60)
    client.application_uri = CLIENT_URI
    await client.set_security(SecurityPolicyBasic256Sha256, *files)
    name, password = (USER, PASSWORD) if named else (None, None)
    await client.connect_socket()
    await client.send_hello()
    await client.open_secure_channel()
    await client.create_session()
    await client.activate_session(name, password)
    return SealedClient(client)
