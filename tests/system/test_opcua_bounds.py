# SPDX-License-Identifier: Apache-2.0
"""Bounds of connections and sessions, each hit over real sockets; what was abandoned leaves nothing behind."""

from __future__ import annotations

import gc
import os
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from asyncua import ua
from asyncua.ua.ua_binary import uatcp_to_binary

from supervisor.hmi.contract import Limits
from supervisor.hmi.entrance.channel import Channel
from supervisor.hmi.entrance.doorman import Visit
from supervisor.hmi.processor import Processor
from supervisor.hmi.session import Session
from tests.bench.opcua_client import LoadClient
from tests.system.opcua_kit import Site, in_background

REQUESTS = 4
SESSION_BYTES_MAX = 60_000  # 19 kB measured
LIMITS = Limits(
    connections=160, connections_per_address=118, strangers=16, sessions=110, unactivated=10, session_s=(1.0, 600.0),
    hello_s=0.5, channel_s=1.0, login_s=1.5, chunk_s=1.0,
)  # fmt: skip


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with in_background(tmp_path_factory.mktemp("opcua"), insecure=True, limits=LIMITS) as site:
        yield site


def url(site: Site) -> str:
    return site.server.insecure_endpoint or ""


def connect(site: Site) -> socket.socket:
    host, _, port = url(site).removeprefix("opc.tcp://").partition(":")
    return socket.create_connection((host, int(port)), timeout=20)


def greeted(sock: socket.socket) -> socket.socket:
    sock.sendall(uatcp_to_binary(ua.MessageType.Hello, ua.Hello(0, 65535, 65535, 0, 0, "opc.tcp://x")))
    assert sock.recv(4096)[:3] == b"ACK"
    return sock


def end_of(sock: socket.socket) -> int | None:
    """Code of the ERR with which the server ends the connection; None if it says none."""
    received = b""
    try:
        while data := sock.recv(65536):
            received += data
    except ConnectionResetError:
        pass
    at = received.find(b"ERRF")
    return None if at < 0 else int(struct.unpack_from("<I", received, at + 8)[0])


def create_session(client: LoadClient) -> None:
    request = ua.CreateSessionRequest()
    request.Parameters.ClientNonce = os.urandom(32)
    request.Parameters.RequestedSessionTimeout = 600_000
    client.call(request, ua.CreateSessionResponse)


def until(condition: Any, within_s: float = 20.0) -> None:
    """Wait for what another thread does."""
    end = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.02)


def nothing_left(site: Site) -> bool:
    running = site.server._running
    assert running is not None
    engine = running.engine
    left = (
        engine.doorman.visits, engine.doorman._of_address, engine.processors, engine.sessions,
        engine.subscription_service.subscriptions, engine.asyncio_transports,
    )  # fmt: skip
    return not any(left)


def test_a_slow_client_is_dropped_at_every_step(site: Site) -> None:
    before = site.server.counters.dropped_connections
    silent, polite = connect(site), greeted(connect(site))
    opened = LoadClient(url(site))  # HELLO and a channel, no session
    drip = connect(site)
    drip.sendall(b"HEL")
    half = LoadClient(url(site)).open_session()
    half._socket.sendall(b"MSGF" + struct.pack("<I", 1000) + b"x" * 100)  # logged in, and a chunk that never ends
    for sock in (silent, polite, opened._socket, drip, half._socket):
        assert end_of(sock) == ua.StatusCodes.BadTimeout
        sock.close()
    assert site.server.counters.dropped_connections == before + 5
    until(lambda: nothing_left(site))


def test_strangers_make_room_for_a_newcomer_and_one_address_has_its_share(site: Site) -> None:
    with ExitStack() as stack:
        inside = stack.enter_context(closing(LoadClient(url(site)).open_session()))
        before = site.server.counters.dropped_connections
        idle = [stack.enter_context(connect(site)) for _ in range(LIMITS.strangers)]
        with closing(LoadClient(url(site)).open_session()):
            assert end_of(idle[0]) == ua.StatusCodes.BadTimeout
            assert site.server.counters.dropped_connections > before
            inside.call(ua.ReadRequest(Parameters=_time()), ua.ReadResponse)
    until(lambda: nothing_left(site))


def _time() -> ua.ReadParameters:
    return ua.ReadParameters(NodesToRead=[ua.ReadValueId(ua.NodeId(2258), ua.AttributeIds.Value)])


