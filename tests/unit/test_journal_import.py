# SPDX-License-Identifier: Apache-2.0
"""A journal of files is taken over into the chain: in order, once, whatever its state, whenever we are killed."""

import asyncio
import hashlib
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest

from historian.base import Entry, Position, Query, Record, RecordKind
from historian.journal import frame
from historian.journal.importing import import_files
from historian.journal.journal import ChainJournal
from historian.journal.reading import ChainReader
from historian.journal.store import ChainStore
from historian.journal.verify import verify
from supervisor.offload import Offload

ROOT = Path(__file__).parents[2]


def line(sequence: int, epoch: int = 3, text: str = "", user: str = "anne") -> bytes:
    """One line of the journal of files, as its release wrote it."""
    body = json.dumps(
        {
            "n": sequence,
            "e": epoch,
            "t": 1_766_300_000_000_000_000 + sequence,
            "k": "command",
            "u": user,
            "s": "21605/CAB-0003/K1_Cmd",
            "x": text or f"n° {sequence}\nline",
            "d": {"value": sequence},
        },
        ensure_ascii=False,
        separators=(",", ":"),
    ).encode("utf-8", "backslashreplace")
    return b"%08x %08x %s\n" % (len(body), crc32(body), body)


def old_journal(folder: Path, *files: bytes, first: tuple[int, ...] = (1,)) -> dict[str, bytes]:
    folder.mkdir(exist_ok=True)
    for start, content in zip(first, files, strict=True):
        (folder / f"journal-{start:020d}.log").write_bytes(content)
    return originals(folder)


def originals(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.glob("journal-*.log")}


def taken(folder: Path, epoch: int = 9) -> tuple[str, list[Entry]]:
    store = ChainStore(folder, epoch, reserve_size=0)
    said = import_files(store)
    reader = ChainReader(store.path, 1)
    entries = reader.tail(10_000)
    reader.close()
    store.close()
    return said, entries


def test_the_old_records_come_first_with_their_old_positions(tmp_path: Path) -> None:
    one = b"".join(line(n) for n in range(1, 11))
    two = b"".join(line(n, epoch=4) for n in range(11, 15))
    kept = old_journal(tmp_path, one, two, first=(1, 11))

    async def main() -> None:
        offload = Offload(2)
        journal = await ChainJournal.open(tmp_path, 5, offload.run, reserve_size=0)
        assert journal.status().repair.endswith("14 records of 2 files taken over into the chain; the files are kept")
        await journal.append([Record(7, RecordKind.NOTE, "bob", "", "new")])
        entries = await journal.tail(100)
        assert [e.position for e in entries] == [Position(5, n) for n in range(1, 18)]
        old = [e for e in entries if e.imported]
        assert [e.imported for e in old] == [Position(3 if n < 11 else 4, n) for n in range(1, 15)]
        assert old[2].record == frame.scan(one)[2].record
        receipts = [e.record for e in entries if e.record.user == "vigie"]
        assert [r.data["sha256"] for r in receipts] == [hashlib.sha256(f).hexdigest() for f in (one, two)]
        assert len((await journal.query(Query(person="anne"))).entries) == 14
        erasure = await journal.erase("anne", Record(8, RecordKind.PERSON, "lea", "", "on request"))
        assert sorted(erasure.originals) == sorted(kept), "the name is still in these"
        await journal.close()
        offload.close()

    asyncio.run(main())
    assert originals(tmp_path) == kept
    assert taken(tmp_path)[0] == "", "once"
    assert verify(tmp_path).whole


def test_what_was_damaged_is_said_in_its_place(tmp_path: Path) -> None:
    lines = [line(n) for n in range(1, 9)]
    lines[2] = lines[2].replace(b"anne", b"eve!")
    lines[3] = b"\x00" * 40 + b"\n"
    kept = old_journal(tmp_path, b"".join(lines) + line(9)[:50])
    said, entries = taken(tmp_path)
    assert "6 records of 1 files" in said
    assert [e.imported and e.imported.sequence for e in entries] == [1, 2, None, 5, 6, 7, 8, None]
    assert "records 3 to 4 of the journal of files cannot be read" in entries[2].record.text
    assert originals(tmp_path) == kept
    assert verify(tmp_path).whole


def test_an_older_release_that_wrote_on_is_taken_over_too(tmp_path: Path) -> None:
    old_journal(tmp_path, b"".join(line(n) for n in range(1, 6)))
    assert len(taken(tmp_path)[1]) == 6
    more = b"".join(line(n) for n in range(1, 9))
    old_journal(tmp_path, more, line(9), first=(1, 9))
    said, entries = taken(tmp_path, epoch=10)
    assert "4 records of 2 files" in said
    assert [e.imported.sequence for e in entries if e.imported] == list(range(1, 10))
    assert verify(tmp_path).whole


@pytest.mark.parametrize("content", [b"", b"\n" * 50, b"\x00" * 4096, os.urandom(3000), b"[" * 99999])
def test_hostile_bytes_are_never_records_and_never_raise(content: bytes, tmp_path: Path) -> None:
    assert frame.scan(content) == []
    old_journal(tmp_path, content)
    assert taken(tmp_path) == ("", [])


def test_a_deeply_nested_record_with_a_right_checksum_is_damage() -> None:
    body = b"[" * 100_000
    assert frame.decode(b"%08x %08x %s" % (len(body), crc32(body), body)) is None


def test_killed_at_random_moments_each_record_is_there_once(tmp_path: Path) -> None:
    """Eight files; each start is killed after a random while, until one comes through."""
    rng = random.Random(3)
    per_file, files = 800, 8
    contents = [
        b"".join(line(n, text="x" * 200) for n in range(i * per_file + 1, (i + 1) * per_file + 1)) for i in range(files)
    ]
    kept = old_journal(tmp_path, *contents, first=tuple(i * per_file + 1 for i in range(files)))
    killed = 0
    for _ in range(30):
        child: Any = subprocess.Popen([sys.executable, "-m", "tests.journal_child", "import", str(tmp_path)], cwd=ROOT)
        database = tmp_path / "journal.sqlite"
        while not database.exists() and child.poll() is None:
            time.sleep(0.002)
        try:
            child.wait(rng.uniform(0.0, 0.06))
        except subprocess.TimeoutExpired:
            child.kill()
            killed += 1
        if child.wait() == 0:
            break
    assert killed > 0
    _, entries = taken(tmp_path)
    assert [e.imported.sequence for e in entries if e.imported] == list(range(1, per_file * files + 1))
    assert len(entries) == per_file * files + files, "one receipt a file"
    assert originals(tmp_path) == kept
    assert verify(tmp_path).whole
