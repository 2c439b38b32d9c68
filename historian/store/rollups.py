# SPDX-License-Identifier: Apache-2.0
# Tests: tests/property/test_store_query.py, tests/unit/test_store_query.py
"""Roll-ups: what a class keeps of each minute, quarter, hour and day, so that a month is read like an hour.

Law of this file: pure columns, but for `write` and `RollupReader`; no clock.

Theory of operation. A stored value holds until the next one (history is stepped: dead bands store changes). A record
depends on the samples *within its bucket only*: what happened from the first of them to the end of the bucket. The part
before the first sample belongs to the value held from earlier; the reader, who sees the record before, adds it. So a
day's roll-ups never depend on another day, and buckets without samples need no record.

A value holds no longer than its class allows (`HOLD_NS`: the keep-alive interval and a margin) and never into a gap of
recording: what was not refreshed is unknown, not unchanged. Only Good values count in low, high, area and last
(source: OPC 10000-13, 4.2.2.1, TreatUncertainAsBad = true, stepped).

Files are frames (see `frames`) of whole series, then a frame with first series and offset of each, then its own offset
u64 and "VGIX". A body is LZ4 over the columns one after the other, each split by byte: small, and one series of a day
is read in some 0.05 ms, which an Arrow stream's overhead alone exceeds. Files can be made again from segments.
"""

from __future__ import annotations

import contextlib
import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa  # type: ignore[import-untyped]

from config.words import NS_PER_S, UNCERTAIN, StatusCode, TimesNs
from historian.store import frames
from historian.store.disk import Steps, make_folder, publish
from historian.store.frames import FrameDamaged
from historian.store.index import RollupFile
from historian.store.samples import CLASSES, Samples
from historian.store.segments import date_of

MINUTE, QUARTER, HOUR, DAY = 60, 900, 3600, 86_400
WIDTHS: Final[dict[str, tuple[int, ...]]] = {
    "E": (HOUR, DAY),
    "A1": (MINUTE, QUARTER, HOUR, DAY),
    "A2": (QUARTER, HOUR, DAY),
    "C": (HOUR, DAY),
    "D": (DAY,),
    "P": (),
}
"""Roll-ups made of each class [s], ascending. Personal data has none. Source: plant documentation 7.3."""
HOLD_NS: Final = np.array([26 * HOUR, 15 * MINUTE, 2 * HOUR, 3 * HOUR, 50 * HOUR, 26 * HOUR], np.int64) * NS_PER_S
"""How long a value holds without being refreshed, by class number [ns]."""
USEFUL: Final = 4
"""Samples that a one-minute record must stand for on average; with fewer, the samples, kept as long, serve as well."""
FOLDER: Final = "rollups"
FRAME_ROWS: Final = 384
"""Records decoded together; more only if one series has more in a day."""
_TRAILER: Final = struct.Struct("<Q4s")
_MAGIC: Final = b"VGIX"


@dataclass(frozen=True, slots=True)
class Records:
    """Parallel columns, (n,), sorted by series and start.

    Attributes:
        start_ns: UTC start of the bucket [ns], a multiple of its width.
        first_ns, last_ns: time of the first and last sample in it.
        low, high: of the Good values; NaN if none.
        area: integral of the Good value from the first sample to the end of the bucket [unit x s].
        good_ns: how long the value was Good in that time [ns].
        last, last_status: of the last sample; Bad and NaN if it does not hold to the end of the bucket.
        count: samples.
    """

    series: npt.NDArray[np.uint32]
    start_ns: TimesNs
    first_ns: TimesNs
    last_ns: TimesNs
    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]
    area: npt.NDArray[np.float64]
    good_ns: npt.NDArray[np.int64]
    last: npt.NDArray[np.float64]
    last_status: npt.NDArray[np.uint32]
    count: npt.NDArray[np.uint32]

    def __len__(self) -> int:
        return len(self.series)

    def take(self, rows: slice) -> Records:
        return Records(*(getattr(self, name)[rows] for name in _NAMES))


_NAMES: Final = tuple(f.name for f in fields(Records))
_U32: Final = ("series", "last_status", "count")
_F64: Final = ("low", "high", "area", "last")
_DTYPES: Final = {n: np.dtype("<u4" if n in _U32 else "<f8" if n in _F64 else "<i8") for n in _NAMES}
_LONG: Final = ("first_ns", "last_ns", "good_ns", *_F64)
_ROW_BYTES: Final = 8 * len(_LONG) + 4 * len(_U32)
_CODEC: Final = pa.Codec("lz4_raw")


