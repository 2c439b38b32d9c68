# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_store_query.py, tests/property/test_store.py
"""A chunk: the rows of one log file in memory, so that the newest hour is read without decoding anything.

Law of this file: columns only; no I/O, no clock. Rows are only ever added: a reader that took `rows` first may read
that many at any time, whatever is added meanwhile.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa  # type: ignore[import-untyped]

from historian.store.samples import DTYPES, Samples, has_whole


class Chunk:
    """Rows in order of arrival.

    Attributes:
        rows: how many; at most `capacity`.
        first: sequence of the first.
        next: sequence behind the last, damaged rows of the file included.
        damaged_rows: rows of the file that cannot be read.
    """

    def __init__(self, first: int, capacity: int) -> None:
        self.first = self.next = first
        self.capacity = capacity
        self.rows = 0
        self.damaged_rows = 0
        self._columns = _room_for(capacity)
        self._texts: list[tuple[int, int, Any]] = []

    def add(self, samples: Samples) -> None:
        """Append rows.

        Raises:
            ValueError: they do not fit.
        """
        n = self.rows + len(samples)
        if n > self.capacity:
            raise ValueError(f"chunk: expected at most {self.capacity} rows, got {n}")
        whole = has_whole(samples)
        for name, column in self._columns.items():
            if whole or name != "whole":
                column[self.rows : n] = getattr(samples, name)
        if samples.text is not None:
            self._texts.append((self.rows, n, samples.text))
        self.rows = n
        self.next += len(samples)

    def all(self) -> Samples:
        """Every row; the arrays are views, not copies."""
        n = self.rows
        return Samples(**{name: column[:n] for name, column in self._columns.items()}, text=self._text(0, n))

    def holds(self, series: int, rows: int) -> bool:
        """Whether one of the first `rows` rows is of a series."""
        return bool((self._columns["series"][:rows] == series).any())

    def find(self, series: int, start_ns: int, end_ns: int, rows: int) -> Samples:
        """Rows of one series with start_ns <= time < end_ns among the first `rows`, in order of arrival."""
        at = np.flatnonzero(self._columns["series"][:rows] == series)
        if len(at):
            times = self._columns["time_ns"][at]
            at = at[(times >= start_ns) & (times < end_ns)]
        columns = {name: column[at] for name, column in self._columns.items()}
        text = None
        if self._texts and len(at):
            low, high = int(at[0]), int(at[-1]) + 1
            whole = self._text(low, high)
            text = whole.take(pa.array(at - low)) if whole is not None else None
        return Samples(**columns, text=text)

    def last_before(self, series: int, time_ns: int, rows: int) -> Samples:
        """The latest row of one series with time < time_ns among the first `rows`: one or none."""
        found = self.find(series, -(2**63), time_ns, rows)
        if not len(found):
            return found
        latest = int(np.flatnonzero(found.time_ns == found.time_ns.max())[-1])
        return found.take(slice(latest, latest + 1))

    def _text(self, low: int, high: int) -> Any:
        """Texts of rows low..high, nulls where there are none; None if there is not one."""
        parts: list[Any] = []
        at = low
        for start, end, text in self._texts:
            if end <= low or start >= high:
                continue
            start_in, end_in = max(start, low), min(end, high)
            if start_in > at:
                parts.append(pa.nulls(start_in - at, pa.string()))
            parts.append(text.slice(start_in - start, end_in - start_in))
            at = end_in
        if not parts:
            return None
        if at < high:
            parts.append(pa.nulls(high - at, pa.string()))
        return pa.concat_arrays(parts)


def _room_for(rows: int) -> dict[str, npt.NDArray[Any]]:
    """Columns that lie behind one another in one piece of memory: so large a piece comes in pages of 2 MiB where the
    system has them, and taking in rows is half the work that it is with a fresh page for each 4 KiB.
    """
    names = sorted((name for name in DTYPES if name != "whole"), key=lambda name: -DTYPES[name].itemsize)
    room = np.empty(rows * sum(DTYPES[name].itemsize for name in names), np.uint8)
    columns: dict[str, npt.NDArray[Any]] = {}
    at = 0
    for name in names:  # the widest first, so that each is aligned
        end = at + rows * DTYPES[name].itemsize
        columns[name] = room[at:end].view(DTYPES[name])
        at = end
    columns["whole"] = np.zeros(rows, DTYPES["whole"])  # hardly ever written: costs no memory then
    return columns
