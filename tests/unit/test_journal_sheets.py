# SPDX-License-Identifier: Apache-2.0
"""Sheets: what a storm tells comes back record by record, is found by its subject, and cannot be changed unseen."""

import hashlib
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from historian.base import Head, JournalError, Plain, Position, Query, Record, RecordKind, Sheet
from historian.journal import schema, sheets
from historian.journal.reading import ChainReader
from historian.journal.verify import verify
from tests.journals import entries, opened, outside, record

COMMON: list[tuple[str, dict[str, Plain]]] = [
    ("alarm: Voltage (HIGH)", {"what": "alarm", "priority": "P3"}),
    ("alarm: Trip", {"what": "alarm", "priority": "P1"}),
]


def storm(n: int, start: int = 0) -> Sheet:
    """Two conditions of each cabinet."""
    subjects = [f"21605/CAB-{i // 2:05d}/{('V', 'Trip')[i % 2]}" for i in range(start, start + n)]
    values: list[Plain] = [None if i % 2 else 253.5 + i for i in range(n)]
    return Sheet(
        1_766_300_000_000_000_000 + start,
        RecordKind.ALARM,
        subjects,
        COMMON,
        [i % 2 for i in range(n)],
        {"value": values},
    )


def plain(sheet: Sheet) -> list[Record]:
    lines = zip(sheet.subjects, sheet.which, strict=True)
    return [
        Record(sheet.time_ns, sheet.kind, "vigie", subject, sheet.common[at][0], sheet.data(i))
        for i, (subject, at) in enumerate(lines)
    ]


def rows(folder: Path, sql: str) -> list[Any]:
    db = sqlite3.connect(folder / schema.FILE)
    try:
        return db.execute(sql).fetchall()
    finally:
        db.close()


@pytest.mark.parametrize("n", [0, 1, 63, 64, 256, 257, 700])
def test_a_sheet_comes_back_record_by_record(n: int, tmp_path: Path) -> None:
    with opened(tmp_path, epoch=7) as store:
        assert store.append([record(1), storm(n), record(2)])[1:-1] == [Position(7, 2 + i) for i in range(n)]
        found = entries(store, 5000)
    assert [e.position.sequence for e in found] == list(range(1, n + 3))
    assert [e.record for e in found] == [record(1), *plain(storm(n)), record(2)]
    assert verify(tmp_path).records == n + 2
    (of_sheets,) = rows(tmp_path, "SELECT coalesce(sum(size), 0) FROM sheets")[0]
    assert of_sheets == (n if n >= sheets.SIZE_MIN else 0), "few records are not worth a sheet"
    with opened(tmp_path, epoch=8) as store:
        assert store.repair == ""
        assert store.append([record(3)]) == [Position(8, n + 3)]


