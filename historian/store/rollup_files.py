# SPDX-License-Identifier: Apache-2.0
# Tests: tests/property/test_store_query.py, tests/unit/test_store_query.py
"""Files of roll-ups: one class, day and width each, read one series at a time.

Law of this file: blocking I/O, no clock; a file is written once and never changed, and can be made again from segments.

Files are frames (see `frames`) of whole series, then a frame with first series and offset of each, then its own offset
u64 and "VGIX". A body is LZ4 over the columns one after the other, each split by byte: small, and one series of a day
is read in some 0.05 ms, which an Arrow stream's overhead alone exceeds.
"""

from __future__ import annotations

import contextlib
import os
import struct
from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa  # type: ignore[import-untyped]

from config.words import BAD, NS_PER_S, UNCERTAIN, StatusCode
from historian.store import frames
from historian.store.disk import Steps, make_folder, publish
from historian.store.frames import FrameDamaged
from historian.store.index import RollupFile
from historian.store.rollups import DTYPES, F64, MINUTE, U32, Records, nothing
from historian.store.samples import CLASSES, Samples
from historian.store.segments import date_of

USEFUL: Final = 4
"""Samples that a one-minute record must stand for on average; with fewer, the samples, kept as long, serve as well."""
FOLDER: Final = "rollups"
FRAME_ROWS: Final = 192
"""Records decoded together; more only if one series has more in a day. Twice as many are a twentieth smaller, and a
month of one series takes a tenth longer to read."""
_TRAILER: Final = struct.Struct("<Q4s")
_MAGIC: Final = b"VGIX"
_LONG: Final = ("first_ns", "last_ns", "good_ns", *F64)
_ROW_BYTES: Final = 8 * len(_LONG) + 4 * len(U32)
_CODEC: Final = pa.Codec("lz4_raw")


def _pack(records: Records) -> bytes:
    long = np.stack([np.ascontiguousarray(getattr(records, n), DTYPES[n]).view("<i8") for n in _LONG])
    short = np.stack([np.ascontiguousarray(getattr(records, n), "<u4") for n in U32])
    split = [np.ascontiguousarray(m.view(np.uint8).reshape(-1, m.itemsize).T).tobytes() for m in (long, short)]
    # As bytes: the shape of the buffer that pyarrow returns is that before it was cut to size.
    packed: bytes = _CODEC.compress(b"".join(split), asbytes=True)
    return packed


class Rows(NamedTuple):
    """Records of one series as they lie in a file, each number split by byte: a year has hundreds of these, of a few
    records each, and is made `Records` at once.

    Attributes:
        long: the columns _LONG, (8, ., k).
        short: the columns U32, (4, ., k).
    """

    long: npt.NDArray[np.uint8]
    short: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return int(self.short.shape[2])

    def column(self, name: str) -> Any:
        """One column by its name in `Records`, (k,)."""
        split, names = (self.short, U32) if name in U32 else (self.long, _LONG)
        at = names.index(name)
        return _whole(split[:, at : at + 1], DTYPES[name])[0]


NO_ROWS: Final = Rows(np.empty((8, len(_LONG), 0), np.uint8), np.empty((4, len(U32), 0), np.uint8))


def joined(parts: Sequence[Rows]) -> Rows:
    """Part after part, at least one."""
    return Rows(np.concatenate([p.long for p in parts], axis=2), np.concatenate([p.short for p in parts], axis=2))


def records_of(parts: Sequence[Rows], width_s: int) -> Records:
    """Records of one series, part after part."""
    if not parts:
        return nothing()
    rows = joined(parts)
    long, short = _whole(rows.long, "<i8"), _whole(rows.short, "<u4")
    columns = {name: row.view(DTYPES[name]) for name, row in zip(_LONG, long, strict=True)}
    width = width_s * NS_PER_S
    start_ns = columns["first_ns"] // width * width
    return Records(**columns, **dict(zip(U32, short, strict=True)), start_ns=start_ns)


