# SPDX-License-Identifier: Apache-2.0
"""24 virtual hours of every fault knob of an OPC UA server: nothing wrong is ever Good, and all is good afterwards."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any

import numpy as np
import pytest

from config.words import LinkState
from drivers.base import DeviceSpec, PollClass
from drivers.host import Host
from drivers.opcua.address import OpcuaDevice
from drivers.opcua.knobs import NAMES
from drivers.opcua.nodes import Nodes
from drivers.opcua.protocol import PROTOCOL
from drivers.opcua.simulator import SimulatedServer
from tests.opcua import URI, doubles
from tests.sim.days import DAY_S, Judge, a_day, words_of
from tests.sim.loop import clock, run

N = 10
KNOBS = (
    "hang", "late 1500 ms", "slow 300 ms", "silent", "items 4", "no_subscriptions", "forget", "reset", "refuse 30 s",
    "restart", "garble 3", "truncate 3", "duplicate 3", "wrong_id 3", "busy 5", "clients 1", "reject ns=2;i=7",
)  # fmt: skip


def test_every_knob_has_its_day() -> None:
    assert words_of(KNOBS) == set(NAMES) - {"accept", "heal"}


@pytest.mark.timeout(300)
def test_a_day_of_faults() -> None:
    async def main() -> None:
        nodes, points = Nodes(clock(), URI, ["urn:plant"]), doubles(N)
        held = [nodes.add(point.address.node, "Double", 0.0, True) for point in points]

        def move(moment: int) -> None:
            for i, node in enumerate(held):
                node.set(i + moment * 1000.0, clock().wall_ns())

        server = SimulatedServer(nodes, URI)
        await server.start()
        where: dict[str, Any] = {"host": "127.0.0.1", "port": server.port}
        device = OpcuaDevice.model_validate({**where, "publishing": "5 s", "keep_alive": "20 s"})
        polls = {"kit": PollClass("kit", period_s=40.0, timeout_s=1.0, retries=1, bad_after_s=120.0)}
        spec = DeviceSpec("C-1.server", "opcua", device, points, np.arange(N), polls, np.array([], np.int64))
        judge = Judge(lambda: np.array([node.value for node in held]).view(np.int64))
        host = Host([spec], {"opcua": PROTOCOL}, clock(), judge, Random(1))
        await host.start()
        await a_day(server, judge, KNOBS, move, settle_s=130)  # a subscription fallen silent: two keep-alives
        await asyncio.sleep(700)
        before = judge.good
        await asyncio.sleep(90)
        assert judge.good - before >= 2 * N, "all good after the day"
        assert judge.wrong == 0, judge.worst
        assert judge.losses > 50 and judge.good > 0.5 * N * DAY_S / 40
        assert all(s.link is LinkState.UP and not s.notes for s in host.status())
        await host.stop()
        await server.stop()

    run(main(), debug=False)
