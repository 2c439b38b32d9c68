# SPDX-License-Identifier: Apache-2.0
"""ReadRaw on a real store: table 1 of OPC 10000-11, 4.6, its gaps (4.3), and pages that lose and repeat nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from config.words import BAD, Kind, StatusCode
from historian.store.samples import CLASSES, Samples
from historian.store.store import Store, open_store
from supervisor.hmi.history import raw
from supervisor.hmi.history.details import RawQuestion

MINUTE = 60_000_000_000
DAY = 20_500 * 86_400_000_000_000
SERIES = 5


def samples(times_ns: list[int], values: list[float], class_id: int = CLASSES.index("E")) -> Samples:
    n = len(times_ns)
    return Samples(
        np.full(n, SERIES, np.uint32), np.array(times_ns, np.int64), np.array(values), np.zeros(n, np.int64),
        np.zeros(n, np.uint32), np.zeros(n, np.int32), np.full(n, class_id, np.uint8), np.zeros(n, np.uint8),
    )  # fmt: skip


def clock(text: str) -> int:
    hours, minutes = text.split(":")
    return DAY + (int(hours) * 60 + int(minutes)) * MINUTE


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A historian with values at 5:00, 5:02, 5:03, 5:05 and 5:06."""
    made = open_store(tmp_path, "test", DAY)
    times = [clock(t) for t in ("5:00", "5:02", "5:03", "5:05", "5:06")]
    made.append(samples(times, [0.0, 2.0, 3.0, 5.0, 6.0]), times[-1])
    yield made
    made.close()


def told(store: Store, asked: RawQuestion, most: int = 1000, pages: int = 1) -> tuple[list[str], bool]:
    """What so many pages tell, and whether there is more."""
    state: raw.State | None = raw.begin(asked)
    found: list[str] = []
    for _ in range(pages):
        if state is None:
            break
        column, state = raw.page(store.reader, SERIES, Kind.Double, asked, state, most)
        found += [_shown(*row) for row in zip(column.source_ns.tolist(), column.status.tolist(), strict=True)]
    return found, state is not None


def _shown(time_ns: int, status: int) -> str:
    minutes, rest = divmod(time_ns - DAY, MINUTE)
    second = rest // 1_000_000_000
    text = f"{minutes // 60}:{minutes % 60:02d}" + (f":{second:02d}" if second else "")
    if status == StatusCode.BadDataLost:
        return f"lost@{text}"
    return f"({text})" if status == StatusCode.BadBoundNotFound else text


