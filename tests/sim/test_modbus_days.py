# SPDX-License-Identifier: Apache-2.0
"""24 virtual hours of every fault knob, for each transport: nothing wrong is ever Good, and all is good afterwards.

Two units with two blocks of the same shape and other values each, so that an answer taken for another one's is seen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from config.words import Access, Batch, Kind, LinkState, StatusCode
from drivers.base import DeviceSpec, Point, PollClass
from drivers.host import Host
from drivers.modbus import split
from drivers.modbus.address import ModbusDevice, ModbusPoint
from drivers.modbus.knobs import NAMES
from drivers.modbus.memory import Memory
from drivers.modbus.protocol import PROTOCOL
from drivers.modbus.simulator import SimulatedDevice
from tests.sim.loop import clock, run
from tests.sim.terminals import run_with_terminals

DAY_S = 86_400
ADDRESSES = (*range(40), *range(200, 240))
KNOBS = (
    "hang", "late 1500 ms", "slow 300 ms", "reset", "refuse 30 s", "restart", "garble 3", "truncate 3", "duplicate 3",
    "wrong_id 3", "busy 5", "reject holding 17",
)  # fmt: skip


class Judge:
    """A sink that compares each Good value with what the device holds."""

    def __init__(self, truth: np.ndarray[Any, Any]) -> None:
        self.truth, self.good, self.wrong, self.missed_ = truth, 0, 0, 0

    def batch(self, batch: Batch) -> None:
        good = batch.statuses == StatusCode.Good
        self.good += int(good.sum())
        self.wrong += int((batch.cells[good] != self.truth[batch.rows[good]]).sum())

    def missed(self, requests: Sequence[int], status: StatusCode, reason: str, now_ns: int) -> None:
        self.missed_ += 1

    def link(self, device: int, state: LinkState, reason: str, now_ns: int) -> None: ...


def test_every_knob_has_its_days() -> None:
    assert {knob.split()[0] for knob in KNOBS} == set(NAMES) - {"accept", "heal"}


def virtual(main: Coroutine[Any, Any, None]) -> None:
    run(main, debug=False)


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("transport", "runner"), [("tcp", virtual), ("rtu_tcp", virtual), ("serial", run_with_terminals)]
)
def test_a_day_of_faults(transport: str, runner: Callable[[Any], None], tmp_path: Path) -> None:
    async def main() -> None:
        serial = {"serial_port": str(tmp_path / "port")} if transport == "serial" else {}
        memories = {unit: Memory(300) for unit in (1, 2)}
        peer = SimulatedDevice("line", memories, transport=transport, **serial)
        await peer.start()
        way = {**serial, "parity": "none"} if serial else {"host": peer.host, "port": peer.port}
        points = tuple(
            Point(f"R{a}", Kind.UInt16, Access.R, ModbusPoint(table="holding", address=a), "p") for a in ADDRESSES
        )
        polls = {"p": PollClass("p", period_s=10.0, timeout_s=1.0, retries=1, bad_after_s=30.0)}
        specs = []
        for i, unit in enumerate(memories):
            device = ModbusDevice.model_validate({"transport": transport, **way, "unit_id": unit})
            rows = np.arange(len(points)) + i * len(points)
            specs.append(DeviceSpec(f"M-{unit}", "modbus", device, points, rows, polls, np.array([], np.int64)))
        judge = Judge(np.zeros(2 * len(points), np.int64))
        chance, loop, used = Random(1), asyncio.get_running_loop(), set()
        host = Host(specs, {"modbus": PROTOCOL}, clock(), judge, Random(1))
        await host.start()
        begun_s, moment = loop.time(), 0
        while loop.time() < begun_s + DAY_S:
            moment += 1
            for i, (unit, memory) in enumerate(memories.items()):
                memory.holding[:] = (np.arange(300) + unit * 1000 + moment * 7) % 65536
                judge.truth[i * 80 : i * 80 + 80] = memory.holding[list(ADDRESSES)]
            await asyncio.sleep(chance.uniform(30, 200))
            knob = chance.choice(KNOBS)
            used.add(knob)
            peer.turn(knob)
            await asyncio.sleep(chance.uniform(1, 120))
            peer.turn("heal")
            await asyncio.sleep(10)  # what was asked of the old values has been answered or given up
        await asyncio.sleep(split.RETRY_AFTER_S + 120)
        before = judge.good
        await asyncio.sleep(10)
        assert judge.good - before >= 2 * len(points), "all good after the day"
        assert judge.wrong == 0 and used == set(KNOBS)
        assert judge.missed_ > 100 and judge.good > 0.5 * 2 * len(points) * DAY_S / 10
        assert all(s.link is LinkState.UP and not s.notes for s in host.status())
        await host.stop()
        await peer.stop()

    runner(main())
