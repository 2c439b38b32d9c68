# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_store_losses.py, tests/property/test_store_query.py
"""Where nothing is known: stops of recording, and stretches of which part was stored and cannot be read any more.

Law of this file: words and columns; no I/O, no clock.

A file that rots takes rows with it of which little is known: of a segment its class and day, of a part of one the
series and times its footer tells, of a frame of the log when it was written. What else can be read of such a stretch is
told; but no value holds within it, for what changed meanwhile may be what is lost.
Source: OPC 10000-11, 4.3: whoever reads over a gap is told so.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np

from config.words import TimesNs

Spans = tuple[tuple[int, int], ...]
"""(start, end), start <= time < end, ascending [UTC ns]."""
ANY_CLASS: Final = -1
SERIES_MAX: Final = 2**32 - 1
_NEVER: Final = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class Loss:
    """Rows that were stored and cannot be read.

    Attributes:
        what: the file or part of a file that held them, relative to the store.
        class_id: index into CLASSES, or ANY_CLASS.
        day: days since 1970 (UTC) of their time.
        low, high: series ids between which they lie, low <= id <= high.
        start_ns, end_ns: times between which they lie.
        rows: how many.
    """

    what: str
    class_id: int
    day: int
    low: int
    high: int
    start_ns: int
    end_ns: int
    rows: int

    @property
    def copy(self) -> str:
        """Name of the copy that quarantine keeps of it, if any."""
        path, _, at = self.what.partition("@")
        return f"{path.removeprefix('wal/').removesuffix('.wal')}-{at}.bin" if at else path.replace("/", "_")

    def span_of(self, series: int, mask: int, start_ns: int, end_ns: int) -> Spans:
        """Its part of a span of one series that has samples of the classes in `mask`: one or none."""
        start, end = max(self.start_ns, start_ns), min(self.end_ns, end_ns)
        concerned = self.class_id == ANY_CLASS or mask >> self.class_id & 1
        return ((start, end),) if concerned and self.low <= series <= self.high and start < end else ()


def merged(spans: Iterable[tuple[int, int]]) -> Spans:
    """Ascending, none touching another."""
    found: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return tuple(found)


@dataclass(frozen=True, slots=True, eq=False)
class Gaps:
    """What one query knows of them.

    Attributes:
        starts: when recording stopped, ascending [UTC ns].
        lost: where part of its samples cannot be read.
    """

    starts: TimesNs
    lost: Spans = ()

    def cut(self, time_ns: TimesNs, until_ns: TimesNs) -> TimesNs:
        """How long values of these times hold, if they would hold until then."""
        if len(self.starts):
            until_ns = np.minimum(until_ns, np.append(self.starts, _NEVER)[np.searchsorted(self.starts, time_ns)])
        if not self.lost:
            return until_ns
        begins, ends = np.array(self.lost, np.int64).T
        at = np.searchsorted(begins, time_ns, "right")
        inside = (at > 0) & (time_ns < ends[at - 1])
        return np.where(inside, time_ns, np.minimum(until_ns, np.append(begins, _NEVER)[at]))
