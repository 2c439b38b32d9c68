# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_journal_disk.py
"""The reserve: room on the disk that the journal gives itself when nobody else leaves it any.

Law of this file: one file, blocking; gives back and takes again, decides nothing.

Theory of operation. `reserve` is allocated, not written: 32 MiB that no other file can take. When an append finds the
disk full, a slice is cut off and the append repeated in its room; slices double within one append, so that a storm too
is written after a few attempts. Cutting slices, instead of giving all back at once, leaves little to other programs
that wait for room. A record costs about 500 bytes in the database; beside them the write-ahead log needs some 8 MiB
once. So at least RESERVE_RECORDS more records fit.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

RESERVE_SIZE: Final = 32 * 2**20
RESERVE_RECORDS: Final = 10_000  # tested on a disk filled to the last block, one record an append
SLICE: Final = 256 * 2**10


class Reserve:
    """The reserve in a folder.

    Attributes:
        left: bytes of it that stand ready.
        used: it was cut because the disk was full, and is not whole again.
    """

    def __init__(self, folder: Path, size: int = RESERVE_SIZE) -> None:
        self._folder = folder
        self._path = folder / "reserve"
        self._size = size
        self.left = min(self._allocated(), size)
        self.used = False

    def _allocated(self) -> int:
        try:
            found = self._path.stat()
        except OSError:
            return 0
        return found.st_size if found.st_blocks * 512 >= found.st_size else 0

    @property
    def whole(self) -> bool:
        return self.left >= self._size

    def release(self, size: int) -> bool:
        """Give so much of it back. False if there is nothing to give."""
        if not self.left:
            return False
        left = max(0, self.left - size)
        try:
            os.truncate(self._path, left)
        except OSError:
            return False  # a read-only file system: there is nothing to gain
        self.left = left
        self.used = True
        return True

    def refill(self) -> bool:
        """Take the room again once the disk has twice as much, so as not to fill it ourselves. True if whole."""
        if self.whole:
            return True
        try:
            disk = os.statvfs(self._folder)
            if disk.f_bavail * disk.f_frsize < 2 * (self._size - self.left):
                return False
            self._allocate()
        except OSError:
            return False  # `sentence` says it until it succeeds
        self.left = self._size
        self.used = False
        return True

    def _allocate(self) -> None:
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(fd, 0, self._size)
            os.fsync(fd)
        except OSError:
            os.ftruncate(fd, self.left)
            raise
        finally:
            os.close(fd)

    @property
    def sentence(self) -> str | None:
        """Why it is not whole; None if it is."""
        if self.whole:
            return None
        left = f"{self.left / 2**20:.3g} of {self._size / 2**20:g} MiB"
        if self.used:
            return f"journal {self._folder}: the disk is full; of the reserve {left} are left; free space now"
        return f"journal {self._folder}: of the reserve for a full disk {left} are there; free space on that disk"
