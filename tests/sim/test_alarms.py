# SPDX-License-Identifier: Apache-2.0
"""Alarms of a running plant in virtual time: Sennecey's simulated cabinets, a real journal, the alarm desk between."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from random import Random

from config.model import Role, Site
from historian.base import Query, Record, RecordKind
from historian.journal.journal import ChainJournal
from supervisor.alarms.desk import AlarmDesk, make_engine
from supervisor.alarms.events import Acknowledge, Refused, Shelve
from supervisor.alarms.happening import By
from supervisor.alarms.lists import children
from supervisor.alarms.state import Isa
from supervisor.control.alarm_view import LISTS
from supervisor.core import Core
from supervisor.demo.field import FieldSimulator
from supervisor.offload import Offload
from supervisor.people import User
from tests.sim.loop import clock, run
from tests.sim.test_core import at_endpoints
from tests.sites import PROTOCOLS, compiled, lighting, paced, sennecey

NIGHT = datetime(2026, 1, 5, 18, 0, tzinfo=UTC)
ANNE = By(User("anne", Role.SUPERVISOR), "desk 1")
HOUR_NS = 3600 * 1_000_000_000


class Town:
    """The field, and a server that can be stopped and started."""

    def __init__(self, folder: Path, site: Site, field: FieldSimulator, scan_s: float = 0.5) -> None:
        self.folder = folder
        self.site = paced(site, scan_s)
        self.field = field
        self.offload = Offload()
        self.epoch = 0

    async def start(self) -> None:
        self.epoch += 1
        plant = at_endpoints(compiled(self.site), self.field)
        rate = self.rate
        self.core = Core.build(
            self.site, plant, PROTOCOLS, clock(), Random(1), lambda: {"post.up": 1, "alarms.rate": rate()}
        )
        self.journal = await ChainJournal.open(self.folder, self.epoch, self.offload.run, reserve_size=0)
        self.desk = AlarmDesk(
            make_engine(self.site, plant, self.core.host.identities), self.journal, clock(), self.offload.run
        )
        await self.desk.restore()
        self.desk.start()
        self.core.scan.watchers = (self.desk.watch,)
        self.running = asyncio.create_task(self.core.run(lambda: None))

    def rate(self) -> int:
        return self.desk.annunciated()

    async def stop(self) -> None:
        self.running.cancel()
        await asyncio.gather(self.running, return_exceptions=True)
        await self.desk.close()
        await self.journal.close()

    def standing(self) -> list[str]:
        """What is before the operator."""
        book = self.desk.book
        return sorted(book.name(c) for c, e in self.desk.shown if LISTS["active"](e, book.block(c).rule))

    async def announced(self) -> list[str]:
        return [r.subject for r in await self.records() if r.data.get("announced")]

    async def records(self) -> list[Record]:
        found = await self.journal.query(Query(kinds=frozenset({RecordKind.ALARM}), limit=10_000))
        return [e.record for e in found.entries]

    def states(self) -> dict[str, Isa]:
        return {self.desk.book.name(c): e.live.state.flat for c, e in self.desk.shown}

    async def ack(self, name: str) -> Refused | None:
        condition = self.desk.book.find(name)
        assert condition is not None
        return await self.desk.act(name, Acknowledge(self.desk.shown.entries[condition].live.state.occurrence_ns), ANNE)


def live(folder: Path, story: Callable[[Town], Awaitable[None]], site: Site | None = None, scan_s: float = 0.5) -> None:
    """Run field and server and tell them a story; `site`: another one than Sennecey's lighting."""
    site = site or lighting(sennecey())

    async def main() -> None:
        field = FieldSimulator(site, clock(), ports="os", seed=1)
        await field.start()
        town = Town(folder, site, field, scan_s)
        await town.start()
        try:
            await story(town)
        finally:
            await town.stop()
            await field.stop()
            town.offload.close()

    run(main(), start=NIGHT, debug=False)


