# SPDX-License-Identifier: Apache-2.0
"""The journal: what is appended is durable and comes back, records and rows all or nothing, in order."""

import asyncio
import sqlite3
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from historian.base import Head, JournalUnwritable, Position, Record, RecordKind, Row
from historian.journal import chain, schema
from historian.journal.journal import ChainJournal
from historian.journal.store import ChainStore
from historian.journal.verify import verify
from tests.journals import MIB, entries, opened, outside, record, with_journal


def test_a_record_comes_back_as_it_was(tmp_path: Path) -> None:
    with opened(tmp_path / "j", epoch=7) as store:
        assert store.append([record(1), record(2)]) == [Position(7, 1), Position(7, 2)]
        numbers = {"big": 2**70, "small": 5e-324, "minus": -0.0, "numpy": np.float64(0.1), "large": 1e300}
        odd = Record(-5, RecordKind.NOTE, "é\x00ve", "a\x00b", "nul \x00, tab \t, 𝄞", {"ключ": "\x00\n", **numbers})
        assert store.append([odd]) == [Position(7, 3)]
        assert store.repair == ""
    with opened(tmp_path / "j", epoch=8) as store:
        assert [e.record for e in entries(store, 2)] == [record(2), odd]
        assert store.append([record(3)]) == [Position(8, 4)]
        assert [e.position for e in entries(store)] == [Position(7, 1), Position(7, 2), Position(7, 3), Position(8, 4)]
        assert store.repair == ""
    assert verify(tmp_path / "j").whole


def test_what_utf_8_cannot_hold_is_written_as_its_escape(tmp_path: Path) -> None:
    broken = Record(5, RecordKind.NOTE, "a\udc80", "b\udc80", "lone \udc80", {"d": "\udc80"})
    with opened(tmp_path) as store:
        store.append([broken, broken])
        (_, e) = entries(store)
        assert (e.record.user, e.record.subject, e.record.text) == ("a\\udc80", "b\\udc80", "lone \\udc80")
        assert e.record.data == {"d": "\udc80"}
    found = verify(tmp_path)
    assert (found.whole, found.persons) == (True, 1)


def test_nobody_else_may_read_or_write_it(tmp_path: Path) -> None:
    with opened(tmp_path / "j", reserve_size=MIB) as store:
        store.append([record(1)])
        assert stat.S_IMODE((tmp_path / "j").stat().st_mode) == 0o700
        for path in (tmp_path / "j").iterdir():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
        with pytest.raises(JournalUnwritable, match="another process writes it"):
            ChainStore(tmp_path / "j", epoch=1)


