# SPDX-License-Identifier: Apache-2.0
"""24 virtual hours of every fault knob of BACnet, polled and told: nothing wrong is ever Good, all is good afterwards.

Two devices behind one router, with objects of the same numbers and other values, so that an answer taken for another
one's is seen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from random import Random

import numpy as np
import pytest

from config.words import Kind, LinkState, cell_of
from drivers.bacnet.address import BacnetDevice
from drivers.bacnet.knobs import NAMES
from drivers.bacnet.objects import Objects
from drivers.bacnet.protocol import PROTOCOL
from drivers.bacnet.simulator import SimulatedDevice, Where
from drivers.base import DeviceSpec, PollClass
from drivers.host import Host
from tests.bacnet import inputs, objects
from tests.sim.days import DAY_S, Cells, Judge, a_day, words_of
from tests.sim.loop import clock, run

N = 4
PERIOD_S = 60.0
BEHIND: tuple[Where, ...] = ((7, b"\x01"), (7, b"\x02"))
KNOBS = (
    "hang", "late 1500 ms", "slow 300 ms", "silent", "no_room", "no_rpm", "small 128", "forget", "restart",
    "refuse 30 s", "garble 3", "truncate 3", "duplicate 3", "wrong_id 3", "busy 5", "reject analog-input 3",
    "hold 5", "deny 8",
)  # fmt: skip


def test_every_knob_has_its_day() -> None:
    assert words_of(KNOBS) == set(NAMES) - {"accept", "release", "heal"}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("cov", ["off", "confirmed"])
def test_a_day_of_faults(cov: str) -> None:
    async def main() -> None:
        made = {where: objects(N, 1001 + i) for i, where in enumerate(BEHIND)}
        peer = SimulatedDevice("router", made)
        await peer.start()
        specs = []
        for i, (network, mac) in enumerate(BEHIND):
            where = {"host": peer.host, "port": peer.port, "network": network, "mac": mac.hex(), "instance": 1001 + i}
            told = {"cov": cov, "reconcile": "90 s", "lifetime": "10 min"}
            device = BacnetDevice.model_validate({**where, **told, "local_host": "127.0.0.1"})
            polls = {"p": PollClass("p", PERIOD_S, timeout_s=1.0, retries=1, bad_after_s=180.0)}
            rows = np.arange(N) + i * N
            specs.append(DeviceSpec(f"B-{i}", "bacnet", device, tuple(inputs(N)), rows, polls, np.array([], np.int64)))
        judge = Judge(lambda: held(made.values()))
        host = Host(specs, {"bacnet": PROTOCOL}, clock(), judge, Random(1))
        await host.start()
        await a_day(peer, judge, KNOBS, lambda moment: move(made.values(), moment), settle_s=160)
        await asyncio.sleep(700)
        before = judge.good
        await asyncio.sleep(2 * 90)
        assert judge.good - before >= 2 * N, "all good after the day"
        assert judge.wrong == 0, judge.worst
        assert judge.losses > 50 and judge.good > 0.5 * 2 * N * DAY_S / (PERIOD_S if cov == "off" else 120)
        assert all(s.link is LinkState.UP and not s.notes for s in host.status()), [s.notes for s in host.status()]
        await host.stop()
        await peer.stop()

    run(main(), debug=False)


def held(devices: Iterable[Objects]) -> Cells:
    """What all inputs hold, as cells."""
    return np.array([cell_of(Kind.Float, each.value) for made in devices for each in made], np.int64)


def move(devices: Iterable[Objects], moment: int) -> None:
    """Other values everywhere."""
    for i, made in enumerate(devices):
        for k, each in enumerate(made):
            made.hold(each, float(moment * 1000 + i * 100 + k))
