# SPDX-License-Identifier: Apache-2.0
# Tests: tests/property/test_store.py, tests/unit/test_store_crash.py
"""Segments: sealed samples in Parquet files, one class and one UTC day each, sorted by series and time.

Law of this file: blocking I/O on whole files, no clock; a segment is never changed, only replaced by one that holds the
same rows. Memory is bounded by RANGE_ROWS, not by the size of a day.

All rows are kept, also those whose series and time a later row has too: so the ledger stays exact, and readers take the
last word. Values are split by byte, times are deltas of milliseconds with the nanoseconds below apart (packed as deltas
of nanoseconds they cost 4 bytes), the rest is dictionaries: 2 to 3 bytes a sample. Pages carry checksums; a row group
that fails is left out, counted, and the rest of the file read. Any Parquet reader can open them.
"""

from __future__ import annotations

import datetime
import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from historian.store.disk import Steps, crc_of, make_folder, publish
from historian.store.gaps import SERIES_MAX, Loss
from historian.store.index import Segment
from historian.store.samples import CLASSES, SCHEMA, Samples, concat, empty, from_arrow, in_order, to_arrow

DAY_NS: Final = 86_400 * 1_000_000_000
DAY_LEVEL: Final = 100
GROUP_ROWS: Final = 16_384
"""Rows that are decoded together: what reading one series costs at least."""
RANGE_ROWS: Final = 1_000_000
"""Rows a merge holds in memory; more only if one series has more in one day."""
LOSSES_MAX: Final = 64
"""Unreadable parts of one file that are told apart."""
FOLDER: Final = "segments"
MS_NS: Final = 1_000_000
_TIME: Final = SCHEMA.get_field_index("time_ns")
_SCHEMA: Final = SCHEMA.set(_TIME, pa.field("time_ms", pa.int64(), nullable=False)).append(
    pa.field("time_rest_ns", pa.int32(), nullable=False)
)
_ALWAYS: Final = ["series", "time_ms", "value"]
_OFTEN_ALIKE: Final = ("status", "lag_ds", "class", "flags")
"""Where all rows of a file say the same, its footer says it: the column is not decoded."""


class SegmentDamaged(Exception):
    """The file cannot be opened: its footer is not what was written."""


def date_of(day: int) -> str:
    """Days since 1970 -> '2026-11-23'."""
    return datetime.date.fromordinal(719_163 + day).isoformat()


def path_of(class_id: int, day: int, level: int, first: int, last: int) -> str:
    """Where a segment lies, relative to the store. Each has a name of its own for ever."""
    return f"{FOLDER}/{CLASSES[class_id]}/{date_of(day)}/{first:016d}-{last:016d}-{level}.parquet"


def named(path: str) -> Segment:
    """What the name of a segment says of it; nothing is known of its rows.

    Raises:
        ValueError: it is not the name of one.
    """
    _, name, date, file = path.split("/")
    first, last, level = file.removesuffix(".parquet").split("-")
    day = datetime.date.fromisoformat(date).toordinal() - 719_163
    return Segment(path, CLASSES.index(name), day, int(level), 0, 0, int(first), int(last), 0)


def write(
    root: Path, ranges: Iterator[Samples], class_id: int, day: int, level: int, first: int, last: int, steps: Steps
) -> Segment:
    """Write a segment from samples that come sorted, range of series after range of series. Durable when it returns.

    Raises:
        OSError: the disk refuses; nothing has the segment's name.
    """
    relative = path_of(class_id, day, level, first, last)
    path = root / relative
    make_folder(path.parent.parent)
    make_folder(path.parent)
    temporary = path.with_suffix(".tmp")
    told = {"class": CLASSES[class_id], "day": str(day), "level": str(level), "first": str(first), "last": str(last)}
    schema = _SCHEMA.with_metadata({f"vigie.{k}": v for k, v in told.items()})
    try:
        rows = _write_ranges(temporary, schema, ranges, 9 if level == DAY_LEVEL else 3)
    except OSError:
        temporary.unlink(missing_ok=True)  # on a full disk the half file would be in the way
        raise
    steps("segment: written")
    crc = crc_of(temporary)
    publish(temporary, path, steps, "segment")
    return Segment(relative, class_id, day, level, rows, path.stat().st_size, first, last, crc)


