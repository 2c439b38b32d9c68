# SPDX-License-Identifier: Apache-2.0
# Tests: tests/system/test_server.py, tests/unit/test_pieces.py, tests/unit/test_status_document.py
"""What the server tells of itself: the status document of this instant, and what its people should know is wrong.

Law of this file: asks each part and decides nothing; how the document looks is `supervisor.status`'s matter. The 3,548
devices of a city are asked a few at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from config.words import Clock
from drivers.status import DeviceStatus
from historian.journal.journal import ChainJournal
from supervisor.alarms.desk import AlarmDesk
from supervisor.commands.commands import Commands
from supervisor.commands.proof import ProofOfLife
from supervisor.core import Core
from supervisor.keeping import Keeper
from supervisor.people import People
from supervisor.pieces import in_pieces
from supervisor.plant.plant import Plant
from supervisor.status import Post, ScanNumbers, device_document, status_document

if TYPE_CHECKING:
    from supervisor.hmi.server import HmiServer
    from supervisor.recording.history import History


@dataclass(frozen=True, slots=True)
class Telling:
    """The parts that are asked.

    Attributes:
        site: its short name.
        version: of Vigie.
        epoch: of this start.
        started_ns: when it started, UTC.
    """

    site: str
    version: str
    epoch: int
    started_ns: int
    plant: Plant
    core: Core
    proof: ProofOfLife
    journal: ChainJournal
    keeper: Keeper
    commands: Commands
    alarms: AlarmDesk
    history: History
    people: People
    hmi: HmiServer

    async def status(self, devices_max: int | None = None) -> dict[str, Any]:
        """The status document of this instant; its devices, of the turns that follow.

        Args:
            devices_max: so many devices at most, the worst first; None: all of them, as they were planned.
        """
        host = self.core.host
        document = self._summary()
        places = range(len(self.plant.devices)) if devices_max is None else host.worst(devices_max)
        document["devices"] = await device_documents(host.device_status, places, self.core.clock)
        return document

    def _summary(self) -> dict[str, Any]:
        """The document without its devices."""
        statistics, core = self.core.statistics, self.core
        post = Post(
            site=self.site,
            version=self.version,
            role="active",
            epoch=self.epoch,
            generation=1,
            late=self.proof.late(),
            started_ns=self.started_ns,
            now_ns=core.clock.wall_ns(),
            errors=self.errors(),
        )
        scan = ScanNumbers(
            period_ms=statistics.period_s * 1000,
            duration_ms_p99=statistics.duration_ms(99),
            passes=statistics.passes,
            missed=statistics.missed,
            values_applied=core.scan.values_applied,
        )
        return status_document(
            post,
            self.plant,
            core.table.status,
            zip((d.protocol for d in self.plant.devices), core.host.link_states(), strict=True),
            scan,
            self.journal.status(),
            self.commands.status(),
            self.alarms.counts(),
            self.history.document(),
        )

    def errors(self) -> list[str]:
        """What is wrong with the server itself, one sentence each."""
        errors = [self.keeper.error] if self.keeper.error else []
        errors += self.alarms.errors()
        errors += self.history.errors()
        errors += self.hmi.errors()
        if weak := self.people.weakly_hashed():
            errors.append(f"{len(weak)} passwords are weakly hashed, by an earlier release; `vigie check` says whose")
        if self.core.inbox.refused:
            errors.append(f"{self.core.inbox.refused} readings found no room before the scan; they are Uncertain")
        if self.core.table.pool.overflows:
            errors.append(f"{self.core.table.pool.overflows} texts found no room; raise strings_max in site.yaml")
        return errors


async def device_documents(
    tell: Callable[[int], DeviceStatus], places: Sequence[int], clock: Clock
) -> list[dict[str, Any]]:
    """Documents of devices, in pieces.

    Args:
        tell: the status of the device at a place.
    """
    made: list[dict[str, Any]] = []
    async for piece in in_pieces(places):
        now_ns = clock.wall_ns()
        made += [device_document(tell(place), now_ns) for place in piece]
    return made
