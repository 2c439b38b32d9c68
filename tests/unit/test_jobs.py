# SPDX-License-Identifier: Apache-2.0
"""Jobs: when they are due is pure; a failure is said until it is mended; a clock set back delays nothing."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from apscheduler.triggers.cron import CronTrigger

from config.words import NS_PER_S
from supervisor.jobs import JobFailed, Jobs, due_ns
from tests.sim.loop import clock, run

PARIS = ZoneInfo("Europe/Paris")


def ns(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * NS_PER_S


MINUTES = CronTrigger(second=20, timezone=PARIS)
NIGHTLY = CronTrigger(hour=2, minute=30, timezone=PARIS)


@pytest.mark.parametrize(
    ("trigger", "begun", "now", "due"),
    [
        (MINUTES, "2026-01-05T00:00:00", "2026-01-05T00:00:00", "2026-01-05T00:00:20"),
        (MINUTES, "2026-01-05T00:00:20", "2026-01-05T00:00:20", "2026-01-05T00:01:20"),
        (MINUTES, "2026-01-05T00:00:20", "2026-01-05T03:00:00", "2026-01-05T00:01:20"),  # overdue: due now, once
        (MINUTES, "2026-01-05T03:00:20", "2026-01-05T00:00:00", "2026-01-05T00:00:20"),  # the clock was set back
        (NIGHTLY, "2026-01-05T12:00:00", "2026-01-05T12:00:00", "2026-01-06T01:30:00"),
        (NIGHTLY, "2026-03-28T12:00:00", "2026-03-28T12:00:00", "2026-03-29T01:30:00"),  # 02:30 is skipped: 03:30 it is
        (NIGHTLY, "2026-10-24T12:00:00", "2026-10-24T12:00:00", "2026-10-25T00:30:00"),  # and in autumn it comes twice
    ],
)
def test_when_a_job_is_due(trigger: CronTrigger, begun: str, now: str, due: str) -> None:
    assert due_ns(trigger, ns(begun), ns(now)) == ns(due)


def test_jobs_run_at_their_times_and_what_was_missed_is_one_run() -> None:
    async def main() -> None:
        began: list[tuple[str, float]] = []
        loop = asyncio.get_running_loop()
        jobs = Jobs(clock())

        async def quick() -> str:
            began.append(("quick", loop.time()))
            return "done"

        async def slow() -> str:
            began.append(("slow", loop.time()))
            await asyncio.sleep(200)
            return "at last"

        minute = jobs.add("quick", CronTrigger(second=20, timezone=UTC), quick)
        jobs.add("slow", CronTrigger(minute=5, second=0, timezone=UTC), slow)
        task = asyncio.create_task(jobs.run())
        await asyncio.sleep(600)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert began == [
            *(("quick", 20.0 + 60 * k) for k in range(5)),
            ("slow", 300.0),
            ("quick", 500.0),  # 320, 380, 440 and 500: one run
            ("quick", 560.0),
        ]
        assert (minute.said, minute.error) == ("done", "")
        assert minute.done_ns == clock().wall_ns() - 40 * NS_PER_S

    run(main())


def test_a_failure_is_said_until_it_is_mended() -> None:
    async def main() -> None:
        broken = True
        jobs = Jobs(clock())

        async def work() -> str:
            if broken:
                raise JobFailed("no disk")
            return "done"

        job = jobs.add("j", CronTrigger(second=0, timezone=UTC), work)
        task = asyncio.create_task(jobs.run())
        await asyncio.sleep(130)
        assert (job.error, job.done_ns) == ("no disk", None)
        broken = False
        await asyncio.sleep(60)
        assert (job.error, job.said) == ("", "done")
        assert [j.name for j in jobs.jobs] == ["j"]
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run(main())
