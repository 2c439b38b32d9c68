# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_offload.py
"""The only way off the event loop: blocking work goes through here, bounded and counted.

One seam, so that the virtual loop of the tests knows when offloaded work is pending and does not jump over it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class OffloadFull(Exception):
    """More jobs wait than the bound allows; the caller's work was not begun."""


class Offload:
    """A small pool of threads for fsync, hashing and the like.

    Attributes:
        pending: jobs handed over and not finished; the virtual loop does not jump while it is not 0.
        pending_max: bound; the next job raises OffloadFull.
    """

    def __init__(self, threads: int = 2, pending_max: int = 256) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="vigie-offload")
        self.pending = 0
        self.pending_max = pending_max

    async def run(self, job: Callable[[], T]) -> T:
        """Run `job` in a thread and wait for it.

        Raises:
            OffloadFull: `pending_max` jobs are under way.
        """
        if self.pending >= self.pending_max:
            raise OffloadFull(f"{self.pending} jobs wait off the loop; none may be added")
        self.pending += 1
        future = asyncio.get_running_loop().run_in_executor(self._pool, job)
        future.add_done_callback(self._done)
        return await future

    def _done(self, _future: object) -> None:
        self.pending -= 1

    def close(self) -> None:
        """Wait for jobs under way and end the threads."""
        self._pool.shutdown(wait=True)
