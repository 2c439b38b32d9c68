# SPDX-License-Identifier: Apache-2.0
"""A full disk, a bounded store, retention: what goes, in which order, and that all of it is counted."""

import errno
import os
import resource
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from config.words import NS_PER_S
from historian.store.disk import StoreError, StoreFull, StoreUnwritable
from historian.store.files import RESERVE_BYTES
from historian.store.limits import Limits
from historian.store.rollups import QUARTER
from historian.store.samples import CLASSES, Samples
from historian.store.segments import DAY_NS, date_of
from historian.store.store import Store, open_store

DAY = 20_500
BEGIN = DAY * DAY_NS
HOUR_NS = 3600 * NS_PER_S
HOUSE = Path(__file__).parents[2]


def noise(n: int, time_ns: int, class_name: str, seed: int = 0) -> Samples:
    """Samples that do not compress: of each series up to 200 in the ms from `time_ns`; other series in each class."""
    rng = np.random.default_rng(seed)
    return Samples(
        series=(np.arange(n) // 200 + 1 + 1000 * CLASSES.index(class_name)).astype(np.uint32),
        time_ns=time_ns + np.arange(n) % 200 * 5000,
        value=rng.normal(size=n),
        whole=np.zeros(n, np.int64),
        status=np.zeros(n, np.uint32),
        lag_ds=np.zeros(n, np.int32),
        class_id=np.full(n, CLASSES.index(class_name), np.uint8),
        flags=np.zeros(n, np.uint8),
    )


def fill(store: Store, days: int, n: int = 20_000) -> None:
    """Each day a batch of A1 and one of E, sealed and closed."""
    for day in range(days):
        now_ns = BEGIN + day * DAY_NS + HOUR_NS
        store.append(noise(n, now_ns, "A1", day), now_ns)
        store.append(noise(n, now_ns, "E", day), now_ns)
        store.seal()
        store.maintain(now_ns)


def days_of(root: Path, class_name: str) -> list[str]:
    folder = root / "segments" / class_name
    return sorted(p.name for p in folder.iterdir()) if folder.is_dir() else []


def test_a_store_at_its_bound_drops_the_oldest_days_that_are_no_evidence(tmp_path: Path) -> None:
    store = open_store(tmp_path, "s", BEGIN)
    fill(store, 5)
    size = store.size
    store.close()
    store = open_store(tmp_path, "s", BEGIN + 5 * DAY_NS, Limits(size_max=size - 400_000))
    store.maintain(BEGIN + 5 * DAY_NS)
    assert days_of(tmp_path, "A1") == [date_of(DAY + k) for k in (3, 4)]
    assert days_of(tmp_path, "E") == [date_of(DAY + k) for k in range(5)]
    ledger = store.ledger()
    assert (ledger.dropped, ledger.balanced) == ({"disk full": 60_000}, True)
    assert store.size <= size - 400_000
    quarters = store.reader.buckets(1007, BEGIN, QUARTER, 8, BEGIN + 5 * DAY_NS)
    assert quarters.count.tolist() == [0, 0, 0, 0, 200, 0, 0, 0], "roll-ups outlive their samples"
    store.close()


def test_samples_out_of_time_are_counted_not_stored(tmp_path: Path) -> None:
    store = open_store(tmp_path, "s", BEGIN)
    old = noise(3, BEGIN - 61 * DAY_NS, "P")
    ahead = noise(2, BEGIN + 2 * HOUR_NS, "E")
    for samples in (old, ahead, noise(4, BEGIN, "E"), noise(5, -5, "D")):
        store.append(samples, BEGIN)
    store.count_lost(7, "queue full")
    ledger = store.ledger()
    assert ledger.lost == {"out of time": 10, "queue full": 7}
    assert (ledger.offered, ledger.accepted, ledger.stored) == (21, 4, 4)
    store.close()
    store = open_store(tmp_path, "s", BEGIN)
    assert store.ledger() == ledger
    store.close()


def test_memory_is_bounded_by_sealing_before_more_is_taken(tmp_path: Path) -> None:
    store = open_store(tmp_path, "s", BEGIN, Limits(turn_rows=300, unsealed_rows_max=1000))
    for k in range(40):
        store.append(noise(90, BEGIN + k, "A2", k), BEGIN)
        assert store.memory <= 1000 * 41
    store.append(noise(5000, BEGIN + 50, "A2"), BEGIN)
    assert store.memory <= 1000 * 41
    assert store.ledger().stored == 40 * 90 + 5000
    store.close()


def test_a_file_that_may_not_grow_refuses_and_the_next_one_takes(tmp_path: Path) -> None:
    store = open_store(tmp_path, "s", BEGIN)
    store.append(noise(1000, BEGIN, "E"), BEGIN)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(StoreUnwritable, match="File too large"):
            store.append(noise(2000, BEGIN + 1, "E"), BEGIN)
        store.append(noise(1000, BEGIN + 2, "E"), BEGIN)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    ledger = store.ledger()
    assert ledger.lost == {"disk error": 2000}
    assert (ledger.offered, ledger.stored, ledger.balanced) == (4000, 2000, True)
    store.close()
    store = open_store(tmp_path, "s", BEGIN)
    assert store.repair == []
    assert store.reader.raw(1, 0, 2**62).samples.time_ns[:4].tolist() == [BEGIN, BEGIN + 2, BEGIN + 5000, BEGIN + 5002]
    store.close()


def test_a_read_only_store_says_so(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    (tmp_path / "h").mkdir(mode=0o500)
    with pytest.raises(StoreUnwritable, match="check the disk, its mount and its owner"):
        open_store(tmp_path / "h", "s", BEGIN)


TINY_DISK = """
import sys
from pathlib import Path
from historian.store.disk import StoreFull
from historian.store.limits import Limits
from historian.store.store import open_store
from tests.unit.test_store_full import BEGIN, DAY, DAY_NS, HOUR_NS, days_of, fill, noise
from historian.store.segments import date_of

DAYS = 28
root = Path(sys.argv[1])
store = open_store(root, "s", BEGIN, Limits(turn_rows=100_000))
fill(store, DAYS, n=20_000)
ledger = store.ledger()
assert ledger.balanced, ledger
assert ledger.lost == {}, ledger
assert ledger.dropped["disk full"] > 0, ledger
evidence, other = days_of(root, "E"), days_of(root, "A1")
assert evidence == [date_of(DAY + k) for k in range(DAYS)], evidence
assert other == evidence[-len(other):] and 0 < len(other) < DAYS, other
store.close()

store = open_store(root, "s", BEGIN + DAYS * DAY_NS, Limits(turn_rows=100_000))
assert store.repair == [], store.repair
refused = 0
for k in range(400):  # until evidence alone fills the disk
    try:
        store.append(noise(20_000, BEGIN + DAYS * DAY_NS + k, "E", k), BEGIN + DAYS * DAY_NS)
    except StoreFull:
        refused += 1
        if refused > 3:
            break
assert refused > 3
ledger = store.ledger()
assert ledger.balanced and ledger.lost == {"disk full": 20_000 * refused}, ledger
assert days_of(root, "E") == evidence
store.close()
open_store(root, "s", BEGIN + DAYS * DAY_NS).close()
print("done", len(other), ledger)
"""


def in_a_file_system_of_its_own(folder: Path, program: str) -> str:
    """What a program prints that has 12 MiB mounted at the folder, in a name space of its own."""
    mount = ["unshare", "-rm", "sh", "-c", 'mount -t tmpfs -o size=12m none "$1" && exec "$2" -c "$3" "$1"', "sh"]
    probe = subprocess.run([*mount, str(folder), "true", ""], capture_output=True, text=True, check=False)
    if probe.returncode:
        pytest.skip(f"no file system can be mounted here: {probe.stderr.strip()}")
    done = subprocess.run(
        [*mount, str(folder), sys.executable, program],
        capture_output=True,
        text=True,
        check=False,
        cwd=HOUSE,
        env={**os.environ, "PYTHONPATH": str(HOUSE)},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_really_full_disk(tmp_path: Path) -> None:
    """Only the kernel says when it is full."""
    assert in_a_file_system_of_its_own(tmp_path, TINY_DISK).startswith("done")


READ_ONLY = """
import subprocess, sys
from pathlib import Path
from historian.store.disk import StoreUnwritable
from historian.store.snapshot import open_snapshot
from historian.store.store import open_store
from tests.unit.test_store_full import BEGIN, DAY_NS, HOUR_NS, noise

root = Path(sys.argv[1]) / "h"
store = open_store(root, "s", BEGIN)
for hour in (1, 2):
    store.append(noise(200, BEGIN + hour * HOUR_NS, "A1", hour), BEGIN + hour * HOUR_NS)
    if hour == 1:
        store.seal()
store.close()
subprocess.run(["mount", "-o", "remount,ro", sys.argv[1]], check=True)
try:
    open_store(root, "s", BEGIN + 3 * HOUR_NS)
except StoreUnwritable as error:
    print(error)
with open_snapshot(root) as snapshot:
    print(len(snapshot.reader.raw(1001, BEGIN, BEGIN + DAY_NS).samples), "samples")
"""


def test_a_disk_that_became_read_only_says_so_and_is_read(tmp_path: Path) -> None:
    said = in_a_file_system_of_its_own(tmp_path, READ_ONLY).splitlines()
    assert "Read-only file system" in said[0] and "check the disk, its mount and its owner" in said[0], said
    assert said[1:] == ["400 samples"], "what is sealed and what the log holds"


def test_what_cannot_be_written_is_lost_once(tmp_path: Path) -> None:
    """A refusal in the middle of a large batch: what came before it is accepted, the rest counted."""
    store = open_store(tmp_path, "s", BEGIN, replace(Limits(), turn_rows=500, unsealed_rows_max=500))
    (tmp_path / "segments").rename(tmp_path / "elsewhere")
    (tmp_path / "segments").write_text("a file where a folder should be")
    with pytest.raises(StoreUnwritable):
        store.append(noise(2000, BEGIN, "E"), BEGIN)
    ledger = store.ledger()
    assert (ledger.offered, ledger.accepted, ledger.lost) == (2000, 500, {"disk error": 1500})
    (tmp_path / "segments").unlink()
    (tmp_path / "elsewhere").rename(tmp_path / "segments")
    store.append(noise(2000, BEGIN + 1, "E"), BEGIN)
    assert store.ledger().balanced
    store.close()


def test_what_the_caller_keeps_is_not_lost_when_it_is_refused(tmp_path: Path) -> None:
    """All or none of it is written, and the ledger knows it only once it is."""
    store = open_store(tmp_path, "s", BEGIN)
    samples = noise(1000, BEGIN, "E")
    (tmp_path / "wal").rename(tmp_path / "elsewhere")
    for _ in range(2):
        with pytest.raises(StoreUnwritable):
            store.append(samples, BEGIN, keeps=True)
    assert (store.ledger().offered, store.ledger().lost) == (0, {})
    (tmp_path / "elsewhere").rename(tmp_path / "wal")
    store.append(samples, BEGIN, keeps=True)
    assert (store.ledger().offered, store.ledger().accepted, store.ledger().lost) == (1000, 1000, {})
    with pytest.raises(ValueError, match="expected at most 500000 samples"):
        store.append(noise(500_001, BEGIN, "E"), BEGIN, keeps=True)
    assert store.maintain(BEGIN + DAY_NS) == (1000, 0)
    assert store.days == 1
    store.close()


def test_nothing_is_accepted_while_there_is_no_room_for_the_reserve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The index must be able to say what a full disk costs: its room comes first."""
    store = open_store(tmp_path, "s", BEGIN)
    store._files.release_reserve()

    def full(_fd: int, _at: int, _length: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as broken:
        broken.setattr(os, "posix_fallocate", full)
        with pytest.raises(StoreFull, match="No space left on device; make room on this disk"):
            store.append(noise(10, BEGIN, "E"), BEGIN)
    store.append(noise(20, BEGIN, "E"), BEGIN)
    assert (store.ledger().accepted, store.ledger().lost) == (20, {"disk full": 10})
    assert (tmp_path / "reserve").stat().st_size == RESERVE_BYTES
    store.close()


@pytest.mark.parametrize(("number", "cause"), [(errno.EIO, "disk error"), (errno.ENOSPC, "disk full")])
def test_a_failed_sync_is_no_acceptance_and_another_file_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, cause: str
) -> None:
    """After a failed fdatasync nobody knows what reached the disk: the file is left, its last rows are void."""
    store = open_store(tmp_path, "s", BEGIN)
    store.append(noise(200, BEGIN, "E", 1), BEGIN)

    def fail(_fd: int) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as broken:
        broken.setattr(os, "fdatasync", fail)
        with pytest.raises(StoreError, match=os.strerror(number)):
            store.append(noise(200, BEGIN + 1, "E", 2), BEGIN)
    assert store.append(noise(200, BEGIN + 2, "E", 3), BEGIN) == 400
    ledger = store.ledger()
    assert (ledger.offered, ledger.accepted, ledger.lost) == (600, 400, {cause: 200})
    expected = store.reader.raw(1, 0, 2**62).samples.time_ns.tolist()
    assert {(t - BEGIN) % 5000 for t in expected} == {0, 2}
    store.close()
    assert len(list((tmp_path / "wal").iterdir())) == 2
    store = open_store(tmp_path, "s", BEGIN)
    assert store.reader.raw(1, 0, 2**62).samples.time_ns.tolist() == expected
    assert store.ledger() == ledger
    store.close()
