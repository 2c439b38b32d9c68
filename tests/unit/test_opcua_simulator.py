# SPDX-License-Identifier: Apache-2.0
"""The simulated server: a foreign client (asyncua's own) reads, writes and subscribes; its knobs are words."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from asyncua import Client, ua

from drivers.opcua.knobs import parse
from tests.opcua import doubles, plant
from tests.sim.loop import clock, run


def virtual(main: Coroutine[Any, Any, None]) -> None:
    run(main, debug=False)


def test_asyncuas_client_is_served() -> None:
    async def main() -> None:
        async with plant(doubles(3)) as made:
            made.nodes.add("ns=2;s=array", "Int16", [1, 2, 3], True)
            seen: list[Any] = []

            class Handler:
                def datachange_notification(self, node: Any, value: Any, data: Any) -> None:
                    seen.append(value)

            client = Client(made.server.endpoint, watchdog_intervall=100)
            await client.connect()
            node = client.get_node("ns=2;i=1")
            assert await node.read_value() == 1.0
            await node.write_value(ua.Variant(5.0, ua.VariantType.Double))
            assert made.nodes["ns=2;i=1"].value == 5.0
            subscription = await client.create_subscription(500, Handler())
            await subscription.subscribe_data_change(node)
            await asyncio.sleep(1)
            made.nodes["ns=2;i=1"].set(6.0, clock().wall_ns())
            await asyncio.sleep(1)
            assert seen == [5.0, 6.0]
            with pytest.raises(ua.UaStatusCodeError):
                await client.get_node("ns=2;i=99").read_value()
            await subscription.delete()
            await client.disconnect()

    virtual(main())


@pytest.mark.parametrize("data", [b"GET / HTTP/1.0\r\n\r\n", b"HELF\xff\xff\xff\xff", b"MSGF\x20\0\0\0" + bytes(24)])
def test_any_bytes_end_the_connection_and_nothing_else(data: bytes) -> None:
    async def main() -> None:
        async with plant(doubles(1)) as made:
            reader, writer = await asyncio.open_connection("127.0.0.1", made.server.port)
            writer.write(data)
            with pytest.raises(OSError):
                if await reader.read() == b"":
                    raise ConnectionResetError
            writer.close()
            assert await made.values() == [0.0]

    virtual(main())


@pytest.mark.parametrize(("text", "expected"), [("hang 30 s", 30.0), ("silent", None), ("late 200 ms", 0.2)])
def test_knobs_are_words(text: str, expected: float | None) -> None:
    assert parse(text).seconds == expected


@pytest.mark.parametrize("text", ["", "hangs", "garble x", "reject", "heal now", "late"])
def test_what_is_no_knob_is_said(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected|duration"):
        parse(text)
