# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_journal.py
"""The journal's files: blocking, one writer, mended when opened.

Law of this file: blocking I/O, no asyncio, no clock. What `append` returned is on the disk; what it raised for is not.

Theory of operation. Files `journal-<first sequence>.log` of at most 8 MiB; the newest is open for appending. On open
the newest file is read: a tail that is not a whole record (the machine stopped in mid-write) is cut, and the
bytes cut are kept in `journal-torn.bin` and reported. Damage with whole records behind it is left where it is and
reported: evidence is never rewritten.

A failed write is undone by cutting the file back to what was durable, so that a refused record is not there
either. After a failed fdatasync nobody knows which pages reached the disk (the kernel marks them clean), so the file
is left and a new one begun. Old files are never removed: at the bound the journal is full and says so, because
forgetting evidence silently is worse than refusing a command loudly.
"""

from __future__ import annotations

import errno
import fcntl
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from historian.base import Entry, JournalError, JournalFull, JournalUnwritable, Position, Record
from historian.journal import frame

FILE_SIZE_MAX: Final = 8 * 2**20
# 1 GiB: at 350 bytes a record and two records a command about 1.5 million commands.
FILES_MAX: Final = 128
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class JournalFiles:
    """The files of one post's journal.

    Attributes:
        repair: what was found and mended on open; empty if nothing.
        size: bytes in all files; at most `size_max`.
    """

    def __init__(self, folder: Path, epoch: int, file_size_max: int = FILE_SIZE_MAX, files_max: int = FILES_MAX):
        """Open, creating the folder (0700) if needed, and mend.

        Raises:
            JournalUnwritable, JournalFull: the folder or its files cannot be used.
        """
        self._folder = folder
        self._epoch = epoch
        self._file_size_max = file_size_max
        self._files_max = files_max
        self.repair = ""
        self._mutex = threading.Lock()  # a reader of the tail must not see what is not yet durable
        self._fd = self._lock_fd = -1
        self._path = folder
        self._length = self._older = 0
        self._next = 1
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock_fd = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self._lock()
            self._mend()
        except (OSError, JournalError) as e:
            self.close()
            raise (self._sentence(e) if isinstance(e, OSError) else e) from e

    @property
    def size_max(self) -> int:
        return self._file_size_max * self._files_max

    @property
    def size(self) -> int:
        return self._older + self._length

    def _lock(self) -> None:
        try:
            fcntl.flock(self._lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as e:
            raise JournalUnwritable(
                f"journal {self._folder}: another process writes it; stop that server or choose another state folder"
            ) from e

    def _paths(self) -> list[Path]:
        return sorted(self._folder.glob("journal-*.log"))

    def _mend(self) -> None:
        paths = self._paths()
        self._older = sum(p.stat().st_size for p in paths[:-1])
        if not paths:
            self._begin_file()
            return
        self._path = paths[-1]
        content = self._path.read_bytes()
        found = frame.scan(content)
        self._next = self._next_sequence(paths, found)
        self._fd = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        self._length = found.good_length
        notes = []
        if found.damaged:
            notes.append(f"{found.damaged} damaged records before sequence {self._next} left as they are")
        if torn := content[found.good_length :]:
            self._keep_torn(torn)
            os.ftruncate(self._fd, found.good_length)
            os.fdatasync(self._fd)
            notes.append(
                f"a torn tail of {len(torn)} bytes cut after sequence {self._next - 1}, kept in journal-torn.bin"
            )
        if notes:
            self.repair = f"journal {self._path.name}: " + "; ".join(notes)

    def _next_sequence(self, paths: list[Path], newest: frame.Scan) -> int:
        if newest.entries:
            return newest.entries[-1].position.sequence + 1
        # An empty newest file was named after the record it was to begin with.
        return int(paths[-1].stem.removeprefix("journal-"))

    def _keep_torn(self, torn: bytes) -> None:
        with open(self._folder / "journal-torn.bin", "wb", opener=_private) as file:
            file.write(torn)

    def _begin_file(self) -> None:
        paths = self._paths()
        if len(paths) >= self._files_max:
            raise JournalFull(
                f"journal {self._folder}: {len(paths)} files of {self._file_size_max} bytes are the most it may hold; "
                "move the oldest to the archive"
            )
        path = self._folder / f"journal-{self._next:020d}.log"
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        if self._fd >= 0:
            os.close(self._fd)
        self._older = sum(p.stat().st_size for p in paths)
        self._fd, self._path, self._length = fd, path, 0
        folder_fd = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder_fd)  # a file whose name is not durable is lost with all that is in it
        finally:
            os.close(folder_fd)

    def append(self, records: Sequence[Record]) -> list[Position]:
        """Write and flush; all or none.

        Raises:
            JournalFull, JournalUnwritable.
        """
        with self._mutex:
            return self._append(records)

    def _append(self, records: Sequence[Record]) -> list[Position]:
        positions = [Position(self._epoch, self._next + i) for i in range(len(records))]
        block = b"".join(frame.encode(Entry(p, r)) for p, r in zip(positions, records, strict=True))
        try:
            self._cut_back()
            if self._length and self._length + len(block) > self._file_size_max:
                self._begin_file()
            self._write(block)
            self._flush()
        except JournalError:
            raise
        except OSError as e:
            raise self._sentence(e) from e
        self._length += len(block)
        self._next += len(records)
        return positions

    def _cut_back(self) -> None:
        """Remove what an earlier failed write left behind; nothing to do in the ordinary case."""
        if self._fd < 0:
            self._begin_file()
        elif os.fstat(self._fd).st_size != self._length:
            os.ftruncate(self._fd, self._length)

    def _write(self, block: bytes) -> None:
        view = memoryview(block)
        try:
            while view:
                view = view[os.write(self._fd, view) :]
        except OSError:
            os.ftruncate(self._fd, self._length)
            raise

    def _flush(self) -> None:
        try:
            os.fdatasync(self._fd)
        except OSError:
            os.ftruncate(self._fd, self._length)
            os.close(self._fd)
            self._fd = -1
            if not self._length:
                self._path.unlink()  # the next file begins with the same sequence and so has the same name
            raise

    def tail(self, n: int) -> list[Entry]:
        """The last `n` readable records, oldest first.

        Raises:
            JournalUnwritable: the files cannot be read.
        """
        entries: list[Entry] = []
        try:
            for path in reversed(self._paths()):
                if len(entries) >= n:
                    break
                entries = frame.scan(self._durable(path)).entries + entries
        except OSError as e:
            raise self._sentence(e) from e
        return entries[-n:] if n > 0 else []

    def _durable(self, path: Path) -> bytes:
        with self._mutex:
            content = path.read_bytes()
            return content[: self._length] if path == self._path else content

    def close(self) -> None:
        """Close and give up the lock. Idempotent."""
        for fd in (self._fd, self._lock_fd):
            if fd >= 0:
                os.close(fd)
        self._fd = self._lock_fd = -1

    def _sentence(self, e: OSError) -> JournalError:
        if e.errno in _FULL:
            return JournalFull(f"journal {self._folder}: no space is left ({e.strerror}); free space on that disk")
        if e.errno == errno.EROFS:
            return JournalUnwritable(
                f"journal {self._folder}: the file system is read-only; remount or replace the disk"
            )
        return JournalUnwritable(f"journal {self._folder}: {e.strerror or e}; check the folder's rights and the disk")


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
