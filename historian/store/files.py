# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_store_crash.py, tests/unit/test_store_full.py
"""The set of files a history consists of: index, chunks of the log, and the view that readers see.

Law of this file: one lock; the view is swapped whole, after the index is committed and before a file is removed. So a
reader sees each sample once, and a crash leaves at worst files that the index does not name.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from config.arrays import distinct
from historian.store.chunk import Chunk
from historian.store.disk import Steps, StoreFull, refused
from historian.store.gaps import Loss
from historian.store.index import Change, Index, RollupFile, Segment
from historian.store.reader import Reader
from historian.store.view import View
from historian.store.wal import torn_tails

RESERVE_BYTES: Final = 4 << 20
"""Room kept for the index, so that a full disk can still be told what was removed from it."""
QUARANTINE: Final = "quarantine"


class Files:
    """Owner of the view.

    Attributes:
        root: folder of the store.
        reader: queries on the present view.
    """

    def __init__(self, root: Path, index: Index, steps: Steps) -> None:
        self.root = root
        self.index = index
        self.steps = steps
        self._mutex = threading.Lock()
        self._chunks: list[Chunk] = []
        self._reserved = False
        self._view = self._build()
        self.reader = Reader(root, self.view)

    def view(self) -> View:
        """What there is now."""
        with self._mutex:
            return replace(self._view, chunks=tuple((c, c.rows) for c in self._chunks))

    @property
    def chunks(self) -> list[Chunk]:
        with self._mutex:
            return list(self._chunks)

    def add_chunk(self, chunk: Chunk) -> None:
        with self._mutex:
            self._chunks.append(chunk)

    def commit(self, change: Change, gone: Chunk | None = None, damaged: Sequence[str] = ()) -> None:
        """Commit, show, then remove the files that went; those in `damaged` are kept in quarantine for people.

        Args:
            gone: the chunk whose rows are in the added segments now.
        Raises:
            StoreFull, StoreUnwritable: nothing changed.
        """
        self._with_reserve(lambda: self.index.commit(change))
        self.steps("index committed")
        self.refresh(gone)
        paths = [s.path for s in change.remove] + [r.path for r in change.remove_rollups]
        self.reader.forget(paths)  # also those written anew under the same name
        kept = {s.path for s in change.add} | {r.path for r in change.add_rollups}
        for path in paths:
            if path in kept:
                continue
            self._remove(path, path in damaged)
            self.steps("file removed")

    def count(self, entries: Sequence[tuple[str, int]]) -> None:
        """Add to the ledger, on a full disk too.

        Raises:
            StoreFull, StoreUnwritable: nothing is added.
        """
        if entries:
            self._with_reserve(lambda: self.index.count(entries))

    def _with_reserve(self, job: Callable[[], None]) -> None:
        try:
            job()
        except StoreFull:
            self.release_reserve()
            job()
            self.keep_reserve()

    def refresh(self, gone: Chunk | None = None) -> None:
        """Show what the index says."""
        view = self._build()
        with self._mutex:
            self._view = view
            if gone is not None:
                self._chunks.remove(gone)

    def _build(self) -> View:
        segments: dict[int, list[Segment]] = {}
        for segment in sorted(self.index.segments(), key=lambda s: (s.first, s.last)):
            segments.setdefault(segment.day, []).append(segment)
        rollups: dict[tuple[int, int, int], RollupFile] = {
            (r.class_id, r.day, r.width_s): r for r in self.index.rollups()
        }
        losses: dict[int, list[Loss]] = {}
        for loss in self.index.losses():
            losses.setdefault(loss.day, []).append(loss)
        return View(
            segments={day: tuple(found) for day, found in segments.items()},
            days=tuple(sorted({*segments, *losses, *(day for _, day, _ in rollups)})),
            rollups=rollups,
            chunks=(),
            masks=np.frombuffer(self.index.masks(), np.uint8),
            stops=tuple((start, end) for start, end, _ in self.index.gaps()),
            losses=losses,
        )

    def _remove(self, path: str, keep: bool) -> None:
        full = self.root / path
        try:
            if keep:
                os.replace(full, self.root / QUARANTINE / path.replace("/", "_"))
            else:
                full.unlink(missing_ok=True)
            if not any(full.parent.iterdir()):
                full.parent.rmdir()
        except OSError as error:
            raise refused(error, full) from error

    def remove_torn(self, before_day: int) -> None:
        """Delete copies of torn tails of days before this one.

        Raises:
            StoreFull, StoreUnwritable.
        """
        for path in torn_tails(self.root / QUARANTINE, before_day):
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise refused(error, path) from error

    def remove_copies(self, gone: Sequence[Loss]) -> None:
        """Delete what was set aside of losses for people; a copy with rows of several days goes with the last of these.

        Raises:
            StoreFull, StoreUnwritable.
        """
        kept = {loss.copy for day in self.view().losses.values() for loss in day if loss not in gone}
        for name in sorted({loss.copy for loss in gone} - kept):
            try:
                (self.root / QUARANTINE / name).unlink(missing_ok=True)
            except OSError as error:
                raise refused(error, self.root / QUARANTINE / name) from error

    def bytes(self) -> int:
        """Size of segments and roll-ups [B]."""
        view = self.view()
        return sum(s.bytes for day in view.segments.values() for s in day) + sum(r.bytes for r in view.rollups.values())

    def keep_reserve(self) -> bool:
        """Allocate the reserve if it is not there; False if the disk has no room for it now."""
        if self._reserved:
            return True
        path = self.root / "reserve"
        try:
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(fd, 0, RESERVE_BYTES)
            finally:
                os.close(fd)
        except OSError:
            path.unlink(missing_ok=True)
            return False
        self._reserved = True
        return True

    def release_reserve(self) -> None:
        """Give its room to whoever must write now."""
        self._reserved = False
        (self.root / "reserve").unlink(missing_ok=True)


def added(
    masks: npt.NDArray[np.uint8], series: npt.NDArray[np.uint32], class_id: npt.NDArray[np.uint8]
) -> bytes | None:
    """Masks with the classes of these series added; None if nothing is new."""
    if not len(series):
        return None
    grown = np.zeros(max(len(masks), int(series.max()) + 1), np.uint8)
    grown[: len(masks)] = masks
    for k in distinct(class_id).tolist():
        grown[series[class_id == k]] |= np.uint8(1 << k)
    same = len(grown) == len(masks) and bool((grown == masks).all())
    return None if same else grown.tobytes()
