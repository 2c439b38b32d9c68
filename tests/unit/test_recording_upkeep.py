# SPDX-License-Identifier: Apache-2.0
"""The upkeep of a server's history: by which clock it forgets, what it proves in the journal, what the status says."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from config.words import NS_PER_S, Kind
from historian.base import JournalUnwritable
from historian.store.gaps import ANY_CLASS
from historian.store.index import Removal
from historian.store.samples import CLASSES, from_cells
from historian.store.upkeep import FULL, OLD, UNREADABLE
from supervisor.jobs import Jobs
from supervisor.recording.history import CATCH_UP_NS, History, _removed, believed
from supervisor.tags.pool import StringPool
from supervisor.tags.scan import Changes
from supervisor.tags.table import TagTable
from tests.sim.loop import clock, run
from tests.unit.test_recorder import DOOR, PLANT, N


class SetClock:
    """The virtual clock, set on by somebody."""

    def __init__(self) -> None:
        self._clock = clock()
        self.ahead_ns = 0

    def wall_ns(self) -> int:
        return self._clock.wall_ns() + self.ahead_ns

    def boot_s(self) -> float:
        return self._clock.boot_s()


def test_a_clock_that_is_set_on_deletes_no_years(tmp_path: Path) -> None:
    """Three years on for five minutes: five hours of belief, not a day of what is kept goes."""

    async def main() -> None:
        set_ = SetClock()
        table = TagTable(PLANT, StringPool(), clock().wall_ns())
        history = await History.open(tmp_path, table, set_, 1, "Europe/Paris")
        now_ns, store = clock().wall_ns(), history._store
        events = from_cells(
            np.ones(5, np.uint32), np.full(5, Kind.Int32, np.uint8), np.arange(5), np.zeros(5, np.uint32),
            now_ns - np.arange(5)[::-1] * 80 * 86_400 * NS_PER_S, now_ns, np.full(5, CLASSES.index("A2"), np.uint8),
            np.zeros(5, np.uint8),
        )  # fmt: skip
        store.append(events, now_ns)
        store.seal()
        jobs = Jobs(set_)
        history.start(jobs, nothing_is_removed)
        keeping = asyncio.create_task(jobs.run())
        await asyncio.sleep(70)
        set_.ahead_ns = 3 * 365 * 86_400 * NS_PER_S
        await asyncio.sleep(300)
        set_.ahead_ns = 0
        await asyncio.sleep(120)
        assert (store.ledger().stored, store.ledger().dropped) == (5, {})
        assert jobs.jobs[0].error == ""
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        await history.close()

    run(main())


def test_belief_follows_the_clock_forward_by_the_hour_and_back_at_once() -> None:
    now = 10**18
    assert believed(now, now + 60 * NS_PER_S) == now + 60 * NS_PER_S
    assert believed(now, now + 10**17) == now + CATCH_UP_NS
    assert believed(now, now - 10**17) == now - 10**17


async def nothing_is_removed(text: str, _data: object) -> None:
    raise AssertionError(text)


def test_what_retention_removed_stands_in_the_journal_even_if_that_refuses_at_first(tmp_path: Path) -> None:
    told: list[tuple[str, Any]] = []
    refusals = [JournalUnwritable("no")]

    async def prove(text: str, data: Mapping[str, Any]) -> None:
        if refusals:
            raise refusals.pop()
        told.append((text, dict(data)))

    async def main() -> None:
        table = TagTable(PLANT, StringPool(), clock().wall_ns())
        history = await History.open(tmp_path, table, clock(), 1, "Europe/Paris")
        day_ns = 86_400 * NS_PER_S
        for days in (63, 62, 61, 3, 0):
            then = clock().wall_ns() // day_ns * day_ns - days * day_ns
            personal = from_cells(
                np.ones(5, np.uint32), np.full(5, Kind.Int32, np.uint8), np.arange(5), np.zeros(5, np.uint32),
                then + np.arange(5), then, np.full(5, CLASSES.index("P"), np.uint8), np.zeros(5, np.uint8),
            )  # fmt: skip
            history._store.append(personal, then)
        history._store.seal()
        jobs = Jobs(clock())
        history.start(jobs, prove)
        keeping = asyncio.create_task(jobs.run())
        await asyncio.sleep(65)
        (job,) = jobs.jobs
        assert told == [] and "not journalled yet: no" in job.error
        await asyncio.sleep(120)
        ((text, data),) = told
        assert re.fullmatch(r"history: 15 samples of class P, (\S+) to (\S+), removed: kept 60 days", text)
        assert (data["class"], data["cause"], data["samples"]) == ("P", "retention", 15)
        assert history._store.removals() == [] and job.error == ""
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        await history.close()

    run(main())


@pytest.mark.parametrize(
    "gone, expected",
    [
        (Removal(1, 20_500, 96, OLD), "96 samples of class A1, 2026-02-16 to 2026-02-16, removed: kept 400 days"),
        (Removal(5, 20_500, 7, FULL), "7 samples of class P, 2026-02-16 to 2026-02-16, removed: disk full"),
        (
            Removal(5, 20_500, 7, UNREADABLE),
            "7 unreadable samples of class P, 2026-02-16 to 2026-02-16, removed: kept 60 days",
        ),
        (
            Removal(ANY_CLASS, 20_500, 7, UNREADABLE),
            "7 unreadable samples of class unknown, 2026-02-16 to 2026-02-16, removed: kept 4,745 days",
        ),
    ],
    ids=["old", "full", "unreadable", "of unknown class"],
)
def test_what_is_removed_is_told_with_its_cause(gone: Removal, expected: str) -> None:
    assert _removed(gone.class_id, gone.cause, [gone])[0] == f"history: {expected}"


def test_a_disk_that_refuses_is_told_in_the_status_and_ends_when_it_takes_again(tmp_path: Path) -> None:
    """The whole history over a real store whose log folder is gone for a while."""

    async def main() -> None:
        table = TagTable(PLANT, StringPool(), clock().wall_ns())
        history = await History.open(tmp_path, table, clock(), 1, "Europe/Paris")
        jobs = Jobs(clock())
        history.start(jobs, nothing_is_removed)
        keeping = asyncio.create_task(jobs.run())
        wal = tmp_path / "history" / "wal"
        wal.rename(tmp_path / "away")
        table.put(DOOR.rows, np.ones(N, np.int64), np.zeros(N, np.uint32), clock().wall_ns())
        history.recorder.take(Changes(table.changed_rows(), clock().wall_ns()))
        await asyncio.sleep(90)
        told = history.document()
        assert (told["state"], told["refused"], told["waiting"], told["lost"]) == ("waiting for the disk", True, N, 0)
        assert history.errors() == [told["error"]] and "check the disk, its mount and its owner" in told["error"]
        (tmp_path / "away").rename(wal)
        await asyncio.sleep(90)
        told = history.document()
        assert (told["state"], told["refused"], told["waiting"], told["samples"]) == ("recording", False, 0, N)
        assert history.errors() == [] and told["last_retention"] is not None
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        await history.close()

    run(main())
