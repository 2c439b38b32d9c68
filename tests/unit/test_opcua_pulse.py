# SPDX-License-Identifier: Apache-2.0
"""One question proves a server for all of its devices, and each of them still finds its silence in its own time."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import numpy as np
import pytest

from drivers.base import DeviceSilent, LinkDown, Request, bind
from drivers.opcua.driver import OpcuaDriver
from drivers.opcua.plan import plan
from drivers.opcua.pulse import SHARED_S
from tests.opcua import Plant, doubles, plant
from tests.sim.loop import clock, run

DEVICES = 200


def virtual(main: Coroutine[Any, Any, None]) -> None:
    run(main, debug=False)


async def crowd(made: Plant, count: int = DEVICES) -> list[tuple[OpcuaDriver, Request]]:
    """So many devices of one collector, all watched."""
    found = []
    for i in range(count):
        driver = OpcuaDriver(f"T-{i}.plc", made.device, made.points, made.link, clock())
        await driver.open()
        driver.watch(lambda batch: None)
        [exchange] = plan(made.device, made.points)
        request = bind(exchange, np.arange(len(made.points)), i)
        await driver.read(request, 1.0)
        found.append((driver, request))
    await asyncio.sleep(1.0)
    return found


def test_all_devices_of_a_collector_share_one_question() -> None:
    async def main() -> None:
        async with plant(doubles(2), watch=True) as made:
            devices = await crowd(made)
            for _ in range(3):
                before = made.server.requests
                await asyncio.gather(*(driver.read(request, 1.0) for driver, request in devices))
                assert made.server.requests - before == 1
                await asyncio.sleep(2 * SHARED_S)

    virtual(main())


def test_a_proof_is_not_older_than_a_tenth_of_a_second() -> None:
    async def main() -> None:
        async with plant(doubles(2), watch=True) as made:
            [first, second] = await crowd(made, 2)
            before = made.server.requests
            await first[0].read(first[1], 1.0)
            await asyncio.sleep(SHARED_S * 0.9)
            await second[0].read(second[1], 1.0)
            assert made.server.requests - before == 1
            await asyncio.sleep(SHARED_S * 0.2)
            await second[0].read(second[1], 1.0)
            assert made.server.requests - before == 2

    virtual(main())


def test_everybody_finds_the_silence_in_his_own_time() -> None:
    async def main() -> None:
        async with plant(doubles(2), watch=True) as made:
            devices = await crowd(made, 4)
            made.server.turn("hang")
            loop = asyncio.get_running_loop()

            async def late(k: int) -> float:
                await asyncio.sleep(0.3 * k)
                begun_s = loop.time()
                with pytest.raises((DeviceSilent, LinkDown), match=rf"T-{k}\.plc"):
                    await devices[k][0].read(devices[k][1], 0.8)
                return loop.time() - begun_s

            took = await asyncio.gather(*(late(k) for k in range(4)))
            assert max(took) <= 0.8 + 1e-3, took

    virtual(main())


def test_who_leaves_does_not_take_the_answer_along() -> None:
    async def main() -> None:
        async with plant(doubles(2), watch=True) as made:
            [first, second] = await crowd(made, 2)
            made.server.turn("slow 500 ms")
            asking = asyncio.ensure_future(first[0].read(first[1], 1.0))
            await asyncio.sleep(0.1)
            waiting = asyncio.ensure_future(second[0].read(second[1], 1.2))
            await asyncio.sleep(0.1)
            asking.cancel()
            seen = await waiting
            assert not seen.statuses.any()
            with pytest.raises(asyncio.CancelledError):
                await asking

    virtual(main())


def test_a_server_that_is_not_running_is_believed_by_nobody() -> None:
    async def main() -> None:
        async with plant(doubles(2), watch=True) as made:
            devices = await crowd(made, 3)
            made.nodes["i=2259"].set(3, clock().wall_ns())
            said = await asyncio.gather(*(d.read(r, 1.0) for d, r in devices), return_exceptions=True)
            assert all(isinstance(e, DeviceSilent) and "Suspended" in str(e) for e in said), said

    virtual(main())
