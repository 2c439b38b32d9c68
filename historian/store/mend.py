# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_store_crash.py
"""What is put right when a store is opened: files that a crash left over, files that are missing, a lost index.

Law of this file: the index is the truth as long as there is one; without it the segments are, and nothing is deleted.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from historian.store import rollup_files, segments
from historian.store.disk import crc_of
from historian.store.files import added
from historian.store.frames import FrameDamaged
from historian.store.gaps import Loss
from historian.store.index import DAMAGED, Change, Index, RollupFile, Segment
from historian.store.rollup_files import RollupReader
from historian.store.samples import CLASSES
from historian.store.segments import SegmentDamaged, SegmentFile


def mend(root: Path, index: Index) -> list[str]:
    """Make files and index agree. Returns one sentence for each thing that was wrong.

    Raises:
        OSError, StoreError: the disk refuses.
    """
    said: list[str] = []
    known = index.segments()
    there = set(_files(root))
    if not known and not index.ledger() and any(name.endswith(".parquet") for name in there):
        said.append(_rebuild(root, index))
        known = index.segments()
    missing = tuple(s for s in known if s.path not in there)
    lost = tuple(r for r in index.rollups() if r.path not in there)
    if missing or lost:
        rows = sum(s.rows for s in missing)
        losses = tuple(map(segments.whole, missing))
        index.commit(Change(remove=missing, remove_rollups=lost, ledger=((DAMAGED, rows),), losses=losses))
        said.append(f"{len(missing)} segments with {rows} rows and {len(lost)} roll-up files were missing")
    named = {s.path for s in known} | {r.path for r in index.rollups()}
    left = [name for name in there if name not in named]
    for name in left:
        (root / name).unlink()
    if left:
        said.append(f"{len(left)} files of an unfinished step were removed")
    return said


def _files(root: Path) -> Iterator[str]:
    for folder in (segments.FOLDER, rollup_files.FOLDER):
        for path in (root / folder).rglob("*"):
            if path.is_file():
                yield path.relative_to(root).as_posix()


def _rebuild(root: Path, index: Index) -> str:
    """A new index from what each segment says of itself."""
    found: list[Segment] = []
    losses: list[Loss] = []
    masks = np.zeros(0, np.uint8)
    for path in sorted((root / segments.FOLDER).rglob("*.parquet")):
        try:
            file = SegmentFile(path)
        except SegmentDamaged:
            name = path.relative_to(root).as_posix()
            losses.append(segments.whole(segments.named(name)))
            path.rename(root / "quarantine" / name.replace("/", "_"))
            continue
        told = file.told()
        one = Segment(
            path.relative_to(root).as_posix(),
            CLASSES.index(told["class"]),
            int(told["day"]),
            int(told["level"]),
            sum(file.group_rows),
            path.stat().st_size,
            int(told["first"]),
            int(told["last"]),
            crc_of(path),
        )
        series = file.counts()[0]
        grown = added(masks, series, np.full(len(series), one.class_id, np.uint8))
        masks = masks if grown is None else np.frombuffer(grown, np.uint8)
        file.close()
        found.append(one)
    kept = tuple(s for s in found if not any(_within(s, other) for other in found))
    through = max((s.last for s in kept), default=0)
    elsewhere = through - sum(s.rows for s in kept)
    index.commit(
        Change(
            add=kept,
            add_rollups=tuple(_rollups(root, kept)),
            ledger=(("dropped: before the index was lost", elsewhere),),
            sealed_through=through,
            masks=masks.tobytes(),
            losses=tuple(losses),
        )
    )
    return f"the index was made anew from {len(kept)} segments"


def _within(one: Segment, other: Segment) -> bool:
    """True if the rows of `one` were merged into `other`."""
    same = (one.class_id, one.day) == (other.class_id, other.day)
    inside = other.first <= one.first and one.last <= other.last
    return same and inside and one.path != other.path and (other.level, other.last) > (one.level, one.last)


def _rollups(root: Path, kept: tuple[Segment, ...]) -> Iterator[RollupFile]:
    """Roll-up files that belong to a kept day."""
    days = {(s.class_id, segments.date_of(s.day), s.last): s for s in kept if s.level == segments.DAY_LEVEL}
    for path in (root / rollup_files.FOLDER).rglob("*.roll"):
        width, _, last = path.stem.partition("-")
        day = days.get((CLASSES.index(path.parent.parent.name), path.parent.name, int(last)))
        if day is None:
            continue
        try:
            RollupReader(path)
        except FrameDamaged:
            continue
        name = path.relative_to(root).as_posix()
        yield RollupFile(name, day.class_id, day.day, int(width), 0, path.stat().st_size)
