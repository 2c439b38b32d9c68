# SPDX-License-Identifier: Apache-2.0
"""Cabinets with three alarm rules each, a desk over a real journal whose disk obeys, for tests of what alarms do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from config.model import AlarmRule, Role
from config.words import Clock, cell_of
from historian.base import JournalFull, Later, Position, Query, Record, RecordKind, Row, Sheet, count
from historian.journal.journal import ChainJournal
from supervisor.alarms.conditions import Conditions
from supervisor.alarms.desk import AlarmDesk
from supervisor.alarms.engine import AlarmEngine
from supervisor.alarms.events import Acknowledge, Operator, Refused
from supervisor.alarms.happening import By
from supervisor.alarms.rules import RuleBook
from supervisor.alarms.shown import Entry
from supervisor.alarms.state import Isa
from supervisor.offload import Offload
from supervisor.people import User
from supervisor.plant.plant import Plant
from supervisor.tags.locality import Locality
from supervisor.tags.pool import StringPool
from supervisor.tags.table import TagTable
from tests.plants import TypeSpec, make_plant, tag
from tests.sim import loop as sim

S = 1_000_000_000
TEXT = {"fr": "Tension", "en": "Voltage"}
RULES: dict[str, dict[str, Any]] = {
    "Loss": {"on": "discrete", "tag": "Loss", "equals": True, "parent": True, "priority": "P2"},
    "V": {"on": "limit", "tag": "V", "high": 253, "high_high": 264, "priority": "P3", "priority_extreme": "P2"},
    "Trip": {"on": "discrete", "tag": "Trip", "equals": True, "priority": "P1", "latching": True},
}
TAGS = {"V": "Float", "Loss": "Boolean", "Trip": "Boolean"}
ANNE = By(User("anne", Role.OPERATOR), "desk 1", "vu")
LEA = By(User("lea", Role.ENGINEER), "desk 2")


class Disk:
    """A real journal whose disk can be told to refuse, or to be slow."""

    def __init__(self, journal: ChainJournal) -> None:
        self.journal = journal
        self.refuses = False
        self.slow = asyncio.Event()
        self.slow.set()
        self.appends: list[int] = []
        self.asked: list[str] = []

    async def append_with(
        self, records: Sequence[Record | Sheet], rows: Sequence[Row], later: Later | None = None
    ) -> Sequence[Position]:
        await self.slow.wait()
        if self.refuses:
            raise JournalFull("journal: no space left on the disk; free some")
        self.appends.append(count(records))
        return await self.journal.append_with(records, rows, later)

    async def rows(self, table: str) -> list[tuple[bytes, bytes]]:
        return await self.journal.rows(table)

    async def query(self, query: Query) -> Any:
        self.asked.append(query.subject)
        return await self.journal.query(query)


class Post:
    """N cabinets, a desk, a journal in a folder."""

    def __init__(
        self, folder: Path, n: int = 3, names: Sequence[str] | None = None, clock: Clock | None = None
    ) -> None:
        self.folder = folder
        self.names = list(names or [f"21000/CAB-{i + 1:04d}" for i in range(n)])
        self.rules = {name: AlarmRule.model_validate({"text": TEXT} | rule) for name, rule in RULES.items()}
        self.clock = clock or sim.clock()
        self.offload = Offload()
        self.epoch = 0
        self.refuses = False

    async def open(
        self, names: Sequence[str] | None = None, old: dict[str, str] | None = None, life: str = "in service"
    ) -> Post:
        self.epoch += 1
        self.names = list(names or self.names)
        self.plant: Plant = make_plant({"CAB": TypeSpec({t: tag(k) for t, k in TAGS.items()})}, {"CAB": self.names})
        cabinets = self.plant.types["CAB"]
        self.plant.types["CAB"] = replace(cabinets, life=(life, *cabinets.life[1:]))  # of the first
        self.plant.old_names.update(old or {})
        self.journal = await ChainJournal.open(self.folder, self.epoch, self.offload.run, reserve_size=0)
        self.disk = Disk(self.journal)
        self.disk.refuses = self.refuses
        self.table = TagTable(self.plant, StringPool(), self.clock.wall_ns())
        everything = np.arange(self.plant.rows)
        self.table.put(everything, np.zeros(len(everything), np.int64), np.zeros(len(everything), np.uint32), 0)
        engine = AlarmEngine(Conditions(RuleBook(self.plant, {"CAB": self.rules}), Locality(47.3, 5.0, "Europe/Paris")))
        self.desk = AlarmDesk(engine, self.disk, self.clock, self.offload.run)
        await self.desk.restore()
        self.desk.start()
        return self

    async def close(self) -> None:
        await self.desk.close()
        await self.journal.close()

    def set(self, name: str, value: float, *, status: int = 0) -> None:
        """'CAB-0001/V', or 'V' of all."""
        equipment, _, label = name.rpartition("/")
        block = self.plant.types["CAB"].blocks[label]
        rows = np.arange(block.start, block.start + block.count)
        if equipment:
            rows = rows[[i for i, path in enumerate(self.names) if path.endswith(equipment)]]
        cells = np.full(len(rows), cell_of(block.info.kind, value))
        self.table.put(rows, cells, np.full(len(rows), status, np.uint32), self.clock.wall_ns())

    async def scan(self, seconds: float = 1.0) -> None:
        """Let time pass, scan, and let the disk do its work."""
        await asyncio.sleep(seconds)
        self.desk.watch(self.table, self.clock.wall_ns())
        await self.settle()

    async def settle(self) -> None:
        while self.desk.writer.waiting and not self.desk.writer.error and self.disk.slow.is_set():
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.001)

    def entry(self, name: str) -> Entry | None:
        condition = self.desk.book.find(f"21000/{name}")
        assert condition is not None
        return self.desk.shown.entries.get(condition)

    def state(self, name: str) -> Isa:
        entry = self.entry(name)
        return Isa.NORM if entry is None else entry.live.state.flat

    def seen(self, name: str) -> Entry:
        entry = self.entry(name)
        assert entry is not None, f"{name} is not shown"
        return entry

    async def act(self, name: str, event: Operator, by: By = ANNE) -> Refused | None:
        return await self.desk.act(f"21000/{name}", event, by)

    async def ack(self, name: str, by: By = ANNE) -> Refused | None:
        return await self.act(name, Acknowledge(self.seen(name).live.state.occurrence_ns), by)

    async def told(self) -> list[str]:
        """The journal's alarm records: 'name what'."""
        found = await self.journal.query(Query(kinds=frozenset({RecordKind.ALARM}), limit=10_000))
        return [f"{e.record.subject.partition('/')[2]} {e.record.data['what']}" for e in found.entries]


def story(folder: Path, tell: Callable[[Post], Awaitable[None]], n: int = 3) -> None:
    async def main() -> None:
        post = await Post(folder, n).open()
        try:
            await tell(post)
        finally:
            post.disk.slow.set()
            await post.close()
            post.offload.close()

    sim.run(main(), debug=False)
