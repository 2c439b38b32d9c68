# SPDX-License-Identifier: Apache-2.0
"""Frames and the log: cut at any byte, flipped at any bit, nothing that was acknowledged is lost but what was hit."""

import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from historian.store import frames, wal
from historian.store.disk import StoreUnwritable
from historian.store.frames import NO_DIGEST
from historian.store.samples import Samples, from_arrow, to_arrow
from historian.store.segments import DAY_NS
from historian.store.store import open_store

NOW = 20_500 * DAY_NS


def samples(n: int, at: int = 0) -> Samples:
    """n samples of series 1.., values counting from `at`."""
    return Samples(
        series=np.arange(1, n + 1, dtype=np.uint32),
        time_ns=np.full(n, NOW + at, np.int64),
        value=np.arange(at, at + n, dtype=np.float64),
        whole=np.zeros(n, np.int64),
        status=np.zeros(n, np.uint32),
        lag_ds=np.zeros(n, np.int32),
        class_id=np.zeros(n, np.uint8),
        flags=np.zeros(n, np.uint8),
    )


def frame(n: int, first: int, at: int = 0) -> bytes:
    return b"".join(bytes(p) for p in frames.encode(to_arrow(samples(n, at)), first, 7, NOW, b"p" * 16))


def read(content: bytes) -> tuple[frames.Scan, list[list[float]]]:
    found: list[list[float]] = []
    report = frames.scan(memoryview(content), lambda _h, batch: found.append(from_arrow(batch).value.tolist()))
    return report, found


def test_a_frame_says_what_it_holds() -> None:
    report, found = read(frame(3, first=11, at=4))
    (header,) = report.headers
    assert (header.first, header.rows, header.epoch, header.written_ns, header.digest) == (11, 3, 7, NOW, b"p" * 16)
    assert found == [[4.0, 5.0, 6.0]]
    assert (report.damaged, report.length) == ([], len(frame(3, 11, 4)))


def test_cut_at_every_byte_of_the_last_frame() -> None:
    first, last = frame(3, 1), frame(3, 4)
    for cut in range(len(last)):
        report, found = read(first + last[:cut])
        assert found == [[0.0, 1.0, 2.0]], cut
        assert (report.length, report.damaged) == (len(first), []), cut


def test_a_bit_flipped_anywhere_costs_that_frame_alone() -> None:
    parts = [frame(2, 1), frame(2, 3), frame(2, 5)]
    length = len(parts[0])
    for offset in range(length):
        content = bytearray(b"".join(parts))
        content[length + offset] ^= 1 << offset % 8
        report, found = read(bytes(content))
        assert found == [[0.0, 1.0], [0.0, 1.0]], offset
        (damage,) = report.damaged
        assert (damage.start, damage.end, report.length) == (length, 2 * length, 3 * length), offset
        assert damage.header is None or damage.header.rows == 2


def test_hostile_bytes_are_never_believed() -> None:
    rng = np.random.default_rng(3)
    for n in (0, 1, 60, 63, 64, 5000):
        report, found = read(rng.bytes(n))
        assert (found, report.headers, report.length) == ([], [], 0)
    report, found = read(frames.MAGIC * 500)
    assert (found, report.headers) == ([], [])


def test_a_right_checksum_over_what_is_no_record_batch_is_damage() -> None:
    import struct
    import zlib

    body = b"not arrow"
    fixed = struct.pack("<4sIIIQQq16s", b"VGF1", len(body), 1, zlib.crc32(body), 1, 0, 0, NO_DIGEST)
    report, found = read(fixed + struct.pack("<I", zlib.crc32(fixed)) + body + frame(1, 2))
    assert found == [[0.0]]
    assert [d.start for d in report.damaged] == [0]


def test_a_row_count_that_lies_is_damage() -> None:
    import struct
    import zlib

    content = bytearray(frame(3, 1))
    struct.pack_into("<I", content, 8, 2)
    struct.pack_into("<I", content, 60 - 4, zlib.crc32(content[:56]))
    assert frames.HEADER_LENGTH == 60
    report, found = read(bytes(content))
    assert found == []
    assert len(report.damaged) == 1


@pytest.mark.parametrize("bad", [0, frames.ROWS_MAX + 1])
def test_a_frame_has_bounds(bad: int) -> None:
    with pytest.raises(ValueError, match="expected 1"):
        frames.encode(pa.record_batch({"x": pa.nulls(bad, pa.int8())}), 1, 0, 0, NO_DIGEST)


def log_with(folder: Path, *parts: bytes, first: int = 1) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "quarantine").mkdir(exist_ok=True)
    path = folder / f"{first:016d}.wal"
    path.write_bytes(b"".join(parts))
    return path