def test_one_address_gets_no_more_than_its_connections(site: Site) -> None:
    with ExitStack() as stack:
        before = site.server.counters.rejected_connections
        for _ in range(LIMITS.sessions):
            stack.enter_context(closing(LoadClient(url(site)).open_session()))
        late = stack.enter_context(closing(LoadClient(url(site))))
        with pytest.raises(RuntimeError):
            late.open_session()  # every session is in use
        assert site.server.counters.rejected_sessions == site.server.faults()["BadTooManySessions"] == 1
        assert site.server.levels()["connections"] == LIMITS.sessions + 1
        socks = [stack.enter_context(connect(site)) for _ in range(LIMITS.connections_per_address)]
        ends = {end_of(sock) for sock in socks}
        assert ua.StatusCodes.BadTcpNotEnoughResources in ends
        assert site.server.counters.rejected_connections > before
    until(lambda: nothing_left(site))


def served() -> dict[int, object]:
    """What stands for a client in this process, by identity."""
    gc.collect()
    return {id(o): o for o in gc.get_objects() if isinstance(o, Session | Processor | Channel | Visit)}


def test_sessions_that_nobody_logged_in_to_leave_nothing_behind(site: Site) -> None:
    before = served()  # a test that failed before keeps its own by its traceback
    for _ in range(40):
        client = LoadClient(url(site))
        for _ in range(10):
            create_session(client)  # each replaces the one before it; the last is left with its connection
        client._socket.close()
    until(lambda: nothing_left(site))
    until(lambda: served().keys() <= before.keys())


def test_a_hundred_clients_killed_without_goodbye_leave_nothing_behind(site: Site) -> None:
    def live_and_die() -> None:
        for _ in range(10):
            client = LoadClient(url(site)).open_session(timeout_ms=1000)
            client.call(ua.CreateSubscriptionRequest(), ua.CreateSubscriptionResponse)
            client._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client._socket.close()

    threads = [threading.Thread(target=live_and_die) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    # Their sessions wait for them to come back, as they should, for the second they asked for.
    until(lambda: nothing_left(site))


@pytest.mark.parametrize("step", [0, -2, 100], ids=["again", "back", "ahead"])
def test_a_sequence_number_out_of_order_closes_the_connection(site: Site, step: int) -> None:
    """OPC 10000-6, 6.7.2.4: a chunk that is said again is never answered twice."""
    with closing(LoadClient(url(site)).open_session()) as client:
        client.call(ua.ReadRequest(Parameters=_time()), ua.ReadResponse)
        client._sequence += step - 1
        client.send(client.read_body([ua.NodeId(2258)]))
        assert end_of(client._socket) == ua.StatusCodes.BadSequenceNumberInvalid


def test_memory_comes_back_after_those_who_came_and_went(site: Site) -> None:
    """Rounds of abandoned sessions after the first, in which pools are filled, cost nothing that stays."""

    def round_of(count: int) -> None:
        for _ in range(count):
            client = LoadClient(url(site)).open_session(timeout_ms=1000)
            client.call(ua.CreateSubscriptionRequest(), ua.CreateSubscriptionResponse)
            client._socket.close()
        until(lambda: nothing_left(site))
        gc.collect()

    round_of(60)
    before = resident_bytes()
    for _ in range(3):
        round_of(60)
    assert resident_bytes() < before + 8 * 2**20


def test_what_a_session_costs_is_bounded(site: Site) -> None:
    """With a subscription of a hundred items and four requests that wait; half of it is the client in this process."""

    def settle_down() -> int:
        gc.collect()
        return resident_bytes()

    def come() -> LoadClient:
        client = LoadClient(url(site)).open_session()
        client.subscribe([ua.NodeId(f"21605/CAB-0001/{name}", 2) for name in ("V1", "Double")] * 50, 60_000.0)
        for _ in range(REQUESTS):
            client.send(client.encode(ua.PublishRequest()))
        return client

    with ExitStack() as stack:
        clients = [stack.enter_context(closing(come())) for _ in range(30)]
        before, count = settle_down(), 70
        clients += [stack.enter_context(closing(come())) for _ in range(count)]
        assert (settle_down() - before) / count < SESSION_BYTES_MAX
        for client in clients:
            client.send(client.encode(ua.CloseSessionRequest(DeleteSubscriptions=True)))
            for _ in range(REQUESTS + 1):
                client.skip_message()  # each request that waited is answered, too
    until(lambda: nothing_left(site))


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
