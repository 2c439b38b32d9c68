# SPDX-License-Identifier: Apache-2.0
"""An alarm storm written down: 34,000 records in one append, beside SQLite alone with the same columns."""

from __future__ import annotations

import sqlite3
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from historian.base import Plain, Query, Record, RecordKind, Row, Sheet
from historian.journal.reading import ChainReader
from historian.journal.store import ChainStore
from historian.journal.verify import verify

STORM = 34_000
ROUNDS = 4
DATA: dict[str, Plain] = {
    "event": "alarm",
    "before": "Normal",
    "after": "Unacknowledged alarm",
    "severity": 800,
    "retain": True,
}
TEXT = "ALARM: supply lost since 12 s, expected 230 V, got 0 V"
COLUMNS = "id INTEGER PRIMARY KEY, t INTEGER, kind TEXT, who TEXT, subject TEXT, text TEXT, data TEXT"


class Took(NamedTuple):
    """Best of several runs [ms]: CPU, and what one waits for it on this machine as loaded as it is now."""

    cpu: float
    wall: float


def best(jobs: list[Callable[[], object]]) -> Took:
    """Run each once."""
    cpu, wall = [], []
    for job in jobs:
        begun, begun_cpu = time.perf_counter(), time.process_time()
        job()
        cpu.append((time.process_time() - begun_cpu) * 1000)
        wall.append((time.perf_counter() - begun) * 1000)
    return Took(min(cpu), min(wall))


def storm(k: int) -> Sheet:
    """One condition for each of 34,000 tags, in no order, as the alarm desk tells it."""
    names = [f"21{600 + i % 24}/CAB-{i * 7919 % 850:04d}/V{i % 56}" for i in range(STORM)]
    own: dict[str, list[Plain]] = {"value": [230.0 + i % 40 for i in range(STORM)]}
    return Sheet(k, RecordKind.ALARM, names, [(TEXT, DATA)], [0] * STORM, own)


def singles(sheet: Sheet) -> list[Record]:
    """The same records, each for itself."""
    return [
        Record(sheet.time_ns + i, sheet.kind, "vigie", s, TEXT, sheet.data(i)) for i, s in enumerate(sheet.subjects)
    ]


def rows() -> list[dict[str, Any]]:
    """Rows of the table. The folder lies where the checkout does: on a disk, not in memory."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        return _rows(Path(folder))


def _rows(folder: Path) -> list[dict[str, Any]]:
    store = ChainStore(folder / "journal", 1)
    storms = [storm(k) for k in range(ROUNDS)]
    pages = [Row("conditions", b"#%d" % i, bytes(12_700)) for i in range(STORM // 256)]
    records = best([lambda s=s: store.append([s]) for s in storms])  # type: ignore[misc]
    store.checkpoint(0)
    both = best([lambda s=s: store.append([s], pages) for s in storms])  # type: ignore[misc]
    store.checkpoint(0)
    plain = [singles(s) for s in storms]
    alone = best([lambda r=r: store.append(r) for r in plain])  # type: ignore[misc]
    store.checkpoint(0)
    single = best([lambda r=r: store.append([r]) for r in plain[0][:200]])  # type: ignore[misc]
    reader = ChainReader(store.path, 1)
    tag = best([lambda: reader.find(Query(subject=storms[0].subjects[77]), None, 100)] * 5)
    reader.close()
    store.close()
    begun = time.process_time()
    found = verify(folder / "journal")
    verified_ms = (time.process_time() - begun) * 1000 / found.records * 100_000
    peer = _sqlite(folder / "peer.sqlite", plain)
    beside = f"; peer: SQLite without chain and indexes, {peer.wall:,.0f} ms"
    return [
        _row(
            "34,000 records of a storm, CPU",
            records.cpu,
            peer.cpu,
            "500",
            f"durable after {records.wall:,.0f} ms{beside}",
        ),
        _row(
            "34,000 records of a storm and conditions, CPU", both.cpu, None, "500", f"durable after {both.wall:,.0f} ms"
        ),
        _row("34,000 records of their own, CPU", alone.cpu, peer.cpu, None, f"durable after {alone.wall:,.0f} ms"),
        _row("one record, durable", single.wall, None, None, "best of 200"),
        _row(f"last records of one tag among {found.records:,}", tag.wall, None, None, "best of 5"),
        _row("verify 100,000 records, CPU", verified_ms, None, None, "seals, names and indexes"),
    ]


def _row(what: str, ours: float, peer: float | None, reach: str | None, note: str) -> dict[str, Any]:
    return {"what": f"journal: {what}", "ours": ours, "peer": peer, "unit": "ms", "reach": reach, "note": note}


def _sqlite(path: Path, storms: list[list[Record]]) -> Took:
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute(f"CREATE TABLE r ({COLUMNS})")

    def write(records: list[Record]) -> None:
        plain = ((r.time_ns, "alarm", r.user, r.subject, r.text, str(r.data)) for r in records)
        db.execute("BEGIN IMMEDIATE")
        db.executemany("INSERT INTO r (t, kind, who, subject, text, data) VALUES (?, ?, ?, ?, ?, ?)", plain)
        db.execute("COMMIT")

    took = best([lambda r=r: write(r) for r in storms])  # type: ignore[misc]
    db.close()
    return took
