# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_catalogue.py
"""The catalogue: gives every tag its series id, once and for ever.

Law of this file: append-only. An id is never changed, never given twice, and outlives the tag. A name that comes back
gets its old id; a renamed tag keeps its id; a tag whose kind changes gets a new one (two kinds cannot share a history).

SQLite in WAL mode with full sync; one transaction per generation. The ids of the last plant are kept as one piece
under the digest of its names and kinds: since no id ever changes, a start with the same plant reads them and no name.
Measured with 682,705 tags: 0.3 s of CPU instead of 3 s or more.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Collection
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from config.words import Kind

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS series
    (id INTEGER PRIMARY KEY AUTOINCREMENT, kind INTEGER NOT NULL, given_ns INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS names
    (name TEXT NOT NULL, kind INTEGER NOT NULL, series INTEGER NOT NULL REFERENCES series(id),
    since_ns INTEGER NOT NULL, PRIMARY KEY (name, kind)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS last_plant
    (one INTEGER PRIMARY KEY CHECK (one = 1), digest BLOB NOT NULL, ids BLOB NOT NULL);
"""
SERIES_MAX: Final = 2**32 - 1
_PIECE: Final = 65_536  # names digested at a time
_Ids = npt.NDArray[np.uint32]


class ForeignCatalogue(Exception):
    """The state folder belongs to another site."""


class CatalogueDamaged(Exception):
    """The file is no catalogue, or cannot be used."""


class Catalogue:
    """Series ids of one site.

    Args:
        path: file of the catalogue, or ':memory:'.
        site: name of the site; a catalogue of another site is refused.
    Raises:
        ForeignCatalogue: the file was made for another site.
        CatalogueDamaged: it is no catalogue, or cannot be used.
    """

    def __init__(self, path: Path | str, site: str) -> None:
        try:
            self._db = sqlite3.connect(path, isolation_level=None)
            owner = self._claimed(site)
        except sqlite3.Error as e:
            raise CatalogueDamaged(
                f"{path}: cannot be used: {e}; free space, or restore it from a backup: without it tags lose their past"
            ) from e
        if owner != site:
            self._db.close()
            raise ForeignCatalogue(f"{path} belongs to site '{owner}', not to '{site}'; give --state another folder")

    def _claimed(self, site: str) -> str:
        """Whose catalogue it is: of `site`, if it was nobody's."""
        try:
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.executescript(_SCHEMA)
            self._db.execute("INSERT OR IGNORE INTO meta VALUES ('site', ?)", (site,))
            return str(self._db.execute("SELECT value FROM meta WHERE key = 'site'").fetchone()[0])
        except BaseException:
            self._db.close()
            raise

    def assign(self, names: Collection[str], kinds: npt.NDArray[np.uint8], was: dict[str, str], now_ns: int) -> _Ids:
        """Series id of each name, new ones where needed, durable when this returns.

        Args:
            names: full tag names, unique, (n,).
            kinds: kind of each, (n,).
            was: present equipment path -> former one; a name not known yet is looked up under its former path.
            now_ns: UTC [ns], kept as the date of birth.
        Returns: (n,) u32, all different.
        """
        digest = _digest(names, kinds)
        if (ids := self._last_plant(digest)) is None:
            ids = self._looked_up(names, kinds, was, now_ns)
            self._db.execute("REPLACE INTO last_plant VALUES (1, ?, ?)", (digest, ids.astype("<u4").tobytes()))
        return ids

    def _last_plant(self, digest: bytes) -> _Ids | None:
        """The ids of the plant that started last, if it is this one: the usual start."""
        row = self._db.execute("SELECT ids FROM last_plant WHERE digest = ?", (digest,)).fetchone()
        return None if row is None else np.frombuffer(row[0], "<u4").astype(np.uint32)

    def _looked_up(
        self, names: Collection[str], kinds: npt.NDArray[np.uint8], was: dict[str, str], now_ns: int
    ) -> _Ids:
        """Name by name."""
        known: dict[tuple[str, int], int] = {
            (name, kind): series for name, kind, series in self._db.execute("SELECT name, kind, series FROM names")
        }
        keys = list(zip(names, kinds.tolist(), strict=True))
        taken = {known[key] for key in keys if key in known}
        ids: list[int] = []
        renamed: list[tuple[str, int, int, int]] = []
        born: list[tuple[str, int, int, int]] = []
        next_id = self._last_id() + 1
        for name, kind in keys:
            series = known.get((name, kind))
            if series is None:
                series = known.get((_former(name, was), kind))
                if series is not None and series not in taken:
                    renamed.append((name, kind, series, now_ns))
                    taken.add(series)
                else:
                    series, next_id = next_id, next_id + 1
                    born.append((name, kind, series, now_ns))
            ids.append(series)
        self._write(born, renamed)
        return np.array(ids, dtype=np.uint32)

    def _write(self, born: list[tuple[str, int, int, int]], renamed: list[tuple[str, int, int, int]]) -> None:
        if not born and not renamed:
            return
        if born and born[-1][2] > SERIES_MAX:
            raise OverflowError(f"the catalogue holds {SERIES_MAX} series; no more can be given")
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._db.executemany("INSERT INTO series VALUES (?, ?, ?)", ((s, k, t) for _, k, s, t in born))
            self._db.executemany("INSERT INTO names VALUES (?, ?, ?, ?)", born + renamed)
            self._db.execute("COMMIT")
        except BaseException:
            self._db.execute("ROLLBACK")
            raise

    def _last_id(self) -> int:
        (last,) = self._db.execute("SELECT COALESCE(MAX(seq), 0) FROM sqlite_sequence WHERE name = 'series'").fetchone()
        return int(last)

    def names_of(self, series: int) -> list[str]:
        """Every name this series ever had, oldest first."""
        rows = self._db.execute("SELECT name FROM names WHERE series = ? ORDER BY since_ns, name", (series,))
        return [name for (name,) in rows]

    def close(self) -> None:
        self._db.close()


def series_of(path: Path, name: str) -> tuple[int, Kind] | None:
    """Series id and kind of a name, read from the file alone; None if it never had one. Of several kinds the newest."""
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
        row = db.execute(
            "SELECT series, kind FROM names WHERE name = ? ORDER BY since_ns DESC, series DESC LIMIT 1", (name,)
        ).fetchone()
    return None if row is None else (int(row[0]), Kind(row[1]))


def _digest(names: Collection[str], kinds: npt.NDArray[np.uint8]) -> bytes:
    """16 bytes over names, in their order, and kinds. No name holds a line's end."""
    made, left = hashlib.blake2b(digest_size=16), iter(names)
    while piece := list(islice(left, _PIECE)):
        made.update(("\n".join(piece) + "\n").encode())
    made.update(b"\n" + kinds.tobytes())
    return made.digest()


def _former(name: str, was: dict[str, str]) -> str:
    equipment, _, tag = name.rpartition("/")
    return f"{was[equipment]}/{tag}" if equipment in was else ""