def test_a_torn_tail_is_cut_off_the_file_and_kept_aside(tmp_path: Path) -> None:
    good, torn = frame(3, 1), frame(3, 4)[:-1]
    path = log_with(tmp_path, good, torn)
    (found,) = wal.recover(tmp_path, tmp_path / "quarantine", 0, NOW)
    assert (found.next, found.damaged_rows, found.torn) == (4, 0, len(torn))
    assert path.read_bytes() == good
    (kept,) = wal.torn_tails(tmp_path / "quarantine")
    assert kept.name == f"torn-{found.written_ns // wal.DAY_NS}.bin" and kept.read_bytes() == torn
    (again,) = wal.recover(tmp_path, tmp_path / "quarantine", 0, NOW)
    assert again.torn == 0


def test_a_log_cut_at_any_byte_of_its_last_frame_is_mended() -> None:
    good, last = frame(3, 1), frame(3, 4)
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as name:
        for cut in range(len(last)):
            path = log_with(Path(name), good, last[:cut])
            (found,) = wal.recover(Path(name), Path(name) / "quarantine", 0, NOW)
            assert (found.next, found.damaged_rows, found.torn) == (4, 0, cut)
            assert path.read_bytes() == good


def test_a_damaged_frame_is_quarantined_and_its_rows_are_counted(tmp_path: Path) -> None:
    broken = bytearray(frame(5, 4))
    broken[-20] ^= 4
    log_with(tmp_path, frame(3, 1), bytes(broken), frame(2, 9))
    (found,) = wal.recover(tmp_path, tmp_path / "quarantine", 0, NOW)
    assert (found.next, found.damaged_rows, sum(h.rows for h in found.headers)) == (11, 5, 5)
    (kept,) = (tmp_path / "quarantine").iterdir()
    assert kept.read_bytes() == bytes(broken)


def test_a_whole_last_frame_that_rotted_was_acknowledged_and_is_counted(tmp_path: Path) -> None:
    broken = bytearray(frame(5, 4))
    broken[-20] ^= 4
    log_with(tmp_path, frame(3, 1), bytes(broken))
    (found,) = wal.recover(tmp_path, tmp_path / "quarantine", 0, NOW)
    assert (found.next, found.damaged_rows, found.torn) == (9, 5, 0)


def test_rows_behind_the_next_files_first_are_void(tmp_path: Path) -> None:
    """After a failed fdatasync the file was left; what stands in it from there on was never acknowledged."""
    log_with(tmp_path, frame(3, 1), frame(3, 4, at=100))
    log_with(tmp_path, frame(2, 4, at=50), first=4)
    one, two = wal.recover(tmp_path, tmp_path / "quarantine", 0, NOW)
    assert [from_arrow(b).value.tolist() for b in one.batches] == [[0.0, 1.0, 2.0]]
    assert [from_arrow(b).value.tolist() for b in two.batches] == [[50.0, 51.0]]
    assert (one.next, one.damaged_rows, two.next) == (4, 0, 6)


def test_a_sealed_file_is_removed_not_read(tmp_path: Path) -> None:
    path = log_with(tmp_path, frame(3, 1))
    assert wal.recover(tmp_path, tmp_path / "quarantine", 3, NOW) == []
    assert not path.exists()


def test_a_log_file_that_failed_takes_nothing_more(tmp_path: Path) -> None:
    log = wal.LogFile(tmp_path, 1)
    log.usable = False
    with pytest.raises(StoreUnwritable, match="begin another file"):
        log.append([b"x"])
    log.close()


def test_a_store_whose_log_lost_a_frame_says_so_and_balances(tmp_path: Path) -> None:
    store = open_store(tmp_path / "h", "s", NOW)
    for k in range(3):
        store.append(samples(10, at=k), NOW)
    store.close()
    (path,) = (tmp_path / "h" / "wal").iterdir()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    for sealed in (False, True):
        store = open_store(tmp_path / "h", "s", NOW)
        ledger = store.ledger()
        assert (ledger.accepted, ledger.stored, ledger.damaged, ledger.balanced) == (30, 20, 10, True)
        assert store.repair == ([] if sealed else [f"{path.name}: 10 rows cannot be read"])
        assert store.reader.raw(1, 0, 2**62).samples.value.tolist() == [0.0, 2.0]
        store.seal()
        store.close()


@pytest.mark.parametrize("lost", [1, 70, 200])
def test_a_store_goes_on_after_a_torn_tail(tmp_path: Path, lost: int) -> None:
    store = open_store(tmp_path / "h", "s", NOW)
    store.append(samples(10), NOW)
    store.append(samples(10, at=1), NOW)
    store.close()
    (path,) = (tmp_path / "h" / "wal").iterdir()
    path.write_bytes(path.read_bytes()[:-lost])
    store = open_store(tmp_path / "h", "s", NOW)
    assert "torn tail" in store.repair[0]
    assert store.append(samples(10, at=2), NOW) == 20
    assert store.reader.raw(1, 0, 2**62).samples.value.tolist() == [0.0, 2.0]
    assert store.ledger().balanced
    store.close()
