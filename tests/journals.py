# SPDX-License-Identifier: Apache-2.0
"""Journals in folders, records for them, and somebody with a database tool: for tests of the journal."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from historian.base import Record, RecordKind
from historian.journal import schema
from historian.journal.journal import ChainJournal
from historian.journal.reading import ChainReader
from historian.journal.store import ChainStore
from supervisor.offload import Offload

MIB = 2**20


def record(i: int, text: str = "", user: str = "anne", **fields: Any) -> Record:
    return Record(
        1_766_300_000_000_000_000 + i,
        RecordKind.COMMAND,
        user,
        "21605/CAB-0003/K1_Cmd",
        text or f"n° {i}\nline",
        {"value": i, "level": 0.5, "on": True, "none": None},
    )


def by(text: str = "erased on request") -> Record:
    return Record(5, RecordKind.PERSON, "lea", "", text)


@contextmanager
def opened(folder: Path, epoch: int = 1, **kw: Any) -> Iterator[ChainStore]:
    store = ChainStore(folder, epoch, **({"reserve_size": 0} | kw))
    try:
        yield store
    finally:
        store.close()


def entries(store: ChainStore, n: int = 1000) -> list[Any]:
    reader = ChainReader(store.path, store.post)
    try:
        return reader.tail(n)
    finally:
        reader.close()


def texts(store: ChainStore, n: int = 1000) -> list[str]:
    return [e.record.text for e in entries(store, n)]


def outside(folder: Path, *statements: str) -> None:
    """Somebody with a database tool and the rights to use it."""
    db = sqlite3.connect(folder / schema.FILE, isolation_level=None)
    for trigger in ("records_stay", "records_hold", "sheets_stay", "sheets_hold", "persons_stay"):
        db.execute(f"DROP TRIGGER IF EXISTS {trigger}")
    for statement in statements:
        db.execute(statement)
    db.close()


def with_journal(folder: Path, scenario: Callable[[ChainJournal], Awaitable[None]], **kw: Any) -> None:
    async def main() -> None:
        offload = Offload(2)
        journal = await ChainJournal.open(folder, 3, offload.run, **({"reserve_size": MIB} | kw))
        try:
            await scenario(journal)
        finally:
            await journal.close()
            offload.close()

    asyncio.run(main())
