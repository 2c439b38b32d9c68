# SPDX-License-Identifier: Apache-2.0
"""The journal: durable before returned, torn tails cut, damage found, refusal when it cannot write."""

import asyncio
import errno
import os
import resource
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from historian.base import JournalFull, JournalUnwritable, Position, Record, RecordKind
from historian.journal import frame
from historian.journal.files import JournalFiles
from historian.journal.journal import FileJournal
from supervisor.offload import Offload


def record(i: int, text: str = "") -> Record:
    return Record(
        1_766_300_000_000_000_000 + i,
        RecordKind.COMMAND,
        "anne",
        "21605/CAB-0003/K1_Cmd",
        text or f"n° {i}\nline",
        {"value": i, "level": 0.5, "on": True, "none": None},
    )


def texts(files: JournalFiles, n: int = 1000) -> list[str]:
    return [e.record.text for e in files.tail(n)]


def newest(folder: Path) -> Path:
    return sorted(folder.glob("journal-*.log"))[-1]


def test_a_record_comes_back_as_it_was(tmp_path: Path) -> None:
    files = JournalFiles(tmp_path / "j", epoch=7)
    surrogate = Record(5, RecordKind.NOTE, "anne", text="lone \udc80")
    assert files.append([record(1), record(2)]) == [Position(7, 1), Position(7, 2)]
    assert files.append([surrogate]) == [Position(7, 3)]
    files.close()
    again = JournalFiles(tmp_path / "j", epoch=8)
    assert [e.record for e in again.tail(2)] == [record(2), surrogate]
    assert again.append([record(3)]) == [Position(8, 4)]
    assert again.repair == ""
    again.close()


def test_nobody_else_may_read_or_write_it(tmp_path: Path) -> None:
    files = JournalFiles(tmp_path / "j", epoch=1)
    assert stat.S_IMODE((tmp_path / "j").stat().st_mode) == 0o700
    assert stat.S_IMODE(newest(tmp_path / "j").stat().st_mode) == 0o600
    with pytest.raises(JournalUnwritable, match="another process writes it"):
        JournalFiles(tmp_path / "j", epoch=1)
    files.close()


def test_a_tail_torn_at_any_byte_is_cut_and_kept_beside(tmp_path: Path) -> None:
    files = JournalFiles(tmp_path, epoch=1)
    files.append([record(1), record(2)])
    whole = newest(tmp_path).stat().st_size
    files.append([record(3)])
    files.close()
    path = newest(tmp_path)
    content = path.read_bytes()
    for cut in range(whole, len(content)):
        path.write_bytes(content[:cut])
        files = JournalFiles(tmp_path, epoch=1)
        assert texts(files) == ["n° 1\nline", "n° 2\nline"], cut
        assert path.stat().st_size == whole
        if cut > whole:
            assert f"a torn tail of {cut - whole} bytes cut after sequence 2" in files.repair
            assert (tmp_path / "journal-torn.bin").read_bytes() == content[whole:cut]
        assert files.append([record(9)]) == [Position(1, 3)]
        files.close()


def test_a_flipped_bit_costs_one_record_and_is_reported(tmp_path: Path) -> None:
    files = JournalFiles(tmp_path, epoch=1)
    files.append([record(i) for i in range(5)])
    files.close()
    path = newest(tmp_path)
    content = path.read_bytes()
    second = content.index(b"\n") + 1
    third = content.index(b"\n", second) + 1
    for at in range(second, third):
        path.write_bytes(content[:at] + bytes([content[at] ^ 4]) + content[at + 1 :])
        files = JournalFiles(tmp_path, epoch=1)
        kept = texts(files)
        assert kept == [f"n° {i}\nline" for i in range(5) if i not in (1, 2)] or kept == [
            f"n° {i}\nline" for i in range(5) if i != 1
        ], at
        assert "damaged records before sequence 6 left as they are" in files.repair
        files.close()
        assert len(path.read_bytes()) == len(content), "evidence is not rewritten"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n" * 50,
        b"\x00" * 4096,
        b"ffffffff 00000000 {}\n",
        b"00000002 a3eeb0ab {}\n",
        os.urandom(3000),
        b"[" * 99999,
    ],
)
def test_hostile_bytes_are_never_records_and_never_raise(content: bytes) -> None:
    found = frame.scan(content)
    assert found.entries == []
    assert found.good_length == 0


def test_a_deeply_nested_record_with_a_right_checksum_is_damage() -> None:
    from zlib import crc32

    body = b"[" * 100_000
    assert frame.decode(b"%08x %08x %s" % (len(body), crc32(body), body)) is None


def test_files_rotate_and_the_bound_is_a_sentence(tmp_path: Path) -> None:
    files = JournalFiles(tmp_path, epoch=1, file_size_max=2000, files_max=3)
    written = 0
    with pytest.raises(JournalFull, match="3 files of 2000 bytes are the most it may hold"):
        for i in range(100):
            files.append([record(i)])
            written += 1
    assert len(list(tmp_path.glob("journal-*.log"))) == 3
    assert files.size == sum(p.stat().st_size for p in tmp_path.glob("journal-*.log")) <= files.size_max
    assert [e.position.sequence for e in files.tail(1000)] == list(range(1, written + 1))
    files.close()


