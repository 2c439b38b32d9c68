# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_store_retention.py, tests/unit/test_store_full.py, tests/unit/test_store_crash.py
"""Upkeep of sealed files: merge small ones, close days, forget what is too old, make room.

Law of this file: blocking I/O through `Files.commit` only, so that each change is whole or did not happen; one caller
at a time (`Store` sees to it); time is an argument.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

from config.words import NS_PER_S
from historian.store import rollups, segments
from historian.store.files import Files
from historian.store.gaps import ANY_CLASS, Gaps
from historian.store.index import DAMAGED, Change, Removal, RollupFile, Segment
from historian.store.rollup_files import RollupWriter
from historian.store.rollups import DAY, MINUTE, WIDTHS
from historian.store.samples import CLASSES, Samples, last_words
from historian.store.segments import DAY_LEVEL, DAY_NS, SegmentDamaged

FAN_IN: Final = 6
"""Segments of one level that are merged into one of the next: bounds how many a query of today opens."""
CLOSE_AFTER_NS: Final = 2 * 3600 * NS_PER_S
"""How long after its end a day is closed: the longest a live sample may be late without a second merge [ns]."""
YEAR: Final = 365 * DAY
RETENTION_S: Final[Mapping[str, int]] = {
    "E": 5 * YEAR,
    "A1": 400 * DAY,
    "A2": 400 * DAY,
    "C": 13 * YEAR,
    "D": 13 * YEAR,
    "P": 60 * DAY,
    "E13": 13 * YEAR,
}
"""How long samples are kept, by class [s]. Source: plant documentation 7.3."""
ROLLUP_RETENTION_S: Final[Mapping[int, int]] = {MINUTE: 400 * DAY}
"""How long roll-ups are kept, by width [s]; all others 13 years."""
EVIDENCE: Final = frozenset({"E", "E13", "C", "D"})
"""Classes that a full disk never drops: events, counters and daily values prove what the city was promised."""
OLD: Final = "retention"
UNREADABLE: Final = "retention, unreadable"
FULL: Final = "disk full"
DROPPED_OLD: Final = f"dropped: {OLD}"
DROPPED_FULL: Final = f"dropped: {FULL}"

Group = dict[tuple[int, int], list[Segment]]


def by_class_and_day(files: Files) -> Group:
    """(class, day) -> segments in order of arrival."""
    groups: Group = defaultdict(list)
    for day, found in files.view().segments.items():
        for segment in found:
            groups[segment.class_id, day].append(segment)
    return groups


def merge_parts(files: Files) -> int:
    """Merge what is many and small. Returns how many segments went into larger ones."""
    merged = 0
    for parts in by_class_and_day(files).values():
        while (group := _ripe(parts)) is not None:
            made = _replace(files, group, group[0].level + 1)
            merged += len(group)
            parts = sorted([p for p in parts if p not in group] + made, key=lambda s: s.first)
    return merged


def _ripe(parts: Sequence[Segment]) -> list[Segment] | None:
    levels: dict[int, list[Segment]] = defaultdict(list)
    for part in parts:
        if part.level < DAY_LEVEL - 1:
            levels[part.level].append(part)
    return next((found for _, found in sorted(levels.items()) if len(found) >= FAN_IN), None)


def close_days(files: Files, now_ns: int, again: bool) -> int:
    """Make one segment and its roll-ups of each day that is over. Returns how many class-days were closed.

    Args:
        again: also days that were closed before and got late samples since.
    """
    closed = 0
    for (_, day), parts in sorted(by_class_and_day(files).items()):
        if (day + 1) * DAY_NS + CLOSE_AFTER_NS > now_ns or (not again and parts[0].level == DAY_LEVEL):
            continue
        if len(parts) > 1 or parts[0].level != DAY_LEVEL:
            _replace(files, parts, DAY_LEVEL)
            closed += 1
    return closed


def _replace(files: Files, parts: Sequence[Segment], level: int) -> list[Segment]:
    """One segment in place of several; with roll-ups if it is a whole day. What cannot be read is counted."""
    sources = _openable(files, parts)
    if not sources:
        return []
    class_id, day = sources[0].class_id, sources[0].day
    last = max(s.last for s in sources)
    gaps = Gaps(files.view().stop_starts)
    widths = WIDTHS[CLASSES[class_id]] if level == DAY_LEVEL else ()
    writers = [RollupWriter(files.root, class_id, day, w, last) for w in widths]

    rows = 0

    def use(samples: Samples) -> None:
        nonlocal rows
        rows += len(samples)
        said = last_words(samples)
        for writer in writers:
            writer.add(rollups.compute(said, writer.width_s, gaps))

    try:
        made, hurt = segments.merge(files.root, sources, level, files.steps, use)
        # roll-ups of a day that is not whole would hide for ever what is missing
        whole = not hurt and not any(x.class_id in (class_id, ANY_CLASS) for x in files.view().losses.get(day, ()))
        rolled = tuple(r for w in writers if whole and (r := w.finish(rows, files.steps)) is not None)
    finally:
        for writer in writers:
            writer.abandon()
    old = [r for (k, d, _), r in files.view().rollups.items() if (k, d) == (class_id, day)] if widths else []
    change = Change(
        add=(made,) if made.rows else (),
        remove=tuple(sources),
        add_rollups=rolled,
        remove_rollups=tuple(old),
        ledger=((DAMAGED, sum(x.rows for x in hurt)),),
        losses=hurt,
    )
    files.commit(change, damaged=[x.what for x in hurt])
    return [made] if made.rows else []


def _openable(files: Files, parts: Sequence[Segment]) -> list[Segment]:
    """Those whose footer can be read; the others go to quarantine, their rows are counted as damaged."""
    fine, broken = [], []
    for part in parts:
        try:
            segments.SegmentFile(files.root / part.path).close()
        except (SegmentDamaged, FileNotFoundError):
            broken.append(part)
        else:
            fine.append(part)
    if broken:
        lost, losses = sum(s.rows for s in broken), tuple(map(segments.whole, broken))
        change = Change(remove=tuple(broken), ledger=((DAMAGED, lost),), losses=losses)
        files.commit(change, damaged=[s.path for s in broken])
    return fine


def retain(files: Files, now_ns: int, retention_s: Mapping[str, int] = RETENTION_S) -> dict[str, int]:
    """Forget what is older than its class allows, and what is told of what could not be read of it.

    Returns: class -> rows forgotten.
    """
    forgotten: dict[str, int] = {}
    for (class_id, day), parts in sorted(by_class_and_day(files).items()):
        name = CLASSES[class_id]
        if (day + 1) * DAY_NS + retention_s[name] * NS_PER_S <= now_ns:
            rows = sum(p.rows for p in parts)
            gone = Removal(class_id, day, rows, OLD)
            files.commit(Change(remove=tuple(parts), ledger=((DROPPED_OLD, rows),), removals=(gone,)))
            forgotten[name] = forgotten.get(name, 0) + rows
    old = tuple(r for r in files.view().rollups.values() if _outlived(r, now_ns))
    if old:
        files.commit(Change(remove_rollups=old))
    _retain_losses(files, now_ns, retention_s)
    return forgotten


def _retain_losses(files: Files, now_ns: int, retention_s: Mapping[str, int]) -> None:
    """Of unknown class is kept as long as the class kept longest. The ledger counts such rows as damaged for ever."""
    kept_s = {ANY_CLASS: max(retention_s.values()), **{k: retention_s[name] for k, name in enumerate(CLASSES)}}
    old = [
        loss
        for day in files.view().losses.values()
        for loss in day
        if (loss.day + 1) * DAY_NS + kept_s[loss.class_id] * NS_PER_S <= now_ns
    ]
    # Nobody knows what a torn tail holds, and nobody was told that it is kept: it goes with what is kept shortest.
    files.remove_torn(now_ns // DAY_NS - min(retention_s.values()) // DAY)
    if old:
        gone = tuple(Removal(loss.class_id, loss.day, loss.rows, UNREADABLE) for loss in old)
        files.remove_copies(old)  # first: a crash in between leaves the losses, and they are forgotten again
        files.commit(Change(remove_losses=tuple(old), removals=gone))


def _outlived(rollup: RollupFile, now_ns: int) -> bool:
    kept_s = ROLLUP_RETENTION_S.get(rollup.width_s, 13 * YEAR)
    return (rollup.day + 1) * DAY_NS + kept_s * NS_PER_S <= now_ns


def make_room(files: Files) -> bool:
    """Drop the oldest day of classes that are no evidence; when only the newest such day is left, the oldest day of
    roll-ups (what evidence they summarise is still there to be read). False: nothing is left that may go.
    """
    days: dict[int, list[Segment]] = defaultdict(list)
    for (class_id, day), parts in by_class_and_day(files).items():
        if CLASSES[class_id] not in EVIDENCE:
            days[day] += parts
    rolled = files.view().rollups
    if len(days) > 1:
        parts = days[min(days)]
        gone = [Removal(p.class_id, p.day, p.rows, FULL) for p in parts]
        change = Change(remove=tuple(parts), ledger=((DROPPED_FULL, sum(g.rows for g in gone)),), removals=tuple(gone))
    elif rolled:
        oldest = min(day for _, day, _ in rolled)
        change = Change(remove_rollups=tuple(r for r in rolled.values() if r.day == oldest))
    else:
        return False
    files.commit(change)
    files.keep_reserve()
    return True
