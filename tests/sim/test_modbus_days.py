# SPDX-License-Identifier: Apache-2.0
"""24 virtual hours of every fault knob, for each transport: nothing wrong is ever Good, and all is good afterwards.

Two units with two blocks of the same shape and other values each, so that an answer taken for another one's is seen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from config.words import Access, Kind, LinkState
from drivers.base import DeviceSpec, Point, PollClass
from drivers.host import Host
from drivers.modbus import split
from drivers.modbus.address import ModbusDevice
from drivers.modbus.knobs import NAMES
from drivers.modbus.memory import Memory
from drivers.modbus.place import ModbusPoint
from drivers.modbus.protocol import PROTOCOL
from drivers.modbus.simulator import SimulatedDevice
from tests.sim.days import DAY_S, Cells, Judge, a_day, words_of
from tests.sim.loop import clock, run
from tests.sim.terminals import run_with_terminals

ADDRESSES = (*range(40), *range(200, 240))
KNOBS = (
    "hang", "late 1500 ms", "slow 300 ms", "reset", "refuse 30 s", "restart", "garble 3", "truncate 3", "duplicate 3",
    "wrong_id 3", "busy 5", "clients 1", "reject holding 17",
)  # fmt: skip


def test_every_knob_has_its_days() -> None:
    assert words_of(KNOBS) == set(NAMES) - {"accept", "heal"}


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
        polls = {"p": PollClass("p", period_s=30.0, timeout_s=1.0, retries=1, bad_after_s=90.0)}
        specs = []
        for i, unit in enumerate(memories):
            device = ModbusDevice.model_validate({"transport": transport, **way, "unit_id": unit})
            rows = np.arange(len(points)) + i * len(points)
            specs.append(DeviceSpec(f"M-{unit}", "modbus", device, points, rows, polls, np.array([], np.int64)))
        judge = Judge(lambda: held(memories.values()))
        host = Host(specs, {"modbus": PROTOCOL}, clock(), judge, Random(1))
        await host.start()
        await a_day(peer, judge, KNOBS, lambda moment: move(memories, moment), settle_s=45)
        await asyncio.sleep(split.RETRY_AFTER_S + 120)
        before = judge.good
        await asyncio.sleep(35)
        assert judge.good - before >= 2 * len(points), "all good after the day"
        assert judge.wrong == 0, judge.worst
        assert judge.losses > 100 and judge.good > 0.5 * 2 * len(points) * DAY_S / 30
        assert all(s.link is LinkState.UP and not s.notes for s in host.status())
        await host.stop()
        await peer.stop()

    runner(main())


def held(memories: Iterable[Memory]) -> Cells:
    """What the polled registers hold."""
    return np.concatenate([memory.holding[list(ADDRESSES)] for memory in memories]).astype(np.int64)


def move(memories: Mapping[int, Memory], moment: int) -> None:
    """Other values everywhere."""
    for unit, memory in memories.items():
        memory.holding[:] = (np.arange(300) + unit * 1000 + moment * 7) % 65536
