# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_hmi_lane.py
"""Heavy work takes turns: one piece for each turn of the loop, whoever asks and however many they are.

Law of this file: nothing but the order of turns. A piece is what a caller does between two waits here; it should take a
few milliseconds at most. The scan and everything else that is short runs between two pieces. Short pieces begin at once
while there is room for them in this turn of the loop: many of them are as heavy as one that is long.
"""

from __future__ import annotations

import asyncio
from typing import Final

ROUND: Final = 50  # operations that short pieces may do in one turn of the loop: 1 to 2 ms, 4 ms on a slow machine


class Lane:
    """One lane for the whole server."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._left = ROUND

    async def turn(self) -> None:
        """Wait for one's turn; the caller's next piece of work may begin at once, and nobody else's."""
        async with self._lock:
            await asyncio.sleep(0)
            self._spend(self._left)

    async def brief(self, operations: int) -> None:
        """As `turn`, but at once if this turn of the loop has room. `operations`: 1..ROUND, 20 to 40 µs each."""
        if operations > self._left:
            await self.turn()
        else:
            self._spend(operations)

    def _spend(self, operations: int) -> None:
        if self._left == ROUND:
            asyncio.get_running_loop().call_soon(self._begin_round)
        self._left -= operations

    def _begin_round(self) -> None:
        self._left = ROUND
