# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_alarm_conditions.py
"""What each kind of rule looks at: one `Watch` per rule, all instances at once.

Law of this file: numpy over slices; no delay (`delays`), no loop over instances, nothing of the machine. Which rule
gets which watch is `watchmaker`'s.

A watch gives (level, usable): level 0 normal, -2..2 as limits have it, 1 for every other kind; usable None means
everywhere. What is usable is what is not Bad: an Uncertain value is still a value.

- limit: the tag against up to four limits, with deadband.
- deviation: the same on tag - `from`, or on its size if no low limit is given.
- rate: the same on how far the tag rose or fell within the last `per` (the farthest in any part of it).
- discrete: the tag equals a value, or one of several.
- discrepancy: command and feedback differ (numbers: by more than the deadband).
- stale: the value did not change in this scan; how long that may last is its on-delay.
- calculated: a condition in the language of calculated tags.
- identity: the device that a `Comm` tag speaks of answers as another one. The one kind that looks at no value: what the
  drivers found is handed in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from config.words import BAD, NS_PER_S, Rows, Statuses
from drivers.identity import Identities
from supervisor.alarms.delays import Levels, Mask
from supervisor.alarms.limits import LimitBank
from supervisor.plant.plant import Block
from supervisor.tags.evaluate import Frame, Function

Floats: TypeAlias = npt.NDArray[np.float64]
Look: TypeAlias = tuple[npt.NDArray[Any], Mask | None]
Source: TypeAlias = Callable[[Frame], tuple[Floats, Mask | None]]

RATE_SLOTS: Final = 8
"""Parts into which the time of a rate is divided: its window ends within an eighth of `per`."""


class Watch:
    """Base: looks at the table through a frame of its type."""

    def look(self, frame: Frame) -> Look:
        """(level, usable), both (n,) or scalar; usable None: everywhere."""
        raise TypeError(f"{type(self).__name__} looks at nothing")

    def seed(self, level: Levels) -> None:
        """Start from these levels, (n,): where a deadband holds what stood before."""

    def beyond(self, instances: Rows, level: Levels) -> Floats | None:
        """The limit that each of some instances is beyond at a level [unit], (k,), not finite where there is none; None
        for rules without limits.
        """
        return None


class LimitWatch(Watch):
    """Numbers from anywhere against limits.

    Args:
        limits: as `LimitBank`, (4, n).
        deadband: (n,).
    """

    def __init__(self, source: Source, limits: Floats, deadband: Floats) -> None:
        self._source = source
        self._bank = LimitBank(np.zeros(0, np.int64), limits, deadband)
        self._all: Mask = np.ones(limits.shape[1], np.bool_)

    def look(self, frame: Frame) -> Look:
        values, usable = self._source(frame)
        self._bank.judge(values, self._all if usable is None else usable)
        return self._bank.level, usable

    def seed(self, level: Levels) -> None:
        self._bank.level = level.copy()

    def beyond(self, instances: Rows, level: Levels) -> Floats | None:
        return self._bank.beyond(instances, level)


class DiscreteWatch(Watch):
    """A tag equals one of some numbers."""

    def __init__(self, block: Block, equals: tuple[float, ...]) -> None:
        self._block = block
        self._equals = equals

    def look(self, frame: Frame) -> Look:
        values, status = frame.read(self._block)
        truth = values == self._equals[0]
        for number in self._equals[1:]:
            truth |= values == number
        return truth, usable_of(status)


class DiscrepancyWatch(Watch):
    """Command and feedback differ."""

    def __init__(self, command: Block, feedback: Block, deadband: float) -> None:
        self._command = command
        self._feedback = feedback
        self._deadband = deadband

    def look(self, frame: Frame) -> Look:
        (a, status_a), (b, status_b) = frame.read(self._command), frame.read(self._feedback)
        if self._deadband > 0:
            truth = np.abs(np.subtract(a, b, dtype=np.float64)) > self._deadband
        else:
            truth = a != b
        return truth, both(usable_of(status_a), usable_of(status_b))


class StaleWatch(Watch):
    """Nothing new: true in every scan in which the cell is what it was."""

    def __init__(self, block: Block) -> None:
        self._block = block
        self._last: npt.NDArray[np.int64] | None = None

    def look(self, frame: Frame) -> Look:
        cells = frame.table.cells[self._block.rows]
        same = np.ones(len(cells), np.bool_) if self._last is None else cells == self._last
        self._last = cells.copy()
        usable: Mask = frame.table.status[self._block.rows] < BAD
        return same, usable


class CalculatedWatch(Watch):
    """A condition in the language of calculated tags."""

    def __init__(self, function: Function) -> None:
        self._function = function

    def look(self, frame: Frame) -> Look:
        truth, status = self._function(frame)
        return truth, usable_of(status)


class IdentityWatch(Watch):
    """Another device answers.

    Args:
        devices: of each instance, '' where it has none, (n,).
    """

    def __init__(self, devices: Sequence[str], identities: Identities) -> None:
        self._devices, self._identities = devices, identities
        self._instance = {name: i for i, name in enumerate(devices) if name}
        self._level: Levels = np.zeros(len(devices), np.int8)
        self._usable: Mask = np.ones(len(devices), np.bool_)
        self._unknown = 0

    def look(self, frame: Frame) -> Look:
        if self._level.any():
            self._level[:] = 0
        for name in self._identities.wrong:
            if (instance := self._instance.get(name)) is not None:
                self._level[instance] = 1
        unknown = self._identities.unknown
        if len(unknown) != self._unknown:  # it is the same set that shrinks
            self._unknown = len(unknown)
            self._usable = np.array([name not in unknown for name in self._devices], np.bool_)
        return self._level, self._usable

    def said(self, instance: int) -> str | None:
        """Who answers in the place of an instance: an equipment's name, or what the device says; None: it is right."""
        found = self._identities.wrong.get(self._devices[instance])
        if found is None:
            return None
        return found.answers_as.rpartition("/")[2].partition(".")[0] if found.is_known else found.answers_as


