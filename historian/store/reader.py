# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_store_query.py, tests/property/test_store.py
"""The reading side: finds the rows of a series in segments, roll-ups and the newest chunks, and asks `query`.

Law of this file: blocking reads only; it changes nothing. Each query works on one `View`, so that it sees each sample
once, whatever is sealed, merged or dropped meanwhile; if a file is gone by then, the query is made again on a new view.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt

from config.words import NS_PER_S, UNCERTAIN, TimesNs
from historian.store import pieces, query
from historian.store.consumption import Consumption, consumption
from historian.store.disk import StoreError
from historian.store.fitting import Rolled, fitting, rolled
from historian.store.gaps import Gaps, Spans, merged
from historian.store.opened import Opened
from historian.store.pieces import Pieces
from historian.store.query import LOOK_BACK_NS, AtTimes, Buckets
from historian.store.rollup_files import lone_samples, records_of
from historian.store.rollups import WIDTHS, held_until
from historian.store.samples import CLASSES, Samples, concat, empty, last_words
from historian.store.segments import DAY_NS
from historian.store.view import Around, Raw, View, days_of

T = TypeVar("T")
ROWS_MAX: Final = 1_000_000
"""Most raw samples of one query [rows]; what is left out is said."""
_AGAIN_MAX: Final = 5
_READINGS_BEFORE: Final = (100, 10_000)
"""How many readings are looked through for a Good one before a span; the next time for one that was Bad for long."""


class Reader:
    """Queries of one store. Every method blocks: for `Offload`; safe from several threads."""

    def __init__(self, root: Path, view: Callable[[], View]) -> None:
        self._view = view
        self._files = Opened(root)

    @property
    def damaged(self) -> set[str]:
        """Files found unreadable, wholly or in part, by path."""
        return self._files.damaged

    def raw(self, series: int, start_ns: int, end_ns: int, rows_max: int = ROWS_MAX) -> Raw:
        """Samples with start_ns <= time < end_ns [UTC ns]."""
        return self._again(lambda view: self._raw(view, series, start_ns, end_ns, rows_max))

    def latest(self, series: int, start_ns: int, end_ns: int, rows_max: int) -> Raw:
        """The latest `rows_max` samples with start_ns <= time < end_ns [UTC ns], by time."""
        return self._again(lambda view: self._latest(view, series, start_ns, end_ns, rows_max))

    def around(
        self, series: int, start_ns: int, end_ns: int, beside: int, rows_max: int = ROWS_MAX, lean: bool = False
    ) -> Around:
        """Samples with start_ns <= time < end_ns, and up to `beside` on either side, within LOOK_BACK_NS.

        Args:
            lean: only series, time, value, status and class count; the rest may be 0. Quiet days are then read from
                roll-ups.
        """
        day = self._lean_day if lean else self._day

        def ask(view: View) -> Around:
            raw = self._raw(view, series, start_ns, end_ns, rows_max, day)
            parts = [self._latest(view, series, start_ns - LOOK_BACK_NS, start_ns, beside, day), raw]
            if raw.complete:
                parts.append(self._raw(view, series, end_ns, end_ns + LOOK_BACK_NS, beside, day))
            samples = concat([p.samples for p in parts if len(p.samples)])
            until = held_until(samples.time_ns, samples.class_id, _gaps(view, parts))
            return Around(samples, until, raw.complete)

        return self._again(ask)

    def at(self, series: int, times: TimesNs) -> tuple[AtTimes, Samples]:
        """The sample in effect at each of the ascending times; `AtTimes.index` points into the samples."""

        def ask(view: View) -> tuple[AtTimes, Samples]:
            if not len(times):
                return query.at_times(empty(), times, _gaps(view)), empty()
            known = self._known(view, series, int(times[0]), int(times[-1]) + 1)
            return query.at_times(known.samples, times, _gaps(view, [known])), known.samples

        return self._again(ask)

    def aligned(self, series: Sequence[int], times: TimesNs) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.uint32]]:
        """Values (k, n) and statuses (k, n) of several series at the same ascending times."""
        found = [self.at(s, times)[0] for s in series]
        shape = (len(series), len(times))
        values = np.array([f.value for f in found]).reshape(shape)
        return values, np.array([f.status for f in found], np.uint32).reshape(shape)

    def curve(self, series: int, start_ns: int, end_ns: int, points_max: int) -> Raw:
        """At most `points_max` real samples that draw the same curve."""
        raw = self.raw(series, start_ns, end_ns)
        return replace(raw, samples=query.decimate(raw.samples, points_max))

    def trend(self, series: int, start_ns: int, end_ns: int, points_max: int, now_ns: int) -> Buckets:
        """At most `points_max` buckets of a round width over a span, the first beginning at or before its start."""
        width_s = query.width_for(start_ns, end_ns, points_max - 1)
        begin = start_ns // (width_s * NS_PER_S) * width_s
        n = -(-(end_ns - begin * NS_PER_S) // (width_s * NS_PER_S))
        return self.buckets(series, begin * NS_PER_S, width_s, max(1, n), now_ns)

    def buckets(self, series: int, start_ns: int, width_s: int, n: int, now_ns: int) -> Buckets:
        """Aggregates over n buckets of `width_s` from `start_ns`: of roll-ups where they fit, else of raw samples."""
        width_ns = width_s * NS_PER_S
        query.check_buckets(width_ns, n)
        edges = start_ns + width_ns * np.arange(n + 1, dtype=np.int64)

        def ask(view: View) -> Buckets:
            return query.fold(self._pieces(view, series, edges, width_s), edges, now_ns)

        return self._again(ask)

    def between(self, series: int, edges: TimesNs, now_ns: int) -> Buckets:
        """Aggregates over the buckets between ascending edges, (n + 1,): days and months of a calendar."""
        query.check_buckets(1, len(edges) - 1)

        def ask(view: View) -> Buckets:
            return query.fold(self._pieces(view, series, edges, query.unit_of(edges)), edges, now_ns)

        return self._again(ask)

    def consumption(self, series: int, edges: TimesNs, rolls_over_at: float | None = None) -> Consumption:
        """What a counter counted between ascending edges, (n + 1,), from its samples and the last Good one before."""
        query.check_buckets(1, len(edges) - 1)

        def ask(view: View) -> Consumption:
            start_ns = int(edges[0]) + 1  # a reading on an edge ends the bucket before it
            before = empty()
            for rows in _READINGS_BEFORE:
                before = self._latest(view, series, 0, start_ns, rows).samples
                if len(before) < rows or (before.status < UNCERTAIN).any():
                    break
            raw = self._raw(view, series, start_ns, int(edges[-1]) + 1, ROWS_MAX)
            if not raw.complete:
                raise StoreError(f"history: more than {ROWS_MAX} readings of one counter; ask for a shorter span")
            return consumption(concat([s for s in (before, raw.samples) if len(s)]), edges, rolls_over_at)

        return self._again(ask)

    # ----------------------------------------------------------------------------------------------------- raw samples

    def _raw(
        self, view: View, series: int, start_ns: int, end_ns: int, rows_max: int, of_day: _OfDay | None = None
    ) -> Raw:
        of_day = of_day or self._day
        parts: list[Samples] = []
        lost: list[Spans] = []
        rows, complete = 0, True
        mask = view.mask(series)
        for day in days_of(view, start_ns, end_ns) if mask or view.losses else ():
            found, hurt = of_day(view, day, series, start_ns, end_ns, mask)
            parts += found
            rows += sum(map(len, found))
            lost.append(hurt)
            if rows > rows_max:
                complete, end_ns = False, min(end_ns, (day + 1) * DAY_NS)
                break
        parts += [c.find(series, start_ns, end_ns, n) for c, n in view.chunks]
        samples = _by_time(parts)
        if len(samples) > rows_max:
            samples, complete = samples.take(slice(0, rows_max)), False
        return _told(view, series, samples, complete, lost, start_ns, end_ns)

    def _day(
        self, view: View, day: int, series: int, start_ns: int, end_ns: int, mask: int
    ) -> tuple[list[Samples], Spans]:
        parts, losses = [], list(view.losses.get(day, ()))
        for segment in view.segments.get(day, ()):
            if mask >> segment.class_id & 1:
                found, hurt = self._files.samples(segment, series, start_ns, end_ns)
                parts.append(found)
                losses += hurt
        return parts, merged(span for loss in losses for span in loss.span_of(series, mask, start_ns, end_ns))

    def _lean_day(
        self, view: View, day: int, series: int, start_ns: int, end_ns: int, mask: int
    ) -> tuple[list[Samples], Spans]:
        """The same out of the finest roll-ups, where no record of the day stands for more than one sample."""
        listed = {
            k: next((w for w in WIDTHS[name] if (k, day, w) in view.rollups), None)
            for k, name in enumerate(CLASSES)
            if mask >> k & 1
        }
        found = rolled(self._files, view, series, day, listed)
        if found is None:
            return self._day(view, day, series, start_ns, end_ns, mask)
        made = [lone_samples(rows, class_id) for class_id, _, rows in found]
        if any(m is None for m in made):
            return self._day(view, day, series, start_ns, end_ns, mask)
        cut = [(m, np.searchsorted(m.time_ns, [start_ns, end_ns])) for m in made if m is not None]
        return [m.take(slice(int(a), int(b))) for m, (a, b) in cut], ()

    def _latest(
        self, view: View, series: int, start_ns: int, end_ns: int, rows_max: int, of_day: _OfDay | None = None
    ) -> Raw:
        of_day = of_day or self._day
        mask = view.mask(series)
        newest = [c.find(series, start_ns, end_ns, n) for c, n in view.chunks]
        sealed: list[Samples] = []
        lost: list[Spans] = []
        complete = True
        for day in reversed(days_of(view, start_ns, end_ns) if mask or view.losses else ()):
            if sum(map(len, sealed)) >= rows_max and len(_by_time(sealed)) >= rows_max:
                complete, start_ns = False, (day + 1) * DAY_NS
                break
            found, hurt = of_day(view, day, series, start_ns, end_ns, mask)
            sealed = [*found, *sealed]
            lost.append(hurt)
        samples = _by_time([*sealed, *newest])
        complete &= len(samples) <= rows_max
        return _told(view, series, samples.take(slice(-rows_max, None)), complete, lost, start_ns, end_ns)

    def _known(self, view: View, series: int, start_ns: int, end_ns: int) -> Raw:
        """Raw samples of a span, and before them the one in effect at its start, if any."""
        raw = self._raw(view, series, start_ns, end_ns, ROWS_MAX)
        if len(raw.samples) and raw.samples.time_ns[0] == start_ns:
            return raw
        before = self._before(view, series, start_ns)
        return replace(raw, samples=concat([before.samples, raw.samples]), lost=merged((*before.lost, *raw.lost)))

    def _before(self, view: View, series: int, time_ns: int) -> Raw:
        """The last sample before a time, if one may still hold then."""
        parts = [c.last_before(series, time_ns, n) for c, n in view.chunks]
        mask, begin_ns = view.mask(series), time_ns - LOOK_BACK_NS
        lost: list[Spans] = []
        for day in reversed(days_of(view, begin_ns, time_ns) if mask or view.losses else ()):
            found, hurt = self._day(view, day, series, begin_ns, time_ns, mask)
            lost.append(hurt)
            if any(map(len, found)):
                parts = found + parts
                break
        return _told(view, series, _by_time(parts).take(slice(-1, None)), True, lost, begin_ns, time_ns)

    # -------------------------------------------------------------------------------------------------------- roll-ups

    def _pieces(self, view: View, series: int, edges: TimesNs, width_s: int) -> Pieces:
        """What buckets between these edges are folded from; each is a multiple of the width after the first."""
        mask, start_ns, end_ns = view.mask(series), int(edges[0]), int(edges[-1])
        widths = {k: query.rollups_for(width_s, edges, k) for k in range(len(CLASSES)) if mask >> k & 1}
        first = max(0, start_ns // DAY_NS)
        live = {
            int(d) for c, n in view.chunks for d in np.unique(c.find(series, start_ns, end_ns, n).time_ns // DAY_NS)
        }
        parts: list[Raw | list[Rolled]] = [self._before(view, series, start_ns)]
        raw_from: int | None = None
        days = sorted({*(days_of(view, first * DAY_NS, end_ns) if mask else ()), *live})
        fit = fitting(self._files, view, series, [day for day in days if day not in live], widths, edges)
        for day in days:
            if day not in fit:
                raw_from = max(start_ns, day * DAY_NS) if raw_from is None else raw_from
                continue
            if raw_from is not None:
                parts.append(self._all(view, series, raw_from, day * DAY_NS))
                raw_from = None
            parts.append(fit[day])
        if raw_from is not None:
            parts.append(self._all(view, series, raw_from, end_ns))
        gaps = _gaps(view, [p for p in parts if isinstance(p, Raw)])
        before, *made = _pieces_of(parts, edges, gaps)
        return pieces.join([before, pieces.from_time(pieces.join(made), start_ns)])

    def _all(self, view: View, series: int, start_ns: int, end_ns: int) -> Raw:
        raw = self._raw(view, series, start_ns, end_ns, ROWS_MAX, self._lean_day)
        if not raw.complete:
            text = (
                f"history: these buckets need more than {ROWS_MAX} raw samples; ask for a shorter span or for buckets"
            )
            raise StoreError(f"{text} of whole quarters, hours or days that begin at one (UTC)")
        return raw

    def forget(self, paths: Sequence[str]) -> None:
        """Hold these files no longer: they are gone, or written anew."""
        self._files.forget(paths)

    def _again(self, ask: Callable[[View], T]) -> T:
        for _ in range(_AGAIN_MAX):
            try:
                return ask(self._view())
            except FileNotFoundError as error:
                missing = error
        raise StoreError(f"history: {missing.filename or missing}: is gone; run `vigie verify history`") from missing

    def close(self) -> None:
        """Hold no file."""
        self._files.close()


_OfDay = Callable[[View, int, int, int, int, int], tuple[list[Samples], Spans]]
"""View, day, series, start, end [UTC ns], classes -> samples of a day, and of what stretches part cannot be read."""


def _told(
    view: View, series: int, samples: Samples, complete: bool, lost: Sequence[Spans], start_ns: int, end_ns: int
) -> Raw:
    stops = tuple(s for s in view.stops if s[0] < end_ns and s[1] > start_ns)
    if stops and not len(samples) and not view.recorded(series):
        stops = ()
    return Raw(samples, complete, merged(span for spans in lost for span in spans), stops)


def _gaps(view: View, parts: Sequence[Raw] = ()) -> Gaps:
    """Where nothing holds of what was read."""
    return Gaps(view.stop_starts, merged(span for p in parts for span in p.lost))


def _pieces_of(parts: Sequence[Raw | list[Rolled]], edges: TimesNs, gaps: Gaps) -> Iterator[Pieces]:
    """Pieces of samples, and of roll-ups day by day; days in a row of one class and width are made in one pass."""
    flat = [one for part in parts for one in ([part] if isinstance(part, Raw) else part)]
    for key, same in itertools.groupby(flat, key=lambda p: None if isinstance(p, Raw) else p[:2]):
        if key is None:
            yield from (pieces.of_samples(p.samples, gaps) for p in same if isinstance(p, Raw))
            continue
        class_id, width_s = key
        records = records_of([p[2] for p in same if not isinstance(p, Raw)], width_s)
        yield pieces.cut(pieces.of_records(records, width_s, class_id, gaps), edges)


def _by_time(parts: Sequence[Samples]) -> Samples:
    """Parts of one series in order of arrival, made one: by time, the last word of each time."""
    full = [p for p in parts if len(p)]
    samples = concat(full)
    if len(full) > 1 or (len(samples) and bool((np.diff(samples.time_ns) < 0).any())):
        samples = samples.take(np.argsort(samples.time_ns, kind="stable"))
    return last_words(samples)
