# SPDX-License-Identifier: Apache-2.0
# Tests: tests/property/test_store_query.py, tests/property/test_aggregates_rolled.py
"""Which roll-ups of which closed days buckets can be folded from.

Law of this file: blocking reads through `Opened` only; a day is answered whole or not at all. What is asked of every
record is asked of many days at once: a year has hundreds of files of a few records each.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from config.words import TimesNs
from historian.store import pieces, query
from historian.store.gaps import Gaps
from historian.store.opened import Opened
from historian.store.rollup_files import Rows, joined
from historian.store.rollups import held_until
from historian.store.segments import DAY_LEVEL
from historian.store.view import View

Rolled = tuple[int, int, Rows]
"""Class, width [s] and records of one series and day."""
Widths = Mapping[int, tuple[int, ...]]
"""Class -> widths of roll-ups that may serve [s], those first that are tried first."""


def fitting(
    files: Opened, view: View, series: int, days: Sequence[int], widths: Widths, edges: TimesNs
) -> dict[int, list[Rolled]]:
    """Day -> its roll-ups, none or one, that lie between the edges or can be cut there. Left out: a day that none
    serve.
    """
    levels = list(range(max(map(len, widths.values()), default=0)))
    unit_s, gaps = query.unit_of(edges), Gaps(view.stop_starts)
    found: dict[int, list[Rolled]] = {}
    for some in _growing(days):
        served: dict[int, int] = {}
        left = some
        for level in levels:
            chosen = {k: w[min(level, len(w) - 1)] if w else None for k, w in widths.items()}
            read = {day: made for day in left if (made := rolled(files, view, series, day, chosen)) is not None}
            fit = _between(read, edges, unit_s, gaps)
            served[level] = sum(map(len, fit.values()))
            found |= fit
            left = [day for day in left if day not in fit]
        levels.sort(key=lambda level: -served[level])  # what served most days is tried first on the next
    return found


def _growing(days: Sequence[int]) -> Iterator[Sequence[int]]:
    """One day, then twice as many each time: what the first ones teach is of use to the others."""
    start, size = 0, 1
    while start < len(days):
        yield days[start : start + size]
        start, size = start + size, 2 * size


def rolled(files: Opened, view: View, series: int, day: int, widths: Mapping[int, int | None]) -> list[Rolled] | None:
    """Roll-ups of a closed day, none or one; None if they cannot say everything about it."""
    found: list[Rolled] = []
    for class_id, width in widths.items():
        own = [s for s in view.segments.get(day, ()) if s.class_id == class_id]
        listed = None if width is None else view.rollups.get((class_id, day, width))
        if not own and listed is None:
            continue
        if len(own) > 1 or (own and own[0].level != DAY_LEVEL):
            return None
        reader = None if listed is None else files.contents(listed.path)
        records = None if reader is None else reader.find(series)
        if records is None or listed is None:
            return None
        if len(records):
            found.append((class_id, listed.width_s, records))
    return found if len(found) < 2 else None


def _between(read: Mapping[int, list[Rolled]], edges: TimesNs, unit_s: int, gaps: Gaps) -> dict[int, list[Rolled]]:
    """Those days whose records all lie between the edges, which are multiples of `unit_s`, or can be cut there."""
    alike: dict[tuple[int, int], list[int]] = defaultdict(list)
    for day, some in read.items():
        for class_id, width_s, _ in some:
            if unit_s % width_s:
                alike[class_id, width_s].append(day)
    unfit: set[int] = set()
    for (class_id, width_s), days in alike.items():
        parts = [read[day][0][2] for day in days]
        rows = joined(parts)
        first_ns, last_ns, status = (rows.column(name) for name in ("first_ns", "last_ns", "last_status"))
        until = held_until(last_ns, np.full(len(rows), class_id, np.uint8), gaps)
        fine = pieces.cuttable(first_ns, last_ns, status, until, width_s, edges)
        fine = np.logical_and.reduceat(fine, np.cumsum([0, *map(len, parts[:-1])]))
        unfit.update(day for day, fits in zip(days, fine.tolist(), strict=True) if not fits)
    return {day: some for day, some in read.items() if day not in unfit}
