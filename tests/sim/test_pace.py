# SPDX-License-Identifier: Apache-2.0
"""One pass per period; late passes are counted, not queued."""

from __future__ import annotations

import asyncio

import numpy as np

from historian.catalogue import Catalogue
from supervisor.tags.freshness import Freshness
from supervisor.tags.inbox import Inbox
from supervisor.tags.pace import ScanStatistics, scan_forever
from supervisor.tags.pool import StringPool
from supervisor.tags.scan import Scan
from supervisor.tags.table import TagTable
from tests.ground import POLL, cabinets
from tests.sim.loop import VirtualLoop, clock, run


def test_a_pass_that_takes_too_long_costs_its_slots_and_no_more() -> None:
    async def main() -> ScanStatistics:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        plant = cabinets(["CAB-0001"], 2, Catalogue(":memory:", "ground"))
        table = TagTable(plant, StringPool(), now_ns=0)
        scan = Scan(table, Inbox(), Freshness([np.arange(plant.rows)], [POLL], [0], 1, boot_ns=0))
        passes = 0

        def slow(_table: TagTable, _now_ns: int) -> None:
            nonlocal passes
            passes += 1
            if passes == 10:
                loop.now_s += 0.35  # this pass takes three slots and a half

        scan.watchers = [slow]
        statistics = ScanStatistics(period_s=0.1)
        task = asyncio.create_task(scan_forever(scan, clock(), statistics))
        await asyncio.sleep(2.95)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return statistics

    statistics = run(main())
    assert statistics.missed == 2, "0.35 s at 0.1 s: the next pass begins late, two slots are lost for good"
    assert statistics.passes + statistics.missed == 30
    assert statistics.duration_ms(100) == 350.0 or abs(statistics.duration_ms(100) - 350.0) < 1e-6
