# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_store_frames.py, tests/unit/test_store_crash.py
"""The write-ahead log: files of frames. What `append` returned for is durable; what it raised for is not there.

Law of this file: blocking I/O, one writer, no clock.

Theory of operation. File `<sequence of its first row>.wal`; the newest is open for appending. A row's sequence grows by
one for ever; a file's rows are those below the first sequence of the next file. So after a failed fdatasync, when
nobody knows which pages reached the disk, the file is left and the next one begins at the same sequence: whatever
may stand in the old one from there on is void. A write that failed is cut off again.

On open each file is read once. A torn tail is cut; it is kept as quarantine/torn-<day>.bin, the latest only, until
retention forgets that day. A damaged frame with its whole length is copied to quarantine/, skipped, and its rows are
counted as damaged when the file is sealed; so are those of a file that is missing before another.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final

from config.durable import sync_folder
from historian.store import frames
from historian.store.chunk import Chunk
from historian.store.disk import StoreUnwritable, refused
from historian.store.frames import Damage, Header
from historian.store.gaps import ANY_CLASS, SERIES_MAX, Loss
from historian.store.samples import from_arrow
from historian.store.segments import DAY_NS

SUFFIX: Final = ".wal"
QUARANTINE_MAX: Final = 1000
"""Damaged frames kept for people; further ones are counted and left where they are."""
_TORN: Final = "torn-"


class LogFile:
    """One file open for appending.

    Attributes:
        first: sequence of its first row.
        length: bytes that are durable.
        usable: False once a write failed in a way that cannot be undone; begin another file.
    """

    def __init__(self, folder: Path, first: int) -> None:
        """Begin a file. One of the same name holds nothing that was ever acknowledged, and is replaced.

        Raises:
            StoreFull, StoreUnwritable.
        """
        self.path = folder / f"{first:016d}{SUFFIX}"
        self.first = first
        self.length = 0
        self.usable = True
        try:
            self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            sync_folder(folder)
        except OSError as error:
            raise refused(error, self.path) from error

    def append(self, parts: list[Any]) -> None:
        """Write one frame; durable when this returns.

        Raises:
            StoreFull, StoreUnwritable: it is not there.
        """
        if not self.usable:
            raise StoreUnwritable(f"history: {self.path}: an earlier write failed; begin another file")
        try:
            written = self._write(parts)
        except OSError as error:
            self._cut()
            raise refused(error, self.path) from error
        try:
            os.fdatasync(self._fd)
        except OSError as error:
            self.usable = False
            self._cut()
            raise refused(error, self.path) from error
        self.length += written

    def _write(self, parts: list[Any]) -> int:
        whole = sum(len(p) for p in parts)
        left = [memoryview(p) for p in parts]
        offset = self.length
        while left:
            n = os.pwritev(self._fd, left, offset)
            offset += n
            while left and n >= len(left[0]):
                n -= len(left.pop(0))
            if left:
                left[0] = left[0][n:]
        return whole

    def _cut(self) -> None:
        try:
            os.ftruncate(self._fd, self.length)
        except OSError:
            self.usable = False

    def close(self) -> None:
        """Idempotent."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


@dataclass(slots=True)
class Found:
    """A log file as it was found on open.

    Attributes:
        first, next: sequence of its first row, and of the first row behind it.
        headers, batches: readable frames; damaged: what lies between or behind them.
        damaged_rows: rows that were acknowledged and cannot be read; `losses`: when they were written, as far as known.
        torn: bytes behind the last frame: of one that was never acknowledged.
        written_ns: server time of its last readable frame, 0 if none.
    """

    path: Path
    first: int
    next: int
    headers: list[Header] = field(default_factory=list)
    batches: list[Any] = field(default_factory=list)
    damaged: list[Damage] = field(default_factory=list)
    damaged_rows: int = 0
    losses: list[Loss] = field(default_factory=list)
    torn: int = 0

    @property
    def written_ns(self) -> int:
        return self.headers[-1].written_ns if self.headers else 0

    def chunk(self) -> Chunk:
        """Its rows in memory, once: the batches are given away."""
        chunk = Chunk(self.first, max(1, sum(h.rows for h in self.headers)))
        for batch in self.batches:
            chunk.add(from_arrow(batch))
        chunk.next, chunk.damaged_rows = self.next, self.damaged_rows
        self.batches.clear()
        return chunk


def log_files(folder: Path) -> list[Path]:
    """In order of sequence."""
    return sorted(p for p in folder.glob(f"*{SUFFIX}") if p.stem.isdecimal())


