# SPDX-License-Identifier: Apache-2.0
"""The connection: bounded frames, one reason for each end, nothing left behind; channels renewed in time."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Coroutine
from itertools import pairwise
from typing import Any

import pytest
from asyncua import ua

from config.words import NS_PER_S
from drivers.base import Busy, DeviceSilent, LinkDown
from drivers.opcua import codec, trust, wire
from drivers.opcua.address import OpcuaDevice
from drivers.opcua.link import OpcuaLink
from drivers.opcua.serving import Serving
from drivers.opcua.subscription import SESSION_GONE
from drivers.opcua.wire import GIVEN_UP_MAX
from tests.opcua import URI, doubles, plant
from tests.sim.loop import clock, run


def virtual(main: Coroutine[Any, Any, None]) -> None:
    run(main, debug=False)


def test_the_socket_has_what_every_field_socket_has() -> None:
    async def main() -> None:
        async with plant(doubles(1), user_timeout="2 s") as made:
            sock = made.link.wire.transport.get_extra_info("socket")
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 2000
            linger = sock.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8)
            assert struct.unpack("ii", linger) == (1, 0)
            assert made.link.server.application_uri == URI and made.link.server.namespaces[2] == "urn:plant"

    virtual(main())


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "expected a message, got 48 54 54 50"),
        (b"ACKF\xff\xff\xff\x7f", "expected a message"),
        (b"MSGF\x10\x00\x00\x00" + bytes(8), "not understood"),
        (b"ERRF\x10\x00\x00\x00\x00\x00\x7d\x80\xff\xff\xff\xff", "the server says BadTcpServerTooBusy"),
        (b"", "no session within 0.5 s"),
    ],
)
def test_what_is_no_opc_ua_server_is_a_link_that_is_down(answer: bytes, reason: str) -> None:
    async def main() -> None:
        class Stranger(asyncio.Protocol):
            def connection_made(self, transport: Any) -> None:
                self.transport = transport

            def data_received(self, data: bytes) -> None:
                self.transport.write(answer)

        server = await asyncio.get_running_loop().create_server(Stranger, "127.0.0.1", 0)
        device = OpcuaDevice(host="127.0.0.1", port=server.sockets[0].getsockname()[1], connect_timeout="500 ms")  # type: ignore[arg-type]
        link = OpcuaLink(device, clock())
        with pytest.raises(LinkDown, match=reason):
            await link.open()
        assert not link.is_up
        server.close()
        await server.wait_closed()
        await asyncio.sleep(0.01)

    virtual(main())


def test_nobody_listens() -> None:
    async def main() -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        with pytest.raises(LinkDown, match=f"opc.tcp://127.0.0.1:{port}: Connection refused"):
            await OpcuaLink(OpcuaDevice(host="127.0.0.1", port=port), clock()).open()

    virtual(main())


def test_questions_without_an_answer_are_bounded() -> None:
    async def main() -> None:
        async with plant(doubles(1)) as made:
            made.server.turn("hang")
            with pytest.raises(LinkDown, match=f"{GIVEN_UP_MAX + 1} questions without an answer"):
                for _ in range(GIVEN_UP_MAX + 2):
                    try:
                        await made.driver.read(made.requests[0], 0.1)
                    except DeviceSilent:
                        pass
            made.server.heal()
            await made.open()
            assert await made.values() == [0.0]

    virtual(main())


def test_a_late_answer_is_dropped_and_counted() -> None:
    async def main() -> None:
        async with plant(doubles(1)) as made:
            made.server.turn("late 1500 ms")
            with pytest.raises(DeviceSilent):
                await made.read()
            made.server.heal()
            await asyncio.sleep(1)
            assert made.link.wire.late == 1 and await made.values() == [0.0]

    virtual(main())


def test_the_channel_is_renewed_before_it_expires() -> None:
    async def main() -> None:
        async with plant(doubles(1), watch=True, keep_alive="60 s") as made:
            await made.read()
            wire, token = made.link.wire, made.link.wire._connection.security_token.TokenId
            for _ in range(5):
                await asyncio.sleep(1800)
                assert await made.values() == [0.0]
            assert made.link.wire is wire and wire._connection.security_token.TokenId >= token + 2

    virtual(main())


def test_a_channel_that_is_not_renewed_is_lost() -> None:
    async def main() -> None:
        async with plant(doubles(1), session_timeout="1 h") as made:
            lost: list[str] = []
            made.link.on_lost(lost.append)
            made.server.turn("hang")
            await asyncio.sleep(3600)
            assert not made.link.is_up and "could not be renewed" in lost[0]

    virtual(main())


def test_a_session_whose_certificate_has_expired_ends_with_its_channel() -> None:
    """OPC 10000-4, 5.5.2: a channel is renewed as it was opened; the reason says which certificate it was."""

    async def main() -> None:
        async with plant(doubles(1)) as made:
            lost: list[str] = []
            made.link.on_lost(lost.append)
            expires_ns = clock().wall_ns() + 4000 * NS_PER_S

            def judge(now_ns: int) -> None:
                if now_ns > expires_ns:
                    raise trust.Untrusted("the server's certificate is valid until yesterday; have it renewed")

            made.link._judge = judge
            await asyncio.sleep(3600)
            assert made.link.is_up, "renewed once, and still valid"
            await asyncio.sleep(2400)
            assert not made.link.is_up and lost[0].endswith("valid until yesterday; have it renewed")

    virtual(main())


def test_a_channel_that_is_given_no_life_is_not_renewed_without_a_pause() -> None:
    async def main() -> None:
        async with plant(doubles(1)) as made:
            renewals: list[bool] = []

            class NoLife:
                secure_channel_timeout = 0

                async def open_secure_channel(self, renew: bool) -> None:
                    renewals.append(renew)

            renewing = asyncio.ensure_future(made.link._renew(NoLife(), made.link.wire))  # type: ignore[arg-type]
            await asyncio.sleep(10.5)
            renewing.cancel()
            assert renewals == [True] * 10

    virtual(main())


def test_a_refusal_with_info_bits_is_that_refusal() -> None:
    """OPC 10000-4, 7.38.1: the lower half of a StatusCode says more of it, nothing else."""
    fault = struct.pack("<BBHqIIBi", 1, 0, 397, 0, 0, 0x80250480, 0, -1) + bytes(3)
    with pytest.raises(codec.ServiceFault) as raised:
        codec.answer(fault, codec.READ_ANSWER)
    assert raised.value.code in SESSION_GONE


def test_a_small_server_gets_small_chunks_and_may_send_large_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """OPC 10000-6, 7.1.2.4: each side's ReceiveBufferSize bounds what the other sends; MaxMessageSize the whole."""

    async def main() -> None:
        came, frame = list[int](), Serving._frame
        monkeypatch.setattr(Serving, "_acknowledge", lambda _: ua.Acknowledge(0, 8192, 65_535, 15_000, 0))
        monkeypatch.setattr(Serving, "_frame", lambda serving, data: (came.append(len(data)), frame(serving, data))[1])
        async with plant(doubles(1000)) as made:
            with pytest.raises(Busy, match=r"BadRequestTooLarge.*asked 500 at a time"):
                await made.read()
            assert await made.values() == [float(i) for i in range(1000)]
            assert 4096 < max(came) <= 8192

    virtual(main())


