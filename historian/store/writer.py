# SPDX-License-Identifier: Apache-2.0
# Tests: tests/property/test_store.py, tests/unit/test_store_full.py, tests/unit/test_store_crash.py
"""The writer: the open end of a store. Samples go into the log and, once they are durable, into memory.

Law of this file: blocking I/O, one lock, no clock. A row has its sequence when its frame is durable, not before.
"""

from __future__ import annotations

import threading
from pathlib import Path

from historian.store import frames, wal
from historian.store.chunk import Chunk
from historian.store.disk import StoreUnwritable
from historian.store.files import Files
from historian.store.limits import Limits
from historian.store.samples import Samples, to_arrow


class Writer:
    """Appends to the newest log file and to its chunk.

    Attributes:
        lock: held while a frame is written.
        next: sequence of the row to come.
        written_ns: server time of the newest append, of an earlier run too; 0 if there was none [UTC ns].
    """

    def __init__(self, root: Path, files: Files, limits: Limits, sealed_through: int) -> None:
        self.lock = threading.Lock()
        self.next = sealed_through + 1
        self.written_ns = 0
        self._root = root
        self._files = files
        self._limits = limits
        self._log: wal.LogFile | None = None
        self._chunk: Chunk | None = None
        self._begun_ns = 0

    def recover(self, quarantine: Path, recorded_ns: int) -> list[wal.Found]:
        """Take over what the log holds. Called once, before anything is written.

        Args:
            recorded_ns: when the last sealed row was written [UTC ns].
        Raises:
            StoreFull, StoreUnwritable.
        """
        found = wal.recover(self._root / "wal", quarantine, self.next - 1, recorded_ns)
        for file in found:
            if file.next > file.first:
                self._files.add_chunk(file.chunk())
            self.next = max(self.next, file.next)
        self.written_ns = max([recorded_ns, *(file.written_ns for file in found)])
        return found

    def append(self, samples: Samples, now_ns: int, epoch: int, digest: bytes) -> None:
        """Write one frame; durable when this returns.

        Raises:
            StoreFull, StoreUnwritable: it is not there.
        """
        batch = to_arrow(samples, sparse=True)
        with self.lock:
            log, chunk = self._log, self._chunk
            if log is None or chunk is None or not log.usable or chunk.rows + len(samples) > chunk.capacity:
                log, chunk = self._begin(len(samples), now_ns)
            try:
                log.append(frames.encode(batch, self.next, epoch, now_ns, digest))
            except StoreUnwritable:
                if log.length:
                    self._turn()  # what refuses one file (its size, a bad block) may not refuse another
                raise
            chunk.add(samples)
            self.next += len(samples)
            self.written_ns = now_ns
            if log.length >= self._limits.turn_bytes:
                self._turn()

    def _begin(self, rows: int, now_ns: int) -> tuple[wal.LogFile, Chunk]:
        unused = self._chunk if self._chunk is not None and not self._chunk.rows else None
        self._turn()
        self._log = wal.LogFile(self._root / "wal", self.next)
        if unused is not None and rows <= unused.capacity:
            self._chunk = unused
        else:
            self._chunk = Chunk(self.next, max(self._limits.turn_rows, rows))
            self._files.add_chunk(self._chunk)
        self._begun_ns = now_ns
        return self._log, self._chunk

    def turn(self, begun_ns: int | None = None) -> None:
        """The open log file gets no more rows and may be sealed; with `begun_ns` only if it began then or earlier."""
        with self.lock:
            if begun_ns is None or self._begun_ns <= begun_ns:
                self._turn()

    def _turn(self) -> None:
        if self._log is not None:
            self._log.close()
        self._log = self._chunk = None

    def turned(self) -> list[Chunk]:
        """Chunks that get no more rows, in order of arrival."""
        return [chunk for chunk in self._files.chunks if chunk is not self._chunk]