def _write_ranges(path: Path, schema: Any, ranges: Iterator[Samples], effort: int) -> int:
    rows = 0
    with pq.ParquetWriter(
        path,
        schema,
        compression="zstd",
        compression_level=effort,
        use_dictionary=["series", "text", "status", "lag_ds", "class", "flags", "time_rest_ns"],
        column_encoding={
            "value": "BYTE_STREAM_SPLIT",
            "time_ms": "DELTA_BINARY_PACKED",
            "whole": "DELTA_BINARY_PACKED",
        },
        sorting_columns=[pq.SortingColumn(0), pq.SortingColumn(1)],
        write_page_checksum=True,
    ) as writer:
        for samples in ranges:
            if len(samples):
                writer.write_table(_table(samples, schema), row_group_size=GROUP_ROWS)
                rows += len(samples)
    return rows


def _table(samples: Samples, schema: Any) -> Any:
    time_ms = samples.time_ns // MS_NS
    columns = list(to_arrow(samples).columns)
    columns[_TIME] = pa.array(time_ms)
    return pa.table([*columns, pa.array((samples.time_ns - time_ms * MS_NS).astype(np.int32))], schema=schema)


def _samples(table: Any, alike: dict[str, int]) -> Samples:
    time_ns = table.column("time_ms").to_numpy() * MS_NS
    if "time_rest_ns" in table.column_names:
        time_ns += table.column("time_rest_ns").to_numpy()
    return from_arrow(table.append_column("time_ns", pa.array(time_ns)), alike)


def _alike(groups: Sequence[Any], name: str) -> int | None:
    """What all rows of these row groups say in a column; None if they differ."""
    column = _SCHEMA.get_field_index(name)
    stats = [g.column(column).statistics for g in groups]
    said = {s.min for s in stats} | {s.max for s in stats}
    return int(said.pop()) if len(said) == 1 and not any(s.null_count for s in stats) else None


def seal(root: Path, samples: Samples, first: int, last: int, steps: Steps) -> list[Segment]:
    """Sort the rows of the log into segments of level 0, one per class and day."""
    if not len(samples):
        return []
    code = samples.class_id.astype(np.int64) << 32 | (samples.time_ns // DAY_NS)
    keys = (samples.time_ns, samples.series) if (code == code[0]).all() else (samples.time_ns, samples.series, code)
    order = np.lexsort(keys)
    ordered, code = samples.take(order), code[order]
    cuts = [0, *(np.flatnonzero(np.diff(code)) + 1).tolist(), len(code)]
    made = []
    for a, b in itertools.pairwise(cuts):
        class_id, day = int(code[a]) >> 32, int(code[a]) & 0xFFFFFFFF
        made.append(write(root, iter([ordered.take(slice(a, b))]), class_id, day, 0, first, last, steps))
    return made


class SegmentFile:
    """An open segment. Safe to read from several threads.

    Attributes:
        damaged: row group -> rows of it that cannot be read, as found so far.
    Raises:
        SegmentDamaged: the footer cannot be read.
        FileNotFoundError: it is gone (merged or dropped since).
    """

    def __init__(self, path: Path) -> None:
        self._mutex = threading.Lock()
        self.damaged: dict[int, int] = {}
        try:
            self._source = pa.OSFile(str(path))
            self._file = pq.ParquetFile(self._source, page_checksum_verification=True)
            meta = self._file.metadata
            groups = [meta.row_group(g) for g in range(meta.num_row_groups)]
            self.group_rows = [g.num_rows for g in groups]
            stats = [[g.column(c).statistics for c in (0, 1)] for g in groups]
            self._low = np.array([s[0].min for s in stats], np.int64)
            self._high = np.array([s[0].max for s in stats], np.int64)
            self._time_low = np.array([s[1].min for s in stats], np.int64) * MS_NS
            self._time_high = np.array([s[1].max for s in stats], np.int64) * MS_NS + MS_NS - 1
            sparse = [any(g.column(c).statistics.null_count < g.num_rows for g in groups) for c in (3, 4)]
            finer = any(g.column(len(_SCHEMA) - 1).statistics.max for g in groups)
            said = {name: _alike(groups, name) for name in _OFTEN_ALIKE}
        except FileNotFoundError:
            raise
        except (pa.ArrowException, OSError, AttributeError, TypeError, ValueError, OverflowError) as error:
            raise SegmentDamaged(f"history: {path}: {error}; its rows are lost, the rest is read") from error
        self._alike = {name: value for name, value in said.items() if value is not None}
        names = zip(("whole", "text", "time_rest_ns"), (*sparse, finer), strict=True)
        self._columns = [
            *_ALWAYS,
            *(n for n in _OFTEN_ALIKE if n not in self._alike),
            *(n for n, there in names if there),
        ]

    @property
    def groups(self) -> int:
        return len(self.group_rows)

    def find(self, series: int, start_ns: int, end_ns: int) -> Samples:
        """Rows of one series with start_ns <= time < end_ns, by time, equal times in order of arrival."""
        a, b = np.searchsorted(self._high, series, "left"), np.searchsorted(self._low, series, "right")
        parts = []
        for g in range(int(a), int(b)):
            if self._time_high[g] < start_ns or self._time_low[g] >= end_ns:
                continue
            rows = self.read(g)
            low, high = np.searchsorted(rows.series, [series, series + 1])
            low, high = low + np.searchsorted(rows.time_ns[low:high], [start_ns, end_ns])
            parts.append(rows.take(slice(int(low), int(high))))
        return concat(parts)

    def between(self, low: int, high: int) -> Samples:
        """All rows with low <= series < high."""
        a, b = np.searchsorted(self._high, low, "left"), np.searchsorted(self._low, high, "left")
        parts = []
        for g in range(int(a), int(b)):
            rows = self.read(g)
            i, j = np.searchsorted(rows.series, [low, high])
            parts.append(rows.take(slice(int(i), int(j))))
        return concat(parts)

    def read(self, group: int) -> Samples:
        """One row group; empty, and counted in `damaged`, if it cannot be read."""
        try:
            with self._mutex:
                table = self._file.read_row_group(group, columns=self._columns, use_threads=False)
            return _samples(table, self._alike)
        except (pa.ArrowException, OSError, ValueError):
            self.damaged[group] = self.group_rows[group]
            return empty()

    def counts(self) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.int64]]:
        """Each series and how many rows it has in a readable row group."""
        series = [np.unique(self.read(g).series, return_counts=True) for g in range(self.groups)]
        return np.concatenate([s for s, _ in series]), np.concatenate([n for _, n in series])

    def losses(self, one: Segment) -> list[Loss]:
        """What was found so far that cannot be read of it; of many parts as if it were all between them."""
        found = [
            Loss(one.path, one.class_id, one.day, int(self._low[g]), int(self._high[g]), int(self._time_low[g]),
                 int(self._time_high[g]) + 1, rows)
            for g, rows in sorted(self.damaged.items())
        ]  # fmt: skip
        if len(found) <= LOSSES_MAX:
            return found
        first, last = found[0], found[-1]
        start_ns, end_ns = min(x.start_ns for x in found), max(x.end_ns for x in found)
        rows = sum(x.rows for x in found)
        return [Loss(one.path, one.class_id, one.day, first.low, last.high, start_ns, end_ns, rows)]

    def told(self) -> dict[str, str]:
        """What the file says of itself: class, day, level, first, last."""
        raw = self._file.schema_arrow.metadata or {}
        return {k.decode().removeprefix("vigie."): v.decode() for k, v in raw.items() if k.startswith(b"vigie.")}

    def close(self) -> None:
        with self._mutex:
            self._source.close()


