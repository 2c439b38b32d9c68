# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_store_query.py, tests/unit/test_store_crash.py
"""Files of a store that are open for reading: segments and roll-ups, those used last.

Law of this file: blocking I/O; what cannot be read is remembered by its path and answered None, never raised, so that
the rest of a query goes on. Only a file that is gone raises: the query is then made again on a new view.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from historian.store.cache import Recent
from historian.store.frames import FrameDamaged
from historian.store.gaps import Loss
from historian.store.index import Segment
from historian.store.rollup_files import RollupReader
from historian.store.samples import Samples, empty
from historian.store.segments import SegmentDamaged, SegmentFile, whole

FILES_MAX: Final = 128
"""Most segments held open."""
CONTENTS_MAX: Final = 1024
"""Most roll-up files whose table of contents is at hand."""


class Opened:
    """Open files of one store. Safe from several threads.

    Attributes:
        damaged: files found unreadable, wholly or in part, by path.
    """

    def __init__(self, root: Path) -> None:
        self.damaged: set[str] = set()
        self._segments = Recent(root, SegmentFile, FILES_MAX)
        self._rollups = Recent(root, RollupReader, CONTENTS_MAX)

    def samples(self, one: Segment, series: int, start_ns: int, end_ns: int) -> tuple[Samples, list[Loss]]:
        """Samples of one series with start_ns <= time < end_ns [UTC ns], and what of the file cannot be read."""
        try:
            file = self._segments.get(one.path)
        except SegmentDamaged:
            self.damaged.add(one.path)
            return empty(), [whole(one)]
        found = file.find(series, start_ns, end_ns)
        if file.damaged:
            self.damaged.add(one.path)
        return found, file.losses(one)

    def contents(self, path: str) -> RollupReader | None:
        """The table of contents of a roll-up file; None if it cannot be read."""
        try:
            return self._rollups.get(path)
        except FrameDamaged:
            self.damaged.add(path)
            return None

    def forget(self, paths: Sequence[str]) -> None:
        """Hold these files no longer: they are gone, or written anew."""
        self._segments.forget(paths)
        self._rollups.forget(paths)
        self.damaged.difference_update(paths)

    def close(self) -> None:
        """Hold no file."""
        self._segments.clear()
        self._rollups.clear()