# Row by row the table of 1.03; where only one time is given, 1.05 tells no continuation point
# (6.5.3.2: "the requested number of values is returned").
# start, end, values per node, bounds: what is told; (t) is BadBoundNotFound at t. '+': more by continuation point.
TABLE_1 = [
    ("5:00", "5:05", 0, True, "5:00 5:02 5:03 5:05"),
    ("5:00", "5:05", 0, False, "5:00 5:02 5:03"),
    ("5:01", "5:04", 0, True, "5:00 5:02 5:03 5:05"),
    ("5:01", "5:04", 0, False, "5:02 5:03"),
    ("5:05", "5:00", 0, True, "5:05 5:03 5:02 5:00"),
    ("5:05", "5:00", 0, False, "5:05 5:03 5:02"),
    ("5:04", "5:01", 0, True, "5:05 5:03 5:02 5:00"),
    ("5:04", "5:01", 0, False, "5:03 5:02"),
    ("4:59", "5:05", 0, True, "(4:59) 5:00 5:02 5:03 5:05"),
    ("4:59", "5:05", 0, False, "5:00 5:02 5:03"),
    ("5:01", "5:07", 0, True, "5:00 5:02 5:03 5:05 5:06 (5:07)"),
    ("5:01", "5:07", 0, False, "5:02 5:03 5:05 5:06"),
    ("5:00", "5:05", 3, True, "5:00 5:02 5:03 +"),
    ("5:00", "5:05", 3, False, "5:00 5:02 5:03"),
    ("5:01", "5:04", 3, True, "5:00 5:02 5:03 +"),
    ("5:01", "5:04", 3, False, "5:02 5:03"),
    ("5:05", "5:00", 3, True, "5:05 5:03 5:02 +"),
    ("5:05", "5:00", 3, False, "5:05 5:03 5:02"),
    ("5:04", "5:01", 3, True, "5:05 5:03 5:02 +"),
    ("5:04", "5:01", 3, False, "5:03 5:02"),
    ("4:59", "5:05", 3, True, "(4:59) 5:00 5:02 +"),
    ("4:59", "5:05", 3, False, "5:00 5:02 5:03"),
    ("5:01", "5:07", 3, True, "5:00 5:02 5:03 +"),
    ("5:01", "5:07", 3, False, "5:02 5:03 5:05 +"),
    ("5:00", None, 3, True, "5:00 5:02 5:03"),
    ("5:00", None, 3, False, "5:00 5:02 5:03"),
    ("5:00", None, 6, True, "5:00 5:02 5:03 5:05 5:06 (5:06:01)"),
    ("5:00", None, 6, False, "5:00 5:02 5:03 5:05 5:06"),
    ("5:07", None, 6, True, "5:06 (5:06:01)"),
    ("5:07", None, 6, False, ""),
    (None, "5:06", 3, True, "5:06 5:05 5:03"),
    (None, "5:06", 3, False, "5:06 5:05 5:03"),
    (None, "5:06", 6, True, "5:06 5:05 5:03 5:02 5:00 (4:59:59)"),
    (None, "5:06", 6, False, "5:06 5:05 5:03 5:02 5:00"),
    (None, "4:48", 6, True, "5:00 (4:59:59)"),
    (None, "4:48", 6, False, ""),
    ("4:48", "4:48", 0, True, "(4:48) 5:00"),
    ("4:48", "4:48", 0, False, ""),
    ("4:48", "4:48", 1, True, "(4:48) +"),
    ("4:48", "4:48", 1, False, ""),
    ("4:48", "4:48", 2, True, "(4:48) 5:00"),
    ("5:00", "5:00", 0, True, "5:00 5:02"),
    ("5:00", "5:00", 0, False, "5:00"),
    ("5:00", "5:00", 1, True, "5:00 +"),
    ("5:00", "5:00", 1, False, "5:00"),
    ("5:01", "5:01", 0, True, "5:00 5:02"),
    ("5:01", "5:01", 0, False, ""),
    ("5:01", "5:01", 1, True, "5:00 +"),
    ("5:01", "5:01", 1, False, ""),
]


@pytest.mark.parametrize(("start", "end", "most", "bounds", "expected"), TABLE_1)
def test_table_1(store: Store, start: str | None, end: str | None, most: int, bounds: bool, expected: str) -> None:
    asked = RawQuestion(start and clock(start), end and clock(end), most, bounds)
    found, more = told(store, asked)
    assert " ".join([*found, *(["+"] if more else [])]) == expected


@pytest.mark.parametrize("page", [1, 2, 3])
@pytest.mark.parametrize(("start", "end", "most", "bounds", "expected"), [row for row in TABLE_1 if row[2] == 0])
def test_pages_of_any_size_tell_the_same(
    store: Store, page: int, start: str, end: str, most: int, bounds: bool, expected: str
) -> None:
    found, more = told(store, RawQuestion(clock(start), clock(end), most, bounds), page, pages=20)
    assert (" ".join(found), more) == (expected, False)


