# SPDX-License-Identifier: Apache-2.0
# Tests: tests/property/test_store_query.py, tests/property/test_aggregates_rolled.py
"""`Pieces`: the common form of raw samples and of roll-ups, from which buckets are folded.

Law of this file: columns in, columns out; no I/O, no clock.

A piece is something known from `first_ns` on, whose value is held from `end_ns` on. For a sample both are its time; for
a roll-up record the time between lies in `area` and `good_ns`. So buckets are folded from either, or from a mixture, by
the same lines.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from config.words import NS_PER_S, UNCERTAIN, StatusCode, Statuses, TimesNs
from historian.store.gaps import Gaps
from historian.store.rollups import Records, held_until
from historian.store.samples import Samples

NEVER: Final = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class Pieces:
    """Parallel columns, (n,), ascending in time, of one series. `until_ns`: how long the value holds at most."""

    first_ns: TimesNs
    end_ns: TimesNs
    until_ns: TimesNs
    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]
    area: npt.NDArray[np.float64]
    good_ns: npt.NDArray[np.int64]
    last: npt.NDArray[np.float64]
    last_good: npt.NDArray[np.bool_]
    count: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.first_ns)


_PIECES: Final = tuple(Pieces.__dataclass_fields__)


def of_samples(samples: Samples, gaps: Gaps) -> Pieces:
    """Pieces of raw samples of one series, by time, without two of the same time."""
    good = samples.status < UNCERTAIN
    value = np.where(good, samples.value, np.nan)
    n = len(samples)
    until = held_until(samples.time_ns, samples.class_id, gaps)
    zeros = np.zeros(n, np.int64)
    return Pieces(
        samples.time_ns, samples.time_ns, until, value, value, np.zeros(n), zeros, value, good, np.ones(n, np.int64)
    )


def of_records(records: Records, width_s: int, class_id: int, gaps: Gaps) -> Pieces:
    """Pieces of the roll-ups of one series and class."""
    r = records
    until = held_until(r.last_ns, np.full(len(r), class_id, np.uint8), gaps)
    end = r.start_ns + width_s * NS_PER_S
    good = r.last_status < UNCERTAIN
    count = r.count.astype(np.int64)
    return Pieces(r.first_ns, end, until, r.low, r.high, r.area, r.good_ns, r.last, good, count)


def cuttable(
    first_ns: TimesNs, last_ns: TimesNs, status: Statuses, until_ns: TimesNs, width_s: int, edges: TimesNs
) -> npt.NDArray[np.bool_]:
    """Whether each record of a roll-up lies on one side of every edge, or can be cut there: all its samples lie on one
    side, and how long the last of them held is known. No two edges may be closer than the width.

    Args:
        first_ns, last_ns, status: time of its first sample, time and status of its last, (n,).
        until_ns: how long the last one holds at most, (n,).
    """
    width_ns = width_s * NS_PER_S
    start_ns = first_ns // width_ns * width_ns
    end_ns, edge_ns = start_ns + width_ns, np.append(edges, NEVER)[np.searchsorted(edges, start_ns, "right")]
    lapsed = (status == StatusCode.Bad) & (until_ns > edge_ns) & (until_ns < end_ns)
    whole: npt.NDArray[np.bool_] = (edge_ns >= end_ns) | (first_ns >= edge_ns) | ((last_ns < edge_ns) & ~lapsed)
    return whole


def cut(pieces: Pieces, edges: TimesNs) -> Pieces:
    """Pieces that end at the edge that lies within them: what its last value adds behind it is left to `fold`."""
    p = pieces
    edge_ns = np.append(edges, NEVER)[np.searchsorted(edges, p.first_ns, "right")]
    over = np.maximum(p.end_ns - edge_ns, 0)
    if not over.any():
        return p
    held = np.where(p.last_good, over, 0)
    area = p.area - np.where(np.isnan(p.last), 0.0, p.last) * (held / NS_PER_S)
    return replace(p, end_ns=p.end_ns - over, area=area, good_ns=p.good_ns - held)


def join(parts: Sequence[Pieces]) -> Pieces:
    """One after the other in time."""
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return Pieces(*(np.empty(0, d) for d in ("i8", "i8", "i8", "f8", "f8", "f8", "i8", "f8", "?", "i8")))
    return Pieces(*(np.concatenate([getattr(p, name) for p in parts]) for name in _PIECES))


def from_time(pieces: Pieces, start_ns: int) -> Pieces:
    """Pieces from `start_ns` on."""
    begin = int(np.searchsorted(pieces.first_ns, start_ns))
    return Pieces(*(getattr(pieces, name)[begin:] for name in _PIECES)) if begin else pieces
