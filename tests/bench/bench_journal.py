# SPDX-License-Identifier: Apache-2.0
"""An alarm storm written down: 34,000 records in one append, beside SQLite alone with the same columns."""

from __future__ import annotations

import sqlite3
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from historian.base import Plain, Query, Record, RecordKind, Row
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


def storm(k: int) -> list[Record]:
    """One condition for each of 34,000 tags, in no order."""
    names = [f"21{600 + i % 24}/CAB-{i * 7919 % 850:04d}/V{i % 56}" for i in range(k, STORM + k)]
    return [Record(k * STORM + i, RecordKind.ALARM, "vigie", name, TEXT, DATA) for i, name in enumerate(names)]


def best(jobs: list[Callable[[], object]]) -> float:
    """Median wall time [ms]: what an operator waits."""
    took = []
    for job in jobs:
        begun = time.perf_counter()
        job()
        took.append((time.perf_counter() - begun) * 1000)
    return sorted(took)[len(took) // 2]


def rows() -> list[dict[str, Any]]:
    """Rows of the table."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        return _rows(Path(folder))


def _rows(folder: Path) -> list[dict[str, Any]]:
    store = ChainStore(folder / "journal", 1)
    storms = [storm(k) for k in range(ROUNDS)]
    conditions = [[Row("conditions", r.subject.encode(), bytes(120)) for r in records] for records in storms]
    records_ms = best([lambda r=r: store.append(r) for r in storms])  # type: ignore[misc]
    store.checkpoint(0)
    with_rows_ms = best([lambda r=r, c=c: store.append(r, c) for r, c in zip(storms, conditions, strict=True)])  # type: ignore[misc]
    store.checkpoint(0)
    single_ms = best([lambda r=r: store.append([r]) for r in storms[0][:200]])  # type: ignore[misc]
    reader = ChainReader(store.path, 1)
    tag_ms = best([lambda: reader.find(Query(subject=storms[0][77].subject), None, 100)] * 5)
    reader.close()
    store.close()
    begun = time.perf_counter()
    found = verify(folder / "journal")
    verified = found.records / (time.perf_counter() - begun)
    peer_ms = _sqlite(folder / "peer.sqlite", storms)
    return [
        _row(
            "34,000 records in one append, durable", records_ms, peer_ms, "ms", "500", "peer: SQLite, no chain or index"
        ),
        _row("34,000 records and 34,000 condition rows", with_rows_ms, None, "ms", "500", "one transaction"),
        _row("one record, durable", single_ms, None, "ms", None, "median of 200"),
        _row(f"last records of one tag among {found.records:,}", tag_ms, None, "ms", None, "median of 5"),
        _row("verify", verified / 1000, None, "1000 records/s", None, "seals and indexes"),
    ]


def _row(what: str, ours: float, peer: float | None, unit: str, reach: str | None, note: str) -> dict[str, Any]:
    return {"what": f"journal: {what}", "ours": ours, "peer": peer, "unit": unit, "reach": reach, "note": note}


def _sqlite(path: Path, storms: list[list[Record]]) -> float:
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute(
        "CREATE TABLE r (id INTEGER PRIMARY KEY, t INTEGER, kind TEXT, who TEXT, subject TEXT, text TEXT, data TEXT)"
    )

    def write(records: list[Record]) -> None:
        plain = ((r.time_ns, "alarm", r.user, r.subject, r.text, str(r.data)) for r in records)
        db.execute("BEGIN IMMEDIATE")
        db.executemany("INSERT INTO r (t, kind, who, subject, text, data) VALUES (?, ?, ?, ?, ?, ?)", plain)
        db.execute("COMMIT")

    took = best([lambda r=r: write(r) for r in storms])  # type: ignore[misc]
    db.close()
    return took
