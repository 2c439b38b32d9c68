# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_store_query.py
"""Reads everything there is and says what is wrong with it. `vigie verify history`.

Law of this file: it changes nothing; one sentence for each finding, none for a sound store.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Final

from historian.store import wal
from historian.store.disk import crc_of
from historian.store.frames import FrameDamaged
from historian.store.rollup_files import RollupReader
from historian.store.segments import SegmentDamaged, SegmentFile, date_of
from historian.store.view import View

_VIEWS_MAX: Final = 20
"""How often one goes on with what a running server made of the files meanwhile."""


def log_findings(root: Path) -> Iterator[str]:
    """Problems of the log, that of a running server too."""
    for path in wal.log_files(root / "wal"):
        yield from _log(path)


def findings(root: Path, view: Callable[[], View]) -> Iterator[str]:
    """Problems of the sealed files.

    Args:
        view: what the history consists of now. Asked again where a file is gone: upkeep of a running server may have
            merged or forgotten it, and then what came of it is read instead.
    """
    checked: set[str] = set()
    for _ in range(_VIEWS_MAX):
        now = view()
        gone = yield from _files(root, now, checked)
        named = _paths(view())
        missing = {path: said for path, said in gone.items() if path in named}
        yield from missing.values()
        if len(missing) == len(gone) and named <= checked:
            break
    for loss in (x for day in now.losses.values() for x in day):
        if not (root / loss.what.partition("@")[0]).exists():  # what is still there was told above
            yield f"{root / loss.what}: {loss.rows} rows of {date_of(loss.day)} (UTC) could not be read and are lost"


def _paths(view: View) -> set[str]:
    return {s.path for day in view.segments.values() for s in day} | {r.path for r in view.rollups.values()}


def _files(root: Path, view: View, checked: set[str]) -> Generator[str, None, dict[str, str]]:
    """Problems of files not checked yet; returned are those that are gone, with what to say of it."""
    gone: dict[str, str] = {}
    for segment in (s for day in view.segments.values() for s in day if s.path not in checked):
        try:
            yield from _segment(root / segment.path, segment.rows, segment.crc)
        except FileNotFoundError:
            gone[segment.path] = f"{root / segment.path}: expected a segment of {segment.rows} rows, got no file"
    for rollup in (r for r in view.rollups.values() if r.path not in checked):
        try:
            yield from _rollup(root / rollup.path)
        except FileNotFoundError:
            text = "expected roll-ups, got no file; buckets are made from the samples"
            gone[rollup.path] = f"{root / rollup.path}: {text}"
    checked |= _paths(view)
    return gone


def _log(path: Path) -> Iterator[str]:
    try:
        found = wal.examine(path)
        if found.torn:
            found = wal.examine(path)  # a running server may just have been writing there
    except FileNotFoundError:
        return  # sealed meanwhile
    for damage in found.damaged:
        rows = "an unknown number of" if damage.header is None else damage.header.rows
        yield f"{path}: bytes {damage.start}..{damage.end}: {rows} rows cannot be read"
    if found.torn:
        yield f"{path}: its last {found.torn} bytes are no whole frame"


def _segment(path: Path, rows: int, crc: int) -> Iterator[str]:
    try:
        file = SegmentFile(path)
    except SegmentDamaged as damage:
        yield str(damage)
        return
    read = sum(len(file.read(g)) for g in range(file.groups))
    lost = sum(file.damaged.values())
    file.close()
    if read + lost != rows:
        yield f"{path}: expected {rows} rows, got {read + lost}"
    if lost:
        yield f"{path}: {lost} of {rows} rows cannot be read"
    elif crc_of(path) != crc:
        yield f"{path}: its rows can be read, but the file is not what was written"


def _rollup(path: Path) -> Iterator[str]:
    try:
        file = RollupReader(path)
    except FrameDamaged as damage:
        yield f"{damage}; buckets are made from the samples"
        return
    for series in file.firsts:
        file.find(series)
    if file.damaged:
        yield f"{path}: {file.damaged} frames cannot be read; buckets are made from the samples"