def _pack(records: Records) -> bytes:
    long = np.stack([np.ascontiguousarray(getattr(records, n), _DTYPES[n]).view("<i8") for n in _LONG])
    short = np.stack([np.ascontiguousarray(getattr(records, n), "<u4") for n in _U32])
    split = [np.ascontiguousarray(m.view(np.uint8).reshape(-1, m.itemsize).T).tobytes() for m in (long, short)]
    # As bytes: the shape of the buffer that pyarrow returns is that before it was cut to size.
    packed: bytes = _CODEC.compress(b"".join(split), asbytes=True)
    return packed


def _unpack(body: memoryview, n: int, width_s: int) -> Records:
    flat = np.frombuffer(_CODEC.decompress(body, n * _ROW_BYTES), np.uint8)
    at = 8 * len(_LONG) * n
    long = flat[:at].reshape(8, -1).T.copy().view("<i8").reshape(len(_LONG), n)
    short = flat[at:].reshape(4, -1).T.copy().view("<u4").reshape(len(_U32), n)
    columns = {name: row.view(_DTYPES[name]) for name, row in zip(_LONG, long, strict=True)}
    columns |= dict(zip(_U32, short, strict=True))
    width = width_s * NS_PER_S
    return Records(**columns, start_ns=columns["first_ns"] // width * width)


def held_until(time_ns: TimesNs, class_id: npt.NDArray[np.uint8], gap_starts: TimesNs) -> TimesNs:
    """How long each value holds at most: its class' time, cut by the next gap of recording [UTC ns]."""
    until = time_ns + HOLD_NS[class_id]
    if len(gap_starts):
        padded = np.append(gap_starts, np.iinfo(np.int64).max)
        until = np.minimum(until, padded[np.searchsorted(gap_starts, time_ns)])
    return until


def compute(samples: Samples, width_s: int, gap_starts: TimesNs) -> Records:
    """Roll-ups of samples sorted by series and time, without two of the same series and time.

    Args:
        width_s: of the bucket [s].
        gap_starts: when recording stopped, ascending [UTC ns].
    """
    width = width_s * NS_PER_S
    series, time_ns = samples.series, samples.time_ns
    bucket = time_ns // width
    fresh = np.ones(len(samples), np.bool_)
    fresh[1:] = (series[1:] != series[:-1]) | (bucket[1:] != bucket[:-1])
    starts = np.flatnonzero(fresh)
    lasts = np.append(starts[1:], len(samples)) - 1
    if not len(starts):
        return nothing()
    upto = np.empty_like(time_ns)
    upto[:-1] = time_ns[1:]
    upto[lasts] = (bucket[lasts] + 1) * width
    held = held_until(time_ns, samples.class_id, gap_starts)
    dt = np.minimum(upto, held) - time_ns
    good = samples.status < UNCERTAIN
    counted = good & ~np.isnan(samples.value)
    low = np.minimum.reduceat(np.where(counted, samples.value, np.inf), starts)
    high = np.maximum.reduceat(np.where(counted, samples.value, -np.inf), starts)
    none = ~np.logical_or.reduceat(counted, starts)
    low[none] = high[none] = np.nan
    with np.errstate(over="ignore", invalid="ignore"):
        area = np.add.reduceat(np.where(counted, samples.value * (dt / NS_PER_S), 0.0), starts)
    lapsed = held[lasts] < upto[lasts]
    return Records(
        series=series[starts],
        start_ns=bucket[starts] * width,
        first_ns=time_ns[starts],
        last_ns=time_ns[lasts],
        low=low,
        high=high,
        area=area,
        good_ns=np.add.reduceat(np.where(good, dt, 0), starts),
        last=np.where(lapsed | ~good[lasts], np.nan, samples.value[lasts]),
        last_status=np.where(lapsed, np.uint32(StatusCode.Bad), samples.status[lasts]),
        count=np.diff(np.append(starts, len(samples))).astype(np.uint32),
    )


class RollupWriter:
    """One file of roll-ups, written range of series after range of series."""

    def __init__(self, root: Path, class_id: int, day: int, width_s: int, last: int) -> None:
        """`last`: sequence through which the day's samples are in it; part of the name, so that names never repeat."""
        self.width_s = width_s
        self._class_id, self._day = class_id, day
        self._relative = f"{FOLDER}/{CLASSES[class_id]}/{date_of(day)}/{width_s}-{last:016d}.roll"
        self._path = root / self._relative
        make_folder(self._path.parent.parent)
        make_folder(self._path.parent)
        self._temporary = self._path.with_suffix(".tmp")
        self._file = open(self._temporary, "wb")
        self._rows = 0
        self._firsts: list[int] = []
        self._offsets: list[int] = []

    def add(self, records: Records) -> None:
        """Append records; series ascend from call to call."""
        for cut in _cuts(records.series):
            part = records.take(cut)
            self._firsts.append(int(part.series[0]))
            self._offsets.append(self._file.tell())
            self._frame(_pack(part), len(part))
            self._rows += len(part)

    def _frame(self, body: Any, rows: int) -> None:
        for piece in frames.pack(body, rows, self._firsts[-1], 0, 0, frames.NO_DIGEST):
            self._file.write(piece)

    def finish(self, samples: int, steps: Steps) -> RollupFile | None:
        """Write the table of contents and make the file durable under its name.

        Args:
            samples: rows it was made from.
        Returns: None if it would hold nothing, or would save a reader nothing (USEFUL).
        """
        if not self._rows or (self.width_s == MINUTE and self._rows * USEFUL > samples):
            self.abandon()
            return None
        at = self._file.tell()
        contents = np.array([self._firsts, self._offsets], "<i8")
        self._frame(contents.tobytes(), len(self._firsts))
        self._file.write(_TRAILER.pack(at, _MAGIC))
        self._file.close()
        steps("roll-up: written")
        publish(self._temporary, self._path, steps, "roll-up")
        size = self._path.stat().st_size
        return RollupFile(self._relative, self._class_id, self._day, self.width_s, self._rows, size)

    def abandon(self) -> None:
        """Leave nothing, unless it is finished. Idempotent."""
        with contextlib.suppress(OSError):  # what could not be flushed to a full disk is not wanted any more
            self._file.close()
        self._temporary.unlink(missing_ok=True)


def _cuts(series: npt.NDArray[np.uint32]) -> list[slice]:
    """Slices of about FRAME_ROWS records, no series in two of them."""
    if not len(series):
        return []
    begins = np.append(0, np.flatnonzero(np.diff(series)) + 1)
    part = begins // FRAME_ROWS
    starts = begins[np.append(True, np.diff(part) > 0)]
    return [slice(int(a), int(b)) for a, b in zip(starts, np.append(starts[1:], len(series)), strict=True)]


class RollupReader:
    """The table of contents of one file of roll-ups. Holds no descriptor: hundreds of days may be kept at hand.

    Attributes:
        damaged: frames that could not be read.
    Raises:
        FileNotFoundError: it is gone.
        FrameDamaged: its table of contents cannot be read; make the file again.
    """

    def __init__(self, path: Path) -> None:
        self.damaged = 0
        self._path = str(path)
        self._width_s = int(path.stem.partition("-")[0])
        size = path.stat().st_size
        at, magic = _TRAILER.unpack(self._read(_TRAILER.size, size - _TRAILER.size))
        content = memoryview(self._read(size - _TRAILER.size - at, at))
        header = frames.header_at(content, 0)
        if magic != _MAGIC or header is None or header.body_length != 16 * header.rows:
            raise FrameDamaged(f"{path}: expected a table of contents at byte {at}")
        contents = np.frombuffer(frames.body_of(content, 0, header), "<i8").reshape(2, header.rows)
        self._firsts = contents[0]
        self._offsets = np.append(contents[1], at)

    @property
    def firsts(self) -> list[int]:
        """First series of each frame."""
        found: list[int] = self._firsts.tolist()
        return found

    def find(self, series: int) -> Records | None:
        """Records of one series; None if its frame cannot be read.

        An empty result means: no sample of this series on that day.
        """
        k = int(self._firsts.searchsorted(series, "right")) - 1
        if k < 0:
            return nothing()
        try:
            start, end = int(self._offsets[k]), int(self._offsets[k + 1])
            content = memoryview(self._read(end - start, start))
            header = frames.header_at(content, 0)
            if header is None:
                raise FrameDamaged(f"frame at byte {start}: the header does not fit its checksum")
            records = _unpack(frames.body_of(content, 0, header), header.rows, self._width_s)
        except FileNotFoundError:
            raise
        except (FrameDamaged, pa.ArrowException, OSError, ValueError):
            self.damaged += 1
            return None
        a, b = records.series.searchsorted((series, series + 1))
        return records.take(slice(int(a), int(b)))

    def _read(self, length: int, offset: int) -> bytes:
        if not 0 < length <= frames.BODY_LENGTH_MAX or offset < 0:
            raise FrameDamaged(f"{self._path}: no {length} bytes can be at byte {offset}")
        fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            content = os.pread(fd, length, offset)
        finally:
            os.close(fd)
        if len(content) != length:
            raise FrameDamaged(f"{self._path}: expected {length} bytes at byte {offset}, got {len(content)}")
        return content


def nothing() -> Records:
    """No record."""
    return Records(**{name: np.empty(0, dtype) for name, dtype in _DTYPES.items()})


def join(parts: Sequence[Records]) -> Records:
    """One after the other."""
    if len(parts) == 1:
        return parts[0]
    return Records(*(np.concatenate([getattr(p, n) for p in parts]) for n in _NAMES)) if parts else nothing()


def columns_of(records: Records) -> dict[str, Any]:
    """Name -> column, for tables."""
    return {name: getattr(records, name) for name in _NAMES}