def limited(files: JournalFiles, room: int, do: Callable[[], None]) -> None:
    """Run with files limited to `room` more bytes than the journal's newest one has: a full disk without a disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (files.size + room, hard))
    try:
        do()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_no_space_refuses_the_record_and_leaves_nothing_of_it(tmp_path: Path) -> None:
    files = JournalFiles(tmp_path, epoch=1)
    files.append([record(1)])
    before = newest(tmp_path).read_bytes()

    def refused() -> None:
        with pytest.raises(JournalFull, match=r"no space is left .* free space on that disk"):
            files.append([record(2, "x" * 1500), record(3)])
        assert newest(tmp_path).read_bytes() == before

    limited(files, 100, refused)
    assert files.append([record(4)]) == [Position(1, 2)]
    assert texts(files) == ["n° 1\nline", "n° 4\nline"]
    files.close()


def test_a_failed_flush_leaves_the_file_and_the_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """fdatasync cannot be made to fail without a broken disk; the kernel call is the one thing replaced here."""
    for first in (0, 1):
        folder = tmp_path / str(first)
        files = JournalFiles(folder, epoch=1)
        files.append([record(i) for i in range(first)])

        def broken(_fd: int) -> None:
            raise OSError(errno.EIO, "Input/output error")

        with monkeypatch.context() as m:
            m.setattr(os, "fdatasync", broken)
            with pytest.raises(JournalUnwritable, match="Input/output error"):
                files.append([record(10)])
        assert files.append([record(11)]) == [Position(1, first + 1)]
        assert texts(files) == [f"n° {i}\nline" for i in range(first)] + ["n° 11\nline"]
        assert len(list(folder.glob("journal-*.log"))) == first + 1
        files.close()


def test_a_folder_that_cannot_be_used_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalUnwritable, match="check the folder's rights"):
        JournalFiles(tmp_path / "file", epoch=1)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"text": "x" * 2001}, "text: expected at most 2000 characters"),
        ({"user": "x" * 257}, "user: expected at most 256"),
        ({"data": {str(i): i for i in range(25)}}, "data: expected at most 24 keys"),
        ({"data": {"a": "x" * 513}}, "data.a: expected at most 512"),
        ({"data": {"a": float("nan")}}, "data.a: expected a finite number"),
        ({"data": {"x" * 65: 1}}, "keys of at most 64"),
    ],
)
def test_a_record_is_bounded(fields: dict, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Record(**({"time_ns": 1, "kind": RecordKind.NOTE, "user": "u"} | fields))


def test_concurrent_appends_stand_in_order_and_share_flushes(tmp_path: Path) -> None:
    async def main() -> None:
        offload = Offload(2)
        flushes = 0

        async def run(job):  # type: ignore[no-untyped-def]
            nonlocal flushes
            flushes += 1
            return await offload.run(job)

        journal = await FileJournal.open(tmp_path, 3, run)
        positions = await asyncio.gather(*(journal.append([record(2 * i), record(2 * i + 1)]) for i in range(500)))
        sequence = [p.sequence for pair in positions for p in pair]
        assert sequence == list(range(1, 1001))
        assert [e.record.data["value"] for e in await journal.tail(5000)] == list(range(1000))
        assert flushes < 10
        assert journal.status().records == 1000
        assert journal.status().waiting == 0
        await journal.close()
        await journal.close()
        with pytest.raises(JournalUnwritable, match="closed"):
            await journal.append([record(1)])
        offload.close()

    asyncio.run(main())


def test_a_shared_flush_that_fails_refuses_everyone_in_it_and_the_next_one_heals(tmp_path: Path) -> None:
    async def main() -> None:
        offload = Offload(2)
        files = JournalFiles(tmp_path, epoch=1)
        journal = FileJournal(files, offload.run, waiting_max=20)
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
        try:
            results = await asyncio.gather(*(journal.append([record(i)]) for i in range(25)), return_exceptions=True)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert sum(isinstance(r, JournalFull) for r in results) == 20
        assert sum("20 records wait for the disk" in str(r) for r in results) == 5
        status = journal.status()
        assert status.error is not None
        assert "no space is left" in status.error
        assert status.refused == 25
        assert await journal.append([record(1)]) == [Position(1, 1)]
        assert journal.status().error is None
        await journal.close()
        offload.close()

    asyncio.run(main())


def test_a_cancelled_caller_does_not_harm_its_neighbours(tmp_path: Path) -> None:
    async def main() -> None:
        offload = Offload(2)
        journal = await FileJournal.open(tmp_path, 1, offload.run)
        first = asyncio.create_task(journal.append([record(1)]))
        second = asyncio.create_task(journal.append([record(2)]))
        await asyncio.sleep(0)
        first.cancel()
        assert await second == [Position(1, 2)]
        assert first.cancelled()
        await journal.close()
        offload.close()

    asyncio.run(main())
