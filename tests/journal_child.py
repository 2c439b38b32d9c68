# SPDX-License-Identifier: Apache-2.0
"""Children of the journal's tests: processes that are killed, or that live on a disk that is full.

append FOLDER EPOCH SEED    append groups of random size for ever; each acknowledged position and row on stdout
import FOLDER               open the journal in FOLDER once, which takes over an older one
readonly FOLDER             on a disk of its own (mounted here) that becomes read-only: see below
full FOLDER MIB             on a disk of its own of that size (mounted here, in a namespace of its own): see below
"""

import os
import random
import subprocess
import sys
from pathlib import Path

from historian.base import JournalError, Record, RecordKind, Row
from historian.journal import importing
from historian.journal.reserve import RESERVE_RECORDS
from historian.journal.store import ChainStore
from historian.journal.verify import verify


def append(folder: Path, epoch: int, seed: int) -> None:
    """Each append is told after it returned: 'last sequence, number of rows ever put'."""
    rng = random.Random(seed)
    store = ChainStore(folder, epoch, reserve_size=1 << 20)
    puts = 0
    while True:
        n = rng.choice((1, 1, 2, 5, 40, 400))
        records = [
            Record(i, RecordKind.ALARM, f"u{rng.randrange(50)}", f"a/b/{i}", "x" * 50, {"n": i}) for i in range(n)
        ]
        puts += 1
        last = store.append(records, [Row("alarms", b"puts", str(puts).encode())])[-1]
        os.write(1, f"{last.sequence} {puts}\n".encode())
        store.checkpoint(rng.choice((1, 100, 2048)))


def take_over(folder: Path) -> None:
    store = ChainStore(folder, 9, reserve_size=0)
    importing.import_files(store)
    store.close()


def full(folder: Path, mib: int) -> None:
    """Fill the disk, go on in the reserve, one record an append; free it; say what happened."""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={mib}m", "tmpfs", str(folder)]
    subprocess.run(mount, check=True)
    store = ChainStore(folder / "journal", 1)
    assert store.reserve is None, store.reserve
    store.append([note(0)])
    fill(folder / "other")
    n = 0
    try:
        while n < 20 * RESERVE_RECORDS:
            n += len(store.append([note(n)] if n < RESERVE_RECORDS else [note(n)] * 500))
            store.checkpoint()
            if n == 1000:
                assert store.reserve and "MiB are left; free space now" in store.reserve, store.reserve
                fill(folder / "other")  # somebody else takes every block that becomes free; what was ours stays ours
    except JournalError as e:
        print(f"{n}\n{type(e).__name__}: {e}")
    assert not store.refill()
    store.close()
    found = verify(folder / "journal")
    assert found.whole, found
    store = ChainStore(folder / "journal", 2)  # a start on a disk that is still full
    (folder / "other").unlink()
    print(store.append([note(1)])[0].sequence - found.records)
    assert store.refill(), store.reserve
    assert store.reserve is None
    store.close()
    assert verify(folder / "journal").whole


def readonly(folder: Path) -> None:
    """A disk that became read-only: no start on it, one sentence; what stands there can still be verified and read."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder)], check=True)
    store = ChainStore(folder / "journal", 1)
    store.append([note(i) for i in range(5)])
    store.close()
    subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
    try:
        ChainStore(folder / "journal", 2)
    except JournalError as e:
        print(f"{type(e).__name__}: {e}")
    found = verify(folder / "journal")
    print(found.whole, found.records)


def fill(path: Path) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    block = bytes(1 << 16)
    while block:
        try:
            os.write(fd, block)
        except OSError:
            block = block[: len(block) // 2]
    os.close(fd)


def note(n: int) -> Record:
    return Record(
        n, RecordKind.COMMAND, "anne", f"21605/CAB-{n % 300:04d}/K1_Cmd", "put true, the crew is on site", {"n": n}
    )


if __name__ == "__main__":
    what, where, *rest = sys.argv[1:]
    if what == "append":
        append(Path(where), *map(int, rest))
    elif what == "import":
        take_over(Path(where))
    elif what == "readonly":
        readonly(Path(where))
    else:
        full(Path(where), int(rest[0]))
