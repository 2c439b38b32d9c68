# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_cli_history.py, tests/unit/test_history_door.py
"""Queries of one tag as documents: the same from a running server and from the files alone.

Law of this file: blocking; every document is bounded by PAGE_MAX rows and says where the next one begins.

Values look as they do everywhere: an enumeration by name, a Boolean as true or false, null where the quality is Bad. A
gap, a time in which nothing was recorded, stands beside the samples with its cause.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np

from config.words import NS_PER_S, Kind
from historian.store.query import Buckets
from historian.store.reader import Reader
from historian.store.samples import BACKFILLED, JOINED, LATE, SIMULATED
from supervisor.commands.values import iso, status_name
from supervisor.recording.periods import edges_of

PAGE_MAX: Final = 10_000
GAPS_MAX: Final = 1000
_FLAGS: Final = {LATE: "late", BACKFILLED: "back-filled", SIMULATED: "simulated", JOINED: "new meter"}
BUCKET_COLUMNS: Final = ("time_ns", "min", "max", "mean", "last", "count", "good", "consumption", "status")
Gap = tuple[int, int, str]


@dataclass(frozen=True, slots=True)
class Series:
    """A tag as a query needs it.

    Attributes:
        values: names of an Enumeration's values, empty where they are not known.
        rolls_over_at: of a counter, where its range ends; None where it is not known.
    """

    name: str
    series: int
    kind: Kind
    unit: str | None = None
    values: tuple[str, ...] = ()
    title: str = ""
    rolls_over_at: float | None = None

    def document(self, zone: str) -> dict[str, Any]:
        return {"tag": self.name, "title": self.title, "kind": self.kind.name, "unit": self.unit, "zone": zone}

    def plain(self, value: Any) -> Any:
        """A stored value as people and JSON read it."""
        if value is None or isinstance(value, str) or (isinstance(value, float) and not math.isfinite(value)):
            return value if isinstance(value, str) else None
        if self.kind is Kind.Boolean:
            return bool(value)
        if self.kind is Kind.DateTime:
            return iso(int(value))
        if self.kind is Kind.Enumeration and 0 <= int(value) < len(self.values):
            return self.values[int(value)]
        if self.kind is Kind.UInt64:
            return int(value) % 2**64  # where no float holds it, its bits are kept
        return float(value) if self.kind.is_float else int(value)


def raw_page(reader: Reader, tag: Series, from_ns: int, until_ns: int, limit: int = PAGE_MAX) -> dict[str, Any]:
    """Samples with from <= time < until [UTC ns], the earliest `limit`.

    `next_ns`: where the next page begins; `lost`: [start, end] of stretches of which part cannot be read any more.
    """
    raw = reader.raw(tag.series, from_ns, until_ns, min(limit, PAGE_MAX))
    samples = raw.samples
    times = samples.time_ns.tolist()
    return {
        "time_ns": times,
        "value": [tag.plain(v) for v in samples.python()],
        "status": [status_name(s) for s in samples.status.tolist()],
        "lag_s": [lag / 10 for lag in samples.lag_ds.tolist()],
        "note": [_note(flags) for flags in samples.flags.tolist()],
        "lost": [list(span) for span in raw.lost],
        "next_ns": times[-1] + 1 if times and not raw.complete else None,
    }


def _note(flags: int) -> str:
    return ", ".join(name for bit, name in _FLAGS.items() if flags & bit)


@dataclass(frozen=True, slots=True)
class Every:
    """Which buckets are asked for: of `width_s`, or days, weeks or months of a zone.

    Attributes:
        width_s: 0 if `period` is given [s].
        consumption: also what a counter counted in each; `status` is then that of the consumption.
    """

    width_s: int
    period: str = ""
    zone: str = "UTC"
    consumption: bool = False

    def edges(self, from_ns: int, until_ns: int, most: int) -> list[int]:
        """Edges of the buckets from `from_ns` on, at most `most` of them; none if the span is empty.

        Raises:
            ValueError: no width, or no such period.
        """
        if until_ns <= from_ns:
            return []
        if self.period:
            return edges_of(self.period, from_ns, until_ns, ZoneInfo(self.zone), most)
        width_ns = self.width_s * NS_PER_S
        if width_ns <= 0:
            raise ValueError("every: expected at least 1 s")
        n = min(-(-(until_ns - from_ns) // width_ns), most)
        return list(range(from_ns, from_ns + n * width_ns + 1, width_ns))


def bucket_page(
    reader: Reader, tag: Series, from_ns: int, until_ns: int, every: Every, now_ns: int, limit: int = PAGE_MAX
) -> dict[str, Any]:
    """Aggregates over buckets from `from_ns` on (a period: from the beginning of the one that holds it), the first
    `limit` of them.

    Raises:
        ValueError: no width, or no such period.
        StoreError: they need too many raw samples.
    """
    at = every.edges(from_ns, until_ns, min(limit, PAGE_MAX))
    if len(at) < 2:
        return {**{name: [] for name in BUCKET_COLUMNS}, "next_ns": None}
    edges = np.array(at, np.int64)
    page = _columns(reader.between(tag.series, edges, now_ns))
    if every.consumption:
        used = reader.consumption(tag.series, edges, tag.rolls_over_at)
        page["consumption"] = _finite(used.amount.tolist())
        page["status"] = [status_name(s) for s in used.status.tolist()]
    return {**page, "next_ns": at[-1] if at[-1] < until_ns else None}


def _columns(b: Buckets) -> dict[str, Any]:
    return {
        "time_ns": b.start_ns.tolist(),
        "min": _finite(b.low.tolist()),
        "max": _finite(b.high.tolist()),
        "mean": _finite(b.mean.tolist()),
        "last": _finite(b.last.tolist()),
        "count": b.count.tolist(),
        "good": _finite(b.good_share.tolist()),
        "status": [status_name(s) for s in b.status.tolist()],
        "consumption": [None] * len(b.start_ns),
    }


def _finite(values: Sequence[float]) -> list[float | None]:
    return [v if math.isfinite(v) else None for v in values]


def gaps_within(gaps: Sequence[Gap], from_ns: int, until_ns: int) -> list[list[Any]]:
    """[start, end, cause] of the latest GAPS_MAX gaps that touch the span."""
    return [list(g) for g in gaps if g[0] < until_ns and g[1] > from_ns][-GAPS_MAX:]
