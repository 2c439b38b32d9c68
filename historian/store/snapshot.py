# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_store_snapshot.py
"""A store's files as they are, read without changing a byte: where no server runs, and copies of a state folder.

Law of this file: blocking reads only. The index is copied aside and opened there, for SQLite writes even where it only
reads; the log is read frame by frame and left as it is, its torn tail too.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from historian.store import verify, wal
from historian.store.chunk import Chunk
from historian.store.disk import StoreError, StoreUnwritable, no_step
from historian.store.files import Files
from historian.store.frames import Header
from historian.store.index import SEALED, Change, Index
from historian.store.reader import Reader
from historian.store.samples import from_arrow

INDEX: str = "index.db"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a store's folder held when it was opened.

    Attributes:
        reader: queries.
        gaps: (start, end, cause) of times in which nothing was recorded [UTC ns].
        rows: samples in it, sealed or in the log.
        findings: what is wrong with the files; read, and made, when asked for.
    """

    root: Path
    reader: Reader
    gaps: list[tuple[int, int, str]]
    rows: int
    _files: Files

    def findings(self) -> Iterator[str]:
        """Reads everything. One sentence for each thing that is wrong; none for a sound store."""
        yield from verify.log_findings(self.root)
        yield from verify.findings(self.root, self._files.view())


@contextmanager
def open_snapshot(root: Path) -> Iterator[Snapshot]:
    """Open the files of a store.

    Raises:
        StoreError: there is no history, or its index cannot be read.
    """
    if not (root / INDEX).is_file():
        raise StoreUnwritable(
            f"history: {root}: expected a history, got no {INDEX}; name its state folder with --state"
        )
    with TemporaryDirectory(prefix="vigie-") as folder:
        index = _index_of(root, Path(folder))
        try:
            files = Files(root, index, no_step)
            rows = sum(s.rows for s in index.segments())
            for chunk in _chunks(root, index, index.ledger().get(SEALED, 0)):
                files.add_chunk(chunk)
                rows += chunk.rows
            files.refresh()
            yield Snapshot(root, files.reader, index.gaps(), rows, files)
            files.reader.close()
        finally:
            index.close()


def _index_of(root: Path, folder: Path) -> Index:
    """A copy of the index: of its file and of what its own log adds to it."""
    try:
        for name in (INDEX, f"{INDEX}-wal"):
            if (root / name).is_file():
                shutil.copyfile(root / name, folder / name)
        with closing(sqlite3.connect(folder / INDEX)) as db:
            row = db.execute("SELECT value FROM meta WHERE key = 'site'").fetchone()
    except (OSError, sqlite3.Error) as error:
        raise StoreError(f"history: {root / INDEX}: {error}") from error
    return Index(folder / INDEX, "" if row is None else str(row[0]))


def _chunks(root: Path, index: Index, sealed_through: int) -> Iterator[Chunk]:
    """The readable rows of each log file that is not sealed; what cannot be read goes into the copy of the index."""
    paths = [p for p in wal.log_files(root / "wal") if int(p.stem) > sealed_through]
    for i, path in enumerate(paths):
        below = int(paths[i + 1].stem) if i + 1 < len(paths) else None
        batches: list[Any] = []
        following = int(path.stem)

        def use(header: Header, batch: Any, below: int | None = below, batches: list[Any] = batches) -> None:
            nonlocal following
            if header.first >= following and (below is None or header.first < below):
                following = header.first + header.rows
                batches.append(batch)

        index.commit(Change(losses=tuple(wal.losses(path, wal.each_frame(path, use)))))
        chunk = Chunk(int(path.stem), max(1, sum(b.num_rows for b in batches)))
        for batch in batches:
            chunk.add(from_arrow(batch))
        yield chunk