class Change:
    """How far a value rose or fell within a time, (n,); source of a rate.

    Args:
        falls, rises: which of the two is asked for; if both, the greater.
    """

    def __init__(self, source: Source, n: int, per_s: float, falls: bool, rises: bool) -> None:
        self._source = source
        self._slot_ns = max(1, round(per_s * NS_PER_S) // RATE_SLOTS)
        self._falls = falls
        self._rises = rises
        self._low: Floats = np.full((RATE_SLOTS + 1, n), np.inf)
        self._high: Floats = np.full((RATE_SLOTS + 1, n), -np.inf)
        self._slot: int | None = None

    def __call__(self, frame: Frame) -> tuple[Floats, Mask | None]:
        values, usable = self._source(frame)
        at = self._turn(frame.now.now_ns)
        seen = values if usable is None else np.where(usable, values, np.nan)
        np.fmin(self._low[at], seen, out=self._low[at])
        np.fmax(self._high[at], seen, out=self._high[at])
        rise, fall = values - self._low.min(axis=0), values - self._high.max(axis=0)
        if not self._falls:
            return rise, usable
        return (np.where(rise >= -fall, rise, fall) if self._rises else fall), usable

    def _turn(self, now_ns: int) -> int:
        """The slot of now, emptied if it is new; everything is forgotten when the clock was set back."""
        slot = now_ns // self._slot_ns
        last = slot - 1 - RATE_SLOTS if self._slot is None or slot < self._slot else self._slot
        for new in range(max(last, slot - RATE_SLOTS - 1) + 1, slot + 1):
            self._low[new % (RATE_SLOTS + 1)] = np.inf
            self._high[new % (RATE_SLOTS + 1)] = -np.inf
        self._slot = slot
        return slot % (RATE_SLOTS + 1)


def usable_of(status: Statuses | None) -> Mask | None:
    return None if status is None else status < BAD


def both(a: Mask | None, b: Mask | None) -> Mask | None:
    if a is None or b is None:
        return b if a is None else a
    return a & b
