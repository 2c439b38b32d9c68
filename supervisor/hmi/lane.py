# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_hmi_lane.py
"""Heavy work takes turns: one piece for each turn of the loop, whoever asks and however many they are.

Law of this file: nothing but the order of turns. A piece is what a caller does between two `turn()`s without waiting;
it should take a few milliseconds at most. The scan and everything else that is short runs between two pieces.
"""

from __future__ import annotations

import asyncio


class Lane:
    """One lane for the whole server."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()

    async def turn(self) -> None:
        """Wait for one's turn; the caller's next piece of work may begin at once."""
        async with self._lock:
            await asyncio.sleep(0)
