# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_jobs.py
"""Jobs at times of the calendar: a queue of our own around APScheduler's triggers.

Law of this file: when a job is due is pure (`due_ns`): the trigger, when it last ran, and now, are arguments.
APScheduler's own scheduler reads the wall clock by itself and would do nothing in virtual time. One job at a time, in
the order in which they fell due; runs that were missed while one took long, or while the server did not run, are one
run; a clock that is set back delays nothing.

A job that fails says so until it succeeds, and is tried again at its next time. Work leaves the loop by itself.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from config.words import NS_PER_S, Clock

log = logging.getLogger(__name__)

LOOK_S: Final = 30.0
"""How long the queue sleeps at most: the wall clock may be set meanwhile [s]."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Trigger(Protocol):
    """A trigger of APScheduler."""

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime | None:
        """First time after `previous`, or not before `now` if there was none; None: never again."""
        ...


class JobFailed(Exception):
    """The work was not done; the sentence says why."""


@dataclass(slots=True)
class Job:
    """One job.

    Attributes:
        work: does it and says in one sentence what was done; raises JobFailed.
        begun_ns: when it last began, at first when the queue did; the times after that count [UTC ns].
        done_ns: when it last ended well; None if it never did [UTC ns].
        said: what it said then.
        error: why it failed since; empty if it did not.
    """

    name: str
    trigger: Trigger
    work: Callable[[], Awaitable[str]]
    begun_ns: int
    done_ns: int | None = None
    said: str = ""
    error: str = ""


def due_ns(trigger: Trigger, begun_ns: int, now_ns: int) -> int | None:
    """When the job is to begin next [UTC ns]: at most `now_ns` if it is due. None: never again.

    Args:
        begun_ns: when it last began; later than now if the clock was set back.
    """
    now = _EPOCH + timedelta(microseconds=now_ns // 1000)
    previous = min(now, _EPOCH + timedelta(microseconds=begun_ns // 1000))
    fire = trigger.get_next_fire_time(previous, now)
    return None if fire is None else (fire - _EPOCH) // timedelta(microseconds=1) * 1000


class Jobs:
    """The queue and its shell."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._jobs: list[Job] = []

    @property
    def jobs(self) -> Sequence[Job]:
        return self._jobs

    def add(self, name: str, trigger: Trigger, work: Callable[[], Awaitable[str]]) -> Job:
        """Add a job; it first runs at the first time of its trigger from now on."""
        job = Job(name, trigger, work, self._clock.wall_ns())
        self._jobs.append(job)
        return job

    async def run(self) -> None:
        """Do what falls due until cancelled."""
        while True:
            now_ns = self._clock.wall_ns()
            times = [
                (t, i) for i, j in enumerate(self._jobs) if (t := due_ns(j.trigger, j.begun_ns, now_ns)) is not None
            ]
            if times and (first := min(times))[0] <= now_ns:
                await self._do(self._jobs[first[1]], now_ns)
                continue
            wait_s = (min(times)[0] - now_ns) / NS_PER_S if times else LOOK_S
            await asyncio.sleep(min(wait_s, LOOK_S))

    async def _do(self, job: Job, now_ns: int) -> None:
        job.begun_ns = now_ns
        try:
            job.said = await job.work()
        except JobFailed as failure:
            if not job.error:
                log.error("job '%s' failed: %s", job.name, failure)
            job.error = str(failure)
        else:
            if job.error:
                log.info("job '%s' succeeds again", job.name)
            job.error, job.done_ns = "", self._clock.wall_ns()
