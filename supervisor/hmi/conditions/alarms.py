# SPDX-License-Identifier: Apache-2.0
# Tests: tests/system/test_opcua_alarms.py
"""Alarms & Conditions of a server: board, refreshes and calls, from start to close.

Law of this file: wiring only.
"""

from __future__ import annotations

from collections.abc import Callable

from config.words import Clock
from supervisor.alarms.desk import AlarmDesk
from supervisor.hmi.conditions.board import Board
from supervisor.hmi.conditions.calls import Calls
from supervisor.hmi.conditions.kind import Expiring
from supervisor.hmi.conditions.refresh import Refreshing
from supervisor.hmi.events.hierarchy import EventTypes
from supervisor.hmi.events.notifier import Notifier


class Alarms:
    """What stands between the alarm desk and the terminals."""

    def __init__(
        self,
        desk: AlarmDesk,
        notifier: Notifier,
        types: EventTypes,
        clock: Clock,
        first_to_expire: Callable[[], Expiring | None],
    ) -> None:
        self.board = Board(desk, notifier, clock, first_to_expire)
        self._refreshing = Refreshing(self.board, notifier, clock)
        self.calls = Calls(desk, self.board, self._refreshing, types)

    def start(self) -> None:
        self.board.start()

    async def close(self) -> None:
        """Idempotent."""
        await self._refreshing.close()
        await self.board.close()