def merge(
    root: Path, sources: Sequence[Segment], level: int, steps: Steps, use: Callable[[Samples], None] | None = None
) -> tuple[Segment, tuple[Loss, ...]]:
    """One segment with the rows of several of the same class and day.

    Args:
        sources: in order of arrival.
        use: is handed each range of series, sorted, as it is written.
    Returns: the segment, and what could not be read of its sources.
    Raises:
        SegmentDamaged: a source cannot be opened at all.
        OSError.
    """
    files = [SegmentFile(root / s.path) for s in sources]
    try:
        bounds = _bounds(files)

        def ranges() -> Iterator[Samples]:
            for low, high in itertools.pairwise(bounds):
                samples = in_order(concat([f.between(low, high) for f in files]))
                if use is not None:
                    use(samples)
                yield samples

        one = sources[0]
        first, last = min(s.first for s in sources), max(s.last for s in sources)
        made = write(root, ranges(), one.class_id, one.day, level, first, last, steps)
    finally:
        for file in files:
            file.close()
    return made, tuple(loss for s, f in zip(sources, files, strict=True) for loss in f.losses(s))


def whole(one: Segment) -> Loss:
    """All of a segment: nobody knows which series it held, nor when in its day."""
    return Loss(one.path, one.class_id, one.day, 0, SERIES_MAX, one.day * DAY_NS, (one.day + 1) * DAY_NS, one.rows)


def _bounds(files: Sequence[SegmentFile]) -> list[int]:
    """Series at which to cut so that each range has about RANGE_ROWS rows."""
    found = [f.counts() for f in files]
    series, where = np.unique(np.concatenate([s for s, _ in found]), return_inverse=True)
    if not len(series):
        return [0, 0]
    rows = np.bincount(where, weights=np.concatenate([n for _, n in found]))
    part = ((np.cumsum(rows) - 1) // RANGE_ROWS).astype(np.int64)
    starts = series[np.flatnonzero(np.diff(part)) + 1]
    return [int(series[0]), *starts.tolist(), int(series[-1]) + 1]
