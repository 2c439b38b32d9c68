# SPDX-License-Identifier: Apache-2.0
# Tests: tests/sim/test_core.py
"""Everything between the wires and the doors, for one generation of one plant.

Law of this file: puts together, decides nothing. No door, no file, no signal: those are `supervisor.app`'s. So a test
can run a whole plant in virtual time with nothing but this.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

from config.model import Site
from config.words import NS_PER_S, Clock
from drivers.base import ProtocolSpec
from drivers.host import Host
from drivers.sink import HostLimits
from supervisor.plant.plant import Plant
from supervisor.tags.calc import Program
from supervisor.tags.freshness import Freshness
from supervisor.tags.inbox import Inbox
from supervisor.tags.locality import locality_of
from supervisor.tags.pace import ScanStatistics, scan_forever
from supervisor.tags.pool import StringPool
from supervisor.tags.scan import Scan
from supervisor.tags.system import Measurements, SystemTags
from supervisor.tags.table import TagTable


@dataclass(slots=True)
class Core:
    """One running plant."""

    plant: Plant
    table: TagTable
    program: Program
    inbox: Inbox
    host: Host
    scan: Scan
    statistics: ScanStatistics
    clock: Clock

    @classmethod
    def build(
        cls,
        site: Site,
        plant: Plant,
        protocols: Mapping[str, ProtocolSpec],
        clock: Clock,
        random: Random,
        measurements: Measurements,
        limits: HostLimits | None = None,
    ) -> Core:
        """Put a plant together; nothing runs yet. Called on the loop.

        Raises:
            ValueError: a driver cannot plan a device's points, or an expression does not fit; `vigie check` says it
                earlier and with file and line.
        """
        inbox = Inbox()
        table = TagTable(plant, StringPool(site.model.strings_max), clock.wall_ns())
        program = Program(plant, locality_of(site))
        host = Host(plant.devices, protocols, clock, inbox, random, limits or HostLimits())
        freshness = Freshness(
            [r.rows for r in host.requests],
            [
                plant.devices[d].polls[r.exchange.poll]
                for r, d in zip(host.requests, host.device_of_request, strict=True)
            ],
            host.device_of_request,
            len(plant.devices),
            int(clock.boot_s() * NS_PER_S),
        )
        scan = Scan(table, inbox, freshness, program, SystemTags(plant, measurements))
        return cls(plant, table, program, inbox, host, scan, ScanStatistics(site.model.scan), clock)

    async def run(self, beat: Callable[[], None]) -> None:
        """Poll the field and scan until cancelled.

        Args:
            beat: called after every pass; the proof that the scan lives.
        """
        self.scan.consumers.append(lambda _changes: beat())
        await self.host.start()
        try:
            await scan_forever(self.scan, self.clock, self.statistics)
        finally:
            self.scan.consumers.pop()
            await asyncio.shield(self.host.stop())
