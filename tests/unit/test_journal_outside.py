# SPDX-License-Identifier: Apache-2.0
"""A journal changed from outside, by a database tool or by rot: found where it is, never a crash."""

import random
from pathlib import Path

import pytest

from historian.base import JournalError, Position, Query, Row
from historian.journal import chain, schema
from historian.journal.reading import ChainReader
from historian.journal.verify import verify
from tests.journals import entries, opened, outside, record


def test_numbers_are_never_given_twice_after_somebody_cut_the_end(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.append([record(i) for i in range(10)])
    outside(tmp_path, "DELETE FROM records WHERE id & 0xffff > 8")
    with opened(tmp_path, epoch=2) as store:
        assert "changed from outside; run 'vigie verify journal'" in store.repair
        assert store.append([record(99)]) == [Position(2, 11)]
    found = verify(tmp_path)
    assert (found.broken, found.records) == (Position(1, 9), 8)
    assert "record 9 to 10 is missing" in found.reason


def test_a_journal_sealed_anew_is_found_by_a_head_noted_before(tmp_path: Path) -> None:
    with opened(tmp_path / "true") as store:
        store.append([record(i) for i in range(5)])
        noted = store.head
    with opened(tmp_path / "forged") as store:
        store.append([record(0), record(1), record(2, "nothing happened"), record(3), record(4)])
    assert verify(tmp_path / "forged").whole
    assert noted is not None
    assert chain.parse_head(str(noted)) == noted
    assert verify(tmp_path / "true", [noted]).whole
    assert "is not the one noted" in verify(tmp_path / "forged", [noted]).reason
    with opened(tmp_path / "short") as store:
        store.append([record(0)])
    assert verify(tmp_path / "short", [noted]).broken == Position(1, 2)
    for text in ("", "1/2/3", "1/2/3:abcd", "a/2/3:" + "00" * 32, "1/2/3:" + "zz" * 32):
        with pytest.raises(ValueError, match="expected <post>/<epoch>/<sequence>"):
            chain.parse_head(text)


def test_damaged_pages_are_a_finding_not_a_crash(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.append([record(i) for i in range(500)])
        path = store.path
    content = path.read_bytes()
    rng = random.Random(1)
    for page in range(len(content) // 4096):
        at = page * 4096 + 5
        path.write_bytes(content[:at] + b"\xff" * 64 + content[at + 64 :])
        assert not verify(path).whole, page
        at = page * 4096 + rng.randrange(4000)
        path.write_bytes(content[:at] + rng.randbytes(rng.choice((1, 8, 90))) + content[at + 90 :])
        verify(path)  # whatever it finds, it does not raise
    path.write_bytes(b"\x00" * 8192)
    assert not verify(path).whole


def test_an_index_that_hides_a_record_is_found(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.append([record(i) for i in range(5)])
    outside(
        tmp_path,
        "PRAGMA writable_schema = 1",
        "UPDATE sqlite_schema SET sql = replace(sql, 'kind, ', 'epoch, ') WHERE name = 'by_kind'",
    )
    assert "index" in verify(tmp_path).reason


def test_bytes_changed_anywhere_are_found_or_change_nothing(tmp_path: Path) -> None:
    """Either the journal is not whole, or every record reads as it was; nothing raises but in one sentence."""
    with opened(tmp_path / "true") as store:
        rows = [Row("conditions", b"%d" % i, b"p" * 50) for i in range(50)]
        store.append([record(i, user=f"u{i % 5}") for i in range(250)], rows)
        true = entries(store)
    content = (tmp_path / "true" / schema.FILE).read_bytes()
    rng = random.Random(11)
    for k in range(120):
        folder = tmp_path / str(k)
        folder.mkdir()
        at, n = rng.randrange(len(content)), rng.choice((1, 1, 2, 16, 200))
        changed = content[:at] if rng.random() < 0.1 else content[:at] + rng.randbytes(n) + content[at + n :]
        (folder / schema.FILE).write_bytes(changed)
        found = verify(folder)
        try:
            reader = ChainReader(folder / schema.FILE, 1)
            read = reader.tail(1000)
            reader.rows("conditions")
            for query in (Query(subject="21605/CAB-0003"), Query(person="u1"), Query(from_ns=5)):
                reader.find(query, None, 100)
            reader.close()
        except JournalError:
            assert not found.whole, k
        else:
            assert read == true or not found.whole, k
        try:
            with opened(folder, epoch=2) as store:
                store.append([record(1)])
        except JournalError:
            assert not found.whole, k
