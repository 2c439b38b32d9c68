# SPDX-License-Identifier: Apache-2.0
"""Two cabinets and their field, for tests of what commands, shows and reads them: a hand-made plant, a real table, a
real journal, real commands; the wire is `Field`, which offers what the driver host offers and can misbehave.
"""

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from config.model import Role
from config.words import Access, Batch, Clock, Outcome, Permit, StatusCode, Verdict
from drivers.base import DeviceSilent, DeviceSpec, WriteItem, WriteOutcome
from historian.base import Entry
from historian.journal.journal import ChainJournal
from supervisor.clock import SystemClock
from supervisor.commands import values
from supervisor.commands.commands import Commands
from supervisor.offload import Offload
from supervisor.people import User
from supervisor.plant.plant import Plant
from supervisor.tags.pool import StringPool
from supervisor.tags.table import TagTable
from tests.plants import TypeSpec, make_plant, tag
from tests.sim import loop as sim

ANNE = User("anne", Role.OPERATOR)
EVE = User("eve", Role.VIEWER)
LEA = User("lea", Role.ENGINEER)
NAMES = ["21605/CAB-0001", "21605/CAB-0002"]


def plant(**changes: Any) -> Plant:
    rw = Access.RW
    tags = {
        "Cmd": dataclasses.replace(tag("Boolean", access=rw), confirm=("Fb", 5.0), command="order"),
        "Fb": tag("Boolean"),
        "Level": dataclasses.replace(tag("Float", access=rw, span=(0.0, 100.0), unit="%"), scale=0.1, command="order"),
        "Mode": tag("Enumeration", access=rw, values=("none", "on", "off")),
        "Until": tag("DateTime", access=rw),
        "Text": tag("String", access=rw),
        "Reset": dataclasses.replace(tag("Boolean", access=Access.W), command="act"),
        "Comm": tag("Boolean"),
        "Lux": tag("Float", access=rw, supported=False),
        "Calc": tag("Float", access=rw),
    }
    made = make_plant({"CAB": TypeSpec(tags)}, {"CAB": NAMES})
    blocks = made.types["CAB"].blocks
    wired = [b for b in blocks.values() if b.tag not in ("Comm", "Calc")]
    devices = tuple(
        DeviceSpec(
            name=f"{name}.controller",
            protocol="hand",
            device=None,
            points=(),
            rows=np.array([b.start + i for b in wired], np.int64),
            polls={},
            comm_rows=np.array([blocks["Comm"].start + i], np.int64),
        )
        for i, name in enumerate(NAMES)
    )
    return dataclasses.replace(made, devices=devices, **changes)


class Field:
    """Two devices and their wire, as the driver host offers them: they hold raw cells and can misbehave."""

    def __init__(self, plant: Plant, table: TagTable) -> None:
        self.plant, self.table = plant, table
        self.raw: dict[tuple[int, int], tuple[int, str | None]] = {}
        self.left: list[tuple[int, int]] = []  # bytes that left: (device, point)
        self.answer: Callable[[WriteItem], WriteOutcome | Exception] = lambda _i: WriteOutcome(Outcome.ACCEPTED)
        self.keeps: Callable[[int], int] = lambda cell: cell
        self.read_error: Exception | None = None
        self.effect_s: float | None = 0.5
        self.write_s = 0.05
        self.busy_s = 0.0  # how long its link is another's, and how late the permit is looked at
        self.effects: set[asyncio.Task[None]] = set()
        self.journalled: Callable[[], Awaitable[int]] | None = None
        self.records_at_write: list[int] = []

    async def write(
        self, device: int, items: Sequence[WriteItem], permit: Permit, timeout_s: float
    ) -> Sequence[WriteOutcome]:
        if self.journalled is not None:
            self.records_at_write.append(await self.journalled())
        await asyncio.sleep(self.busy_s)
        if not permit.valid(now().boot_s()):
            return [WriteOutcome(Outcome.REFUSED, "the permit to write has ended; no byte left")]
        self.left.append((device, items[0].point))
        await asyncio.sleep(self.write_s)
        answer = self.answer(items[0])
        if isinstance(answer, Exception):
            raise answer
        if answer.outcome is Outcome.ACCEPTED:
            self.raw[device, items[0].point] = self.keeps(items[0].cell), items[0].text
            if self.effect_s is not None:
                task = asyncio.create_task(self._effect(device, items[0].cell))
                self.effects.add(task)
                task.add_done_callback(self.effects.discard)
        return [answer]

    async def _effect(self, device: int, cell: int) -> None:
        assert self.effect_s is not None
        await asyncio.sleep(self.effect_s)
        row = self.plant.types["CAB"].blocks["Fb"].start + device
        set_value(self.table, row, cell)

    async def read_back(
        self, device: int, points: Sequence[int], timeout_s: float
    ) -> Sequence[tuple[int, int, str | None]]:
        if self.read_error is not None:
            raise self.read_error
        if (device, points[0]) not in self.raw:
            raise DeviceSilent("nobody ever wrote it")
        cell, text = self.raw[device, points[0]]
        return [(cell, 0, text)]


def set_value(table: TagTable, row: int, cell: int, status: StatusCode = StatusCode.Good) -> None:
    rows = np.array([row])
    table.put(rows, np.array([cell], np.int64), np.array([status], np.uint32), now().wall_ns())


def now() -> Clock:
    return sim.clock() if isinstance(asyncio.get_running_loop(), sim.VirtualLoop) else SystemClock()


class Permits:
    def __init__(self) -> None:
        self.deadline_s = float("inf")

    def current(self) -> Permit:
        return Permit(4, self.deadline_s)


@dataclasses.dataclass
class Post:
    plant: Plant
    table: TagTable
    field: Field
    journal: ChainJournal
    permits: Permits
    commands: Commands
    seen: list[Batch]
    offload: Offload
    clock: Clock

    def row(self, name: str) -> int:
        row = self.plant.row(f"21605/CAB-000{name}")
        assert row is not None
        return row

    async def put(self, name: str, value: values.Asked, user: User = ANNE, note: str = "") -> tuple[Verdict, str, str]:
        result = await self.commands.put(user, self.row(name), value, "test", note)
        return result.verdict, result.status.name, result.reason

    async def records(self) -> list[Entry]:
        return await self.journal.tail(100)


def with_post(
    tmp_path: Path,
    scenario: Callable[[Post], Awaitable[None]],
    made: Plant | None = None,
    *,
    real: bool = False,
    **kw: Any,
) -> None:
    """Run a scenario over a real journal, in virtual time unless `real`."""

    async def main() -> None:
        p = made or plant()
        clock: Clock = SystemClock() if real else sim.clock()
        table = TagTable(p, StringPool(), clock.wall_ns())
        offload = Offload(1)
        journal = await ChainJournal.open(tmp_path / "journal", 4, offload.run, reserve_size=0)
        field, permits = Field(p, table), Permits()
        seen: list[Batch] = []
        commands = Commands(p, table, field, journal, permits, clock, seen.append, **kw)
        try:
            await scenario(Post(p, table, field, journal, permits, commands, seen, offload, clock))
        finally:
            await commands.close()
            await asyncio.gather(*field.effects)
            await journal.close()
            offload.close()

    if real:
        asyncio.run(main())
    else:
        sim.run(main())
