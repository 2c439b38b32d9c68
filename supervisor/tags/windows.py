# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_windows.py, tests/property/test_blocks_property.py
"""Function blocks that look back over a sliding window: how often, and how far.

Law of this file: as of `blocks`. A window is SLOTS steps of equal length, so that a year costs as much memory as a
minute; it moves by one step at a time, and is exact to one of them.

The window slides with the clock, over a stop of the server too. A clock that is set back takes the window with it.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from config.words import NS_PER_S, Rows, StatusCode, Statuses
from supervisor.tags.blocks import Floats, FunctionBlock, Input, Mask, Tick

SLOTS: Final = 32
"""Steps of a window."""


class Window(FunctionBlock):
    """A ring of SLOTS columns for each instance; column `slot % SLOTS` is that of now.

    Attributes:
        ring: (n, SLOTS).
        slot: number of the newest step of each instance, -1 before the first.
    """

    ring: npt.NDArray[Any]
    slot: npt.NDArray[np.int64]

    def __init__(self, n: int, duration_s: float, dtype: type) -> None:
        self._slot_ns = max(1, round(duration_s * NS_PER_S) // SLOTS)
        self._rows: Rows = np.arange(n)
        self.ring = np.zeros((n, SLOTS), dtype)
        self.slot = np.full(n, -1, np.int64)

    def _turn(self, now_ns: int, fill: npt.NDArray[Any]) -> None:
        """Make the step of now the newest one; steps that begin take the value `fill`, (n,)."""
        now = now_ns // self._slot_ns
        if (self.slot == now).all():
            return
        back = (self.slot > now) & (self.slot >= 0)
        if back.any():
            at = (np.arange(SLOTS) + (self.slot[back] - now)[:, None]) % SLOTS
            self.ring[back] = np.take_along_axis(self.ring[back], at, axis=1)
        steps = np.clip(now - self.slot, 0, SLOTS)
        for k in range(int(steps.max(initial=0))):
            begun = self._rows[steps > k]
            self.ring[begun, (now - k) % SLOTS] = fill[begun]
        self.slot[:] = now


class CountIn(Window):
    """How often a condition became true within the last time. The first thing that is known is no change.

    Args:
        duration_s: length of the window [s].
    """

    kept = ("ring", "slot", "last", "seen")

    def __init__(self, n: int, duration_s: float) -> None:
        super().__init__(n, duration_s, np.int32)
        self.last: Mask = np.zeros(n, np.bool_)
        self.seen: Mask = np.zeros(n, np.bool_)
        self._none = np.zeros(n, np.int32)

    def step(self, x: Input, now: Tick) -> tuple[npt.NDArray[Any], None]:
        self._turn(now.now_ns, self._none)
        true = x.values != 0
        rose = x.good & self.seen & true & ~self.last
        if rose.any():
            self.ring[rose, self.slot[rose] % SLOTS] += 1
        self.last = np.where(x.good, true, self.last)
        self.seen |= x.good
        return self.ring.sum(axis=1).astype(np.float64), None


class ChangeIn(Window):
    """How far a value has risen (or fallen, then negative) within the last time: its value less the one that stood
    when the window began. Until a whole window was watched it is the change since the first value, UncertainSubNormal;
    before that, BadWaitingForInitialData.

    Args:
        duration_s: length of the window [s].
    """

    kept = ("ring", "slot", "last", "begun")

    def __init__(self, n: int, duration_s: float) -> None:
        super().__init__(n, duration_s, np.float64)
        self.last: Floats = np.full(n, np.nan)
        self.begun = np.full(n, -1, np.int64)

    def step(self, x: Input, now: Tick) -> tuple[npt.NDArray[Any], Statuses | None]:
        self._turn(now.now_ns, self.last)
        unknown = np.isnan(self.last)
        self.last = np.where(x.good, x.values, self.last)
        first = unknown & x.good
        if first.any():
            self.ring[first] = self.last[first, None]
            self.begun[first] = self.slot[first]
        self.begun = np.minimum(self.begun, self.slot)
        change = self.last - self.ring[self._rows, (self.slot + 1) % SLOTS]
        status: Statuses = np.where(
            np.isnan(self.last),
            np.uint32(StatusCode.BadWaitingForInitialData),
            np.where(self.slot - self.begun < SLOTS - 1, np.uint32(StatusCode.UncertainSubNormal), np.uint32(0)),
        )
        return np.where(np.isnan(change), 0.0, change), status if status.any() else None