def lone_samples(rows: Rows, class_id: int) -> Samples | None:
    """The samples that records were made of, if each stands for one; None if they do not say all of it.

    Lag and flags are not told. A Good text or NaN, an Uncertain value and a record that lapsed say too little.
    """
    if (rows.column("count") != 1).any():
        return None
    status, value, n = rows.column("last_status"), rows.column("last"), len(rows)
    bad = (status >= BAD) & (status != StatusCode.Bad)
    if not (bad | ((status < UNCERTAIN) & ~np.isnan(value))).all():
        return None
    return Samples(
        series=rows.column("series"), time_ns=rows.column("first_ns"), value=value, whole=np.zeros(n, np.int64),
        status=status, lag_ds=np.zeros(n, np.int32), class_id=np.full(n, class_id, np.uint8),
        flags=np.zeros(n, np.uint8),
    )  # fmt: skip


def _unpack(body: memoryview, n: int, series: int) -> Rows:
    """Of n records in a body, those of one series."""
    flat = np.frombuffer(_CODEC.decompress(body, n * _ROW_BYTES), np.uint8)
    at = 8 * len(_LONG) * n
    long, short = flat[:at].reshape(8, len(_LONG), n), flat[at:].reshape(4, len(U32), n)
    a, b = _range_of(series, short[:, 0])
    if a == b:
        return NO_ROWS
    return Rows(long[:, :, a:b].copy(), short[:, :, a:b].copy())  # a view would hold the whole body in memory


def _range_of(series: int, owners: npt.NDArray[np.uint8]) -> tuple[int, int]:
    """Where a series begins and ends among ascending ids that are split by byte, (4, n)."""
    first, last = (int.from_bytes(owners[:, k].tobytes(), "little") for k in (0, -1))
    if first >> 8 != last >> 8:
        whole = _whole(owners[:, None], "<u4")[0]
        return int(whole.searchsorted(series, "left")), int(whole.searchsorted(series, "right"))
    low = owners[0].tobytes()  # they differ in this byte only
    at = low.find(series & 0xFF) if series >> 8 == first >> 8 else -1
    return (at, low.rfind(series & 0xFF) + 1) if at >= 0 else (0, 0)


def _whole(split: npt.NDArray[np.uint8], dtype: npt.DTypeLike) -> Any:
    """(bytes of a number, columns, rows) -> (columns, rows), byte by byte: four times as fast as a transposed copy."""
    size, columns, rows = split.shape
    whole = np.empty((columns, rows, size), np.uint8)
    for place in range(size):
        whole[:, :, place] = split[place]
    return whole.view(dtype)[:, :, 0]


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
        firsts: first series of each frame.
        damaged: frames that could not be read.
    Raises:
        FileNotFoundError: it is gone.
        FrameDamaged: its table of contents cannot be read; make the file again.
    """

    def __init__(self, path: Path) -> None:
        self.damaged = 0
        self._path = str(path)
        size = path.stat().st_size
        at, magic = _TRAILER.unpack(self._read(_TRAILER.size, size - _TRAILER.size))
        content = memoryview(self._read(size - _TRAILER.size - at, at))
        header = frames.header_at(content, 0)
        if magic != _MAGIC or header is None or header.body_length != 16 * header.rows:
            raise FrameDamaged(f"{path}: expected a table of contents at byte {at}")
        contents = np.frombuffer(frames.body_of(content, 0, header), "<i8").reshape(2, header.rows)
        self.firsts: list[int] = contents[0].tolist()
        self._offsets: list[int] = [*contents[1].tolist(), at]

    def find(self, series: int) -> Rows | None:
        """Records of one series; None if its frame cannot be read.

        An empty result means: no sample of this series on that day.
        """
        k = bisect_right(self.firsts, series) - 1
        if k < 0:
            return NO_ROWS
        try:
            start, end = self._offsets[k], self._offsets[k + 1]
            content = memoryview(self._read(end - start, start))
            header = frames.header_at(content, 0)
            if header is None:
                raise FrameDamaged(f"frame at byte {start}: the header does not fit its checksum")
            return _unpack(frames.body_of(content, 0, header), header.rows, series)
        except FileNotFoundError:
            raise
        except (FrameDamaged, pa.ArrowException, OSError, ValueError):
            self.damaged += 1
            return None

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
