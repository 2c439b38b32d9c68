# SPDX-License-Identifier: Apache-2.0
"""The server that tells of junction, bollard, cameras, vehicles and gritter hangs, or is another one: one alarm."""

from __future__ import annotations

import asyncio
from pathlib import Path

from config.model import Site
from config.words import StatusCode
from supervisor.alarms.lists import children
from supervisor.replacing import Wish
from tests.sim.loop import clock
from tests.sim.test_alarms import Town, live
from tests.sim.test_replacing import LEA, replacer
from tests.sites import sennecey

COLLECTOR = "21605/COL-0001"
CAMERA = "21605/CAM-0001/Online"


def street(site: Site) -> Site:
    """What the collector tells of, and itself."""
    kept = {name: group for name, group in site.equipment.items() if name in ("COL", "JCT", "BOL", "CAM", "VEH", "GRT")}
    return site.model_copy(update={"equipment": kept})


def status(town: Town, tag: str) -> int:
    row = town.core.plant.row(tag)
    assert row is not None
    return int(town.core.table.status[row])


def test_a_collector_that_hangs_is_one_alarm_that_names_it(tmp_path: Path) -> None:
    lost, low = f"{COLLECTOR}/Comm_lost", f"{COLLECTOR}/ServiceLevel_low"

    async def story(town: Town) -> None:
        await asyncio.sleep(20)
        assert town.standing() == [] and status(town, CAMERA) == status(town, f"{COLLECTOR}/ServiceLevel") == 0
        town.field.turn("COL-0001", "set ServiceLevel 100")
        await asyncio.sleep(40)
        assert town.standing() == [low], "it can say itself that it is not well"
        town.field.turn("COL-0001", "hang")
        await asyncio.sleep(150)
        assert await town.announced() == [low, lost]
        assert status(town, CAMERA) == StatusCode.BadNoCommunication
        assert "21605/JCT-0001/Comm_lost" in children(town.desk.engine, lost).suppressed, (
            "what would have been an alarm"
        )
        town.field.turn("COL-0001", "ok")
        await asyncio.sleep(90)
        assert [await town.ack(name) for name in (low, lost)] == [None, None]
        assert town.standing() == [] and await town.announced() == [low, lost], "and none on the way back"

    live(tmp_path, story, street(sennecey()))


def test_another_server_at_its_address_is_one_alarm_that_names_it(tmp_path: Path) -> None:
    async def story(town: Town) -> None:
        await asyncio.sleep(20)
        server = town.field._places[f"{COLLECTOR}.server"].device
        server.nodes["i=2254"].set(["urn:another:city"], clock().wall_ns())
        server.reset()
        await asyncio.sleep(30)
        assert town.standing() == [f"{COLLECTOR}/Comm_identity"] == await town.announced()
        assert status(town, CAMERA) == StatusCode.BadConfigurationError

        done = await replacer(town, tmp_path).replace(LEA, "x", Wish(COLLECTOR, "new server"))
        assert done["text"].endswith("urn:another:city; with 9 more that it tells of")
        await asyncio.sleep(15)
        assert status(town, CAMERA) == 0 and not town.core.host.identities.wrong, "accepted for all that it tells of"

    live(tmp_path, story, street(sennecey()))
