# SPDX-License-Identifier: Apache-2.0
# Tests: tests/property/test_store_query.py, tests/unit/test_store_query.py
"""Roll-ups: what a class keeps of each minute, quarter, hour and day, so that a month is read like an hour.

Law of this file: pure columns; no I/O, no clock. Their files: `rollup_files`.

Theory of operation. A stored value holds until the next one (history is stepped: dead bands store changes). A record
depends on the samples *within its bucket only*: what happened from the first of them to the end of the bucket. The part
before the first sample belongs to the value held from earlier; the reader, who sees the record before, adds it. So a
day's roll-ups never depend on another day, and buckets without samples need no record.

A value holds no longer than its class allows (`HOLD_NS`: the keep-alive interval and a margin) and never into a gap of
recording: what was not refreshed is unknown, not unchanged. Only Good values count in low, high, area and last
(source: OPC 10000-13, 4.2.2.1, TreatUncertainAsBad = true, stepped).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

import numpy as np
import numpy.typing as npt

from config.words import NS_PER_S, UNCERTAIN, StatusCode, TimesNs
from historian.store.gaps import Gaps
from historian.store.samples import Samples

MINUTE, QUARTER, HOUR, DAY = 60, 900, 3600, 86_400
WIDTHS: Final[dict[str, tuple[int, ...]]] = {
    "E": (HOUR, DAY),
    "A1": (MINUTE, QUARTER, HOUR, DAY),
    "A2": (QUARTER, HOUR, DAY),
    "C": (HOUR, DAY),
    "D": (DAY,),
    "P": (),
    "E13": (HOUR, DAY),
}
"""Roll-ups made of each class [s], ascending. Personal data has none. Source: plant documentation 7.3."""
_HOLD_S: Final = (26 * HOUR, 15 * MINUTE, 2 * HOUR, 3 * HOUR, 50 * HOUR, 26 * HOUR, 26 * HOUR)
HOLD_NS: Final = np.array(_HOLD_S, np.int64) * NS_PER_S
"""How long a value holds without being refreshed, by class number [ns]."""


@dataclass(frozen=True, slots=True)
class Records:
    """Parallel columns, (n,), sorted by series and start.

    Attributes:
        start_ns: UTC start of the bucket [ns], a multiple of its width.
        first_ns, last_ns: time of the first and last sample in it.
        low, high: of the Good values; NaN if none.
        area: integral of the Good value from the first sample to the end of the bucket [unit x s].
        good_ns: how long the value was Good in that time [ns].
        last, last_status: of the last sample; Bad and NaN if it does not hold to the end of the bucket.
        count: samples.
    """

    series: npt.NDArray[np.uint32]
    start_ns: TimesNs
    first_ns: TimesNs
    last_ns: TimesNs
    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]
    area: npt.NDArray[np.float64]
    good_ns: npt.NDArray[np.int64]
    last: npt.NDArray[np.float64]
    last_status: npt.NDArray[np.uint32]
    count: npt.NDArray[np.uint32]

    def __len__(self) -> int:
        return len(self.series)

    def take(self, rows: slice) -> Records:
        return Records(*(getattr(self, name)[rows] for name in NAMES))


NAMES: Final = tuple(f.name for f in fields(Records))
U32: Final = ("series", "last_status", "count")
F64: Final = ("low", "high", "area", "last")
DTYPES: Final = {n: np.dtype("<u4" if n in U32 else "<f8" if n in F64 else "<i8") for n in NAMES}


def held_until(time_ns: TimesNs, class_id: npt.NDArray[np.uint8], gaps: Gaps) -> TimesNs:
    """How long each value holds at most: its class' time, cut by the next gap [UTC ns]."""
    return gaps.cut(time_ns, time_ns + HOLD_NS[class_id])


def compute(samples: Samples, width_s: int, gaps: Gaps) -> Records:
    """Roll-ups of samples sorted by series and time, without two of the same series and time.

    Args:
        width_s: of the bucket [s].
        gaps: where nothing is known.
    """
    width = width_s * NS_PER_S
    series, time_ns = samples.series, samples.time_ns
    bucket = time_ns // width
    fresh = np.ones(len(samples), np.bool_)
    fresh[1:] = (series[1:] != series[:-1]) | (bucket[1:] != bucket[:-1])
    starts = np.flatnonzero(fresh)
    lasts = np.append(starts[1:], len(samples)) - 1
    if not len(starts):
        return nothing()
    upto = np.empty_like(time_ns)
    upto[:-1] = time_ns[1:]
    upto[lasts] = (bucket[lasts] + 1) * width
    held = held_until(time_ns, samples.class_id, gaps)
    dt = np.minimum(upto, held) - time_ns
    good = samples.status < UNCERTAIN
    counted = good & ~np.isnan(samples.value)
    low = np.minimum.reduceat(np.where(counted, samples.value, np.inf), starts)
    high = np.maximum.reduceat(np.where(counted, samples.value, -np.inf), starts)
    none = ~np.logical_or.reduceat(counted, starts)
    low[none] = high[none] = np.nan
    with np.errstate(over="ignore", invalid="ignore"):
        area = np.add.reduceat(np.where(counted, samples.value * (dt / NS_PER_S), 0.0), starts)
    lapsed = held[lasts] < upto[lasts]
    return Records(
        series=series[starts],
        start_ns=bucket[starts] * width,
        first_ns=time_ns[starts],
        last_ns=time_ns[lasts],
        low=low,
        high=high,
        area=area,
        good_ns=np.add.reduceat(np.where(good, dt, 0), starts),
        last=np.where(lapsed | ~good[lasts], np.nan, samples.value[lasts]),
        last_status=np.where(lapsed, np.uint32(StatusCode.Bad), samples.status[lasts]),
        count=np.diff(np.append(starts, len(samples))).astype(np.uint32),
    )


def nothing() -> Records:
    """No record."""
    return Records(**{name: np.empty(0, dtype) for name, dtype in DTYPES.items()})
