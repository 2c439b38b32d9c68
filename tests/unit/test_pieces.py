# SPDX-License-Identifier: Apache-2.0
"""Long answers in pieces: what is told is the same, and nobody who asks for a whole city holds up the scan."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from drivers.status import DeviceStatus
from supervisor.clock import SystemClock
from supervisor.pieces import PIECE, encode, in_pieces
from supervisor.telling import device_documents
from supervisor.web.metrics import exposition
from supervisor.web.server import WebServer
from tests.sites import DIJON_DEVICES
from tests.unit.test_status_document import DEVICE, document
from tests.unit.test_web import ask

TURNS = DIJON_DEVICES // PIECE
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=2 * PIECE + 3) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=20,
)


class Turns:
    """Counts the turns of the loop while something is made."""

    def __init__(self) -> None:
        self.count = 0

    async def while_(self, made: Awaitable[Any]) -> Any:
        task = asyncio.ensure_future(made)
        while not task.done():
            await asyncio.sleep(0)
            self.count += 1
        return await task


def city() -> list[dict[str, Any]]:
    """Documents of as many devices as tier M has."""
    (one,) = document()["devices"]
    return [one | {"name": f"d{i}", "requests": i} for i in range(DIJON_DEVICES)]


@settings(max_examples=40)
@given(JSON | st.lists(st.integers(), max_size=3 * PIECE))
def test_a_document_is_what_json_makes_of_it(value: Any) -> None:
    assert asyncio.run(encode(value)) == json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")


def test_what_json_has_no_word_for_is_refused() -> None:
    for value in (float("nan"), {"a": [float("inf")] * (PIECE + 1)}, {"a": b""}):
        with pytest.raises((ValueError, TypeError)):
            asyncio.run(encode(value))


@given(st.lists(st.integers(), max_size=3 * PIECE))
def test_pieces_are_the_whole_in_its_order(things: list[int]) -> None:
    async def gather() -> list[int]:
        pieces = [list(piece) async for piece in in_pieces(things)]
        assert all(1 <= len(piece) <= PIECE for piece in pieces)
        return [thing for piece in pieces for thing in piece]

    assert asyncio.run(gather()) == things


def test_no_turn_of_the_loop_asks_more_devices_than_a_piece() -> None:
    turns, asked = Turns(), Counter[int]()

    def tell(place: int) -> DeviceStatus:
        asked[turns.count] += 1
        return replace(DEVICE, name=f"d{place}")

    made = asyncio.run(turns.while_(device_documents(tell, range(DIJON_DEVICES), SystemClock())))
    assert [d["name"] for d in made] == [f"d{i}" for i in range(DIJON_DEVICES)]
    assert max(asked.values()) <= PIECE


def test_the_pages_of_a_city_leave_the_loop_to_others() -> None:
    told = document() | {"devices": city()}
    turns = Turns()
    assert json.loads(asyncio.run(turns.while_(encode({"ok": True, "data": told})))) == {"ok": True, "data": told}
    assert turns.count >= TURNS
    turns = Turns()
    text = asyncio.run(turns.while_(exposition(told, None))).decode()
    assert turns.count >= TURNS
    families = {f.name: f for f in text_string_to_metric_families(text)}
    assert [s.value for s in families["vigie_device_requests"].samples] == list(range(DIJON_DEVICES))
    assert text.count("# TYPE vigie_device_up gauge") == 1, "one family, not one for each piece"


def test_who_leaves_before_the_page_is_made_leaves_nothing_behind() -> None:
    async def main() -> None:
        asked, never = asyncio.Event(), asyncio.Event()

        async def status(_most: int | None) -> dict[str, Any]:
            if _most == 0:
                return document()
            asked.set()
            try:
                await never.wait()
            finally:
                gone.set()
            raise AssertionError("nobody waits for it")

        gone = asyncio.Event()
        web = WebServer("127.0.0.1", 0, status)
        await web.start()
        try:
            port = int(web.url.rpartition(":")[2])
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /status HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await asked.wait()
            assert (await asyncio.to_thread(ask, port, "/healthz"))[0] == 200, "health waits for no long page"
            writer.transport.abort()
            await gone.wait()
            asked.clear(), gone.clear()
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await asked.wait()
        finally:
            await web.stop()
        assert gone.is_set(), "stopping ends what is being made"
        writer.transport.abort()

    asyncio.run(main())
