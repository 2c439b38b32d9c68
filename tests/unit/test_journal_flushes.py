# SPDX-License-Identifier: Apache-2.0
"""Many appends at once share flushes, in order and within bounds; what fails harms nobody else."""

import asyncio
import resource
import shutil
from pathlib import Path
from typing import Any

import pytest

from historian.base import JournalFull, JournalUnwritable, Position, Row
from historian.journal import schema
from historian.journal import store as store_module
from historian.journal.journal import ChainJournal
from historian.journal.verify import verify
from supervisor.offload import Offload
from tests.journals import MIB, opened, record, with_journal


def test_concurrent_appends_stand_in_order_and_share_flushes(tmp_path: Path) -> None:
    async def main() -> None:
        offload = Offload(2)
        jobs = 0

        async def run(job):  # type: ignore[no-untyped-def]
            nonlocal jobs
            jobs += 1
            return await offload.run(job)

        journal = await ChainJournal.open(tmp_path, 3, run, reserve_size=MIB)
        positions = await asyncio.gather(*(journal.append([record(2 * i), record(2 * i + 1)]) for i in range(500)))
        sequence = [p.sequence for pair in positions for p in pair]
        assert sequence == list(range(1, 1001))
        assert [e.record.data["value"] for e in await journal.tail(5000)] == list(range(1000))
        assert jobs < 10
        status = journal.status()
        assert (status.records, status.waiting, status.error, status.reserve) == (1000, 0, None, None)
        assert status.head.startswith("1/3/1000:")
        assert status.size > 100_000
        await journal.close()
        await journal.close()
        with pytest.raises(JournalUnwritable, match="closed"):
            await journal.append([record(1)])
        offload.close()

    asyncio.run(main())


def test_a_shared_flush_that_fails_refuses_everyone_in_it_and_the_next_one_heals(tmp_path: Path) -> None:
    async def scenario(journal: ChainJournal) -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
        try:
            results = await asyncio.gather(*(journal.append([record(i)]) for i in range(25)), return_exceptions=True)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert sum(isinstance(r, JournalFull) for r in results) == 20
        assert sum("20 records wait for the disk" in str(r) for r in results) == 5
        status = journal.status()
        assert status.error is not None
        assert "no space is left" in status.error
        assert status.refused == 25
        assert await journal.append([record(1)]) == [Position(3, 1)]
        assert journal.status().error is None

    with_journal(tmp_path, scenario, waiting_max=20)


def test_groups_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("historian.journal.journal.GROUP_MAX", 10)
    sizes: list[int] = []

    async def scenario(journal: ChainJournal) -> None:
        append = journal._store.append

        def counted(records: Any, rows: Any, *more: Any) -> Any:
            sizes.append(len(records) + len(rows))
            return append(records, rows, *more)

        monkeypatch.setattr(journal._store, "append", counted)
        appends = [journal.append_with([record(i)] * 3, [Row("t", b"k", b"v")]) for i in range(10)]
        await asyncio.gather(*appends, journal.append([record(1)] * 25))
        assert len(await journal.tail(100)) == 55

    with_journal(tmp_path, scenario)
    assert sizes == [8, 8, 8, 8, 8, 25]


def test_a_cancelled_caller_does_not_harm_its_neighbours(tmp_path: Path) -> None:
    async def scenario(journal: ChainJournal) -> None:
        first = asyncio.create_task(journal.append([record(1)]))
        second = asyncio.create_task(journal.append([record(2)]))
        await asyncio.sleep(0)
        first.cancel()
        assert await second == [Position(3, 2)]
        assert first.cancelled()

    with_journal(tmp_path, scenario)


def test_a_log_that_a_crash_left_is_copied_at_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who dies before any quiet moment, again and again, must not read an ever longer log at each start."""
    monkeypatch.setattr(store_module, "CHECKPOINT_PAGES", 16)
    with opened(tmp_path / "a") as store:
        for i in range(20):
            store.append([record(i)])
        shutil.copytree(tmp_path / "a", tmp_path / "b")  # as it would lie there after a kill
    log = tmp_path / "b" / f"{schema.FILE}-wal"
    assert log.stat().st_size > 16 * schema.PAGE_SIZE
    with opened(tmp_path / "b", epoch=2) as store:
        assert log.stat().st_size == 0
        assert store.append([record(20)]) == [Position(2, 21)]
    assert verify(tmp_path / "b").records == 21


def test_the_log_is_copied_at_quiet_moments_and_does_not_grow_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A log of 64 pages instead of 2,048 is copied; what is written is many times that."""
    monkeypatch.setattr("historian.journal.journal.CHECKPOINT_PAGES", 64)

    async def scenario(journal: ChainJournal) -> None:
        sizes = []
        for _ in range(12):
            await asyncio.gather(*(journal.append([record(i)] * 25) for i in range(20)))
            sizes.append((tmp_path / f"{schema.FILE}-wal").stat().st_size)
        assert max(sizes) < 3 * sizes[0] < 2 * MIB

    with_journal(tmp_path, scenario)
