# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_store_rules.py
"""What is stored: the class rules of the plant documentation (7.3) as column operations over the rows of a scan.

    E  event        every change; kept alive every 24 h
    A1 fast analog  beyond the dead band, not within 10 s of the last; kept alive every 5 min
    A2 slow analog  beyond the dead band; kept alive every hour
    C  counter      at whole quarters (or `every`), UTC
    D  daily        once a day (or `every`), UTC
    P  personal     every change; kept alive every 24 h
    N  none         never

Law of this file: columns in, columns out; time is an argument; no loop over rows (but for the texts of those that have
one). What is compared is the last *stored* value, so that a slow drift is not lost.

A change of severity (Good, Uncertain, Bad) is stored at once, whatever the interval: a gap must begin where it begins;
only D waits for its hour. A change that comes too early is stored as it stands when the interval ends. Kept alive means
the value is stored again though nothing changed: up to an eighth earlier, each series by its own part, so that half a
million quiet tags do not come due in one scan.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from config.model import HistoryClass, HistoryRule
from config.words import NS_PER_S, Cells, Kind, Rows, Statuses, TimesNs
from historian.store.samples import CLASSES, LATE, Samples, from_cells, speaks

NEVER: Final = -1
NOT_STORED: Final = 255
"""Class number of class N."""
_FOREVER: Final = np.iinfo(np.int64).max
_SEVERITY_SHIFT: Final = np.uint32(30)
_LOOK_NS: Final = NS_PER_S
"""How often rows are asked whether they are due [ns]."""


class Timing(NamedTuple):
    """Of one class [s]: least and longest time between two samples, alignment; 0 is none."""

    least_s: int
    longest_s: int
    every_s: int


TIMING: Final[dict[HistoryClass, Timing]] = {
    HistoryClass.E: Timing(0, 86_400, 0),
    HistoryClass.A1: Timing(10, 300, 0),
    HistoryClass.A2: Timing(0, 3600, 0),
    HistoryClass.C: Timing(0, 0, 900),
    HistoryClass.D: Timing(0, 0, 86_400),
    HistoryClass.P: Timing(0, 86_400, 0),
}


@dataclass(frozen=True, slots=True)
class RuledBlock:
    """One tag of a type over all its instances, `count` rows from `start`; range NaN where none is declared."""

    start: int
    count: int
    kind: Kind
    rule: HistoryRule
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class RowRules:
    """By row, (n,).

    Attributes:
        class_id: index into CLASSES, or NOT_STORED.
        deadband: a change of at most this is none [unit of the tag]; 0: any change counts.
        least_ns, longest_ns, every_ns: see `Timing` [ns].
    """

    series: npt.NDArray[np.uint32]
    kind: npt.NDArray[np.uint8]
    class_id: npt.NDArray[np.uint8]
    deadband: npt.NDArray[np.float64]
    least_ns: npt.NDArray[np.int64]
    longest_ns: npt.NDArray[np.int64]
    every_ns: npt.NDArray[np.int64]


def rules_of(series: npt.NDArray[np.uint32], blocks: Iterable[RuledBlock]) -> RowRules:
    """Rules of all rows of a plant. Rows in no block are not stored.

    Args:
        series: id of each row, (n,).
    """
    n = len(series)
    rules = RowRules(
        series,
        np.zeros(n, np.uint8),
        np.full(n, NOT_STORED, np.uint8),
        np.zeros(n),
        np.zeros(n, np.int64),
        np.zeros(n, np.int64),
        np.zeros(n, np.int64),
    )
    for block in blocks:
        rows = slice(block.start, block.start + block.count)
        rules.kind[rows] = block.kind
        if block.rule.class_ is HistoryClass.N:
            continue
        timing = TIMING[block.rule.class_]
        rules.class_id[rows] = CLASSES.index(block.rule.class_.value)
        rules.deadband[rows] = deadband_of(block.rule, block.low, block.high)
        rules.least_ns[rows] = timing.least_s * NS_PER_S
        rules.longest_ns[rows] = timing.longest_s * NS_PER_S
        every_s = block.rule.every if timing.every_s and block.rule.every is not None else timing.every_s
        rules.every_ns[rows] = round(every_s * NS_PER_S)
    return rules


def deadband_of(rule: HistoryRule, low: float, high: float) -> float:
    """In units of the tag; '2 %' is of its range.

    Raises:
        ValueError: per cent, and no range.
    """
    if rule.deadband is None:
        return 0.0
    if isinstance(rule.deadband, str) and rule.deadband.endswith("%"):
        span = float(rule.deadband.removesuffix("%")) / 100.0 * (high - low)
        if not span >= 0.0:
            raise ValueError(f"dead band {rule.deadband}: expected a range of the tag, got {low}..{high}")
        return span
    return float(rule.deadband)


class Sieve:
    """Which rows of a scan are stored. 36 bytes of state a row.

    Args:
        begun_ns: server time at which recording begins [UTC ns]. The first sample of a row is not older: what was known
            before then is said as of now, so that no sample of an earlier run is overwritten.
        step_ns: source times are cut to whole steps. A clock that counts nanoseconds costs 4 bytes a sample in the
            segments, one that counts milliseconds 1.
    """

    def __init__(self, rules: RowRules, begun_ns: int = NEVER, step_ns: int = 1) -> None:
        n = len(rules.series)
        self.rules = rules
        self._begun_ns = begun_ns
        self._step_ns = step_ns
        self._cells: Cells = np.zeros(n, np.int64)
        self._status: Statuses = np.zeros(n, np.uint32)
        self._stored_ns = np.full(n, NEVER, np.int64)
        self._time_ns: TimesNs = np.full(n, NEVER, np.int64)
        self._due_ns = np.full(n, _FOREVER, np.int64)
        self._look_ns = NEVER
        self._now_ns = NEVER
        spread = rules.series.astype(np.uint32) * np.uint32(2_654_435_761) / 2.0**32
        self._early_ns = (rules.longest_ns / 8 * spread).astype(np.int64)

    def carry(self, old: Sieve) -> None:
        """Go on from the sieve of another generation: rows of the same series and kind keep what was stored last."""
        _, mine, theirs = np.intersect1d(self.rules.series, old.rules.series, assume_unique=True, return_indices=True)
        same = self.rules.kind[mine] == old.rules.kind[theirs]
        mine, theirs = mine[same], theirs[same]
        for name in ("_cells", "_status", "_stored_ns", "_time_ns"):
            getattr(self, name)[mine] = getattr(old, name)[theirs]
        self._now_ns = old._now_ns
        stored = mine[self._stored_ns[mine] != NEVER]
        self._due_ns[stored] = self._next_due(stored, self._stored_ns[stored])

    def restate(self, over_ns: int = 0) -> None:
        """Make every row due that was ever stored: after samples were lost, what holds now has to be said again.

        Args:
            over_ns: spread over so long, each series at its own part of it, so that no scan has all of them.
        """
        stored = self._stored_ns != NEVER
        part = self.rules.series[stored].astype(np.uint32) * np.uint32(2_654_435_761) / 2.0**32
        self._due_ns[stored] = self._now_ns + (part * over_ns).astype(np.int64)
        self._look_ns = NEVER

    def step(
        self,
        changed: Rows,
        cells: Cells,
        status: Statuses,
        source_ns: TimesNs,
        now_ns: int,
        text_of: Callable[[int], str] = str,
    ) -> Samples:
        """Samples of one scan.

        Args:
            changed: rows, ascending.
            cells, status, source_ns: the whole table, by row.
            now_ns: time of the scan [UTC ns].
            text_of: pool index -> text.
        """
        self._follow(now_ns)
        chosen = self._choose(changed[self.rules.class_id[changed] != NOT_STORED], cells, status, now_ns)
        due = self._due(now_ns)
        rows = np.union1d(chosen, due) if len(due) else chosen
        samples = self._samples(rows, cells, status, source_ns, now_ns, text_of)
        self._cells[rows] = cells[rows]
        self._status[rows] = status[rows]
        self._stored_ns[rows] = now_ns
        self._time_ns[rows] = np.maximum(self._time_ns[rows], samples.time_ns)
        self._due_ns[rows] = self._next_due(rows, np.full(len(rows), now_ns))
        return samples

    def _follow(self, now_ns: int) -> None:
        """A clock that was set back takes the intervals with it, or nothing would come due until it caught up."""
        back = now_ns - self._now_ns
        if self._now_ns != NEVER and back < -_LOOK_NS:
            stored = self._stored_ns != NEVER
            self._stored_ns[stored] += back
            free = stored & (self._due_ns != _FOREVER)
            self._due_ns[free] += back
            self._look_ns = NEVER
        self._now_ns = now_ns

    def _choose(self, rows: Rows, cells: Cells, status: Statuses, now_ns: int) -> Rows:
        """Changed rows that are stored now; those that come too early are noted to come due."""
        rules = self.rules
        old_status, new_status = self._status[rows], status[rows]
        stored_ns = self._stored_ns[rows]
        never = stored_ns == NEVER
        fell = (old_status >> _SEVERITY_SHIFT) != (new_status >> _SEVERITY_SHIFT)
        wanted = (old_status != new_status) | self._moved(rows, cells[rows])
        aligned = rules.every_ns[rows] > 0
        early = now_ns - stored_ns < rules.least_ns[rows]
        daily = rules.class_id[rows] == _DAILY
        take = never | (fell & ~daily) | (wanted & ~aligned & ~early)
        wait = rows[wanted & ~aligned & early & ~take]
        self._due_ns[wait] = np.minimum(self._due_ns[wait], self._stored_ns[wait] + rules.least_ns[wait])
        chosen: Rows = rows[take]
        return chosen

    def _moved(self, rows: Rows, cells: Cells) -> npt.NDArray[np.bool_]:
        """Whether the value left the dead band around the last stored one."""
        kind, deadband = self.rules.kind[rows], self.rules.deadband[rows]
        old = self._cells[rows]
        moved: npt.NDArray[np.bool_] = cells != old
        banded = moved & (deadband > 0)
        if banded.any():
            at = np.flatnonzero(banded)
            with np.errstate(invalid="ignore"):
                distance = np.abs(_number(cells[at], kind[at]) - _number(old[at], kind[at]))
            moved[at] = ~(distance <= deadband[at])
        return moved

    def _due(self, now_ns: int) -> Rows:
        if now_ns < self._look_ns:
            return np.empty(0, np.int64)
        self._look_ns = (now_ns // _LOOK_NS + 1) * _LOOK_NS
        due: Rows = np.flatnonzero(self._due_ns <= now_ns)
        return due

    def _next_due(self, rows: Rows, stored_ns: TimesNs) -> TimesNs:
        """When rows stored at these times must be stored again."""
        longest, every = self.rules.longest_ns[rows], self.rules.every_ns[rows]
        alive = np.where(longest > 0, stored_ns + longest - self._early_ns[rows], _FOREVER)
        whole = np.maximum(every, 1)
        due: TimesNs = np.where(every > 0, (stored_ns // whole + 1) * whole, alive)
        return due

    def _cut(self, time_ns: Any) -> Any:
        return time_ns // self._step_ns * self._step_ns

    def _samples(
        self,
        rows: Rows,
        cells: Cells,
        status: Statuses,
        source_ns: TimesNs,
        now_ns: int,
        text_of: Callable[[int], str],
    ) -> Samples:
        rules = self.rules
        last = self._time_ns[rows]
        time_ns = self._cut(source_ns[rows])
        # Kept alive without a fresh reading, or changed by the server itself: it is so now, and no older sample of
        # the same time may be overwritten.
        known = time_ns == last
        due = self._due_ns[rows] <= now_ns
        known |= due & (time_ns < last)
        known |= (last == NEVER) & (time_ns < self._begun_ns)
        longest = rules.longest_ns[rows]
        known |= (
            due
            & (now_ns - self._stored_ns[rows] >= longest * 7 // 8)
            & (now_ns - time_ns > longest // 8)
            & (longest > 0)
        )
        time_ns = np.where(known, np.maximum(self._cut(now_ns), last + self._step_ns), time_ns)
        kinds, statuses = rules.kind[rows], status[rows]
        spoken = np.flatnonzero(speaks(kinds, statuses))
        return from_cells(
            series=rules.series[rows],
            kinds=kinds,
            cells=cells[rows],
            status=statuses,
            time_ns=time_ns,
            now_ns=now_ns,
            class_id=rules.class_id[rows],
            flags=np.where(time_ns < last, np.uint8(LATE), np.uint8(0)),
            texts=[text_of(i) for i in cells[rows[spoken]].tolist()],
        )


_DAILY: Final = CLASSES.index("D")


def _number(cells: Cells, kind: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    value = cells.astype(np.float64)
    np.copyto(value, cells.view(np.float64), where=(kind == Kind.Float) | (kind == Kind.Double))
    np.copyto(value, cells.view(np.uint64).astype(np.float64), where=kind == Kind.UInt64)
    return value
