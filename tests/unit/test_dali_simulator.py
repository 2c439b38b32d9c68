# SPDX-License-Identifier: Apache-2.0
"""The simulated Lunatone gateway: its knobs, its REST, any bytes."""

from __future__ import annotations

import asyncio
import json

import pytest

from drivers.dali.busmodel import Bus, Gear
from drivers.dali.knobs import parse
from drivers.dali.simulator import SimulatedGateway
from drivers.knobs import Knob
from tests.sim.loop import run


def test_knobs_are_words() -> None:
    assert parse("hang 30 s") == Knob("hang", seconds=30.0)
    assert parse("lamp 5") == Knob("lamp", count=5)


@pytest.mark.parametrize("text", ["", "burn", "late", "late soon", "lamp", "lamp 64", "garble 0", "short 5"])
def test_what_is_no_knob_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        parse(text)


async def http(port: int, path: str) -> tuple[str, bytes]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: g\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    return head.decode().split("\r\n")[0], body


def test_rest_tells_the_gateway_and_its_gear() -> None:
    async def main() -> None:
        gateway = SimulatedGateway("g", [Bus([Gear(5, groups=0b1000)])])
        await gateway.start()
        status, body = await http(gateway.port, "/info")
        assert (status, json.loads(body)["name"]) == ("HTTP/1.1 200 OK", "g")
        _, body = await http(gateway.port, "/devices")
        assert [(d["address"], d["groups"]) for d in json.loads(body)["devices"]] == [(5, [3])]
        status, _ = await http(gateway.port, "/nothing")
        assert status == "HTTP/1.1 404 Not Found"
        await gateway.stop()

    run(main(), debug=False)


@pytest.mark.parametrize("noise", [b"\x00" * 100, b"GET / HTTP/9\r\n\r\n", b"POST / HTTP/1.1\r\n\r\n", b"\xff" * 9000])
def test_any_bytes_are_survived(noise: bytes) -> None:
    async def main() -> None:
        gateway = SimulatedGateway("g", [Bus([Gear(5)])])
        await gateway.start()
        _, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(noise)
        await asyncio.sleep(1)
        writer.close()
        assert (await http(gateway.port, "/info"))[0] == "HTTP/1.1 200 OK"
        await gateway.stop()

    run(main(), debug=False)
