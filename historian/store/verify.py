# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_store_query.py
"""Reads everything there is and says what is wrong with it. `vigie verify history`.

Law of this file: it changes nothing; one sentence for each finding, none for a sound store.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from historian.store import wal
from historian.store.disk import crc_of
from historian.store.frames import FrameDamaged
from historian.store.rollup_files import RollupReader
from historian.store.segments import SegmentDamaged, SegmentFile, date_of
from historian.store.view import View


def log_findings(root: Path) -> Iterator[str]:
    """Problems of the log; nobody may write it meanwhile."""
    for path in wal.log_files(root / "wal"):
        yield from _log(path)


def findings(root: Path, view: View) -> Iterator[str]:
    """Problems of the sealed files of a view."""
    for day in view.segments.values():
        for segment in day:
            yield from _segment(root / segment.path, segment.rows, segment.crc)
    for rollup in view.rollups.values():
        yield from _rollup(root / rollup.path)
    for loss in (x for day in view.losses.values() for x in day):
        if not (root / loss.what.partition("@")[0]).exists():  # what is still there was told above
            yield f"{root / loss.what}: {loss.rows} rows of {date_of(loss.day)} (UTC) could not be read and are lost"


def _log(path: Path) -> Iterator[str]:
    try:
        report = wal.each_frame(path, lambda _header, _batch: None)
    except FileNotFoundError:
        return  # sealed meanwhile
    for damage in report.damaged:
        rows = "an unknown number of" if damage.header is None else damage.header.rows
        yield f"{path}: bytes {damage.start}..{damage.end}: {rows} rows cannot be read"
    if report.length < path.stat().st_size:
        yield f"{path}: bytes {report.length}..{path.stat().st_size}: no whole frame"


def _segment(path: Path, rows: int, crc: int) -> Iterator[str]:
    try:
        file = SegmentFile(path)
    except FileNotFoundError:
        yield f"{path}: expected a segment of {rows} rows, got no file"
        return
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
    except FileNotFoundError:
        yield f"{path}: expected roll-ups, got no file; buckets are made from the samples"
        return
    except FrameDamaged as damage:
        yield f"{damage}; buckets are made from the samples"
        return
    for series in file.firsts:
        file.find(series)
    if file.damaged:
        yield f"{path}: {file.damaged} frames cannot be read; buckets are made from the samples"
