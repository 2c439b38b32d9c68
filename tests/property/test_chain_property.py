# SPDX-License-Identifier: Apache-2.0
"""Whatever is changed, taken out, moved or cut off, anywhere: found, with the first broken position."""

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from historian.base import Position, Record, RecordKind
from historian.journal import chain, schema
from historian.journal.store import ChainStore
from historian.journal.verify import Verification, verify

N = 40
BASE = 1 << schema.POST_SHIFT
COLUMNS = ["epoch", "time_ns", "kind", "person", "subject", "text", "data", "imported", "peer", "seal"]
WHERE = st.integers(1, N)


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Forty records of two starts and three persons."""
    folder = tmp_path_factory.mktemp("journal")
    kinds = list(RecordKind)
    for epoch in (1, 2):
        store = ChainStore(folder, epoch, reserve_size=0)
        for i in range(0, N // 2, 4):
            store.append(
                [
                    Record(j, kinds[j % len(kinds)], f"u{j % 3}", f"21605/CAB-{j:04d}", f"text {j}", {"n": j})
                    for j in range(i, i + 4)
                ]
            )
        store.close()
    assert verify(folder).whole
    yield folder


class Tampered:
    """A copy of the journal in somebody's hands."""

    def __init__(self, folder: Path, aside: Path) -> None:
        self.path = Path(tempfile.mkdtemp(dir=aside)) / schema.FILE
        shutil.copyfile(folder / schema.FILE, self.path)
        self.db = sqlite3.connect(self.path, isolation_level=None)
        for trigger in ("records_stay", "records_hold", "persons_stay"):
            self.db.execute(f"DROP TRIGGER {trigger}")

    def row(self, sequence: int) -> list[Any]:
        return list(self.db.execute("SELECT * FROM records WHERE id = ?", (BASE | sequence,)).fetchone())

    def put(self, row: list[Any]) -> None:
        self.db.execute(f"INSERT OR REPLACE INTO records VALUES ({','.join('?' * 11)})", row)

    def verify(self) -> Verification:
        self.db.close()
        found = verify(self.path)
        shutil.rmtree(self.path.parent)
        return found


@pytest.fixture
def tampered(journal: Path, tmp_path: Path) -> Any:
    return lambda: Tampered(journal, tmp_path)


def epoch_of(sequence: int) -> int:
    return 1 if sequence <= N // 2 else 2


fast = settings(max_examples=60, deadline=None)


@fast
@given(data=st.data())
def test_any_change_of_any_column_is_found_where_it_is(
    data: st.DataObject, journal: Path, tmp_path_factory: Any
) -> None:
    copy = Tampered(journal, tmp_path_factory.getbasetemp())
    at, column = data.draw(WHERE), data.draw(st.sampled_from(COLUMNS))
    (before,) = copy.db.execute(f"SELECT {column} FROM records WHERE id = ?", (BASE | at,)).fetchone()
    if isinstance(before, int):
        after: Any = data.draw(st.integers(-(2**63), 2**63 - 1).filter(lambda x: x != before))
    elif isinstance(before, bytes):
        after = data.draw(st.binary(max_size=64).filter(lambda x: x != before))
    else:
        after = data.draw(st.text(max_size=40).filter(lambda x: x != before and x.isprintable()))
    copy.db.execute(f"UPDATE records SET {column} = ? WHERE id = ?", (after, BASE | at))
    found = copy.verify()
    assert found.broken is not None
    assert found.broken.sequence == at, found
    assert found.records == at - 1


@fast
@given(at=WHERE, n=st.integers(1, 5))
def test_records_taken_out_are_found(at: int, n: int, journal: Path, tmp_path_factory: Any) -> None:
    copy = Tampered(journal, tmp_path_factory.getbasetemp())
    copy.db.execute("DELETE FROM records WHERE id >= ? AND id < ?", (BASE | at, BASE | (at + n)))
    found = copy.verify()
    assert found.broken == Position(epoch_of(at - 1) if at > 1 else epoch_of(min(at + n, N)), at) or at == 1
    assert found.broken is not None
    assert found.broken.sequence == at
    assert "missing" in found.reason


