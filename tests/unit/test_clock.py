# SPDX-License-Identifier: Apache-2.0
"""The only reader of time reads what the system reads."""

from __future__ import annotations

import time

from supervisor.clock import SystemClock


def test_both_clocks_run_and_the_boot_clock_never_steps_back() -> None:
    clock = SystemClock()
    before = time.time_ns()
    assert before <= clock.wall_ns() <= time.time_ns()
    seen = [clock.boot_s() for _ in range(1000)]
    assert seen == sorted(seen)