def recover(folder: Path, quarantine: Path, sealed_through: int, recorded_ns: int) -> list[Found]:
    """Mend and read every file that is not sealed yet; sealed ones are removed.

    Args:
        sealed_through: sequence of the last sealed row; recorded_ns: when it was written [UTC ns].
    Raises:
        StoreUnwritable: the folder cannot be read or mended.
    """
    try:
        for path in log_files(folder):
            if int(path.stem) <= sealed_through:
                path.unlink()
        found = examined(folder, sealed_through, recorded_ns)
        for file in found:
            _mend(file, quarantine)
    except OSError as error:
        raise refused(error, folder) from error
    return found


def examined(folder: Path, sealed_through: int, recorded_ns: int) -> list[Found]:
    """Every file that is not sealed yet, read and left as it is. Arguments as above."""
    paths = [p for p in log_files(folder) if int(p.stem) > sealed_through]
    nexts = [int(p.stem) for p in paths[1:]]
    found = [examine(path, below) for path, below in zip_longest(paths, nexts)]
    if found and (gone := found[0].first - sealed_through - 1):
        written = [h.written_ns for h in found[0].headers[:1]] or [recorded_ns]
        start_ns, end_ns = min(recorded_ns or written[0], written[0]), written[0] + 1
        what = f"wal/{sealed_through + 1:016d}{SUFFIX}"
        found[0].losses += _by_day(Loss(what, ANY_CLASS, 0, 0, SERIES_MAX, start_ns, end_ns, gone))
        found[0].first, found[0].damaged_rows = sealed_through + 1, found[0].damaged_rows + gone
    return found


def examine(path: Path, below: int | None = None) -> Found:
    """What a file holds; it is not changed.

    Args:
        below: sequence of the next file's first row; None: there is no next file.
    """
    found = Found(path, int(path.stem), int(path.stem))

    def use(header: Header, batch: Any) -> None:
        if header.first >= found.next and (below is None or header.first < below):
            found.headers.append(header)
            found.batches.append(batch)
            found.next = header.first + header.rows

    content = path.read_bytes()
    report = frames.scan(memoryview(content), use)
    for damage in report.damaged:
        if damage.header is not None and damage.header.first >= found.next:
            found.next = damage.header.first + damage.header.rows
    found.damaged, found.torn = report.damaged, len(content) - report.length
    found.losses = _losses(path, report)
    found.next = found.next if below is None else below
    found.damaged_rows += found.next - found.first - sum(h.rows for h in found.headers)
    return found


def _mend(found: Found, quarantine: Path) -> None:
    """Set aside what cannot be read, and cut a torn tail."""
    if not found.damaged and not found.torn:
        return
    path, data = found.path, memoryview(found.path.read_bytes())
    for damage in found.damaged:
        _keep(quarantine, f"{path.stem}-{damage.start}.bin", data[damage.start : damage.end])
    if found.torn:
        length = len(data) - found.torn
        for older in torn_tails(quarantine):
            older.unlink()
        day = (found.written_ns or path.stat().st_mtime_ns) // DAY_NS
        _keep(quarantine, f"{_TORN}{day}.bin", data[length:])
        with open(path, "r+b") as file:
            file.truncate(length)
            os.fsync(file.fileno())


def _losses(path: Path, report: frames.Scan) -> list[Loss]:
    """What cannot be read of a file: between the frame before it and its own time, as far as that can be believed."""
    found = []
    for damage in report.damaged:
        written = [h.written_ns for h in report.headers if damage.header is None or h.first < damage.header.first]
        end_ns = max(written, default=0) if damage.header is None else damage.header.written_ns
        start_ns = end_ns if not written else min(written) if damage.header is None else max(written)
        rows = 0 if damage.header is None else damage.header.rows
        what = f"wal/{path.name}@{damage.start}"
        found += _by_day(Loss(what, ANY_CLASS, 0, 0, SERIES_MAX, start_ns, end_ns + 1, rows))
    return found


def _by_day(loss: Loss) -> list[Loss]:
    days = range(loss.start_ns // DAY_NS, (loss.end_ns - 1) // DAY_NS + 1)
    return [
        replace(loss, day=d, start_ns=max(loss.start_ns, d * DAY_NS), end_ns=min(loss.end_ns, (d + 1) * DAY_NS))
        for d in days
    ]


def torn_tails(quarantine: Path, before_day: int | None = None) -> list[Path]:
    """Copies of torn tails, of any day or of days before one [days since 1970]: what was never acknowledged."""
    days = ((path, path.stem.removeprefix(_TORN)) for path in quarantine.glob(f"{_TORN}*.bin"))
    return [path for path, day in days if before_day is None or (day.isdecimal() and int(day) < before_day)]


def _keep(quarantine: Path, name: str, content: memoryview) -> None:
    """A copy of what cannot be read, for people."""
    path = quarantine / name
    with contextlib.suppress(
        OSError
    ):  # on a full disk the copy is not worth a failed start; the damage is counted anyhow
        if not path.exists() and sum(1 for _ in quarantine.iterdir()) < QUARANTINE_MAX:
            path.write_bytes(content)
