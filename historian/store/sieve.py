# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_store_rules.py, tests/property/test_sieve.py
"""The sieve: which rows of a scan are stored, by the class rules of `rules`.

Law of this file: columns in, columns out; time is an argument; no loop over rows (but for the texts of those that have
one). What is compared is the last *stored* value, so that a slow drift is not lost.

The scan waits for it, so it must be quick when everything changes at once. Rows are taken PIECE by PIECE: what lies
between the columns and the samples then stays in the processor's cache and in memory that is used again, which halves
the time; rows without a gap between them are read and written as slices, which halves it again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from config.words import NS_PER_S, Cells, Kind, Rows, StatusCode, Statuses, TimesNs
from historian.store.chunk import Chunk
from historian.store.limits import FUTURE_NS
from historian.store.rules import NOT_STORED, RowRules
from historian.store.samples import CLASSES, LATE, Samples, from_cells, speaks

NEVER: Final = -1
PIECE: Final = 16_384
"""Rows that are worked on at a time."""
_FOREVER: Final = 1 << 62
"""A time beyond all (2116), to which intervals can still be added."""
_SEVERITY_SHIFT: Final = np.uint32(30)
_CODE: Final = np.uint32(0xFFFF0000)
"""Severity and sub-code of a StatusCode, without its info bits."""
_LOOK_NS: Final = NS_PER_S
"""How often rows are asked whether they are due [ns]."""
_DAILY: Final = CLASSES.index("D")
_NO_ROWS: Final[Rows] = np.empty(0, np.int64)
_At = slice | Rows
_Mask = npt.NDArray[np.bool_]


class Sieve:
    """Which rows of a scan are stored. 49 bytes of state a row.

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
        self._wanted = np.zeros(n, np.bool_)
        self._floating = (rules.kind == Kind.Float) | (rules.kind == Kind.Double)
        self._banded = rules.deadband > 0
        self._free = (rules.every_ns == 0) & (rules.class_id != NOT_STORED)
        self._hurried = rules.least_ns > 0
        self._speaking = bool((rules.kind == Kind.String).any())
        self._falls = (rules.class_id != _DAILY) & (rules.class_id != NOT_STORED)
        spread = rules.series.astype(np.uint32) * np.uint32(2_654_435_761) / 2.0**32
        early_ns = (rules.longest_ns / 8 * spread).astype(np.int64)
        self._alive_ns = np.where(rules.longest_ns > 0, rules.longest_ns - early_ns, _FOREVER)

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
        looks = now_ns >= self._look_ns
        rows = self._with_due(changed, now_ns) if looks else changed
        made = Chunk(0, len(rows))
        for at in _pieces(rows):
            at, take = _narrow(at, self._choose(at, cells, status, now_ns, looks))
            if isinstance(at, np.ndarray) and not len(at):
                continue
            samples = self._samples(at, cells, status, source_ns, now_ns, text_of)
            self._remember(at, take, cells, status, samples.time_ns, now_ns)
            samples = samples if take is None else samples.take(take)
            if len(rows) <= PIECE:
                return samples
            made.add(samples)  # at once: its memory serves the next piece
        kept = made.all()
        return kept if 4 * len(kept) >= len(rows) else kept.take(np.arange(len(kept)))  # not to hold room for all

    def _follow(self, now_ns: int) -> None:
        """A clock that was set back takes the intervals with it, or nothing would come due until it caught up."""
        back = now_ns - self._now_ns
        if self._now_ns != NEVER and back < -_LOOK_NS:
            stored = self._stored_ns != NEVER
            self._stored_ns[stored] += back
            free = stored & (self._due_ns < _FOREVER)
            self._due_ns[free] += back
            self._look_ns = NEVER
        self._now_ns = now_ns

    def _with_due(self, changed: Rows, now_ns: int) -> Rows:
        """The rows that changed and those that are due, ascending."""
        self._look_ns = (now_ns // _LOOK_NS + 1) * _LOOK_NS
        due: Rows = np.flatnonzero(self._due_ns <= now_ns)
        if not len(due) or not len(changed):
            return due if len(due) else changed
        wanted = self._wanted
        wanted[changed] = wanted[due] = True
        rows: Rows = np.flatnonzero(wanted)
        wanted[rows] = False
        return rows

    def _choose(self, at: _At, cells: Cells, status: Statuses, now_ns: int, looks: bool) -> _Mask:
        """Which rows are stored now; those that changed too early are noted to come due."""
        odd = self._status[at] ^ status[at]
        stored_ns = self._stored_ns[at]
        take: _Mask = (odd >> _SEVERITY_SHIFT != 0) & self._falls[at]
        take |= (stored_ns == NEVER) & (self.rules.class_id[at] != NOT_STORED)
        if looks:
            take |= self._due_ns[at] <= now_ns
        wanted: _Mask = ((odd != 0) | self._moved(at, cells[at])) & self._free[at]
        if not self._hurried[at].any():
            take |= wanted
            return take
        early = wanted & (now_ns - stored_ns < self.rules.least_ns[at])
        take |= wanted & ~early
        early &= ~take
        if early.any():
            wait = _picked(at, early)
            soonest = self._stored_ns[wait] + self.rules.least_ns[wait]
            self._due_ns[wait] = np.minimum(self._due_ns[wait], soonest)
        return take

    def _moved(self, at: _At, cells: Cells) -> _Mask:
        """Whether the value left the dead band around the last stored one."""
        old = self._cells[at]
        moved: _Mask = cells != old
        banded = moved & self._banded[at]
        if not banded.any():
            return moved
        kind = None if self._floating[at].all() else self.rules.kind[at]
        with np.errstate(invalid="ignore"):
            distance = np.abs(_number(cells, kind) - _number(old, kind))
        return moved & ~(banded & (distance <= self.rules.deadband[at]))

    def _next_due(self, at: _At, stored_ns: Any) -> TimesNs:
        """When rows stored at these times must be stored again."""
        due: TimesNs = stored_ns + self._alive_ns[at]
        if not self._free[at].all():
            every = self.rules.every_ns[at]
            aligned = every > 0
            whole = np.maximum(every, 1)
            due = np.where(aligned, (stored_ns // whole + 1) * whole, due)
        return due

    def _remember(
        self, at: _At, take: _Mask | None, cells: Cells, status: Statuses, time_ns: TimesNs, now_ns: int
    ) -> None:
        """Note what is stored of these rows; with `take` (and a slice) only of some of them."""
        latest = np.maximum(self._time_ns[at], time_ns)
        due_ns = self._next_due(at, now_ns)
        for column, value in (
            (self._cells, cells[at]),
            (self._status, status[at]),
            (self._stored_ns, now_ns),
            (self._time_ns, latest),
            (self._due_ns, due_ns),
        ):
            if take is None:
                column[at] = value
            else:
                np.copyto(column[at], value, where=take)

    def _cut(self, time_ns: Any) -> Any:
        return time_ns if self._step_ns == 1 else time_ns // self._step_ns * self._step_ns

    def _samples(
        self,
        at: _At,
        cells: Cells,
        status: Statuses,
        source_ns: TimesNs,
        now_ns: int,
        text_of: Callable[[int], str],
    ) -> Samples:
        rules, last = self.rules, self._time_ns[at]
        kinds, statuses, values = rules.kind[at], status[at], cells[at]
        time_ns = self._times(at, self._cut(source_ns[at]), last, now_ns, _is_left(statuses))
        spoken = np.flatnonzero(speaks(kinds, statuses)) if self._speaking else _NO_ROWS
        return from_cells(
            series=_own(rules.series, at),
            kinds=kinds,
            cells=values,
            status=_own(status, at),
            time_ns=time_ns,
            now_ns=now_ns,
            class_id=_own(rules.class_id, at),
            flags=(time_ns < last).view(np.uint8) * np.uint8(LATE),
            texts=[text_of(i) for i in values[spoken].tolist()],
        )

    def _times(self, at: _At, time_ns: TimesNs, last: TimesNs, now_ns: int, left: _Mask) -> TimesNs:
        """Source times; of now where a value is kept alive without a fresh reading, is what is `left` of an earlier
        one, or was changed by the server itself: it is so now, and no older sample may be overwritten. What was
        stored while the clock ran ahead is no older sample: to go on behind it would be out of time for the store.
        """
        known = (time_ns == last) | left
        known |= (last == NEVER) & (time_ns < self._begun_ns)
        due = self._due_ns[at] <= now_ns
        if due.any():
            longest = self.rules.longest_ns[at]
            quiet = (now_ns - self._stored_ns[at] >= longest * 7 // 8) & (now_ns - time_ns > longest // 8)
            known |= due & ((time_ns < last) | (quiet & (longest > 0)))
        if not known.any():
            return time_ns.copy() if isinstance(at, slice) else time_ns
        behind = np.where(last > now_ns + FUTURE_NS, NEVER, last + self._step_ns)
        return np.where(known, np.maximum(self._cut(now_ns), behind), time_ns)


def _is_left(status: Statuses) -> _Mask:
    """Whether a value is the last usable one: its reading was true at its time and only now is in doubt."""
    code = status & _CODE
    left: _Mask = (code == StatusCode.UncertainLastUsableValue) | (
        code == StatusCode.UncertainNoCommunicationLastUsableValue
    )
    return left


def _pieces(rows: Rows) -> Iterator[_At]:
    """Rows PIECE by PIECE; those without a gap between them as a slice."""
    for start in range(0, len(rows), PIECE):
        piece = rows[start : start + PIECE]
        low, high = int(piece[0]), int(piece[-1]) + 1
        yield slice(low, high) if high - low == len(piece) else piece


def _narrow(at: _At, mask: _Mask) -> tuple[_At, _Mask | None]:
    """The rows of a mask, and the mask itself where it is quicker to work on the whole slice and pick afterwards."""
    count = np.count_nonzero(mask)
    if count == len(mask):
        return at, None
    if isinstance(at, slice) and 2 * count >= len(mask):
        return at, mask
    return _picked(at, mask), None


def _own(column: Any, at: _At) -> Any:
    """A column's part that nobody writes afterwards."""
    return column[at].copy() if isinstance(at, slice) else column[at]


def _picked(at: _At, mask: _Mask) -> Rows:
    """Rows of a piece by a mask over it."""
    if not isinstance(at, slice):
        return at[mask]
    picked: Rows = np.flatnonzero(mask)
    picked += at.start
    return picked


def _number(cells: Cells, kind: npt.NDArray[np.uint8] | None) -> npt.NDArray[np.float64]:
    """Cells as numbers; `kind` None: all are floating."""
    if kind is None:
        return cells.view(np.float64)
    value = cells.astype(np.float64)
    np.copyto(value, cells.view(np.float64), where=(kind == Kind.Float) | (kind == Kind.Double))
    np.copyto(value, cells.view(np.uint64).astype(np.float64), where=kind == Kind.UInt64)
    return value
