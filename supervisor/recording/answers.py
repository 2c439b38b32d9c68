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

from config.words import NS_PER_S, Kind
from historian.store.reader import Reader
from historian.store.samples import BACKFILLED, LATE, SIMULATED
from supervisor.commands.values import iso, status_name

PAGE_MAX: Final = 10_000
GAPS_MAX: Final = 1000
_FLAGS: Final = {LATE: "late", BACKFILLED: "back-filled", SIMULATED: "simulated"}
Gap = tuple[int, int, str]


@dataclass(frozen=True, slots=True)
class Series:
    """A tag as a query needs it. `values`: names of an Enumeration's values, empty where they are not known."""

    name: str
    series: int
    kind: Kind
    unit: str | None = None
    values: tuple[str, ...] = ()
    title: str = ""

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
        return float(value) if self.kind.is_float else int(value)


def raw_page(reader: Reader, tag: Series, from_ns: int, until_ns: int, limit: int = PAGE_MAX) -> dict[str, Any]:
    """Samples with from <= time < until [UTC ns], the earliest `limit`; `next_ns`: where the next page begins."""
    raw = reader.raw(tag.series, from_ns, until_ns, min(limit, PAGE_MAX))
    samples = raw.samples
    times = samples.time_ns.tolist()
    return {
        "time_ns": times,
        "value": [tag.plain(v) for v in samples.python()],
        "status": [status_name(s) for s in samples.status.tolist()],
        "lag_s": [lag / 10 for lag in samples.lag_ds.tolist()],
        "note": [_note(flags) for flags in samples.flags.tolist()],
        "damaged": raw.damaged,
        "next_ns": times[-1] + 1 if times and not raw.complete else None,
    }


def _note(flags: int) -> str:
    return ", ".join(name for bit, name in _FLAGS.items() if flags & bit)


def bucket_page(
    reader: Reader, tag: Series, from_ns: int, until_ns: int, width_s: int, now_ns: int, limit: int = PAGE_MAX
) -> dict[str, Any]:
    """Aggregates over buckets of `width_s` from `from_ns` on, the first `limit` of them.

    Raises:
        ValueError: they have no width.
        StoreError: they need too many raw samples.
    """
    width_ns = width_s * NS_PER_S
    if width_ns <= 0:
        raise ValueError("every: expected at least 1 s")
    wanted = max(0, -(-(until_ns - from_ns) // width_ns))
    n = min(wanted, limit, PAGE_MAX)
    page: dict[str, Any] = {name: [] for name in ("time_ns", "min", "max", "mean", "last", "count", "good", "status")}
    if n:
        b = reader.buckets(tag.series, from_ns, width_s, n, now_ns)
        page = {
            "time_ns": b.start_ns.tolist(),
            "min": _finite(b.low.tolist()),
            "max": _finite(b.high.tolist()),
            "mean": _finite(b.mean.tolist()),
            "last": _finite(b.last.tolist()),
            "count": b.count.tolist(),
            "good": _finite(b.good_share.tolist()),
            "status": [status_name(s) for s in b.status.tolist()],
        }
    return {**page, "next_ns": from_ns + n * width_ns if n < wanted else None}


def _finite(values: Sequence[float]) -> list[float | None]:
    return [v if math.isfinite(v) else None for v in values]


def gaps_within(gaps: Sequence[Gap], from_ns: int, until_ns: int) -> list[list[Any]]:
    """[start, end, cause] of the latest GAPS_MAX gaps that touch the span."""
    return [list(g) for g in gaps if g[0] < until_ns and g[1] > from_ns][-GAPS_MAX:]
