# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_clock.py
"""The only reader of time in Vigie. Everyone else is handed a `config.words.Clock`.

Durations inside asyncio code come from `loop.time()`, which the virtual loop of the tests controls.
"""

from __future__ import annotations

import time


class SystemClock:
    """The machine's own time."""

    def wall_ns(self) -> int:
        """UTC now [ns since 1970]."""
        return time.time_ns()

    def boot_s(self) -> float:
        """Seconds since boot, suspend included (CLOCK_BOOTTIME)."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)
