# SPDX-License-Identifier: Apache-2.0
"""Against another maker's device, a bacpypes3 process: reads, flags, priorities, changes told."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

from config.words import Batch, Kind, Outcome, Permit, StatusCode, cell_of, value_of
from drivers.bacnet.address import BacnetDevice
from drivers.bacnet.discovery import look_into, places, who_is
from drivers.bacnet.draft import drafts
from drivers.bacnet.driver import BacnetDriver
from drivers.bacnet.link import BacnetLink
from drivers.bacnet.plan import plan
from drivers.base import DeviceSilent, Request, WriteItem, bind
from supervisor.clock import SystemClock
from tests.bacnet import inputs, point

pytestmark = pytest.mark.system
PROGRAM = Path(__file__).with_name("bacpypes3_device.py")
PERMIT = Permit(1, float("inf"))
POINTS = [
    *(inputs(31)[1:]),
    point("SP", Kind.Float, "rw", object="analog-output 1", release=-1),
    point("Fan", Kind.Boolean, "rw", object="binary-output 1"),
    point("Mode", Kind.Enumeration, object="multi-state-value 1"),
    point("Gone", Kind.Float, object="analog-input 99"),
    point("Higher", Kind.Float, "w", poll=None, object="analog-output 1", release=-1, priority=3),
]
SP, FAN, MODE, GONE, HIGHER = range(30, 35)


class Other:
    """The process, and our driver on it."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self.process, self.port = process, port

    async def says(self, word: str) -> None:
        assert self.process.stdout is not None
        async with asyncio.timeout(20):
            while (line := await self.process.stdout.readline()) and line.strip() != word.encode():
                pass
        assert line, f"the device ended before it said {word}"

    async def move(self, text: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{text}\n".encode())
        await self.says("MOVED")


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.255.255.255", 0))
        port: int = free.getsockname()[1]
        return port


@asynccontextmanager
async def other(*where: str) -> AsyncIterator[Other]:
    """`where`: port, address/prefix, instance."""
    port, pipe = int(where[0]) if where else free_port(), asyncio.subprocess.PIPE
    words = (str(PROGRAM), str(port), *where[1:])
    process = await asyncio.create_subprocess_exec(sys.executable, *words, stdin=pipe, stdout=pipe)
    made = Other(process, port)
    try:
        await made.says("READY")
        yield made
    finally:
        process.kill()
        await process.wait()


@asynccontextmanager
async def driven(port: int, **settings: object) -> AsyncIterator[tuple[BacnetDriver, list[Request]]]:
    where = {"host": "127.0.0.1", "port": port, "instance": 777, "local_host": "127.0.0.1"}
    device = BacnetDevice.model_validate({**where, **settings})
    link = BacnetLink(device)
    driver = BacnetDriver("OTHER", device, POINTS, link, SystemClock())
    await link.open()
    try:
        for attempt in range(10):  # it binds its socket some time after it says that it is ready
            try:
                await driver.open()
                break
            except DeviceSilent:
                assert attempt < 9
        rows = np.arange(len(POINTS))
        yield driver, [bind(each, rows, i) for i, each in enumerate(plan(device, POINTS))]
    finally:
        await link.close()


async def read(driver: BacnetDriver, requests: list[Request]) -> dict[int, tuple[float | int | bool, int]]:
    seen = {}
    for request in requests:
        batch = await driver.read(request, 5.0)
        for row, cell, status in zip(batch.rows.tolist(), batch.cells.tolist(), batch.statuses.tolist(), strict=True):
            seen[row] = (value_of(POINTS[row].kind, cell), status)
    return seen


def test_values_flags_and_what_is_not_there() -> None:
    async def main() -> None:
        async with other() as peer, driven(peer.port) as (driver, requests):
            assert await driver.identify(5.0) == {"instance": "777", "name": "other"}
            seen = await read(driver, requests)
            assert seen[0] == (1.0, 0) and seen[29] == (30.0, 0) and seen[SP] == (20.0, 0)
            assert seen[1][1] == StatusCode.BadSensorFailure, "fault, no-sensor"
            assert seen[MODE] == (1, 0), "its state 2 is our second"
            assert seen[GONE][1] == StatusCode.BadNodeIdUnknown
            again = await read(driver, requests)
            assert again == seen

    asyncio.run(main())


def test_a_priority_is_written_held_by_a_higher_one_and_given_back() -> None:
    async def main() -> None:
        async with other() as peer, driven(peer.port) as (driver, _):

            async def put(i: int, value: float) -> tuple[Outcome, str]:
                item = WriteItem(i, cell_of(POINTS[i].kind, value))
                [outcome] = await driver.write([item], PERMIT, 5.0)
                return outcome.outcome, outcome.reason

            async def back() -> float:
                [(cell, status, _)] = await driver.read_points([SP], 5.0)
                assert status == 0
                return float(value_of(Kind.Float, cell))

            assert await put(SP, 21.5) == (Outcome.ACCEPTED, "") and await back() == 21.5
            assert await put(FAN, 1) == (Outcome.ACCEPTED, "")
            assert await put(HIGHER, 30.0) == (Outcome.ACCEPTED, "") and await back() == 30.0
            outcome, reason = await put(SP, 22.0)
            assert outcome is Outcome.REFUSED and "held by priority 3" in reason
            assert (await put(HIGHER, -1))[0] is Outcome.ACCEPTED and await back() == 22.0
            assert (await put(SP, -1))[0] is Outcome.ACCEPTED and await back() == 20.0

    asyncio.run(main())


@pytest.mark.parametrize("how", ["confirmed", "unconfirmed"])
def test_changes_are_told(how: str) -> None:
    async def main() -> None:
        async with other() as peer, driven(peer.port, cov=how) as (driver, requests):
            told: asyncio.Queue[Batch] = asyncio.Queue()
            driver.watch(told.put_nowait)
            for _ in range(3):
                await read(driver, requests)
            while not told.empty():
                told.get_nowait()
            await peer.move("ai5 77.5")
            async with asyncio.timeout(10):
                batch = await told.get()
            assert batch.rows.tolist() == [4] and value_of(Kind.Float, int(batch.cells[0])) == 77.5
            assert (await read(driver, requests))[4] == (77.5, 0)

    asyncio.run(main())


def test_it_is_discovered_with_its_objects() -> None:
    async def main() -> None:
        async with other() as peer, driven(peer.port):
            [found], _ = await who_is(places(f"127.0.0.1:{peer.port}", 47808), "127.0.0.1", 0, 1.0)
            assert (found.instance, found.port) == (777, peer.port)
            device = await look_into(found, "127.0.0.1")
            assert device.name == "other" and not device.trouble
            text = drafts([device], "21605")["types/BAC1.yaml"]
            assert 'ai1:\n    title: {fr: "ai1", en: "ai1"}\n    kind: Float\n    unit: "°C"' in text
            assert "bo1:" in text and "msv1:" in text and "point: {object: analog-output 1}" in text

    asyncio.run(main())


def test_everybody_on_a_network_is_discovered_by_one_question() -> None:
    """Two devices at addresses of their own and one port, as on a real subnet: both hear the broadcast and answer."""

    async def main() -> None:
        port = str(free_port())
        async with other(port, "127.7.0.1/8", "777"), other(port, "127.7.0.2/8", "778"):
            found, left_out = [], 0
            for _ in range(10):  # they bind their sockets some time after they say that they are ready
                found, left_out = await who_is(places(f"127.0.0.0/8:{port}", 47808), "127.7.0.9", 0, 0.5)
                if len(found) == 2:
                    break
            assert [(f.instance, f.host, f.port) for f in found] == [
                (777, "127.7.0.1", int(port)),
                (778, "127.7.0.2", int(port)),
            ]
            assert left_out == 0

    asyncio.run(main())
