# SPDX-License-Identifier: Apache-2.0
# Tests: tests/system/test_server.py, tests/system/test_demo_cli.py
"""The server: what is made in which order, and unmade in the reverse one.

Law of this file: wiring, top to bottom, no logic. Whatever is opened is closed by the exit stack, in reverse:

    state folder, offload, journal, catalogue and plant, people, core and its last values, history,
    alarms,
    commands, OPC UA, control socket, HTTP, connect.json  ->  ready

An error on the way is one sentence and exit 1. Afterwards a part that ends by itself is a bug and ends the server:
systemd starts it again, with everything where it was.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from random import SystemRandom
from typing import Any, Final

from config.model import Site
from drivers import registry
from historian.base import JournalError, Plain, Record, RecordKind
from historian.catalogue import Catalogue, CatalogueDamaged, ForeignCatalogue
from historian.journal.journal import ChainJournal
from supervisor import memory
from supervisor.alarms.desk import AlarmDesk, make_engine
from supervisor.clock import SystemClock
from supervisor.commands.commands import Commands
from supervisor.commands.guard import guard_permit
from supervisor.commands.permit import StandingPermit, next_epoch
from supervisor.commands.proof import AGE_MAX_S, ProofOfLife
from supervisor.commands.unfinished import end_unfinished
from supervisor.connect import Connect, Login, add_demo_users, remove_connect, write_connect
from supervisor.control.certs import Certs
from supervisor.control.door import ControlDoor
from supervisor.control.operations import Server
from supervisor.core import Core
from supervisor.descriptors import open_files
from supervisor.failure import Failure
from supervisor.fieldmap import at_field_map
from supervisor.fitness import Fitness
from supervisor.hmi.contract import HmiError, HmiSettings, Limits
from supervisor.hmi.entrance.certificates import forget_offline_notes, take_offline_notes
from supervisor.hmi.model.outlook import Outlook
from supervisor.hmi.server import HmiServer
from supervisor.jobs import Jobs
from supervisor.keeping import Keeper
from supervisor.machine import Machine
from supervisor.notify import READY, STOPPING, WATCHDOG, Notifier
from supervisor.offload import Offload
from supervisor.options import RunOptions
from supervisor.people import People
from supervisor.plant.compile import compile_plant
from supervisor.plant.plant import Plant
from supervisor.recording.history import History
from supervisor.replacing import Replacer
from supervisor.state import StateFolder
from supervisor.telling import Telling
from supervisor.vitals import Vitals, certificate_days
from supervisor.web.server import WebServer

log = logging.getLogger(__name__)

BEAT_S: Final = 0.25  # how often the loop shows that it lives


def run_server(site: Site, options: RunOptions) -> int:
    """Run the server of a site until it is told to stop. Returns the exit code.

    Raises:
        Failure: it cannot start; one sentence.
    """
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(App(site, options).run())


class App:
    """One server, from start to stop."""

    def __init__(self, site: Site, options: RunOptions) -> None:
        self.site = site
        self.options = options
        self.clock = SystemClock()
        self.offload = Offload()
        self.notifier = Notifier()
        self.proof = ProofOfLife(self.clock, ("scan", "loop"), max(AGE_MAX_S, 3 * site.model.scan))
        self.started_ns = self.clock.wall_ns()
        self.vitals = Vitals(self.offload)
        self._told = asyncio.Event()
        self._alive = asyncio.Event()

    async def run(self) -> int:
        """Open everything, live, close everything."""
        async with AsyncExitStack() as stack:
            stack.callback(self.notifier.close)
            stack.callback(self.offload.close)
            self._listen_to_signals(stack)
            gc.disable()  # nothing that is made at start is garbage, and there is a lot of it to look at
            try:
                await self._open(stack)
                memory.settle()
            finally:
                gc.enable()
            try:
                return await self._live(stack)
            finally:
                self.notifier.send(STOPPING)
        raise AssertionError("the exit stack swallows nothing")

    def _listen_to_signals(self, stack: AsyncExitStack) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.stop, signal.Signals(number).name)
            stack.callback(loop.remove_signal_handler, number)

    def stop(self, why: str) -> None:
        """Ask the server to end in order."""
        if not self._told.is_set():
            log.info("stopping: %s", why)
            self._told.set()

    # --- opening

    async def _open(self, stack: AsyncExitStack) -> None:
        state_dir = self.options.state_dir
        state = await self.offload.run(lambda: StateFolder(state_dir, self.site.model.site))
        stack.callback(state.close)
        remove_connect(state_dir)  # of one that was killed: its doors are gone, its passwords too
        self.epoch = await self.offload.run(lambda: next_epoch(state_dir))
        await self._open_journal(stack, state_dir)
        self.people = People.of(self.site.users, self.site.model.organisations)
        self.plant, logins = await asyncio.gather(self.offload.run(self._compile), self._add_logins())
        self.site.forget_instances()
        await self._open_core(stack)
        await self._open_history(stack)
        await self._open_alarms(stack)
        self.permits = StandingPermit(self.epoch, self.proof)
        self.commands = Commands(
            self.plant,
            self.core.table,
            self.core.host,
            self.journal,
            self.permits,
            self.clock,
            seen=self.core.inbox.batch,
        )
        await end_unfinished(self.journal, self.clock)
        await self._open_hmi(stack)
        self.telling = self._telling()
        await self._open_control(stack)
        await self._open_web(stack)
        hmi = self.hmi
        self._connect = Connect(hmi.endpoint, hmi.insecure_endpoint, self.web.url, logins, hmi.certificate_path)

    async def _open_journal(self, stack: AsyncExitStack, state_dir: Path) -> None:
        try:
            self.journal = await ChainJournal.open(state_dir / "journal", self.epoch, self.offload.run)
        except JournalError as e:
            raise Failure(str(e)) from e
        stack.push_async_callback(self.journal.close)

    async def _add_logins(self) -> list[Login]:
        """Of a demo; hashing passwords leaves a core to the plant that is compiled meanwhile."""
        return await self.offload.run(lambda: add_demo_users(self.people)) if self.options.demo else []

    def _compile(self) -> Plant:
        """Blocking: catalogue and field map are files."""
        try:
            catalogue = Catalogue(self.options.state_dir / "catalogue.sqlite", self.site.model.site)
        except (ForeignCatalogue, CatalogueDamaged) as e:
            raise Failure(str(e)) from e
        try:
            plant = compile_plant(self.site, lambda n, k, was: catalogue.assign(n, k, was, self.started_ns))
        finally:
            catalogue.close()
        return plant if self.options.field_map is None else at_field_map(plant, self.options.field_map)

    async def _open_core(self, stack: AsyncExitStack) -> None:
        used = {d.protocol for d in self.plant.devices}
        try:
            protocols = self.protocols = registry.protocols(used)
            self.core = Core.build(self.site, self.plant, protocols, self.clock, SystemRandom(), self._measured)
            open_files(self.core.host.links)
            engine = make_engine(self.site, self.plant, self.core.host.identities)
        except (registry.ProtocolUnavailable, ValueError) as e:
            raise Failure(str(e)) from e
        self.alarms = AlarmDesk(engine, self.journal, self.clock, self.offload.run)
        self.keeper = Keeper(self.core, self.options.state_dir, self.epoch, self.clock, self.offload)
        await self.keeper.restore()
        state_dir, run = self.options.state_dir, self.offload.run
        self.replacer = Replacer(self.core.table, self.core.host, self.journal, self.clock, state_dir, run)
        try:
            await self.replacer.restore()
        except ValueError as e:
            raise Failure(str(e)) from e
        stack.push_async_callback(self.keeper.save)

    async def _open_history(self, stack: AsyncExitStack) -> None:
        """Before the first scan: it records the first one too. Closed after the last one."""
        zone = self.site.model.time_zone
        try:
            self.history = await History.open(self.options.state_dir, self.core.table, self.clock, self.epoch, zone)
        except ValueError as e:
            raise Failure(str(e)) from e
        stack.push_async_callback(self.history.close)
        self.core.scan.consumers.append(self.history.recorder.take)
        self.jobs = Jobs(self.clock)
        self.history.start(self.jobs, self._prove)

    async def _open_alarms(self, stack: AsyncExitStack) -> None:
        """Before the first scan: whatever stood when the last server ended goes on."""
        try:
            await self.alarms.restore()
        except JournalError as e:
            raise Failure(str(e)) from e
        self.alarms.start()
        stack.push_async_callback(self.alarms.close)
        self.core.scan.watchers = (self.alarms.watch,)

    async def _open_hmi(self, stack: AsyncExitStack) -> None:
        """The operators' door. Closed before the scan ends, after every other door."""
        core, options, pki = self.core, self.options, self.options.state_dir / "pki"
        fitness = Fitness(self.proof, core.host, self.journal, self.history, self.keeper)
        self.hmi = HmiServer(
            self.plant,
            core.table,
            self.people,
            self.clock,
            self.offload,
            _hmi_settings(self.site, options),
            self.commands.put,
            Limits(sampling_ms_min=core.statistics.period_s * 1000),
            outlook=Outlook(health=fitness.health, device=core.host.device_status, version=_version()),
            desk=self.alarms,
            append=self.journal.append,
        )
        self.hmi.past, self.hmi.records = self.history, self.journal
        try:
            await self.hmi.start()
        except HmiError as e:
            raise Failure(str(e)) from e
        await self._journal_offline_changes(pki)
        stack.push_async_callback(self.hmi.stop)
        core.scan.consumers.append(self.hmi.scanned)
        core.scan.holders.append(self.hmi.texts)

    async def _open_control(self, stack: AsyncExitStack) -> None:
        """The engineer's door: a socket in the state folder."""
        state_dir = self.options.state_dir
        server = Server(
            self.core.table,
            self.commands,
            self.journal,
            self.clock,
            self.telling.status,
            self.core.host.status,
            self.stop,
            self.alarms,
            self.history,
            Certs(state_dir / "pki", self.journal, self.offload.run, self.hmi.renew_identity),
            self.core.host.probe,
            self.replacer,
        )
        door = ControlDoor(server, self.people, self.offload.run)
        await door.open(state_dir)
        stack.push_async_callback(door.close)

    async def _open_web(self, stack: AsyncExitStack) -> None:
        """The door for machines that only read."""
        http = self.site.model.http
        port = http.port if self.options.http_port is None else self.options.http_port
        self.web = WebServer(http.host, port, self.telling.status, self.hmi)
        await self.web.start()
        stack.push_async_callback(self.web.stop)

    def _telling(self) -> Telling:
        return Telling(
            site=self.site.model.site,
            version=_version(),
            epoch=self.epoch,
            started_ns=self.started_ns,
            plant=self.plant,
            core=self.core,
            proof=self.proof,
            journal=self.journal,
            keeper=self.keeper,
            commands=self.commands,
            alarms=self.alarms,
            history=self.history,
            people=self.people,
            hmi=self.hmi,
        )

    async def _journal_offline_changes(self, pki: Path) -> None:
        """What was done to certificates while no server ran."""
        if notes := await self.offload.run(lambda: take_offline_notes(pki)):
            records = [Record(at or self.started_ns, RecordKind.CONFIG, who, "", text) for at, who, text in notes]
            try:
                await self.journal.append(records)
            except JournalError as e:
                log.error("changes of certificates are not journalled yet: %s", e)
                return
            await self.offload.run(lambda: forget_offline_notes(pki))

    # --- living

    def _certificate_days(self) -> float | None:
        door, now_ns = self.hmi.certificate_days(), self.clock.wall_ns()
        return certificate_days(door, self.plant.devices, self.protocols, now_ns)

    async def _live(self, stack: AsyncExitStack) -> int:
        await self._say(f"server started, epoch {self.epoch}; {self.keeper.found}; {self.alarms.found}")
        if self.history.found:
            await self._say(f"history repaired: {self.history.found}")
        parts = [
            self.core.run(lambda: self._beat("scan")),
            self.keeper.run(),
            self._beat_on(),
            self.vitals.watch(Machine(self.options.state_dir), self._kept, self._certificate_days),
            self.alarms.run(),
            self.history.recorder.run(),
            self.jobs.run(),
            guard_permit(self.permits, self.clock, self.core.host.abort_writes),
        ]
        tasks = [asyncio.create_task(part) for part in parts]
        told = asyncio.create_task(self._told.wait())
        try:
            await self._announce(stack, [*tasks, told])
            await asyncio.wait([*tasks, told], timeout=self.options.for_s, return_when=asyncio.FIRST_COMPLETED)
            failed = [t for t in tasks if t.done()]
        finally:
            await self.commands.close()  # while the field still answers: what is under way gets its verdict
            for task in (*tasks, told):
                task.cancel()
            await asyncio.gather(*tasks, told, return_exceptions=True)
        for task in failed:
            log.critical("a part of the server has ended; this is a bug in Vigie", exc_info=task.exception())
        await self._say("server stopped" if not failed else "server stopped by an internal error")
        return 1 if failed else 0

    async def _announce(self, stack: AsyncExitStack, ends: Sequence[asyncio.Task[Any]]) -> None:
        """Tell everybody, once every part has shown that it lives; nobody, if one has ended or the server is to."""
        alive = asyncio.create_task(self._alive.wait())
        await asyncio.wait([alive, *ends], return_when=asyncio.FIRST_COMPLETED)
        alive.cancel()
        if any(end.done() for end in ends):
            return
        state_dir, connect = self.options.state_dir, self._connect
        await self.offload.run(lambda: write_connect(state_dir, connect))
        stack.callback(remove_connect, state_dir)
        self.notifier.send(READY, f"STATUS={self.plant.rows:,} tags, {len(self.plant.devices)} devices")
        log.info("ready: %s, %s", connect.endpoint, connect.http)

    async def _prove(self, text: str, data: Mapping[str, Plain]) -> None:
        await self.journal.append([Record(self.clock.wall_ns(), RecordKind.SERVER, "vigie", "", text, data)])

    async def _say(self, text: str) -> None:
        try:
            await self.journal.append([Record(self.clock.wall_ns(), RecordKind.SERVER, "vigie", "", text)])
        except JournalError as e:
            log.error("not journalled: %s: %s", text, e)

    def _beat(self, part: str) -> None:
        self.proof.beat(part)
        if not self._alive.is_set() and not self.proof.late():
            self._alive.set()

    async def _beat_on(self) -> None:
        """The loop's own proof of life; feeds systemd's watchdog while every part gives its own."""
        interval_s = min(BEAT_S, (self.notifier.watchdog_s or 1.0) / 4)
        while True:
            self._beat("loop")
            if not self.proof.late():
                self.notifier.send(WATCHDOG)
            await asyncio.sleep(interval_s)

    def _kept(self) -> bool:
        """Whether all that must be kept is being kept."""
        journal = self.journal.status()
        kept = not self.keeper.error and journal.error is None and journal.reserve is None
        return kept and not self.history.refused

    def _measured(self) -> Mapping[str, float | None]:
        """What this post says of itself in its next scan."""
        values = self.vitals.values
        values["alarms.rate"] = self.alarms.annunciated()
        values |= self.alarms.places()
        values["history.waiting"] = self.history.waiting
        return values


def _hmi_settings(site: Site, options: RunOptions) -> HmiSettings:
    opcua = site.model.opcua
    return HmiSettings(
        host=opcua.host,
        port=opcua.port if options.port is None else options.port,
        site=site.model.site,
        state_dir=options.state_dir,
        insecure_loopback=options.insecure_loopback,
        accept_unknown_certificates=options.accept_unknown_certificates,
    )


def _version() -> str:
    from supervisor.cli.main import own_version

    return own_version()
