# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_store_query.py, tests/unit/test_store_losses.py
"""What a history consisted of at one instant, and what is read of one series.

Law of this file: words; no I/O, no clock.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from config.words import TimesNs
from historian.store.chunk import Chunk
from historian.store.gaps import Loss, Spans
from historian.store.index import RollupFile, Segment
from historian.store.samples import Samples
from historian.store.segments import DAY_NS


@dataclass(frozen=True, slots=True)
class View:
    """What the history consisted of at one instant. Never changed.

    Attributes:
        segments: day -> its segments in order of arrival.
        days: with a segment or roll-ups, ascending.
        rollups: (class, day, width) -> file.
        chunks: of the log, in order of arrival, with the rows each had.
        masks: by series id, bit k if class k has sealed samples of it.
        stops: from when to when nothing was recorded, ascending [UTC ns].
        losses: day -> what was stored then and cannot be read.
    """

    segments: dict[int, tuple[Segment, ...]]
    days: tuple[int, ...]
    rollups: dict[tuple[int, int, int], RollupFile]
    chunks: tuple[tuple[Chunk, int], ...]
    masks: npt.NDArray[np.uint8]
    stops: Spans
    losses: dict[int, list[Loss]]

    @property
    def stop_starts(self) -> TimesNs:
        return np.array([start for start, _ in self.stops], np.int64)

    def recorded(self, series: int) -> bool:
        """Whether there is any sample of it."""
        return self.mask(series) > 0 or any(c.holds(series, n) for c, n in self.chunks)

    def mask(self, series: int) -> int:
        return int(self.masks[series]) if series < len(self.masks) else 0


@dataclass(frozen=True, slots=True)
class Raw:
    """Samples of one series by time, one per time.

    Attributes:
        complete: False if there are more than were asked for; then the earliest (of `latest` the latest) are there.
        lost: stretches of which part was stored and cannot be read.
        stops: those of the span in which nothing was recorded; none if the series was never recorded at all.
    """

    samples: Samples
    complete: bool
    lost: Spans = ()
    stops: Spans = ()


@dataclass(frozen=True, slots=True)
class Around:
    """Samples of a span of one series and those next to it, by time, one per time.

    Attributes:
        until_ns: how long each holds at most, (n,) [UTC ns].
        complete: False if more lie in the span than were asked for; then the earliest are there, and none after it.
    """

    samples: Samples
    until_ns: TimesNs
    complete: bool


def days_of(view: View, start_ns: int, end_ns: int) -> tuple[int, ...]:
    """Days of a span in which something may lie."""
    if end_ns <= start_ns:
        return ()
    return view.days[bisect_left(view.days, start_ns // DAY_NS) : bisect_left(view.days, (end_ns - 1) // DAY_NS + 1)]
