# SPDX-License-Identifier: Apache-2.0
"""A DALI line and its luminaires: within their ranges, obedient, and read over the wire as they are."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from config.words import Permit, StatusCode, cell_of, value_of
from drivers.base import WriteItem, bind
from drivers.dali.link import LunatoneLink
from drivers.dali.plan import plan
from drivers.dali.protocol import PROTOCOL
from drivers.testbench import answered
from supervisor.demo.field import FieldSimulator
from supervisor.demo.lights import program
from supervisor.demo.park import Park
from supervisor.demo.sky import Sky
from tests.sim.loop import clock, run
from tests.sites import compiled, sennecey

SITE = sennecey()
SKY = Sky(47.28, 5.11, "Europe/Paris", 1)
NOON_NS = int(datetime(2026, 1, 5, 12, tzinfo=UTC).timestamp()) * 10**9
NIGHT = datetime(2026, 1, 5, 20, tzinfo=UTC)
SPECS = {spec.name: spec for spec in compiled(SITE).devices if spec.protocol == "dali"}
LINE = "21605/DLI-0001.line"


def test_the_line_and_its_36_gear_share_one_connection() -> None:
    assert len(SPECS) == 37
    assert len({PROTOCOL.link_key(spec.device) for spec in SPECS.values()}) == 1
    assert sorted(s.device.short_address for s in SPECS.values() if s.name != LINE) == list(range(36))


def test_types_have_the_tags_and_rules_of_the_plant_documentation() -> None:
    """Source: plant documentation 7.4."""
    types = {name: SITE.types[name] for name in ("LUM", "DLI")}
    ruled = {name: len({rule.tag for rule in type_.alarms.values()}) for name, type_ in types.items()}
    assert {name: len(type_.tags) for name, type_ in types.items()} == {"LUM": 18, "DLI": 12}
    assert ruled == {"LUM": 9, "DLI": 5}


def test_the_program_is_dark_by_day_and_half_late_at_night() -> None:
    assert [program(e, h) for e, h in ((20, 12), (-10, 20), (-40, 1), (-10, 6), (2, 8))] == [0, 100, 50, 100, 0]


def test_a_day_stays_within_the_ranges_of_the_type_and_uses_energy() -> None:
    points = {tag: point for (owner, tag), point in SITE.points.items() if owner == "LUM"}
    park = Park(SITE.types["LUM"], points, SITE.equipment["LUM"], 1)
    park.step(SKY.at(NOON_NS))
    before = park.value(0, "E")
    for minutes in range(0, 24 * 60, 20):
        park.step(SKY.at(NOON_NS + minutes * 60 * 10**9))
        for name, value in park.values(0, "gear").items():
            tag = SITE.types["LUM"].tags[name]
            if tag.range is not None:
                assert isinstance(value, int | float) and tag.range[0] <= value <= tag.range[1], (name, value)
    assert float(park.value(0, "E")) - float(before) == pytest.approx(0.45, abs=0.15)  # 38 W, 15 h, half of it at half


class Server:
    """All devices of the line as a server sees them."""

    def __init__(self, field: FieldSimulator) -> None:
        self.field = field
        host, port = field.endpoints[LINE]
        self.at = {"host": host, "port": port}
        self.link = LunatoneLink(SPECS[LINE].device.model_copy(update=self.at))

    def driver(self, name: str) -> Any:
        spec = SPECS[name]
        device = spec.device.model_copy(update=self.at)
        return PROTOCOL.make_driver(name, device, spec.points, self.link, clock())

    async def read(self, name: str) -> dict[str, Any]:
        spec, driver, found = SPECS[name], self.driver(name), dict[str, Any]()
        model = SITE.types[name.partition("/")[2][:3]]
        for exchange in plan(spec.device, spec.points):
            batch = await answered(driver, bind(exchange, np.arange(len(spec.points)), 0), 2.0)
            for row, cell, status in zip(batch.rows, batch.cells, batch.statuses, strict=True):
                point = spec.points[int(row)]
                value, tag = value_of(point.kind, int(cell)), model.tags[point.name]
                good = status < StatusCode.Uncertain
                found[point.name] = (value * tag.scale + tag.offset if point.kind.is_float else value) if good else None
        return found


def test_what_the_server_reads_is_what_the_luminaires_hold() -> None:
    async def main() -> None:
        field = FieldSimulator(SITE, clock(), "os")
        field.turn("LUM-0007", "burnt")
        field.freeze(True)
        await field.start()
        server = Server(field)
        await server.link.open()
        try:
            for name in ("21605/LUM-0001.gear", "21605/LUM-0007.gear"):
                seen = await server.read(name)
                for tag, value in seen.items():
                    assert value == pytest.approx(field.engineering(name, tag), rel=1e-6), tag
            assert (seen["LampFail"], seen["On"], seen["Level"]) == (True, False, 100.0)
            line = await server.read(LINE)
            assert (line["Found"], line["BusFault"], line["PSU"], line["GrpLevel1"]) == (36, False, True, 100.0)
            point = [p.name for p in SPECS[LINE].points].index("GrpLevel2")
            item = WriteItem(point, cell_of(SPECS[LINE].points[point].kind, 10.0))
            [outcome] = await server.driver(LINE).write([item], Permit(1, float("inf")), 2.0)
            assert outcome.outcome.value == "accepted", outcome
            for number, level in ((1, 100.0), (2, 10.0), (3, 100.0)):
                seen = await server.read(f"21605/LUM-{number:04}.gear")
                assert seen["LevelSet"] == seen["Level"] == pytest.approx(level, rel=0.01)
        finally:
            await server.link.close()
            await field.stop()
        await asyncio.sleep(0)

    run(main(), start=NIGHT, debug=False)
