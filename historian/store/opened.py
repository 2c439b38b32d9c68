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
from historian.store.rollup_files import RollupReader
from historian.store.segments import SegmentDamaged, SegmentFile

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

    def segment(self, path: str) -> SegmentFile | None:
        """An open segment; None if it cannot be read at all."""
        try:
            return self._segments.get(path)
        except SegmentDamaged:
            self.damaged.add(path)
            return None

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
