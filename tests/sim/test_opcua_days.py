# SPDX-License-Identifier: Apache-2.0
"""24 virtual hours of every fault knob of an OPC UA server: nothing wrong is ever Good, and all is good afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from random import Random
from typing import Any

import numpy as np
import pytest

from config.words import Batch, LinkState, StatusCode
from drivers.base import DeviceSpec, PollClass
from drivers.host import Host
from drivers.opcua.address import OpcuaDevice
from drivers.opcua.knobs import NAMES
from drivers.opcua.nodes import Nodes
from drivers.opcua.protocol import PROTOCOL
from drivers.opcua.simulator import SimulatedServer
from tests.opcua import URI, doubles
from tests.sim.loop import clock, run

DAY_S = 86_400
N = 40
KNOBS = (
    "hang", "late 1500 ms", "slow 300 ms", "silent", "no_subscriptions", "forget", "reset", "refuse 30 s", "restart",
    "garble 3", "truncate 3", "duplicate 3", "busy 5", "reject ns=2;i=17",
)  # fmt: skip


class Judge:
    """A sink that compares each Good value with what the server holds, or held a moment ago."""

    def __init__(self) -> None:
        self.truth, self.before = np.zeros(N), np.zeros(N)
        self.good = self.wrong = self.missed_ = 0

    def batch(self, batch: Batch) -> None:
        good = batch.statuses == StatusCode.Good
        values, rows = batch.cells[good].view(np.float64), batch.rows[good]
        self.good += int(good.sum())
        self.wrong += int(((values != self.truth[rows]) & (values != self.before[rows])).sum())

    def missed(self, requests: Sequence[int], status: StatusCode, reason: str, now_ns: int) -> None:
        self.missed_ += 1

    def link(self, device: int, state: LinkState, reason: str, now_ns: int) -> None: ...


def test_every_knob_has_its_day() -> None:
    assert {knob.split()[0] for knob in KNOBS} == set(NAMES) - {"accept", "heal"}


@pytest.mark.timeout(300)
def test_a_day_of_faults() -> None:
    async def main() -> None:
        nodes, points, judge = Nodes(clock(), URI, ["urn:plant"]), doubles(N), Judge()
        held = [nodes.add(point.address.node, "Double", 0.0, True) for point in points]
        server = SimulatedServer(nodes, URI)
        await server.start()
        where: dict[str, Any] = {"host": "127.0.0.1", "port": server.port}
        device = OpcuaDevice.model_validate({**where, "publishing": "5 s", "keep_alive": "20 s"})
        polls = {"kit": PollClass("kit", period_s=20.0, timeout_s=1.0, retries=1, bad_after_s=60.0)}
        spec = DeviceSpec("C-1.server", "opcua", device, points, np.arange(N), polls, np.array([], np.int64))
        chance, loop, used = Random(1), asyncio.get_running_loop(), set()
        host = Host([spec], {"opcua": PROTOCOL}, clock(), judge, Random(1))
        await host.start()
        begun_s, moment = loop.time(), 0
        while loop.time() < begun_s + DAY_S:
            moment += 1
            judge.before, judge.truth = judge.truth, np.arange(N) + moment * 1000.0
            for node, value in zip(held, judge.truth.tolist(), strict=True):
                node.set(value, clock().wall_ns())
            await asyncio.sleep(chance.uniform(30, 200))
            knob = chance.choice(KNOBS)
            used.add(knob)
            server.turn(knob)
            await asyncio.sleep(chance.uniform(1, 120))
            server.turn("heal")
            await asyncio.sleep(75)  # a subscription that has fallen silent is found within two keep-alives
        await asyncio.sleep(700)
        before, judge.before = judge.good, judge.truth
        await asyncio.sleep(50)
        assert judge.good - before >= 2 * N, "all good after the day"
        assert judge.wrong == 0 and used == set(KNOBS)
        assert judge.missed_ > 50 and judge.good > 0.5 * N * DAY_S / 20
        assert all(s.link is LinkState.UP and not s.notes for s in host.status())
        await host.stop()
        await server.stop()

    run(main(), debug=False)
