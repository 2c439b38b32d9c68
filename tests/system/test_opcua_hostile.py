# SPDX-License-Identifier: Apache-2.0
"""Hostile bytes: the server answers, faults or closes; it never crashes, never grows, and serves the others."""

from __future__ import annotations

import random
import socket
import struct
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
from asyncua import ua
from asyncua.ua.ua_binary import struct_to_binary, uatcp_to_binary

from supervisor.hmi.contract import Limits
from tests.bench.opcua_client import LoadClient
from tests.system.opcua_kit import Site, in_background, node_id

CODES = ua.StatusCodes
V1 = node_id("21605/CAB-0001/V1")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    limits = Limits(write_buffer_bytes=512 * 1024, connections=40)
    with in_background(tmp_path_factory.mktemp("opcua"), insecure=True, limits=limits) as site:
        yield site


def address(site: Site) -> tuple[str, int]:
    host, _, port = (site.server.insecure_endpoint or "").removeprefix("opc.tcp://").partition(":")
    return host, int(port)


@contextmanager
def raw(site: Site, *, hello: bool = True) -> Iterator[socket.socket]:
    with socket.create_connection(address(site), timeout=10) as sock:
        if hello:
            sock.sendall(uatcp_to_binary(ua.MessageType.Hello, ua.Hello(0, 65535, 65535, 0, 0, "opc.tcp://x")))
            assert sock.recv(4096)[:3] == b"ACK"
        yield sock


def last_words(sock: socket.socket) -> int | None:
    """Code of the ERR message before the server closed; None if it closed without one."""
    received = b""
    try:
        while data := sock.recv(65536):
            received += data
    except ConnectionResetError:
        pass
    at = received.find(b"ERRF")
    return None if at < 0 else struct.unpack_from("<I", received, at + 8)[0]


def still_serves(site: Site) -> None:
    site.set("21605/CAB-0001/V1", 7.5)
    with closing(LoadClient(site.server.insecure_endpoint or "").open_session()) as client:
        request = ua.ReadRequest()
        request.Parameters.NodesToRead = [ua.ReadValueId(V1, ua.AttributeIds.Value)]
        assert client.call(request, ua.ReadResponse).Results[0].Value.Value == 7.5


def test_a_chunk_of_four_gigabytes_is_refused_by_its_header(site: Site) -> None:
    with raw(site, hello=False) as sock:
        sock.sendall(b"HELF" + struct.pack("<I", 2**32 - 1))
        assert last_words(sock) == CODES.BadTcpMessageTooLarge
    still_serves(site)


@pytest.mark.parametrize(
    "first", [b"GET / HTTP/1.1\r\n\r\n", b"\0" * 64, b"MSGX\x20\0\0\0" + b"\0" * 24, b"HELF\x05\0\0\0"]
)
def test_what_is_no_opc_ua_is_closed_at_once(site: Site, first: bytes) -> None:
    with raw(site, hello=False) as sock:
        sock.sendall(first)
        assert last_words(sock) in (CODES.BadTcpMessageTypeInvalid, CODES.BadTcpMessageTooLarge)


def test_buffers_below_the_specification_are_refused(site: Site) -> None:
    with raw(site, hello=False) as sock:
        sock.sendall(uatcp_to_binary(ua.MessageType.Hello, ua.Hello(0, 100, 100, 0, 0, "opc.tcp://x")))
        assert last_words(sock) == CODES.BadConnectionRejected


def test_a_message_without_a_channel_is_refused(site: Site) -> None:
    body = struct.pack("<IIII", 0, 0, 1, 1) + struct_to_binary(ua.GetEndpointsRequest())
    with raw(site) as sock:
        sock.sendall(b"MSGF" + struct.pack("<I", len(body) + 8) + body)
        assert last_words(sock) is not None


def test_before_login_a_message_stays_small(site: Site) -> None:
    with closing(LoadClient(site.server.insecure_endpoint or "")) as client:
        part = b"x" * 60_000
        with pytest.raises((ConnectionError, OSError)):
            for number in range(2, 12):
                numbers = struct.pack("<IIII", client._channel, client._token, number, 2)
                client._socket.sendall(b"MSGC" + struct.pack("<I", 24 + len(part)) + numbers + part)
            client.skip_message()
    still_serves(site)


def test_fifty_bytes_do_not_become_gigabytes(site: Site) -> None:
    """An array of nulls has 5 bytes on the wire and 8 an element decoded; AdditionalHeader takes any structure."""
    bomb = (
        b"\x01\x00\x55\x02" + b"\x01" + struct.pack("<i", 5) + b"\x80" + struct.pack("<i", 100_000_000)
    )  # LiteralOperand
    tracemalloc.start()
    try:
        for request in (ua.GetEndpointsRequest(), ua.OpenSecureChannelRequest()):
            plain = struct_to_binary(request)
            header_end = 4 + 2 + 8 + 4 + 4 + 4 + 4
            armed = plain[:header_end] + bomb + plain[header_end + 3 :]
            if isinstance(request, ua.GetEndpointsRequest):
                with closing(LoadClient(site.server.insecure_endpoint or "")) as client:
                    client.send(armed)
                    assert client.skip_message()[:4] == b"\x01\x00\xaf\x01"  # GetEndpointsResponse
            else:
                policy = b"http://opcfoundation.org/UA/SecurityPolicy#None"
                body = struct.pack("<i", len(policy)) + policy + struct.pack("<iiII", -1, -1, 1, 1) + armed
                with raw(site) as sock:
                    sock.sendall(b"OPNF" + struct.pack("<II", len(body) + 12, 0) + body)
                    sock.shutdown(socket.SHUT_WR)
                    last_words(sock)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


