# SPDX-License-Identifier: Apache-2.0
"""Bytes into the whole OPC UA server, without a socket: framing, channel, header, decoder, services.

One rule: *answer, fault or close*. Whatever comes, nothing is logged as an error of ours, no task ends by an exception,
and what is kept stays small. The long run, an hour by default:

    python -m tests.fuzz.opcua [SECONDS] [SEED]
"""

from __future__ import annotations

import asyncio
import logging
import random
import re
import struct
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from asyncua import ua
from asyncua.ua.ua_binary import nodeid_to_binary, struct_to_binary, uatcp_to_binary

from tests.system.opcua_kit import Site, node_id, running

KEPT_BYTES_MAX: Final = 2 * 2**20  # what one hostile connection may make the server hold
V1: Final = node_id("21605/CAB-0001/V1")
CORPUS: Final = Path(__file__).parent / "corpus"
_POLICY: Final = b"http://opcfoundation.org/UA/SecurityPolicy#None"
_BYTES: Final = (0, 1, 2, 0x7F, 0x80, 0xC0, 0xFE, 0xFF)
_COUNTS: Final = tuple(struct.pack("<i", n) for n in (-1, 0, 1, 2, 0x7FFF, 0x7FFFFFFF, -(2**31), 100_000_000))


class Findings(logging.Handler):
    """What must never be logged."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.found.append(self.format(record))


class Wire(asyncio.Transport):
    """A transport that keeps what was written."""

    def __init__(self, port: int) -> None:
        super().__init__({"peername": ("127.0.0.1", 40_000), "sockname": ("127.0.0.1", port)})
        self.written = bytearray()
        self.closed = False

    def write(self, data: Any) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    abort = close

    def pause_reading(self) -> None:
        """Bytes come by hand here."""

    def resume_reading(self) -> None:
        """Bytes come by hand here."""

    def get_write_buffer_size(self) -> int:
        return 0


class Peer:
    """A client of the server's own protocol object, logged in or not, on the loopback port without security."""

    door = 1
    first = 2  # where garbling begins

    def __init__(self, site: Site) -> None:
        engine = site.server._running
        assert engine is not None
        self.site = site
        self.listener = engine.listeners[self.door]
        self.wire = Wire(self.listener.port)
        self.protocol: Any = self.listener._make_protocol()
        self.protocol.connection_made(self.wire)
        self.channel = self.token = self.sequence = 0
        self.authentication = b"\0\0"
        self.seeds: list[bytes] = []

    async def say(self, data: bytes) -> bytes:
        """Bytes in; what the server wrote since, once it has nothing left to do."""
        before = len(self.wire.written)
        self.protocol.data_received(data)
        for _ in range(200):
            await asyncio.sleep(0)
            if self.protocol.messages.empty() and len(self.wire.written) > before:
                break
        return bytes(self.wire.written[before:])

    async def open(self) -> None:
        """HELLO and a channel without security."""
        await self.say(uatcp_to_binary(ua.MessageType.Hello, ua.Hello(0, 65535, 65535, 0, 0, "opc.tcp://x")))
        request = ua.OpenSecureChannelRequest()
        request.Parameters.SecurityMode = ua.MessageSecurityMode.None_
        security = struct.pack("<i", len(_POLICY)) + _POLICY + struct.pack("<iiII", -1, -1, 1, 1)
        body = security + struct_to_binary(request)
        self.sequence = 1
        await self.say(b"OPNF" + struct.pack("<II", len(body) + 12, 0) + body)
        token = self.protocol.processor._connection.security_token
        self.channel, self.token = token.ChannelId, token.TokenId

    async def log_in(self) -> None:
        """As the anonymous viewer."""
        await self.ask(struct_to_binary(ua.CreateSessionRequest()))
        session = self.protocol.processor.session
        self.authentication = nodeid_to_binary(session.auth_token)
        request = ua.ActivateSessionRequest()
        request.RequestHeader.AuthenticationToken = session.auth_token
        request.Parameters.UserIdentityToken = ua.AnonymousIdentityToken("anonymous")
        await self.ask(struct_to_binary(request))
        assert session.is_activated()

    def frame(self, body: bytes) -> bytes:
        self.sequence += 1
        numbers = struct.pack("<IIII", self.channel, self.token, self.sequence, self.sequence)
        return b"MSGF" + struct.pack("<I", 24 + len(body)) + numbers + body

    async def ask(self, body: bytes) -> bytes:
        return await self.say(self.frame(body))

    async def leave(self) -> None:
        self.wire.closed = True
        self.protocol.connection_lost(None)
        await asyncio.sleep(0)

    def kept(self) -> int:
        """Bytes the server holds for this connection that no answer has freed."""
        connection = self.protocol.processor._connection if self.protocol.processor else None
        return len(self.protocol._received) + (connection._incoming_size if connection else 0)


