# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_control_alarm_report.py
"""Where reports are counted: one at a time, off the loop, in a thread of their own.

Law of this file: a turn and a thread, nothing else. A month of a bad city is a million records; counting them takes
seconds and hundreds of megabytes, which neither the scan nor the journal's threads may feel.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from historian.base import Run
from supervisor.offload import Offload

WAITING_MAX: Final = 4
"""Reports under way or waiting for their turn; the next one is refused."""


class Counting:
    """Attributes:
    waiting: reports under way or waiting, 0..WAITING_MAX.
    """

    def __init__(self) -> None:
        self._offload = Offload(1)
        self._turn = asyncio.Lock()
        self.waiting = 0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[Run]:
        """One's turn: what leads off the loop meanwhile.

        Raises:
            ValueError: WAITING_MAX others wait.
        """
        if self.waiting >= WAITING_MAX:
            raise ValueError(f"{self.waiting} reports wait already; try again later")
        self.waiting += 1
        try:
            async with self._turn:
                yield self._offload.run
        finally:
            self.waiting -= 1

    def close(self) -> None:
        """Blocks until the job under way is done. Idempotent."""
        self._offload.close()
