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
from typing import Final

from historian.store import verify, wal
from historian.store.disk import StoreError, StoreUnwritable, no_step
from historian.store.files import Files
from historian.store.index import RECORDED, SEALED, Change, Index
from historian.store.ledger import Ledger, ledger_of
from historian.store.reader import Reader
from historian.store.view import View
from historian.store.wal import Found

INDEX: Final = "index.db"
_FILES: Final = (INDEX, f"{INDEX}-wal")
_AGAIN_MAX: Final = 20
"""How often the index and the log are read again because a running server changed them meanwhile."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a store's folder held when it was opened.

    Attributes:
        reader: queries.
        gaps: (start, end, cause) of times in which nothing was recorded [UTC ns].
        ledger: what became of every sample; `lost` as far as it is in the index.
        findings: what is wrong with the files; read, and made, when asked for.
    """

    root: Path
    reader: Reader
    gaps: list[tuple[int, int, str]]
    ledger: Ledger

    @property
    def rows(self) -> int:
        """Samples in it, sealed or in the log."""
        return self.ledger.stored

    def findings(self) -> Iterator[str]:
        """Reads everything. One sentence for each thing that is wrong; none for a sound store."""
        yield from verify.log_findings(self.root)
        yield from verify.findings(self.root, self._view)
        if not self.ledger.balanced:
            yield f"{self.root}: the ledger does not balance: {self.ledger}"

    def _view(self) -> View:
        """What the history consists of now."""
        with TemporaryDirectory(prefix="vigie-") as folder:
            index, _ = _taken(self.root, Path(folder))
            with closing(index):
                return Files(self.root, index, no_step).view()


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
        index, log = _taken(root, Path(folder))
        with closing(index):
            files = Files(root, index, no_step)
            for file in log:
                files.add_chunk(file.chunk())
            accepted = max([index.ledger().get(SEALED, 0), *(file.next - 1 for file in log)])
            yield Snapshot(root, files.reader, index.gaps(), ledger_of(index.ledger(), accepted, files.chunks))
            files.reader.close()


def _taken(root: Path, folder: Path) -> tuple[Index, list[Found]]:
    """The index and the log of one instant: taken again where a running server changed them meanwhile.

    Raises:
        StoreError: they cannot be read, or never stand still.
    """
    for k in range(_AGAIN_MAX):
        before = _state(root)
        try:
            index, log = _copied(root, folder / str(k))
        except StoreError:
            if _state(root) == before:
                raise
            continue
        if _state(root) == before:
            index.commit(Change(losses=tuple(loss for file in log for loss in file.losses)))
            return index, log
        index.close()
    raise StoreError(f"history: {root / INDEX}: a running server changes it all the time; try again")


def _state(root: Path) -> list[tuple[int, int, int]]:
    """Another one whenever the index has changed."""
    there = [path.stat() for name in _FILES if (path := root / name).exists()]
    return [(found.st_ino, found.st_size, found.st_mtime_ns) for found in there]


def _copied(root: Path, folder: Path) -> tuple[Index, list[Found]]:
    """A copy of the index, of its file and of what its own log adds to it; and the log of samples."""
    try:
        folder.mkdir()
        for name in _FILES:
            if (root / name).is_file():
                shutil.copyfile(root / name, folder / name)
        with closing(sqlite3.connect(folder / INDEX)) as db:
            row = db.execute("SELECT value FROM meta WHERE key = 'site'").fetchone()
        index = Index(folder / INDEX, "" if row is None else str(row[0]))
        try:
            ledger = index.ledger()
            return index, wal.examined(root / "wal", ledger.get(SEALED, 0), ledger.get(RECORDED, 0))
        except BaseException:
            index.close()
            raise
    except (OSError, sqlite3.Error) as error:
        raise StoreError(f"history: {root / INDEX}: {error}") from error
