# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_consumption.py
"""What a counter counted: the advance between its readings, summed over buckets. Pure columns.

Law of this file: no I/O, no clock; nothing is lost and nothing invented: over any buckets that hold them all, the
amounts add up to the advances between the Good readings.

A reading below the one before rolled over, if the counter is known to and the advance through the roll-over is at most
a quarter of its range: the rule of the function block `counter`. Any other fall, and an advance of more than that
quarter, is a counter that was reset or replaced: how much was used meanwhile nobody knows, so it adds nothing, is
counted in `replaced`, and the bucket is Uncertain.

An advance belongs to the bucket in which it ends; a reading on an edge ends the bucket before it, so that counters read
at whole quarters fit days and months exactly. Where readings were missing for longer than a value holds, the advance
over the hole is not spread (nobody knows when it happened): it stands in the bucket of the next reading, Uncertain, and
buckets without a reading are Bad.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from config.words import UNCERTAIN, StatusCode, Statuses, TimesNs
from historian.store.rollups import HOLD_NS
from historian.store.samples import Samples

PLAUSIBLE: Final = 0.25
"""Largest part of a counter's range that one advance may take."""


@dataclass(frozen=True, slots=True)
class Consumption:
    """Parallel columns, one row a bucket.

    Attributes:
        amount: sum of the advances that end in it [unit of the counter]; NaN if none does.
        rolled: roll-overs among them.
        replaced: resets or replacements.
        status: Good; UncertainSubNormal where something was replaced or read after a hole; Bad without a reading.
    """

    amount: npt.NDArray[np.float64]
    rolled: npt.NDArray[np.int64]
    replaced: npt.NDArray[np.int64]
    status: Statuses


def consumption(samples: Samples, edges: TimesNs, rolls_over_at: float | None = None) -> Consumption:
    """Advances of one counter over the buckets between ascending edges, (n + 1,) [UTC ns].

    Args:
        samples: of one series, by time, one per time; the first may lie before the first edge, and should, for the
            first bucket's advance begins there.
        rolls_over_at: raw values are 0 up to below this; None: it never rolls over.
    """
    n = len(edges) - 1
    good = (samples.status < UNCERTAIN) & np.isfinite(samples.value)
    time_ns, value = samples.time_ns[good], samples.value[good]
    hold_ns = HOLD_NS[samples.class_id[good]]
    bucket = np.searchsorted(edges, time_ns[1:], "left") - 1
    inside = (bucket >= 0) & (bucket < n)
    bucket = bucket[inside]
    step, rolled, replaced = _advances(value, rolls_over_at)
    step, rolled, replaced = step[inside], rolled[inside], replaced[inside]
    hole = (np.diff(time_ns) > hold_ns[:-1])[inside] & (time_ns[:-1][inside] < edges[bucket])
    ends = np.bincount(bucket, minlength=n)
    unsure = np.bincount(bucket, replaced | hole, n) > 0
    amount = np.where(ends > 0, np.bincount(bucket, step, n), np.nan)
    status = np.where(unsure, StatusCode.UncertainSubNormal, StatusCode.Good).astype(np.uint32)
    status[ends == 0] = StatusCode.Bad
    return Consumption(amount, _count(bucket, rolled, n), _count(bucket, replaced, n), status)


def _count(bucket: npt.NDArray[np.intp], of: npt.NDArray[np.bool_], n: int) -> npt.NDArray[np.int64]:
    return np.bincount(bucket, of, n).astype(np.int64)


def _advances(
    value: npt.NDArray[np.float64], rolls_over_at: float | None
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Between neighbours: how far, through a roll-over, by a replacement."""
    step = np.diff(value)
    if rolls_over_at is None:
        replaced = step < 0
        return np.where(replaced, 0.0, step), np.zeros(len(step), np.bool_), replaced
    outside = (value < 0) | (value >= rolls_over_at)
    through = np.where(step < 0, step + rolls_over_at, step)
    replaced = (through > PLAUSIBLE * rolls_over_at) | outside[1:] | outside[:-1]
    return np.where(replaced, 0.0, through), (step < 0) & ~replaced, replaced
