# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_slots.py
"""When a device is asked: slots on a fixed grid, spread over the period.

Law of this file: pure integers and floats. No clock, no task, no sleeping.

Theory. A poll class has one slot per period. Slot `index` of a device begins at `phase_s + index * period_s`, where
the phase is a stable hash of the device's name: 850 cabinets with a period of 10 s are asked 85 a second, the same
ones at the same moment after every restart, and adding a device moves no other. Because the grid is fixed, a slow
answer delays one slot and not all later ones. A slot that could not begin before the next one was due is *missed*:
counted and skipped, never queued, so that a device that has fallen behind is not asked twice in a hurry.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import Final

_SPREAD: Final = 2**64


def phase_s(name: str, period_s: float) -> float:
    """Where in the period a device has its slot, 0 <= phase < period [s]. Stable across processes and machines."""
    digest = hashlib.blake2s(name.encode(), digest_size=8).digest()
    share = int.from_bytes(digest, "big") / _SPREAD
    return min(share * period_s, math.nextafter(period_s, 0.0))


@dataclass(frozen=True, slots=True)
class Slot:
    """One slot of a grid.

    Attributes:
        period_s: distance of two slots, > 0 [s].
        phase_s: where the grid begins, 0 <= phase < period [s].
        index: number of this slot on the grid.
    """

    period_s: float
    phase_s: float
    index: int

    @property
    def due_s(self) -> float:
        """When it begins [s of the caller's clock]."""
        return self.phase_s + self.index * self.period_s


def slot_at(period_s: float, phase_s: float, now_s: float) -> Slot:
    """The first slot that is not before `now_s`.

    Raises:
        ValueError: a period that is not positive and finite.
    """
    if not 0.0 < period_s < math.inf:
        raise ValueError(f"expected a period > 0 s, got {period_s}")
    index = math.ceil((now_s - phase_s) / period_s)
    while phase_s + index * period_s < now_s:  # the last bit of the division
        index += 1
    return Slot(period_s, phase_s, index)


def running_slot(slot: Slot, now_s: float) -> Slot:
    """The slot of the same grid in whose time we are: due at once. For a device that has just come back."""
    return Slot(slot.period_s, slot.phase_s, _running(slot, now_s))


def _running(slot: Slot, now_s: float) -> int:
    return math.floor((now_s - slot.phase_s) / slot.period_s)


def after(slot: Slot, now_s: float) -> tuple[Slot, int]:
    """The slot to serve once `slot` has been served and it is `now_s`, and how many were missed in between.

    The next slot may already have begun (it is late, and served at once); one whose successor has begun too is missed.
    """
    index = slot.index + 1
    running = _running(slot, now_s)
    if running > index:
        return Slot(slot.period_s, slot.phase_s, running), running - index
    return Slot(slot.period_s, slot.phase_s, index), 0
