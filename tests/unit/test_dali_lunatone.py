# SPDX-License-Identifier: Apache-2.0
"""A WebSocket to a gateway that says what it should not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from websockets.asyncio.server import ServerConnection, serve

from drivers.base import LinkDown
from drivers.dali import frames as f
from drivers.dali.address import DaliDevice
from drivers.dali.frames import Target
from drivers.dali.link import LunatoneLink
from drivers.dali.schedule import Rank
from tests.sim.loop import run

QUESTION = f.command(Target(gear=5), f.QUERY_STATUS)


async def with_gateway(
    behave: Callable[[ServerConnection], Awaitable[None]], use: Callable[[LunatoneLink], Awaitable[None]]
) -> None:
    """A link to the library's own server, another implementation than our simulator."""
    async with serve(behave, "127.0.0.1", 0, ping_interval=None) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        link = LunatoneLink(DaliDevice(wire="lunatone", host="127.0.0.1", port=port))
        await link.open()
        try:
            await use(link)
        finally:
            await link.close()


def test_frames_and_answers_are_those_of_the_manual() -> None:
    import json

    async def behave(socket: ServerConnection) -> None:
        await socket.send('{"type": "info", "data": {"name": "gateway"}}')
        question = json.loads(await socket.recv())
        assert question == {
            "type": "daliFrame",
            "data": {
                "line": 0,
                "numberOfBits": 16,
                "mode": {"priority": 3, "sendTwice": False, "waitForAnswer": True},
                "daliData": [11, 144],
            },
        }
        await socket.send('{"type": "daliFrame", "data": {"line": 0, "result": 0}}')
        await socket.send('{"type": "daliAnswer", "data": {"line": 0, "result": 8, "daliData": 6}}')
        await socket.wait_closed()

    async def use(link: LunatoneLink) -> None:
        with link.job(Rank.LEVEL, 1.0) as job:
            assert (await job.query(QUESTION)).answer == 6
        assert link.gateway is not None and link.gateway.info == {"name": "gateway"}
        assert await link.serial(1.0) == "", "one that greets without a number has none"

    run(with_gateway(behave, use), debug=False)


@pytest.mark.parametrize(
    "said",
    [
        "no JSON",
        "[]",
        '{"type": "daliFrame"}',
        '{"type": "daliFrame", "data": 5}',
        '{"type": "daliFrame", "data": {"line": 0, "result": Infinity}}',
        '{"type": "daliAnswer", "data": {"line": 0, "result": 8, "daliData": 6}}',
        '{"type": "daliMonitor", "data": {"line": 0, "bits": 16, "data": [1]}}',
        '{"type": "daliMonitor", "data": {"line": 0, "bits": 16, "data": [1, 999]}}',
        "[" * 5000,
        "x" * 70_000,
    ],
)
def test_what_is_no_message_ends_the_connection_with_a_reason(said: str) -> None:
    async def behave(socket: ServerConnection) -> None:
        await socket.recv()
        await socket.send(said)
        await socket.wait_closed()

    async def use(link: LunatoneLink) -> None:
        lost: list[str] = []
        link.on_lost(lost.append)
        with link.job(Rank.LEVEL, 1.0) as job:
            with pytest.raises(LinkDown):
                await job.query(QUESTION)
        assert len(lost) == 1 and not link.is_up

    run(with_gateway(behave, use), debug=False)


def test_an_answer_is_a_byte() -> None:
    async def behave(socket: ServerConnection) -> None:
        await socket.recv()
        await socket.send('{"type": "daliFrame", "data": {"line": 0, "result": 0}}')
        await socket.send('{"type": "daliAnswer", "data": {"line": 0, "result": 8, "daliData": 256}}')
        await socket.wait_closed()

    async def use(link: LunatoneLink) -> None:
        with link.job(Rank.LEVEL, 1.0) as job:
            with pytest.raises(LinkDown, match="expected a byte, got 256"):
                await job.query(QUESTION)

    run(with_gateway(behave, use), debug=False)


def test_a_server_that_speaks_no_websocket_is_said_so() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    async def main() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        link = LunatoneLink(DaliDevice(wire="lunatone", host="127.0.0.1", port=port))
        with pytest.raises(LinkDown, match="expected a WebSocket at /"):
            await link.open()
        server.close()
        await server.wait_closed()

    run(main(), debug=False)


def test_frames_of_others_are_overheard_and_count_as_load() -> None:
    async def behave(socket: ServerConnection) -> None:
        await socket.send('{"type": "daliMonitor", "data": {"line": 0, "bits": 16, "data": [10, 128]}}')
        await socket.send('{"type": "daliMonitor", "data": {"line": 1, "bits": 16, "data": [10, 99]}}')
        await socket.wait_closed()

    async def use(link: LunatoneLink) -> None:
        await asyncio.sleep(1)
        assert link.line.targets == {5: 128}
        assert link.turns.schedule.load(asyncio.get_running_loop().time()) > 0

    run(with_gateway(behave, use), debug=False)


def test_a_message_in_pieces_is_one_message() -> None:
    """RFC 6455, 5.4."""

    async def behave(socket: ServerConnection) -> None:
        await socket.send(['{"type": "info", "da', 'ta": {"name": "gate', 'way"}}'])
        await socket.recv()
        await socket.send(['{"type": "daliFrame", ', '"data": {"line": 0, "result": 0}}'])
        await socket.send(['{"type": "daliAnswer", "data": {"line": 0, "result": 8, ', '"daliData": 6}}'])
        await socket.wait_closed()

    async def use(link: LunatoneLink) -> None:
        with link.job(Rank.LEVEL, 1.0) as job:
            assert (await job.query(QUESTION)).answer == 6
        assert link.gateway is not None and link.gateway.info == {"name": "gateway"}

    run(with_gateway(behave, use), debug=False)
