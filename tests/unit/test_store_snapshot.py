# SPDX-License-Identifier: Apache-2.0
"""A store's files are read without changing a byte of them, beside a running store and after a crash."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from historian.store import verify, wal
from historian.store.disk import StoreUnwritable
from historian.store.limits import Limits
from historian.store.segments import SegmentFile
from historian.store.snapshot import open_snapshot
from historian.store.store import open_store
from tests.unit.test_store_full import BEGIN, HOUR_NS, noise


def content(root: Path) -> dict[str, bytes]:
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_sealed_and_unsealed_samples_are_read_beside_the_running_store(tmp_path: Path) -> None:
    store = open_store(tmp_path, "s", BEGIN)
    store.append(noise(400, BEGIN, "E"), BEGIN)
    store.seal()
    store.append(noise(400, BEGIN + 1, "E", seed=1), BEGIN)
    store.record_gap(BEGIN, BEGIN + 5, "test")
    before = content(tmp_path)
    with open_snapshot(tmp_path) as snapshot:
        assert snapshot.rows == 800
        assert snapshot.gaps == [(BEGIN, BEGIN + 5, "test")]
        for series in (1, 2):
            told = store.reader.raw(series, 0, 2**62).samples
            read = snapshot.reader.raw(series, 0, 2**62).samples
            assert read.time_ns.tolist() == told.time_ns.tolist() and len(read) == 400
            assert read.value.tolist() == told.value.tolist()
        assert list(snapshot.findings()) == []
    assert content(tmp_path) == before
    store.close()


def test_a_torn_tail_and_a_flipped_bit_are_found_and_left_as_they_are(tmp_path: Path) -> None:
    store = open_store(tmp_path, "s", BEGIN)
    store.append(noise(400, BEGIN, "E"), BEGIN)
    store.append(noise(400, BEGIN + 1, "E", seed=1), BEGIN)
    store.close()
    (log,) = (tmp_path / "wal").glob("*.wal")
    whole = log.read_bytes()
    log.write_bytes(whole[:-3])
    with open_snapshot(tmp_path) as snapshot:
        assert snapshot.rows == 400
        (finding,) = snapshot.findings()
        assert "no whole frame" in finding
    damaged = bytearray(whole)
    damaged[300] ^= 1
    log.write_bytes(damaged)
    with open_snapshot(tmp_path) as snapshot:
        assert snapshot.rows == 400
        (finding,) = snapshot.findings()
        assert "400 rows cannot be read" in finding
    assert log.read_bytes() == damaged


def test_upkeep_beside_it_is_no_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading all of a large history takes minutes: meanwhile the server seals, merges and closes days."""
    store = open_store(tmp_path, "s", BEGIN)
    for k in range(3):
        store.append(noise(400, BEGIN + k, "A2", seed=k), BEGIN)
        store.seal()
    store.append(noise(400, BEGIN + 3, "A2", seed=3), BEGIN)
    pending = [lambda: store.maintain(BEGIN + 27 * HOUR_NS)]

    def opened(path: Path) -> SegmentFile:
        if pending:
            pending.pop()()
        return SegmentFile(path)

    monkeypatch.setattr(verify, "SegmentFile", opened)
    with open_snapshot(tmp_path) as snapshot:
        assert list(snapshot.findings()) == [] and not pending
        (day,) = (tmp_path / "segments").rglob("*-100.parquet")
        content = bytearray(day.read_bytes())
        content[len(content) // 2] ^= 1
        day.write_bytes(content)
        assert [str(day) in said for said in snapshot.findings()] == [True], "what came of the files is read too"
        day.unlink()
        assert list(snapshot.findings()) == [f"{day}: expected a segment of 1600 rows, got no file"]
    store.close()


@pytest.mark.parametrize("name", ["index.db", "index.db-wal"])
def test_an_index_that_changes_while_it_is_copied_is_copied_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    store = open_store(tmp_path, "s", BEGIN)
    for k in range(4):
        store.append(noise(400, BEGIN + k, "A2", seed=k), BEGIN)
    pending, copy = [store.seal], shutil.copyfile

    def copied(source: Path, target: Path) -> None:
        copy(source, target)
        if source.name == name and pending:
            pending.pop()()

    monkeypatch.setattr(shutil, "copyfile", copied)
    with open_snapshot(tmp_path) as snapshot:
        assert (snapshot.rows, snapshot.ledger.balanced, list(snapshot.findings())) == (1600, True, [])
    assert not pending
    store.close()


def test_a_frame_that_is_just_being_written_is_no_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store(tmp_path, "s", BEGIN)
    store.append(noise(400, BEGIN, "A2"), BEGIN)
    (log,) = (tmp_path / "wal").glob("*.wal")
    whole, looks, examine = log.read_bytes(), [0], wal.examine

    def look(path: Path, below: int | None = None) -> wal.Found:
        looks[0] += 1
        log.write_bytes(whole[:-40] if looks[0] == 1 else whole)
        return examine(path, below)

    monkeypatch.setattr(wal, "examine", look)
    assert (list(verify.log_findings(tmp_path)), looks) == ([], [2])
    store.close()


def test_a_log_file_that_is_missing_before_another_is_counted_and_told(tmp_path: Path) -> None:
    store = open_store(tmp_path, "s", BEGIN, Limits(turn_rows=400))
    hours = [BEGIN + k * HOUR_NS for k in range(4)]
    for k, now_ns in enumerate(hours):
        store.append(noise(400, now_ns, "A2", seed=k), now_ns)
        if k == 0:
            store.seal()
    store.close()
    (tmp_path / "wal" / f"{401:016d}.wal").unlink()
    with open_snapshot(tmp_path) as snapshot:
        assert (snapshot.ledger.accepted, snapshot.ledger.damaged, snapshot.ledger.balanced) == (1600, 400, True)
        (finding,) = snapshot.findings()
        assert "400 rows" in finding and "are lost" in finding
    for sealed in (False, True):
        store = open_store(tmp_path, "s", hours[3])
        ledger = store.ledger()
        assert (ledger.accepted, ledger.stored, ledger.damaged, ledger.balanced) == (1600, 1200, 400, True)
        assert store.repair == ([] if sealed else [f"{801:016d}.wal: 400 rows cannot be read"])
        ((start_ns, end_ns),) = store.reader.raw(2001, 0, 2**62).lost
        assert (start_ns, end_ns) == (hours[0], hours[2] + 1), "between the last sealed row and the next one there is"
        store.seal()
        store.close()


def test_a_ledger_that_does_not_balance_is_found(tmp_path: Path) -> None:
    store = open_store(tmp_path, "s", BEGIN)
    store.append(noise(400, BEGIN, "A2"), BEGIN)
    store.seal()
    store.close()
    with closing(sqlite3.connect(tmp_path / "index.db", isolation_level=None)) as db:
        db.execute("UPDATE ledger SET rows = rows - 1 WHERE name = 'segment_rows'")
    with open_snapshot(tmp_path) as snapshot:
        (finding,) = snapshot.findings()
    assert "the ledger does not balance" in finding and "accepted=400, stored=399" in finding


def test_a_folder_without_a_history_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(StoreUnwritable, match=r"expected a history, got no index\.db"), open_snapshot(tmp_path):
        raise AssertionError("it opened")
