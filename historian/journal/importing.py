# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_journal_import.py
"""Records of the journal of files (the first release's) are taken over into the chain, once, in order.

Law of this file: the originals are read, never touched. One transaction a file: what is taken over and the note that
it is are durable together, so that a start that is cut short goes on where it stopped.

Behind the records of each file stands one of the server with the file's SHA-256: the chain vouches for the original.
Where the old numbers jump, because records were damaged, a record says which are missing.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from historian.base import Entry, Plain, Position, Record, RecordKind
from historian.journal import frame, schema
from historian.journal.persons import SERVER
from historian.journal.store import ChainStore


def originals(folder: Path) -> list[Path]:
    """The files of the old journal, oldest first."""
    return sorted(folder.glob("journal-*.log"))


def import_files(store: ChainStore) -> str:
    """Take over what was not yet; one sentence if there was something, else empty. Blocking.

    Raises:
        JournalFull, JournalUnwritable: nothing is lost; it goes on at the next start.
    """
    try:
        done = _done(store.path)
        records = files = 0
        for path in originals(store.folder):
            size, last = done.get(path.name, (-1, 0))
            if path.stat().st_size != size:
                records += _import_file(store, path, max(last, max((n for _, n in done.values()), default=0)))
                files += 1
                done = _done(store.path)
    except (OSError, *schema.ERRORS) as e:
        raise schema.sentence(store.folder, e) from e
    if not records:
        return ""
    return f"journal {store.folder}: {records} records of {files} files taken over into the chain; the files are kept"


def _done(path: Path) -> dict[str, tuple[int, int]]:
    db = schema.open_reader(path)
    try:
        return {name: (size, last) for name, size, last in db.execute("SELECT file, size, last_sequence FROM imports")}
    finally:
        db.close()


def _import_file(store: ChainStore, path: Path, last: int) -> int:
    content = path.read_bytes()
    entries = [e for e in frame.scan(content) if e.position.sequence > last]
    items = list(_with_gaps(entries, last, path.name))
    if entries:
        last = entries[-1].position.sequence
        items.append((_receipt(path.name, content, entries), None))
    size = len(content)
    store.write(
        items, also=lambda db: db.execute("INSERT OR REPLACE INTO imports VALUES (?, ?, ?)", (path.name, size, last))
    )
    return len(entries)


def _with_gaps(entries: list[Entry], last: int, name: str) -> Iterator[tuple[Record, Position | None]]:
    for e in entries:
        if e.position.sequence != last + 1:
            text = f"records {last + 1} to {e.position.sequence - 1} of the journal of files cannot be read; see {name}"
            yield Record(e.record.time_ns, RecordKind.SERVER, SERVER, "", text), None
        yield e.record, e.position
        last = e.position.sequence


def _receipt(name: str, content: bytes, entries: list[Entry]) -> Record:
    text = f"{len(entries)} records taken over from {name}, which is kept"
    data: dict[str, Plain] = {"file": name, "records": len(entries), "sha256": sha256(content).hexdigest()}
    return Record(entries[-1].record.time_ns, RecordKind.SERVER, SERVER, "", text, data)