def _event_filter() -> ua.EventFilter:
    """Severity >= 500, of acknowledgeable conditions."""
    severity = ua.SimpleAttributeOperand(ua.NodeId(2041), [ua.QualifiedName("Severity")], ua.AttributeIds.Value)
    of_type = ua.ContentFilterElement(ua.FilterOperator.OfType, [ua.LiteralOperand(ua.Variant(ua.NodeId(2881)))])
    least = ua.LiteralOperand(ua.Variant(500, ua.VariantType.UInt16))
    grave = ua.ContentFilterElement(ua.FilterOperator.GreaterThanOrEqual, [severity, least])
    both = ua.ContentFilterElement(ua.FilterOperator.And, [ua.ElementOperand(1), ua.ElementOperand(2)])
    return ua.EventFilter([severity], ua.ContentFilter([both, of_type, grave]))


def seeds(authentication: ua.NodeId) -> list[bytes]:
    """One of each request, to be garbled."""
    item = ua.MonitoredItemCreateRequest(ua.ReadValueId(V1, ua.AttributeIds.Value))
    item.RequestedParameters.Filter = ua.DataChangeFilter(ua.DataChangeTrigger.StatusValue, 1, 2.0)
    create = ua.CreateMonitoredItemsRequest()
    create.Parameters.ItemsToCreate = [item] * 2
    read = ua.ReadRequest()
    read.Parameters.NodesToRead = [ua.ReadValueId(i, ua.AttributeIds.Value) for i in (V1, ua.NodeId(2258))]
    browse = ua.BrowseRequest()
    browse.Parameters.NodesToBrowse = [ua.BrowseDescription(NodeId=node_id("21605"))]
    write = ua.WriteRequest()
    value = ua.DataValue(ua.Variant([1.5, 2.5], ua.VariantType.Double))
    write.Parameters.NodesToWrite = [ua.WriteValue(V1, ua.AttributeIds.Value, Value=value)]
    translate = ua.TranslateBrowsePathsToNodeIdsRequest()
    elements = [ua.RelativePathElement(TargetName=ua.QualifiedName("Plant", 2), IncludeSubtypes=True)]
    translate.Parameters.BrowsePaths = [ua.BrowsePath(ua.NodeId(85), ua.RelativePath(elements))]
    call = ua.CallRequest()
    call.Parameters.MethodsToCall = [ua.CallMethodRequest(ua.NodeId(2253), ua.NodeId(11492), [ua.Variant(1)])]
    activate = ua.ActivateSessionRequest()
    activate.Parameters.UserIdentityToken = ua.UserNameIdentityToken("username", "op", b"x" * 20)
    listen = ua.CreateMonitoredItemsRequest()
    event = ua.MonitoredItemCreateRequest(ua.ReadValueId(ua.NodeId(2253), ua.AttributeIds.EventNotifier))
    event.RequestedParameters.Filter = _event_filter()
    listen.Parameters.ItemsToCreate = [event]
    nested = ua.WriteRequest()
    body = ua.Variant([ua.Variant(_event_filter(), ua.VariantType.ExtensionObject)], ua.VariantType.Variant)
    nested.Parameters.NodesToWrite = [ua.WriteValue(V1, ua.AttributeIds.Value, Value=ua.DataValue(body))]
    past = ua.HistoryReadRequest()
    past.Parameters.HistoryReadDetails = ua.ReadRawModifiedDetails(NumValuesPerNode=10)
    past.Parameters.NodesToRead = [ua.HistoryReadValueId(V1)]
    plain = (
        ua.CreateSessionRequest, ua.CreateSubscriptionRequest, ua.RegisterNodesRequest, ua.BrowseNextRequest,
        ua.ModifyMonitoredItemsRequest, ua.GetEndpointsRequest, ua.FindServersRequest, ua.PublishRequest,
        ua.SetMonitoringModeRequest, ua.SetTriggeringRequest, ua.DeleteMonitoredItemsRequest, ua.CancelRequest,
        ua.ModifySubscriptionRequest, ua.DeleteSubscriptionsRequest, ua.UnregisterNodesRequest,
        ua.HistoryUpdateRequest, ua.QueryFirstRequest, ua.AddNodesRequest, ua.CloseSessionRequest,
        ua.RepublishRequest, ua.TransferSubscriptionsRequest, ua.SetPublishingModeRequest, ua.HistoryReadRequest,
    )  # fmt: skip
    requests = [
        create,
        read,
        browse,
        write,
        translate,
        call,
        activate,
        listen,
        nested,
        past,
        *(kind() for kind in plain),
    ]
    for request in requests:
        request.RequestHeader.AuthenticationToken = authentication
    return [struct_to_binary(request) for request in requests]


