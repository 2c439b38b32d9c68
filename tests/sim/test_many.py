# SPDX-License-Identifier: Apache-2.0
"""The proof of issue 2, point 5: the dead do not starve the living."""

from __future__ import annotations

import asyncio
import resource
from random import Random

import pytest

from drivers.host import Host, HostLimits
from tests.sim.loop import clock, run
from tests.sim.tally import TALLY, TallyField, Told, device

FILES = 4096


@pytest.fixture
def many_files() -> None:
    """850 connections have two ends in this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < FILES:
        if hard < FILES:
            pytest.skip(f"needs {FILES} open files, this system allows {hard}")
        resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, hard))


@pytest.mark.parametrize("how", ["hung from the start", "hang together", "refuse", "reset"])
@pytest.mark.usefixtures("many_files")
def test_200_dead_among_850_leave_650_with_no_missed_slot(how: str) -> None:
    """Limits far below the number of the dead, so that one place held for a whole time-out would be seen."""

    async def main() -> None:
        field = TallyField()
        await field.start()
        dead = set(range(0, 800, 4))
        if how == "hung from the start":
            field.silent |= dead
        port_of_the_dead = 1 if how == "refuse" else field.port
        specs = [device(u, port_of_the_dead if u in dead else field.port) for u in range(850)]
        told = Told()
        limits = HostLimits(in_flight_max=64, connects_max=32)
        host = Host(specs, {"tally": TALLY}, clock(), told, Random(7), limits)
        await host.start()
        await asyncio.sleep(1.5)
        if how == "hang together":
            field.silent |= dead
        elif how == "reset":
            field.resets |= dead
        await asyncio.sleep(7)
        statuses, counters = host.status(), host.counters()
        await host.stop()
        await field.stop()
        assert counters["polls_inside_max"] <= 64 and counters["probes_inside_max"] <= 64
        assert counters["connects_inside_max"] <= 32
        assert how in ("refuse", "reset") or counters["polls_overstayed"] + counters["probes_overstayed"] > 0
        living = [s for u, s in enumerate(statuses) if u not in dead]
        assert len(living) == 650
        assert [s.name for s in living if s.missed_slots or s.misses] == []
        assert min(s.answers for s in living) >= 8
        assert max(s.round_trip_mean_s for s in living) < 0.01
        assert all(abs(s.achieved_s - 1.0) < 0.1 for s in living)
        assert all(s.link.value != "up" for u, s in enumerate(statuses) if u in dead)
        rows_of_the_dead = {u * 10 for u in dead}
        last = (
            max(int(b.source_ns[0]) for b in told.batches if int(b.rows[0]) in rows_of_the_dead)
            if (how in ("hang together", "reset"))
            else 0
        )
        assert last <= clock().wall_ns() - 6 * 10**9
        missed = {r for _, requests, _, _ in told.misses for r in requests}
        assert missed == {i for i, who in enumerate(host.device_of_request) if who in dead}

    run(main(), debug=False)
