# SPDX-License-Identifier: Apache-2.0
"""A store's files are read without changing a byte of them, beside a running store and after a crash."""

from __future__ import annotations

from pathlib import Path

import pytest

from historian.store.disk import StoreUnwritable
from historian.store.snapshot import open_snapshot
from historian.store.store import open_store
from tests.unit.test_store_full import BEGIN, noise


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


def test_a_folder_without_a_history_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(StoreUnwritable, match=r"expected a history, got no index\.db"), open_snapshot(tmp_path):
        raise AssertionError("it opened")
