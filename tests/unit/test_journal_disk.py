# SPDX-License-Identifier: Apache-2.0
"""The journal on a bad disk: full to the last block, limited, read-only, bounded by itself."""

import asyncio
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from historian.base import JournalFull, JournalStatus, Position, Record, RecordKind
from historian.journal import journal as journal_module
from historian.journal.journal import ChainJournal
from historian.journal.reserve import RESERVE_RECORDS, Reserve
from historian.journal.store import ChainStore
from historian.journal.verify import verify
from supervisor.offload import Offload

ROOT = Path(__file__).parents[2]
MIB = 2**20


def record(i: int, text: str = "put true") -> Record:
    return Record(i, RecordKind.COMMAND, "anne", "21605/CAB-0003/K1_Cmd", text, {"n": i})


@contextmanager
def no_room() -> Iterator[None]:
    """No file may grow: EFBIG, a full disk without a disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def may_mount() -> bool:
    if shutil.which("unshare") is None:
        return False
    mount = ["unshare", "-rm", "mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", "/mnt"]
    return subprocess.run(mount, capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not may_mount(), reason="no user namespaces here: a disk of its own cannot be mounted")
def test_on_a_disk_filled_to_the_last_block_the_reserve_holds_what_it_promises(tmp_path: Path) -> None:
    child = [sys.executable, "-m", "tests.journal_child", "full", str(tmp_path), "128"]
    done = subprocess.run(["unshare", "-rm", *child], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    written, sentence, next_number = done.stdout.splitlines()
    assert RESERVE_RECORDS <= int(written) < 20 * RESERVE_RECORDS, "enough, and then an end of it"
    assert sentence.startswith("JournalFull: ") and "no space is left; free space on that disk" in sentence
    assert next_number == "1", "nothing of what was refused is there"


@pytest.mark.skipif(not may_mount(), reason="no user namespaces here: a disk of its own cannot be mounted")
def test_a_disk_that_became_read_only_is_one_sentence_and_can_still_be_verified(tmp_path: Path) -> None:
    child = [sys.executable, "-m", "tests.journal_child", "readonly", str(tmp_path)]
    done = subprocess.run(["unshare", "-rm", *child], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    sentence, verified = done.stdout.splitlines()
    assert sentence == (
        f"JournalUnwritable: journal {tmp_path}/journal: the file system is read-only; remount or replace the disk"
    )
    assert verified == "True 5"


def test_no_space_refuses_the_record_and_leaves_nothing_of_it(tmp_path: Path) -> None:
    store = ChainStore(tmp_path, 1, reserve_size=MIB)
    store.append([record(1)])
    with no_room():
        for _ in range(3):
            with pytest.raises(JournalFull, match="no space is left; free space on that disk"):
                store.append([record(2, "x" * 1500), record(3)])
        assert store.reserve is not None
        assert not store.refill()
        assert (tmp_path / "reserve").stat().st_size == 0, "it was given back, whether or not that helps"
    assert store.append([record(4)]) == [Position(1, 2)]
    assert store.refill()
    assert (tmp_path / "reserve").stat().st_blocks * 512 >= MIB
    store.close()
    assert verify(tmp_path).records == 2


def test_a_start_without_room_for_the_reserve_says_so_and_works(tmp_path: Path) -> None:
    ChainStore(tmp_path, 1, reserve_size=0).close()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (MIB, hard))
    try:
        store = ChainStore(tmp_path, 2, reserve_size=2 * MIB)
        assert (
            store.reserve
            == f"journal {tmp_path}: of the reserve for a full disk 0 of 2 MiB are there; free space on that disk"
        )
        store.append([record(1)])
        store.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_reserve_cut_short_is_taken_again(tmp_path: Path) -> None:
    ChainStore(tmp_path, 1, reserve_size=MIB).close()
    (tmp_path / "reserve").write_bytes(b"short")
    reserve = Reserve(tmp_path, MIB)
    assert not reserve.whole
    assert reserve.refill()
    assert (tmp_path / "reserve").stat().st_size == MIB
    assert sorted(p.name for p in tmp_path.iterdir() if "reserve" in p.name) == ["reserve"]


def test_the_journals_own_bound_is_a_sentence(tmp_path: Path) -> None:
    store = ChainStore(tmp_path, 1, size_max=MIB, reserve_size=0)
    written = 0
    with pytest.raises(JournalFull, match="it has reached the size it may hold; move it to the archive"):
        for i in range(100):
            written += len(store.append([record(i, "x" * 500)] * 40))
    assert written > 500
    store.close()
    found = verify(tmp_path)
    assert (found.whole, found.records) == (True, written)


def test_the_reserve_comes_back_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "REFILL_S", 0.01)

    async def main() -> None:
        offload = Offload(2)
        journal = await ChainJournal.open(tmp_path, 3, offload.run, reserve_size=MIB)
        assert journal.status().reserve is None
        with no_room():
            with pytest.raises(JournalFull):
                await journal.append([record(1)])
            status: JournalStatus = journal.status()
            assert status.reserve is not None
            assert "of the reserve 0 of 1 MiB are left; free space now" in status.reserve
        while journal.status().reserve is not None:
            await asyncio.sleep(0.01)
        assert (tmp_path / "reserve").stat().st_size == MIB
        await journal.close()
        offload.close()

    asyncio.run(main())
