# SPDX-License-Identifier: Apache-2.0
"""The soak of issue 2: a virtual day of one-second Modbus polls through host, driver and simulator."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator, Sequence
from random import Random

import numpy as np
import pytest

from config.words import Access, Batch, Kind, LinkState, StatusCode
from drivers.base import DeviceSpec, Point, PollClass
from drivers.host import Host
from drivers.modbus.address import ModbusDevice
from drivers.modbus.memory import Memory
from drivers.modbus.place import ModbusPoint
from drivers.modbus.simulator import SimulatedDevice
from drivers.registry import protocols
from tests.sim.loop import clock, run

DAY_S = 86_400
REGISTERS = 100


class Checked:
    """A sink that keeps counts, and compares each value with what the device holds."""

    def __init__(self, memory: Memory) -> None:
        self.memory, self.answers, self.missed_, self.wrong = memory, 0, 0, 0
        self.states: list[LinkState] = []

    def batch(self, batch: Batch) -> None:
        self.answers += 1
        if batch.statuses.any() or not np.array_equal(batch.cells, self.memory.holding[:REGISTERS]):
            self.wrong += 1

    def missed(self, requests: Sequence[int], status: StatusCode, reason: str, now_ns: int) -> None:
        self.missed_ += 1

    def link(self, device: int, state: LinkState, reason: str, now_ns: int) -> None:
        self.states.append(state)


@pytest.fixture
def burnt_core() -> Iterator[None]:
    """A process that never rests."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        process.kill()
        process.wait()


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("burnt_core")
def test_a_day_of_modbus_polls_loses_nothing_beside_a_burnt_core() -> None:
    async def main() -> None:
        memory = Memory(REGISTERS)
        device = SimulatedDevice("CAB-0001", {1: memory})
        await device.start()
        points = tuple(
            Point(f"R{i}", Kind.UInt16, Access.R, ModbusPoint(table="holding", address=i), "fast")
            for i in range(REGISTERS)
        )
        polls = {"fast": PollClass("fast", period_s=1.0, timeout_s=0.4, retries=1, bad_after_s=5.0)}
        settings = ModbusDevice(host="127.0.0.1", port=device.port)
        rows = np.arange(REGISTERS)
        spec = DeviceSpec("CAB-0001.controller", "modbus", settings, points, rows, polls, np.array([], np.int64))
        sink = Checked(memory)
        host = Host([spec], protocols(["modbus"]), clock(), sink, Random(1))
        await host.start()
        for hour in range(24):
            memory.holding[:] = np.arange(REGISTERS) * hour
            await asyncio.sleep(3600)
        [status] = host.status()
        await host.stop()
        await device.stop()
        assert DAY_S <= sink.answers <= DAY_S + 2
        assert status.requests == status.answers == sink.answers == device.requests, "not one retry"
        assert (sink.missed_, sink.wrong, status.misses, status.missed_slots) == (0, 0, 0, 0)
        assert sink.states == [LinkState.CONNECTING, LinkState.UP]
        assert status.achieved_s == pytest.approx(1.0, abs=1e-6)

    run(main(), debug=False)