def test_no_sheet_lies_in_two_segments(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.append([record(1), *(storm(5000, 5000 * i) for i in range(14))])
        reader = ChainReader(store.path, 1)
        for name in ("21605/CAB-32766", "21605/CAB-32767", "21605/CAB-34999"):
            told = [e.record.subject for e in reader.find(Query(subject=name), None, 10).entries]
            assert told == [f"{name}/Trip", f"{name}/V"]
        reader.close()
    assert not rows(tmp_path, "SELECT id FROM sheets WHERE id >> 16 != (id + size - 1) >> 16")
    assert verify(tmp_path).records == 70_001


def test_both_texts_of_a_sheet_are_json_a_line_a_record(tmp_path: Path) -> None:
    """Whoever has nothing but SQLite reads the storm all the same."""
    with opened(tmp_path) as store:
        store.append([storm(64)])
    ((shared, lines),) = rows(tmp_path, "SELECT shared, lines FROM sheets")
    assert shared.startswith('{"own":["value"],"common":[["alarm: Voltage (HIGH)",{"what":"alarm"')
    assert lines.startswith('[["21605/CAB-00000/V",0,253.5],\n["21605/CAB-00000/Trip",1,null],\n')
    sql = "SELECT count(*), max(value ->> 2) FROM sheets, json_each(lines) WHERE value ->> 1 = 0"
    assert rows(tmp_path, sql) == [(32, 253.5 + 62)]


def test_the_canonical_encoding_of_a_sheet_is_what_the_page_says(tmp_path: Path) -> None:
    """Computed here from the words of the docstring, by other means."""
    with opened(tmp_path, epoch=3) as store:
        store.append([record(1)])
        store.peer = Head(2, 9, 77, b"p" * 32)
        store.append([storm(64)])
    ((before,),) = rows(tmp_path, "SELECT seal FROM records")
    ((kind, shared, lines, peer, seal, key),) = rows(
        tmp_path, "SELECT kind, shared, lines, peer, seal, key FROM sheets JOIN persons ON persons.id = person"
    )
    fields = [kind.encode(), key, shared.encode(), lines.encode(), peer]
    numbers = (
        bytes([2, 1]) + b"".join(n.to_bytes(8, "big") for n in (3, 2, storm(64).time_ns)) + (64).to_bytes(4, "big")
    )
    lengths = b"".join(len(f).to_bytes(4, "big") for f in fields)
    assert seal == hashlib.sha256(before + numbers + lengths + b"".join(fields)).digest()
    assert peer.endswith(b"p" * 32), "its first record is sealed over the head of the other post"


@settings(max_examples=60, deadline=None)
@given(
    subjects=st.lists(
        st.text(max_size=12) | st.sampled_from(["a],[b", "a\nb/c", "a\udc80/b", "//", "", "a/b/c/d"]), min_size=1
    ),
    data=st.data(),
)
def test_whatever_the_names_and_values_a_line_is_a_record(subjects: list[str], data: st.DataObject) -> None:
    value: st.SearchStrategy[Plain] = (
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(max_size=9)
    )
    values = data.draw(st.lists(value, min_size=len(subjects), max_size=len(subjects)))
    lines = sheets.encode(
        Sheet(5, RecordKind.ALARM, subjects, COMMON, [1] * len(subjects), {"v": values}), 0, len(subjects)
    )
    made = list(sheets.read(lines.shared, lines.lines.encode(), range(len(subjects))))
    kept = [s.encode("utf-8", "backslashreplace").decode() for s in subjects]
    assert [line.subject for line in made] == kept
    assert {line.text for line in made} == {"alarm: Trip"}
    for line, v in zip(made, values, strict=True):
        assert line.data is not None
        assert line.data.get("v") == v and isinstance(line.data.get("v"), type(v))
    assert sheets.subjects_of(lines.lines) == kept
    places = sheets.places(kept)
    for i, subject in enumerate(kept):
        parts = subject.split("/")
        assert all(i in sheets.may_be(places, "/".join(parts[: n + 1])) for n in range(len(parts)))


def test_places_leave_few_lines_to_be_read() -> None:
    """34,000 conditions in 24 areas: of an area hardly another's are looked at, of a cabinet no other cabinet's."""
    subjects = [f"21{600 + i % 24}/CAB-{i // 48:04d}/V{i}" for i in range(34_000)]
    places = sheets.places(subjects)
    assert len(sheets.may_be(places, "21605/CAB-0003")) == 2
    assert len(sheets.may_be(places, "21605/CAB-0003/V149")) == 1
    assert len(sheets.may_be(places, "21605")) == len([s for s in subjects if s.startswith("21605/")])
    assert len(sheets.may_be(places, "21605/CAB-9999")) == 0


# --- somebody's hands -------------------------------------------------------------------------------------------------


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """A record, a storm of ten sheets, a record."""
    with opened(tmp_path) as store:
        store.append([record(1), storm(2500), record(2)])
    return tmp_path


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("lines = replace(lines, '1277.5', '1277.6')", "changed or moved"),
        ("shared = replace(shared, 'P1', 'P4')", "changed or moved"),
        ("time_ns = time_ns + 1", "changed or moved"),
        ("kind = 'note'", "changed or moved"),
        ("person = 1", "changed or moved"),
        ("epoch = 9", "changed or moved"),
        ("size = 1000", "changed or moved"),
        ("size = -1", "changed or moved"),
        ("peer = x'01'", "changed or moved"),
        ("seal = zeroblob(32)", "changed or moved"),
        ("id = id + 1", "record 1026 is missing"),
    ],
)
def test_any_change_of_a_sheet_is_found_where_it_begins(change: str, sentence: str, journal: Path) -> None:
    outside(journal, f"UPDATE sheets SET {change} WHERE id & 0xffff = 1026")
    found = verify(journal)
    assert found.broken is not None
    assert (found.broken.sequence, found.records) == (1026, 1025)
    assert sentence in found.reason


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE places SET of_each = zeroblob(length(of_each))",
        "UPDATE places SET of_each = substr(of_each, 1, 4 * 2000)",
        "UPDATE places SET id = id + 1",
        "DELETE FROM places",
    ],
)
def test_places_that_lead_nowhere_are_found(change: str, journal: Path) -> None:
    outside(journal, change)
    assert "cannot be found by its subject" in verify(journal).reason