def garble(seed: bytes, chance: random.Random, first: int = 2) -> bytes:
    """A request with a few bytes, counts or its end changed, from `first` on."""
    body = bytearray(seed)
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        at = chance.randrange(first, max(len(body), first + 1))
        match chance.randrange(5):
            case 0:
                body[at : at + 1] = bytes((chance.choice(_BYTES),))
            case 1:
                body[at : at + 4] = chance.choice(_COUNTS)
            case 2:
                body[at:at] = body[at : at + chance.randrange(40)]
            case 3:
                del body[at : at + chance.randrange(8)]
            case _:
                body[at:at] = chance.randbytes(chance.randrange(12))
    return bytes(body[: chance.randrange(4, len(body))]) if chance.random() < 0.1 and len(body) > 5 else bytes(body)


@asynccontextmanager
async def target(folder: Path) -> AsyncIterator[tuple[Site, Findings]]:
    """A server, and a handler that finds what it should not have said."""
    findings = Findings()
    root = logging.getLogger()
    root.addHandler(findings)
    try:
        async with running(folder, insecure=True) as site:
            yield site, findings
    finally:
        root.removeHandler(findings)


async def attack(
    site: Site,
    findings: Findings,
    chance: random.Random,
    count: int,
    until_s: float = 1e18,
    client: Callable[[Site], Peer] = Peer,
) -> int:
    """`count` garbled requests on as many connections as it takes; returns how many were sent.

    Raises:
        AssertionError: the rule was broken; it holds the bytes.
    """
    peer: Peer | None = None
    sent = 0
    while sent < count and time.monotonic() < until_s:
        if peer is None or peer.wire.closed:
            if peer is not None:
                await peer.leave()
            peer = client(site)
            await peer.open()
            if chance.random() < 0.7:
                await peer.log_in()
            session = peer.protocol.processor.session
            peer.seeds = seeds(session.auth_token if session else ua.NodeId())
        body = garble(chance.choice(peer.seeds), chance, peer.first)
        raw = peer.frame(body)
        if chance.random() < 0.1:
            raw = garble(raw, chance)
        answer = await peer.say(raw)
        sent += 1
        assert not findings.found, (raw.hex(), findings.found)
        assert peer.kept() <= KEPT_BYTES_MAX, raw.hex()
        assert len(answer) < 16 * 2**20, raw.hex()
        peer.wire.written.clear()
        if not answer and peer.kept():
            peer.wire.closed = True  # it waits for the rest of a chunk; nobody will send it
    if peer is not None:
        await peer.leave()
    return sent


def corpus(authentication: bytes) -> Iterator[tuple[str, bytes]]:
    """What once did harm, or would have: requests by the name of their file, said by this session.

    A file is prose (lines with #) and the bytes of a request in hexadecimal; `TOKEN` stands for the session's token,
    `REPEAT(N,...)` for bytes said N times.
    """
    for path in sorted(CORPUS.glob("*.hex")):
        text = "".join(line for line in path.read_text().splitlines() if not line.startswith("#")).replace(" ", "")
        text = text.replace("TOKEN", authentication.hex())
        yield path.stem, bytes.fromhex(re.sub(r"REPEAT\((\d+),(\w+)\)", lambda m: m[2] * int(m[1]), text))


async def replay(peer: Peer, findings: Findings) -> list[str]:
    """Say the whole corpus, on a channel that is open; returns what was answered, or closed the connection.

    Raises:
        AssertionError: the rule was broken.
    """
    said = []
    for name, body in corpus(peer.authentication):
        answer = await peer.ask(body)
        assert answer or peer.wire.closed, name
        assert not findings.found, (name, findings.found)
        assert peer.kept() <= KEPT_BYTES_MAX, name
        said.append(name)
        if peer.wire.closed:
            break
    return said


async def _long_run(seconds: float, seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with target(Path(folder)) as (site, findings):
            sent = await attack(site, findings, random.Random(seed), 2**62, time.monotonic() + seconds)
    print(f"{sent:,} garbled requests: an answer, a fault or a closed connection each")


if __name__ == "__main__":
    asyncio.run(_long_run(float((sys.argv[1:] or ["3600"])[0]), int((sys.argv[2:] or ["1"])[0])))