@fast
@given(at=st.integers(0, N - 1))
def test_a_cut_off_end_is_found(at: int, journal: Path, tmp_path_factory: Any) -> None:
    copy = Tampered(journal, tmp_path_factory.getbasetemp())
    copy.db.execute("DELETE FROM records WHERE id > ?", (BASE | at,))
    found = copy.verify()
    assert found.broken is not None
    assert (found.broken.sequence, found.records) == (at + 1, at)
    assert found.reason.endswith("missing at the end")


@fast
@given(one=WHERE, other=WHERE)
def test_two_records_that_changed_places_are_found(one: int, other: int, journal: Path, tmp_path_factory: Any) -> None:
    copy = Tampered(journal, tmp_path_factory.getbasetemp())
    a, b = copy.row(one), copy.row(other)
    a[0], b[0] = b[0], a[0]
    copy.put(a)
    copy.put(b)
    found = copy.verify()
    assert found.whole == (one == other)
    if one != other:
        assert found.broken is not None
        assert found.broken.sequence == min(one, other)


@fast
@given(at=WHERE, epoch=st.integers(0, 3))
def test_a_record_sealed_anew_breaks_the_next_one(at: int, epoch: int, journal: Path, tmp_path_factory: Any) -> None:
    """Who changes a record and its seal is found at the record behind it; at the end by the head."""
    copy = Tampered(journal, tmp_path_factory.getbasetemp())
    row = copy.row(at)
    row[6] = "it was somebody else"
    previous = copy.row(at - 1)[-1] if at > 1 else chain.FIRST
    (key,) = copy.db.execute("SELECT key FROM persons WHERE id = ?", (row[4],)).fetchone()
    texts = [row[3].encode(), key, *(t.encode() for t in row[5:9]), row[9]]
    row[-1] = chain.seal(previous, 1, row[1], at, row[2], *texts)
    copy.put(row)
    found = copy.verify()
    assert found.broken is not None
    assert found.broken.sequence == min(at + 1, N)


@fast
@given(post=st.integers(1, 300), sequence=st.integers(N + 1, N + 3))
def test_a_record_put_behind_the_head_or_into_another_chain_is_found(
    post: int, sequence: int, journal: Path, tmp_path_factory: Any
) -> None:
    copy = Tampered(journal, tmp_path_factory.getbasetemp())
    row = copy.row(N)
    row[0] = post << schema.POST_SHIFT | (sequence if post == 1 else 1)
    copy.put(row)
    assert not copy.verify().whole


def test_heads_and_keys_cannot_be_touched_either(tampered: Any) -> None:
    for statement in (
        "DELETE FROM heads",
        "UPDATE heads SET sequence = 39",
        "UPDATE heads SET sequence = 41",
        "UPDATE heads SET epoch = 1",
        "UPDATE heads SET seal = x'00'",
        "UPDATE heads SET post = 2",
        "INSERT INTO heads VALUES (3, 0, 0, x'')",
        "UPDATE persons SET key = zeroblob(32) WHERE id = 1",
        "UPDATE persons SET name = 'somebody' WHERE id = 1",
        "UPDATE persons SET salt = NULL WHERE id = 1",
        "UPDATE records SET id = -5 WHERE id & 0xffff = 7",
        "DROP TABLE persons",
        "DROP TABLE heads",
        "DROP TABLE records",
    ):
        copy = tampered()
        copy.db.execute(statement)
        found = copy.verify()
        assert not found.whole, statement
        assert found.reason, statement


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_fields_of_two_records_never_share_an_encoding(data: st.DataObject) -> None:
    field = st.binary(max_size=6)
    one = data.draw(st.lists(field, min_size=7, max_size=7))
    other = data.draw(st.lists(field, min_size=7, max_size=7) | st.permutations(one))
    same = chain.seal(chain.FIRST, 1, 1, 1, 0, *one) == chain.seal(chain.FIRST, 1, 1, 1, 0, *other)
    assert same == (one == other)