def test_not_even_a_user_can_write_a_hundred_million_nulls(site: Site) -> None:
    write = ua.WriteRequest()
    value = ua.DataValue(ua.Variant(1, ua.VariantType.UInt32))
    write.Parameters.NodesToWrite = [ua.WriteValue(V1, ua.AttributeIds.Value, Value=value)]
    tracemalloc.start()
    try:
        with closing(LoadClient(site.server.insecure_endpoint or "").open_session()) as client:
            plain = client.encode(write)
            for type_ in (b"\x80", b"\xc0"):
                at = plain.rindex(b"\x07\x01\0\0\0")
                client.send(plain[:at] + type_ + struct.pack("<i", 100_000_000) + plain[at + 5 :])
                head = client.skip_message()
                assert head[:4] == b"\x01\x00\x8d\x01"  # ServiceFault
                assert struct.unpack_from("<I", head, 16)[0] == CODES.BadDecodingError
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


def test_a_client_that_does_not_read_is_cut_off(site: Site) -> None:
    before = site.server.counters.slow_clients
    with closing(LoadClient(site.server.insecure_endpoint or "").open_session()) as client:
        body = client.read_body([V1] * 1000)
        client._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        with pytest.raises((ConnectionError, OSError)):
            for _ in range(2000):
                client.send(body)
        deadline = time.monotonic() + 10
        while site.server.counters.slow_clients == before and time.monotonic() < deadline:
            time.sleep(0.02)
    assert site.server.counters.slow_clients == before + 1
    still_serves(site)


def test_who_sends_nothing_but_nonsense_is_sent_away_and_fills_no_log(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(LoadClient(site.server.insecure_endpoint or "").open_session()) as client:
        broken = client.read_body([V1])[:-3]
        answers = 0
        with pytest.raises((ConnectionError, OSError)):
            while answers < 1_000:
                client.send(broken)
                assert client.skip_message()[:4] == b"\x01\x00\x8d\x01"  # ServiceFault
                answers += 1
    assert answers == Limits().malformed_requests
    told = [r for r in caplog.records if "cannot be decoded" in r.getMessage()]
    assert len(told) == 4, "the first three, and the end"
    still_serves(site)


def test_clients_killed_without_goodbye_leave_nothing_behind(site: Site) -> None:
    for _ in range(3):
        clients = [LoadClient(site.server.insecure_endpoint or "").open_session() for _ in range(10)]
        for client in clients:
            client._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
    deadline = time.monotonic() + 10
    while site.server.sessions and time.monotonic() < deadline:
        time.sleep(0.02)
    assert site.server.sessions == 0
    still_serves(site)


def bodies(client: LoadClient) -> list[bytes]:
    """One of each request a client may send, to be garbled."""
    item = ua.MonitoredItemCreateRequest(ua.ReadValueId(V1, ua.AttributeIds.Value))
    item.RequestedParameters.Filter = ua.DataChangeFilter(ua.DataChangeTrigger.StatusValue, 1, 2.0)
    create = ua.CreateMonitoredItemsRequest()
    create.Parameters.ItemsToCreate = [item] * 3
    browse = ua.BrowseRequest()
    browse.Parameters.NodesToBrowse = [ua.BrowseDescription(NodeId=node_id("21605"))]
    write = ua.WriteRequest()
    value = ua.DataValue(ua.Variant(1.5, ua.VariantType.Double))
    write.Parameters.NodesToWrite = [ua.WriteValue(V1, ua.AttributeIds.Value, Value=value)]
    translate = ua.TranslateBrowsePathsToNodeIdsRequest()
    elements = [ua.RelativePathElement(TargetName=ua.QualifiedName("Plant", 2), IncludeSubtypes=True)]
    translate.Parameters.BrowsePaths = [ua.BrowsePath(ua.NodeId(85), ua.RelativePath(elements))]
    activate = ua.ActivateSessionRequest()
    activate.Parameters.UserIdentityToken = ua.UserNameIdentityToken("username", "op", b"x" * 20)
    others = (
        ua.CreateSessionRequest(),
        ua.CreateSubscriptionRequest(),
        ua.RegisterNodesRequest(),
        ua.BrowseNextRequest(),
    )
    modify = ua.ModifyMonitoredItemsRequest()
    modify.Parameters.ItemsToModify = [ua.MonitoredItemModifyRequest(1)]
    made = [client.encode(r) for r in (create, browse, write, translate, activate, modify, *others)]
    return [*made, client.read_body([V1, V1, ua.NodeId(2258)])]


@pytest.mark.parametrize("seed", range(4))
def test_garbled_requests_get_an_answer_a_fault_or_a_closed_door(site: Site, seed: int) -> None:
    chance = random.Random(seed)
    client = LoadClient(site.server.insecure_endpoint or "").open_session()
    closed = 0
    for _ in range(150):
        body = bytearray(chance.choice(bodies(client)))
        if chance.random() < 0.3:
            del body[chance.randrange(4, len(body)) :]
        for _ in range(chance.choice((0, 1, 1, 2, 8))):
            body[chance.randrange(len(body))] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))
        try:
            client.send(bytes(body))
            client.skip_message()
        except (ConnectionError, OSError):
            closed += 1
            client.close()
            client = LoadClient(site.server.insecure_endpoint or "").open_session()
    client.close()
    assert closed < 150
    still_serves(site)