def test_a_mistaken_hand_is_stopped(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.append([record(1)])
    db = sqlite3.connect(tmp_path / schema.FILE)
    for statement in ("DELETE FROM records", "UPDATE records SET text = ''", "DELETE FROM persons"):
        with pytest.raises(sqlite3.IntegrityError):
            db.execute(statement)
    db.close()


def test_a_folder_that_cannot_be_used_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalUnwritable, match="check the folder's rights"):
        ChainStore(tmp_path / "file", epoch=1)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / schema.FILE).write_bytes(b"hello" * 1000)
    with pytest.raises(JournalUnwritable, match=r"is damaged .* keep a copy as evidence"):
        ChainStore(tmp_path / "a", epoch=1)
    with opened(tmp_path / "b"):
        pass
    outside(tmp_path / "b", "PRAGMA user_version = 9")
    with pytest.raises(JournalUnwritable, match="expected a journal of layout 2, got layout 9"):
        ChainStore(tmp_path / "b", epoch=1)
    with pytest.raises(JournalUnwritable, match="run the version of Vigie that wrote it, or move the file away"):
        verify(tmp_path / "b")
    with pytest.raises(JournalUnwritable, match="No such file"):
        verify(tmp_path / "none")


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"text": "x" * 2001}, "text: expected at most 2000 characters"),
        ({"user": "x" * 257}, "user: expected at most 256"),
        ({"data": {str(i): i for i in range(25)}}, "data: expected at most 24 keys"),
        ({"data": {"a": "x" * 513}}, "data.a: expected at most 512"),
        ({"data": {"a": float("nan")}}, "data.a: expected a finite number"),
        ({"data": {"x" * 65: 1}}, "keys of at most 64"),
        ({"data": {"a": [1]}}, "data.a: expected a plain value, got a list"),
        ({"data": {"a": np.int64(1)}}, "data.a: expected a plain value, got a int64"),
        ({"time_ns": 2**63}, "within 64 bits"),
    ],
)
def test_a_record_is_bounded(fields: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Record(**({"time_ns": 1, "kind": RecordKind.NOTE, "user": "u"} | fields))


def test_the_canonical_encoding_is_what_the_page_says() -> None:
    """Computed here from the words of the docstring, by other means: a chain must be checkable without our code."""
    import hashlib

    fields = [b"note", bytes(range(32)), b"21605", "é".encode(), b"{}", b"", b""]
    raw = b"\x07" * 32 + bytes([1, 2]) + (3).to_bytes(8, "big") + (4).to_bytes(8, "big")
    raw += (-5).to_bytes(8, "big", signed=True) + b"".join(len(f).to_bytes(4, "big") for f in fields) + b"".join(fields)
    assert chain.seal(b"\x07" * 32, 2, 3, 4, -5, *fields) == hashlib.sha256(raw).digest()


def test_the_peers_head_is_sealed_into_the_first_record_of_an_append(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.peer = Head(2, 9, 77, b"p" * 32)
        store.append([record(1), record(2)])
        store.peer = None
        store.append([record(3)])
    db = sqlite3.connect(tmp_path / schema.FILE)
    peers = [bytes(p) for (p,) in db.execute("SELECT peer FROM records ORDER BY id")]
    db.close()
    assert peers == [b"\x02" + (9).to_bytes(8, "big") + (77).to_bytes(8, "big") + b"p" * 32, b"", b""]
    assert verify(tmp_path).whole


# --- rows -------------------------------------------------------------------------------------------------------------


def test_rows_and_records_are_there_together_or_not_at_all(tmp_path: Path) -> None:
    async def scenario(journal: ChainJournal) -> None:
        positions = await journal.append_with(
            [record(1)], [Row("alarms", b"k2", b"v2"), Row("alarms", b"k1", b"v1"), Row("shelf", b"k1", b"s")]
        )
        assert positions == [Position(3, 1)]
        assert await journal.rows("alarms") == [(b"k1", b"v1"), (b"k2", b"v2")]
        assert await journal.append_with([], [Row("alarms", b"k1", None), Row("alarms", b"k2", b"new")]) == []
        assert await journal.rows("alarms") == [(b"k2", b"new")]
        assert await journal.rows("shelf") == [(b"k1", b"s")]
        with pytest.raises(JournalUnwritable):
            await journal.append_with([record(2)], [Row("alarms", b"k3", b"v"), Row("alarms", b"k4", object())])  # type: ignore[arg-type]
        assert await journal.rows("alarms") == [(b"k2", b"new")]
        assert len(await journal.tail(10)) == 1
        await journal.append_with([record(3)], [Row("a", b"k", b"1"), Row("a", b"k", None), Row("a", b"k", b"3")])
        assert await journal.rows("a") == [(b"k", b"3")]
        assert (await journal.tail(1))[0].position == Position(3, 2)

    with_journal(tmp_path, scenario)
    assert verify(tmp_path).whole


def test_rows_may_tell_where_their_records_stand(tmp_path: Path) -> None:
    """Each append of a shared flush is asked with its own position; what fails takes its records with it."""

    def row(key: bytes, first: Position) -> list[Row]:
        return [Row("t", key, b"%d/%d" % first)]

    def fails(first: Position) -> list[Row]:
        raise ValueError("no")

    async def scenario(journal: ChainJournal) -> None:
        appends = [
            journal.append_with([record(i)] * 3, [], lambda first, key=key: row(key, first))  # type: ignore[misc]
            for i, key in enumerate((b"a", b"b"))
        ]
        await asyncio.gather(*appends, journal.append([record(9)]))
        assert await journal.rows("t") == [(b"a", b"3/1"), (b"b", b"3/4")]
        with pytest.raises(JournalUnwritable, match="no"):
            await journal.append_with([record(5)], [], fails)
        assert len(await journal.tail(100)) == 7
        assert await journal.append_with([], [], lambda first: row(b"a", first)) == []
        assert (await journal.rows("t"))[0] == (b"a", b"3/8")

    with_journal(tmp_path, scenario)
    assert verify(tmp_path).whole