def test_a_sheet_taken_out_or_cut_off_is_found(journal: Path) -> None:
    outside(journal, "DELETE FROM sheets WHERE id & 0xffff = 1026")
    assert verify(journal).reason == "post 1: record 1026 to 1281 is missing"
    outside(journal, "DELETE FROM records WHERE id & 0xffff > 1", "DELETE FROM sheets WHERE id & 0xffff >= 1026")
    assert verify(journal).reason == "post 1: records 1026 to 2502 are missing at the end"


def test_a_head_noted_elsewhere_is_looked_for_in_sheets_too(journal: Path) -> None:
    ((seal,),) = rows(journal, "SELECT seal FROM sheets WHERE id & 0xffff = 2")
    assert verify(journal, [Head(1, 1, 257, seal)]).whole
    for noted in (Head(1, 1, 257, b"x" * 32), Head(1, 1, 200, seal)):
        found = verify(journal, [noted])
        assert found.broken == Position(1, 2)
        assert "not the one noted" in found.reason


def test_what_is_damaged_is_shown_as_damaged(journal: Path) -> None:
    outside(
        journal,
        "UPDATE sheets SET lines = replace(lines, '\"21605/CAB-00003/V\",0,', '\"21605/CAB-00003/V\",7,')",
        "UPDATE sheets SET shared = '[' WHERE id & 0xffff = 1026",
    )
    reader = ChainReader(journal / schema.FILE, 1)
    shown = reader.tail(5000)
    assert len(shown) == 2502
    damaged = [e.position.sequence for e in shown if e.record.text.startswith("damaged: ")]
    assert damaged == [8, *range(1026, 1282)]
    outside(journal, "UPDATE places SET of_each = x'00'")
    with pytest.raises(JournalError, match="places of records that are none"):
        reader.find(Query(subject="21605"), None, 10)
    reader.close()


# --- bounds -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"subjects": ["x" * 257]}, "subject: expected at most 256"),
        ({"which": []}, "columns of one length"),
        ({"which": [2]}, r"which: expected places 0\.\.1"),
        ({"which": [-1]}, r"which: expected places 0\.\.1"),
        ({"own": {"v": [1, 2]}}, "columns of one length"),
        ({"own": {"v": [float("inf")]}}, "v: expected finite numbers"),
        ({"own": {"v": ["x" * 513]}}, "v: expected texts of at most 512"),
        ({"own": {"v": [[1]]}}, "v: expected plain values"),
        ({"own": {str(i): [1] for i in range(23)}}, "data: expected at most 24 keys"),
        ({"common": [("x" * 2001, {}), ("", {})]}, "text: expected at most 2000"),
        ({"time_ns": 2**63}, "within 64 bits"),
    ],
)
def test_a_sheet_is_bounded(fields: dict[str, Any], sentence: str) -> None:
    good: dict[str, Any] = {"time_ns": 1, "kind": RecordKind.ALARM, "subjects": ["a"], "common": COMMON, "which": [0]}
    Sheet(**good)
    with pytest.raises(ValueError, match=sentence):
        Sheet(**(good | fields))