def test_a_quiet_evening_announces_nothing(tmp_path: Path) -> None:
    """All of Sennecey, for longer than every delay of its rules up to five minutes."""

    async def story(town: Town) -> None:
        await asyncio.sleep(330)
        assert await town.announced() == [] and town.standing() == []
        row = town.core.plant.row("21605/SYS-0001/AlmRate")
        assert row is not None and town.core.table.value(row) == 0.0

    live(tmp_path, story, sennecey(), scan_s=1.0)


def test_a_cabinet_that_loses_its_supply_is_one_alarm_with_its_children(tmp_path: Path) -> None:
    """Cut, acknowledged, restarted in the middle, back again: one alarm before the operator all along."""
    loss = "21605/CAB-0003/Supply_Loss"

    async def story(town: Town) -> None:
        await asyncio.sleep(130)
        town.field.turn("21605/CAB-0003.controller", "supply off")
        await asyncio.sleep(200)
        assert await town.announced() == [loss] and town.standing() == [loss]
        under = children(town.desk.engine, loss).suppressed
        assert "21605/CAB-0003/V1_limits" in under and "21605/CAB-0003/K1_Fb_stuck_off" in under
        row = town.core.plant.row("21605/SYS-0001/AlmRate")
        assert row is not None and town.core.table.value(row) == 1.0
        assert await town.ack(loss) is None
        shelved = "21605/CAB-0002/V1_limits"
        assert await town.desk.act(shelved, Shelve(HOUR_NS, "compteur en panne"), ANNE) is None
        before, told = dict(town.states()), len(await town.records())

        await town.stop()
        await asyncio.sleep(20)
        await town.start()
        assert town.states() == before
        await asyncio.sleep(120)
        assert town.standing() == [loss] and town.states()[loss] is Isa.ACKED
        assert town.states()[shelved] is Isa.SHLVD
        whats = [r.data["what"] for r in (await town.records())[told:]]
        assert not {"alarm", "acknowledged", "suppressed", "shelved"} & set(whats), whats

        town.field.turn("21605/CAB-0003.controller", "supply on")
        await asyncio.sleep(200)
        assert town.standing() == [] and set(town.states()) == {shelved}
        assert await town.announced() == [loss]

    live(tmp_path, story)


def test_cabinets_that_fall_silent_are_one_alarm_each_and_what_they_hide_is_unknown(tmp_path: Path) -> None:
    async def story(town: Town) -> None:
        await asyncio.sleep(130)
        town.field.turn("21605/CAB-0001.controller", "hang 900 s")
        await asyncio.sleep(420)
        (comm,) = town.standing()
        assert comm.startswith("21605/CAB-0001/Comm") and await town.announced() == [comm]
        assert len(children(town.desk.engine, comm).blinded) > 20
        assert town.desk.counts().unevaluable > 20

    live(tmp_path, story)


def test_s1_a_feeder_that_is_cut_is_one_alarm_with_its_cabinets(tmp_path: Path) -> None:
    """Storm S1 in a running plant: nine cabinets go dark at once, the operator sees their feeder."""
    lost = "21605/FDR-0001/Supply_lost"

    async def story(town: Town) -> None:
        await asyncio.sleep(130)
        town.field.turn("FDR-0001", "supply off")
        await asyncio.sleep(200)
        assert await town.announced() == [lost] and town.standing() == [lost]
        fed = town.core.plant.types["CAB"].fed_by
        dark = [path for path, by in zip(town.core.plant.types["CAB"].equipment, fed, strict=True) if by in lost]
        under = children(town.desk.engine, lost).suppressed
        assert len(dark) == 9 and {f"{path}/Supply_Loss" for path in dark} <= set(under)
        assert await town.ack(lost) is None
        town.field.turn("FDR-0001", "supply on")
        await asyncio.sleep(300)
        assert town.standing() == [] and await town.announced() == [lost]

    live(tmp_path, story)
