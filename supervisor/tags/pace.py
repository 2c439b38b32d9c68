# SPDX-License-Identifier: Apache-2.0
# Tests: tests/sim/test_pace.py
"""The pace of the scan: one pass per period; a pass that comes too late is counted, never made up for."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import numpy as np

from config.words import NS_PER_S, Clock
from supervisor.tags.scan import Scan

_KEPT = 1024


@dataclass(slots=True)
class ScanStatistics:
    """How the scan does.

    Attributes:
        passes, missed: since start.
        last_boot_s: boot time of the end of the last pass: its proof of life [s].
    """

    period_s: float
    passes: int = 0
    missed: int = 0
    last_boot_s: float = 0.0
    _durations_s: np.ndarray[tuple[int], np.dtype[np.float64]] = field(default_factory=lambda: np.zeros(_KEPT))

    def record(self, duration_s: float, boot_s: float) -> None:
        self._durations_s[self.passes % _KEPT] = duration_s
        self.passes += 1
        self.last_boot_s = boot_s

    def duration_ms(self, percentile: float) -> float:
        """Duration of a pass [ms] over the last 1,024; 0 before the first."""
        kept = self._durations_s[: min(self.passes, _KEPT)]
        return float(np.percentile(kept, percentile)) * 1000 if len(kept) else 0.0


async def scan_forever(scan: Scan, clock: Clock, statistics: ScanStatistics) -> None:
    """Run the scan at its pace until cancelled. An error in a pass is a bug and ends the server."""
    loop = asyncio.get_running_loop()
    period = statistics.period_s
    due = loop.time()
    while True:
        begun = loop.time()
        scan.run(clock.wall_ns(), int(clock.boot_s() * NS_PER_S))
        statistics.record(loop.time() - begun, clock.boot_s())
        due += period
        if (late := loop.time() - due) >= period:
            skipped = int(late / period)
            statistics.missed += skipped
            due += skipped * period
        await asyncio.sleep(max(0.0, due - loop.time()))
