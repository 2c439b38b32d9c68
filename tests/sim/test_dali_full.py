# SPDX-License-Identifier: Apache-2.0
"""A full line: 64 gears on a bus of 21 questions a second. What is urgent is known first, and stays known meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from random import Random
from typing import Any

import numpy as np

from config.words import Access, Batch, Kind, LinkState, StatusCode
from drivers.base import DeviceSpec, Point, PollClass
from drivers.dali.address import DaliDevice, DaliPoint
from drivers.dali.busmodel import Bus, Gear
from drivers.dali.protocol import PROTOCOL
from drivers.dali.simulator import SimulatedGateway
from drivers.host import Host
from tests.sim.loop import clock, run

GEARS = 36
# As config/types/LUM.yaml and DLI.yaml have them.
GEAR = {"lamp_failure": "fault", "level": "level", "lamp_on": "level", "open_circuit": "diag"}
LINE = {"bus_fault": "state", "group_level": "level", "found": "count"}
POLLS = {
    name: PollClass(name, period_s, timeout_s=2.0, retries=0, bad_after_s=bad_after_s)
    for name, period_s, bad_after_s in (
        ("state", 5.0, 15.0), ("fault", 10.0, 60.0), ("level", 20.0, 60.0), ("diag", 300.0, 900.0),
        ("energy", 900.0, 2700.0), ("count", 1800.0, 5400.0),
    )
}  # fmt: skip
BANKS = (
    "active_energy",
    "active_power",
    "supply_voltage",
    "power_factor",
    "gear_temperature",
    "gear_on_time",
    "gear_starts",
)


class Ages:
    """A sink that keeps when each row was last Good, and its greatest age."""

    def __init__(self, rows: int) -> None:
        self.loop = asyncio.get_running_loop()
        self.seen_s = np.full(rows, np.nan)
        self.oldest_s = np.zeros(rows)

    def batch(self, batch: Batch) -> None:
        rows, now_s = batch.rows[batch.statuses == StatusCode.Good], self.loop.time()
        self.oldest_s[rows] = np.fmax(self.oldest_s[rows], now_s - self.seen_s[rows])
        self.seen_s[rows] = now_s

    def missed(self, requests: Sequence[int], status: StatusCode, reason: str, now_ns: int) -> None: ...

    def link(self, device: int, state: LinkState, reason: str, now_ns: int) -> None: ...


def devices(gateway: SimulatedGateway) -> tuple[list[DeviceSpec], dict[str, Any]]:
    """The line and its gears; and the rows of each poll class."""
    specs, rows_of, row = [], {name: [] for name in POLLS}, 0
    for short in (None, *range(GEARS)):
        where = {"wire": "lunatone", "host": gateway.host, "port": gateway.port, "short_address": short}
        wanted = LINE if short is None else GEAR | dict.fromkeys(BANKS, "energy")
        points = []
        for value, poll in wanted.items():
            kind = Kind.Boolean if value in ("lamp_failure", "lamp_on", "open_circuit", "bus_fault") else Kind.Double
            address = DaliPoint(value=value, group=1 if value == "group_level" else None)
            points.append(Point(value, kind, Access.R, address, poll))
            rows_of[poll].append(row + len(points) - 1)
        rows = np.arange(row, row + len(points))
        device = DaliDevice.model_validate(where)
        specs.append(DeviceSpec(f"L-{short}", "dali", device, tuple(points), rows, POLLS, np.array([], np.int64)))
        row += len(points)
    return specs, rows_of


def test_a_full_line_that_comes_back_tells_what_is_urgent_first_and_goes_on_doing_so() -> None:
    """Its gear is due for everything at once: ten times what the bus carries in the meantime."""

    async def main() -> None:
        bus = Bus([Gear(short, groups=2, numbers=dict.fromkeys(BANKS, 1.0)) for short in range(GEARS)])
        gateway = SimulatedGateway("line", [bus])
        await gateway.start()
        specs, rows_of = devices(gateway)
        ages = Ages(sum(len(s.points) for s in specs))
        host = Host(specs, {"dali": PROTOCOL}, clock(), ages, Random(1))
        await host.start()
        await asyncio.sleep(60)
        gateway.turn("reset")
        ages.seen_s[:], ages.oldest_s[:] = np.nan, 0.0
        begun_s = ages.loop.time()
        known_s: dict[str, float] = {}
        while len(known_s) < len(POLLS) and ages.loop.time() - begun_s < POLLS["energy"].bad_after_s:
            await asyncio.sleep(1)
            for poll, rows in rows_of.items():
                if poll not in known_s and not np.isnan(ages.seen_s[rows]).any():
                    known_s[poll] = ages.loop.time() - begun_s
        oldest_s = {poll: float(ages.oldest_s[rows].max()) for poll, rows in rows_of.items()}
        for poll in POLLS:
            assert known_s[poll] < POLLS[poll].bad_after_s, (poll, known_s)
            assert oldest_s[poll] < POLLS[poll].bad_after_s, (poll, oldest_s)
        assert known_s["state"] < known_s["fault"] < known_s["level"] < known_s["energy"], known_s
        await host.stop()
        await gateway.stop()

    run(main(), debug=False)
