# SPDX-License-Identifier: Apache-2.0
"""The host on the loop of the product, in real time: uvloop counts in milliseconds, asyncio's loop does not."""

from __future__ import annotations

import asyncio
import os
import time
from random import Random

import pytest
import uvloop

from drivers.base import PollClass
from drivers.host import Host
from supervisor.clock import SystemClock
from tests.sim.tally import TALLY, TallyField, Told, device

pytestmark = pytest.mark.system

PERIOD_S = 0.25
DEVICES = 40
LONG_S = 3.0


def test_slots_are_served_once_and_nobody_spins() -> None:
    async def main() -> None:
        field = TallyField()
        await field.start()
        polls = {"fast": PollClass("fast", PERIOD_S, 0.1, 0, 5.0)}
        told = Told()
        specs = [device(u, field.port, polls=polls) for u in range(DEVICES)]
        host = Host(specs, {"tally": TALLY}, SystemClock(), told, Random(1))
        await host.start()
        await asyncio.sleep(LONG_S)
        statuses = host.status()
        await host.stop()
        await field.stop()
        slots = LONG_S / PERIOD_S
        assert max(s.requests for s in statuses) <= slots + 2, "a slot was served twice"
        assert min(s.answers for s in statuses) >= slots / 2, "however slow the machine"

    before = os.times()
    begun = time.monotonic()
    uvloop.run(main())
    after = os.times()
    share = (after.user + after.system - before.user - before.system) / (time.monotonic() - begun)
    print(f"{DEVICES / PERIOD_S:.0f} requests a second: {share:.0%} of a core, both ends")
