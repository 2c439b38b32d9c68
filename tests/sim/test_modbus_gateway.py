# SPDX-License-Identifier: Apache-2.0
"""Units behind one gateway: each has its own back-off, a dead one costs the others no slot; busy is bounded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import numpy as np
import pytest

from config.words import LinkState
from drivers.base import DeviceSpec, PollClass
from drivers.host import Host, HostLimits
from drivers.modbus.address import ModbusDevice
from drivers.modbus.memory import Memory
from drivers.modbus.protocol import PROTOCOL
from drivers.modbus.simulator import SimulatedDevice
from tests.modbus import registers
from tests.sim.loop import clock, run
from tests.sim.tally import Told

POLLS = {"p": PollClass("p", period_s=5.0, timeout_s=1.0, retries=1, bad_after_s=30.0)}
POINTS = (*registers(10), *(registers(5, first=100)))
DEAD = 3


@asynccontextmanager
async def plant(transport: str) -> AsyncIterator[tuple[SimulatedDevice, Host, Told]]:
    peer = SimulatedDevice("gateway", {u: Memory(200) for u in range(1, 9)}, transport=transport)
    await peer.start()
    way = {"transport": transport, "host": "127.0.0.1", "port": peer.port}
    specs = []
    for i, unit in enumerate(peer.units):
        device = ModbusDevice.model_validate({**way, "unit_id": unit})
        rows = np.arange(len(POINTS)) + i * len(POINTS)
        specs.append(DeviceSpec(f"M-{unit}", "modbus", device, POINTS, rows, POLLS, np.array([], np.int64)))
    told = Told()
    host = Host(specs, {"modbus": PROTOCOL}, clock(), told, Random(1))
    await host.start()
    try:
        yield peer, host, told
    finally:
        await host.stop()
        await peer.stop()


@pytest.mark.parametrize("transport", ["tcp", "rtu_tcp"])
@pytest.mark.parametrize("how", [None, (11, 0.9), (10, 0.0)], ids=["silent", "0x0B after 0.9 s", "0x0A at once"])
def test_one_dead_unit_of_eight_costs_the_others_no_slot(transport: str, how: Any) -> None:
    async def main() -> None:
        async with plant(transport) as (peer, host, _told):
            await asyncio.sleep(12)
            peer.dead[DEAD] = how
            await asyncio.sleep(600)
            statuses = {s.name: s for s in host.status()}
            dead = statuses.pop(f"M-{DEAD}")
            assert dead.demoted and dead.link is LinkState.DOWN and dead.misses > 0
            assert [(s.name, s.missed_slots, s.misses) for s in statuses.values() if s.missed_slots or s.misses] == []
            assert all(s.link is LinkState.UP and abs(s.achieved_s - 5.0) < 0.5 for s in statuses.values())
            assert min(s.answers for s in statuses.values()) >= 2 * 120
            asked = dead.requests
            await asyncio.sleep(100)
            again = {s.name: s for s in host.status()}[f"M-{DEAD}"].requests - asked
            assert again == pytest.approx(100 / HostLimits().probe_s, abs=1), "asked rarely, alone among the eight"
            peer.dead.clear()
            await asyncio.sleep(HostLimits().probe_s + 2)
            back = {s.name: s for s in host.status()}[f"M-{DEAD}"]
            assert back.link is LinkState.UP and not back.demoted

    run(main(), debug=False)


def test_a_busy_device_is_asked_again_within_its_slot_and_no_more_than_its_retries() -> None:
    async def main() -> None:
        async with plant("tcp") as (peer, host, told):
            await asyncio.sleep(12)
            before = peer.requests
            peer.turn("busy")
            await asyncio.sleep(10)
            assert told.misses == [], "asked again within the slot: nobody saw it"
            assert peer.requests - before == 2 * 8 * 2 + 1
            before = peer.requests
            peer.turn("busy 1000000")
            await asyncio.sleep(10)
            most = 2 * 8 * 2 * (POLLS["p"].retries + 1)  # two slots of eight devices with two requests each
            assert most - 8 <= peer.requests - before <= most, "each request once and its retries, no more"
            missed = {r for _, requests, _, _ in told.misses for r in requests}
            assert missed == set(range(len(host.requests)))
            assert all("exception 6 (server device busy)" in reason for _, _, _, reason in told.misses)
            assert all(s.link is LinkState.UP and not s.demoted for s in host.status()), "busy is alive"
            peer.heal()
            await asyncio.sleep(5)
            assert all(s.link is LinkState.UP for s in host.status())

    run(main(), debug=False)
