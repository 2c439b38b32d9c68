# SPDX-License-Identifier: Apache-2.0
"""24 virtual hours of every fault knob of a DALI line: nothing wrong is ever Good, and all is good afterwards."""

from __future__ import annotations

import asyncio
from random import Random

import numpy as np
import pytest

from config.words import Access, Kind, LinkState
from drivers.base import DeviceSpec, Point, PollClass
from drivers.dali import frames as f
from drivers.dali.address import DaliDevice, DaliPoint
from drivers.dali.busmodel import Bus, Gear
from drivers.dali.knobs import NAMES
from drivers.dali.protocol import PROTOCOL
from drivers.dali.simulator import SimulatedGateway
from drivers.host import Host
from tests.sim.days import DAY_S, Cells, Judge, a_day, words_of
from tests.sim.loop import clock, run

SHORTS = (2, 5, 6)
PERIOD_S = 120.0
VALUES = (("arc_level", Kind.Byte), ("lamp_failure", Kind.Boolean), ("gear_failure", Kind.Boolean))
KNOBS = (
    "hang", "late 1500 ms", "slow 300 ms", "reset", "refuse 30 s", "restart", "garble 3", "truncate 3", "duplicate 3",
    "wrong_id 3", "busy 5", "clients 1", "lamp 5", "gear 5", "dead 5", "short", "unpowered", "power_cycle",
)  # fmt: skip


def test_every_knob_has_its_day() -> None:
    assert words_of(KNOBS) == set(NAMES) - {"whole", "heal"}


def held(bus: Bus) -> Cells:
    """Levels and failures of all gear, as cells."""
    return np.array([x for g in bus.gear.values() for x in (g.level, g.lamp_failed, g.gear_failed)], np.int64)


@pytest.mark.timeout(300)
def test_a_day_of_faults() -> None:
    async def main() -> None:
        bus = Bus([Gear(short, groups=1 << short % 4) for short in SHORTS])
        gateway = SimulatedGateway("line", [bus])
        await gateway.start()
        points = tuple(Point(value, kind, Access.R, DaliPoint(value=value), "p") for value, kind in VALUES)
        polls = {"p": PollClass("p", PERIOD_S, timeout_s=1.0, retries=1, bad_after_s=360.0)}
        specs = []
        for i, short in enumerate(SHORTS):
            where = {"wire": "lunatone", "host": gateway.host, "port": gateway.port, "short_address": short}
            rows = np.arange(len(VALUES)) + i * len(VALUES)
            device = DaliDevice.model_validate(where)
            specs.append(DeviceSpec(f"L-{short}", "dali", device, points, rows, polls, np.array([], np.int64)))

        def move(moment: int) -> None:
            for short in SHORTS:  # a panel on the wall
                gateway.buses[0].send(f.direct_level(f.Target(gear=short), (moment * 7 + short) % 254 + 1))

        judge = Judge(lambda: held(bus))
        host = Host(specs, {"dali": PROTOCOL}, clock(), judge, Random(1))
        await host.start()
        await a_day(gateway, judge, KNOBS, move, settle_s=250)
        await asyncio.sleep(300)
        before = judge.good
        await asyncio.sleep(2 * PERIOD_S)
        assert judge.good - before >= len(SHORTS) * len(VALUES), "all good after the day"
        assert judge.wrong == 0, judge.worst
        assert judge.losses > 50 and judge.good > 0.5 * len(SHORTS) * len(VALUES) * DAY_S / PERIOD_S
        assert all(s.link is LinkState.UP and not s.notes for s in host.status()), [s.notes for s in host.status()]
        await host.stop()
        await gateway.stop()

    run(main(), debug=False)
