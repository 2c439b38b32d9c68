# SPDX-License-Identifier: Apache-2.0
"""The life of a connection: nobody there, lost, closed, aborted; and what its socket does with what has not left."""

from __future__ import annotations

import asyncio
import socket
import struct

import pytest

from drivers.base import LinkDown
from drivers.modbus.address import ModbusDevice
from drivers.modbus.link import ModbusLink
from drivers.modbus.wire import NotSent, stuck
from tests.sim.loop import run
from tests.unit.test_modbus_wire import READ, WRITE, Server, asking, check


def test_closed_by_the_device_is_told_once() -> None:
    async def script(peer: Server, link: ModbusLink) -> None:
        lost: list[str] = []
        link.on_lost(lost.append)
        first = asking(link)
        await peer.hears(1)
        peer.writers[0].close()
        with pytest.raises(LinkDown, match="closed by the device"):
            await first
        assert len(lost) == 1
        with pytest.raises(LinkDown, match="closed by the device"):
            await link.ask(1, READ, 1.0)

    check(script)


def test_close_and_abort_are_idempotent_and_tell_nobody() -> None:
    async def script(peer: Server, link: ModbusLink) -> None:
        lost: list[str] = []
        link.on_lost(lost.append)
        first = asking(link)
        await peer.hears(1)
        await link.close()
        await link.close()
        link.abort()
        with pytest.raises(LinkDown, match="closed by us"):
            await first
        await asyncio.sleep(0.1)
        assert lost == []
        with pytest.raises(LinkDown, match="closed by us"):
            await link.ask(1, READ, 1.0)

    check(script)


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def test_nobody_there_is_link_down_with_the_address() -> None:
    async def main() -> None:
        port = free_port()
        link = ModbusLink(ModbusDevice(host="127.0.0.1", port=port))
        with pytest.raises(LinkDown, match=rf"127.0.0.1:{port}: .*(refused|111)"):
            await link.open()
        with pytest.raises(LinkDown):
            await link.ask(1, READ, 1.0)

    run(main())


def test_a_host_that_takes_no_connection_is_link_down_in_time() -> None:
    async def main() -> None:
        with socket.socket() as deaf:  # a full backlog: the system neither accepts nor refuses
            deaf.bind(("127.0.0.1", 0))
            deaf.listen(0)
            fillers = []
            for _ in range(3):
                s = socket.socket()
                s.setblocking(False)
                s.connect_ex(deaf.getsockname())
                fillers.append(s)
            device = ModbusDevice.model_validate(
                {"host": "127.0.0.1", "port": deaf.getsockname()[1], "connect_timeout": "2 s"}
            )
            link = ModbusLink(device)
            loop = asyncio.get_running_loop()
            begun_s = loop.time()
            with pytest.raises(LinkDown, match="no connection within 2 s"):
                await link.open()
            assert loop.time() - begun_s == pytest.approx(2.0)
            opening = loop.create_task(link.open())
            await asyncio.sleep(0.5)
            await link.close()
            with pytest.raises(LinkDown, match="closed while connecting"):
                await opening
            opening = loop.create_task(link.open())
            await asyncio.sleep(0.5)
            opening.cancel()
            with pytest.raises(asyncio.CancelledError):
                await opening
            assert not link.is_up
            for s in fillers:
                s.close()

    run(main())


def test_the_socket_forgets_what_it_could_not_send() -> None:
    async def script(peer: Server, link: ModbusLink) -> None:
        assert link.connection is not None
        transport = link.connection._transport
        assert transport is not None
        sock = transport.get_extra_info("socket")
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 5000
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert struct.unpack("ii", sock.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8)) == (1, 0)

    check(script)


def test_a_write_does_not_leave_behind_bytes_that_wait() -> None:
    """A peer that reads nothing and a send queue that is not empty: the write must not join it."""

    async def main() -> None:
        with socket.socket() as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            deaf.bind(("127.0.0.1", 0))
            deaf.listen(1)
            link = ModbusLink(ModbusDevice(host="127.0.0.1", port=deaf.getsockname()[1]))
            await link.open()
            assert link.connection is not None and link.connection._transport is not None
            link.connection._transport.write(b"x" * 10_000_000)
            with pytest.raises(NotSent, match="does not take bytes"):
                await link.command(1, WRITE, 1.0, lambda: True)
            link.abort()
            await asyncio.sleep(0.01)

    asyncio.run(main())


def test_a_write_does_not_leave_while_the_system_sends_old_bytes_again() -> None:
    """The system's word for it (TCP_INFO: state, congestion state, retransmits, probes) on a path that is cut."""

    class CutPath(socket.socket):
        info = (1, 0, 0, 0)

        def getsockopt(self, *_: int) -> bytes:  # type: ignore[override]
            return bytes(self.info)

    class OverIt(asyncio.Transport):
        def __init__(self, sock: socket.socket) -> None:
            super().__init__({"socket": sock})

        def get_write_buffer_size(self) -> int:
            return 0

    with socket.socket() as listener, CutPath() as sock:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        sock.connect(listener.getsockname())
        assert stuck(OverIt(sock)) == ""
        for info in ((1, 4, 3, 0), (1, 0, 0, 3)):
            CutPath.info = info
            assert stuck(OverIt(sock)) == "what was sent before is not acknowledged, sent again 3 times"


def test_abort_resets_and_close_says_goodbye() -> None:
    """What the device's system sees: a reset drops what is under way, an end in order looks like no fault."""

    async def main(how: str) -> bytes | type[Exception]:
        seen: asyncio.Future[bytes | type[Exception]] = asyncio.get_running_loop().create_future()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                seen.set_result(await reader.read())
            except ConnectionResetError as error:
                seen.set_result(type(error))
            writer.transport.abort()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        link = ModbusLink(ModbusDevice(host="127.0.0.1", port=server.sockets[0].getsockname()[1]))
        await link.open()
        if how == "close":
            await link.close()
        else:
            link.abort()
        result = await seen
        server.close()
        await asyncio.sleep(0.01)
        return result

    assert run(main("close")) == b""
    assert run(main("abort")) is ConnectionResetError


def test_a_peer_that_greets_with_noise_is_told_once_or_not_taken() -> None:
    async def main() -> None:
        async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"220 mail.example ESMTP\r\n")
            await asyncio.sleep(0.1)
            writer.transport.abort()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        link = ModbusLink(ModbusDevice(host="127.0.0.1", port=server.sockets[0].getsockname()[1]))
        lost: list[str] = []
        link.on_lost(lost.append)
        opened = 0
        for _ in range(5):
            try:
                await link.open()
                opened += 1
            except LinkDown as error:
                assert "framing lost" in str(error)
            await asyncio.sleep(0.2)
            assert not link.is_up and len(lost) == opened
        server.close()

    run(main())
