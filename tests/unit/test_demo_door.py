# SPDX-License-Identifier: Apache-2.0
"""The field's control socket: any bytes get an answer or a closed connection, and nobody else may open it."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from supervisor.demo.door import CONNECTIONS_MAX, LINE_MAX, SOCKET_NAME, FieldDoor, FieldDoorError, ask_field, turn_knob

Story = Callable[[], Awaitable[None]]


def handle(request: dict[str, Any]) -> dict[str, Any]:
    if "turn" not in request:
        raise ValueError("expected a knob")
    return {"text": f"{request['device']}: {request['turn']}"}


def serving(state: Path, story: Story) -> None:
    async def main() -> None:
        door = FieldDoor(state, handle)
        await door.open()
        try:
            await story()
        finally:
            await door.close()
            await door.close()

    asyncio.run(main())


async def lines(state: Path, sent: bytes) -> list[Any]:
    reader, writer = await asyncio.open_unix_connection(state / SOCKET_NAME)
    writer.write(sent)
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return [json.loads(line) for line in answer.splitlines()]


def test_a_knob_is_turned_from_another_process(tmp_path: Path) -> None:
    async def story() -> None:
        text = await asyncio.get_running_loop().run_in_executor(None, turn_knob, tmp_path, "CAB-0003", "hang 30 s")
        assert text == "CAB-0003: hang 30 s"
        assert (tmp_path / SOCKET_NAME).stat().st_mode & 0o777 == 0o600

    serving(tmp_path, story)
    assert not (tmp_path / SOCKET_NAME).exists()


def test_a_refusal_says_what_was_expected(tmp_path: Path) -> None:
    async def story() -> None:
        ask = asyncio.get_running_loop().run_in_executor(None, ask_field, tmp_path, {"device": "X"})
        with pytest.raises(FieldDoorError, match="expected a knob"):
            await ask

    serving(tmp_path, story)


@pytest.mark.parametrize(
    "sent", [b"\xff\xfe\x00", b"[]", b"7", b"{", b'{"turn":', b"[" * 3000, b"null", b'{"device": 1}']
)
def test_hostile_lines_are_answered_and_the_next_is_served(tmp_path: Path, sent: bytes) -> None:
    async def story() -> None:
        bad, good = await lines(tmp_path, sent + b'\n{"device": "A", "turn": "ok"}\n')
        assert bad["ok"] is False and bad["error"]
        assert good == {"ok": True, "text": "A: ok"}

    serving(tmp_path, story)


def test_a_line_without_end_closes_its_connection_only(tmp_path: Path) -> None:
    async def story() -> None:
        try:
            assert await lines(tmp_path, b"x" * (4 * LINE_MAX)) == []
        except ConnectionError:
            pass  # the door may close before all was sent
        assert (await lines(tmp_path, b'{"device": "A", "turn": "ok"}\n'))[0]["ok"]

    serving(tmp_path, story)


def test_connections_are_bounded(tmp_path: Path) -> None:
    async def story() -> None:
        open_ones = [await asyncio.open_unix_connection(tmp_path / SOCKET_NAME) for _ in range(CONNECTIONS_MAX)]
        for _, writer in open_ones:
            writer.write(b"{}\n")
        for reader, _ in open_ones:
            assert await reader.readline()
        reader, writer = await asyncio.open_unix_connection(tmp_path / SOCKET_NAME)
        assert await reader.read() == b"", "one too many is shown out"
        for other in [writer, *(w for _, w in open_ones)]:
            other.close()

    serving(tmp_path, story)


def test_close_ends_waiting_connections(tmp_path: Path) -> None:
    async def story() -> None:
        door = FieldDoor(tmp_path, handle)
        await door.open()
        reader, writer = await asyncio.open_unix_connection(tmp_path / SOCKET_NAME)
        writer.write(b"{}\n")
        await reader.readline()
        await door.close()
        assert await reader.read() == b""
        writer.close()

    asyncio.run(story())


def test_a_stale_socket_is_replaced_and_a_living_one_is_not(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / SOCKET_NAME))

    async def story() -> None:
        with pytest.raises(FieldDoorError, match="another field simulator runs in"):
            await FieldDoor(tmp_path, handle).open()

    serving(tmp_path, story)


def test_nobody_there_is_said_in_words(tmp_path: Path) -> None:
    with pytest.raises(FieldDoorError, match=r"no field simulator answers at .*start `vigie simulate` first"):
        turn_knob(tmp_path, "CAB-0003", "ok")


def test_a_path_too_long_for_a_socket_is_said_in_words(tmp_path: Path) -> None:
    with pytest.raises(FieldDoorError, match="at most 107 bytes"):
        turn_knob(tmp_path / ("x" * 120), "CAB-0003", "ok")