# start, end, bounds: what is told when recording stopped 5:03:30 to 5:04:30; each page size tells the same.
GAPS = [
    ("5:00", "5:07", False, "5:00 5:02 5:03 lost@5:03:30 5:05 5:06"),
    ("5:07", "5:00", False, "5:06 5:05 lost@5:03:30 5:03 5:02"),
    ("5:04", "5:06", False, "lost@5:04 5:05"),
    ("5:04", "5:06", True, "5:03 lost@5:04 5:05 5:06"),
    ("5:05", "5:04", True, "5:05 lost@5:04 5:03"),
    ("5:05", "5:07", False, "5:05 5:06"),
    ("5:00", "5:03", False, "5:00 5:02"),
]


@pytest.mark.parametrize("page", [1, 2, 1000])
@pytest.mark.parametrize(("start", "end", "bounds", "expected"), GAPS)
def test_a_stop_of_recording_is_told_as_data_lost(
    store: Store, page: int, start: str, end: str, bounds: bool, expected: str
) -> None:
    """OPC 10000-11, 4.3; marked where it begins, or where the range does if that lies in it."""
    store.record_gap(clock("5:03") + MINUTE // 2, clock("5:04") + MINUTE // 2, "test")
    found, more = told(store, RawQuestion(clock(start), clock(end), 0, bounds), page, pages=20)
    assert (" ".join(found), more) == (expected, False)


def test_a_series_that_was_never_recorded_has_no_gaps_either(store: Store) -> None:
    store.record_gap(clock("5:03"), clock("5:04"), "test")
    asked = RawQuestion(clock("5:00"), clock("5:07"), 0, False)
    column, state = raw.page(store.reader, SERIES + 1, Kind.Double, asked, raw.begin(asked), 100)
    assert (len(column), state) == (0, None)


@pytest.mark.parametrize("forward", [True, False])
def test_what_arrives_between_two_pages_is_neither_lost_nor_repeated(store: Store, forward: bool) -> None:
    ends = (clock("5:00"), clock("6:00")) if forward else (clock("6:00"), clock("5:00") - 1)
    asked = RawQuestion(*ends, 0, False)
    column, state = raw.page(store.reader, SERIES, Kind.Double, asked, raw.begin(asked), 2)
    first = column.source_ns.tolist()
    assert state is not None
    late = [clock("4:58"), clock("5:04"), clock("5:30")]
    store.append(samples(late, [1.0, 4.0, 30.0]), clock("5:40"))
    store.seal()
    rest: list[int] = []
    while state is not None:
        column, state = raw.page(store.reader, SERIES, Kind.Double, asked, state, 2)
        rest += column.source_ns.tolist()
    seen = first + rest
    assert len(set(seen)) == len(seen)
    assert sorted(seen, reverse=not forward) == seen
    behind = {t for t in late if (t > first[-1] if forward else t < first[-1])} - {clock("4:58")}
    assert behind <= set(rest)


def test_latest_values_over_several_days_and_the_unsealed(tmp_path: Path) -> None:
    store = open_store(tmp_path, "test", DAY)
    times = [DAY + k * 3_600_000_000_000 for k in range(100)]
    for part in (times[:40], times[40:80]):
        store.append(samples(part, [float(t % 7) for t in part]), part[-1])
        store.seal()
    store.append(samples(times[80:], [1.0] * 20), times[-1])
    for end, most in ((times[-1] + 1, 5), (times[-1] + 1, 50), (times[60], 30), (times[3], 10), (times[0], 3)):
        wanted = [t for t in times if t < end][-most:]
        assert store.reader.latest(SERIES, -(2**62), end, most).samples.time_ns.tolist() == wanted
    store.close()


def test_a_stored_bad_value_is_told_as_null(store: Store) -> None:
    bad = samples([clock("5:10")], [np.nan])
    bad.status[:] = StatusCode.BadNoCommunication
    store.append(bad, clock("5:10"))
    asked = RawQuestion(clock("5:10"), clock("5:11"), 0, False)
    column, _ = raw.page(store.reader, SERIES, Kind.Double, asked, raw.begin(asked), 10)
    assert column.null.tolist() == [True] and (column.status >= BAD).all()