def test_a_server_that_takes_less_than_the_standard_says_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        monkeypatch.setattr(Serving, "_acknowledge", lambda _: ua.Acknowledge(0, 100, 65_535, 0, 0))
        with pytest.raises(LinkDown, match="expected a server that takes 8192 bytes, it takes 100"):
            async with plant(doubles(1)):
                pass

    virtual(main())


def test_an_answer_without_end_ends_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        monkeypatch.setattr(wire, "MESSAGE_MAX", 300_000)

        def endless(serving: Serving, number: int, handle: int, body: Any) -> None:
            for _ in range(100):
                part = bytearray(serving._framed(bytes(60_000), number))
                part[3:4] = b"C"  # one of several chunks, and never the last
                serving._say(bytes(part))

        async with plant(doubles(1)) as made:
            [serving] = made.server._connections
            serving._services[codec.READ] = lambda *asked: endless(serving, *asked)
            with pytest.raises(LinkDown, match="BadRequestTooLarge"):
                await made.read()

    virtual(main())


def test_a_session_is_kept_where_nothing_is_asked_for_longer_than_it_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        asked, read = list[float](), Serving._read

        def noted(serving: Serving, number: int, handle: int, body: Any) -> bytes:
            asked.append(asyncio.get_running_loop().time())
            return read(serving, number, handle, body)

        monkeypatch.setattr(Serving, "_read", noted)
        async with plant(doubles(1), session_timeout="10 s") as made:
            await asyncio.sleep(200)
            assert max(b - a for a, b in pairwise(asked)) <= 5.1 and len(asked) < 50
            for _ in range(100):
                await asyncio.sleep(1)
                await made.read()
            assert len(asked) < 150, "who asks often needs no stirring"

    virtual(main())
