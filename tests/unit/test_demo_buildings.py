# SPDX-License-Identifier: Apache-2.0
"""Public buildings as their controllers tell them: within their ranges, obedient, and read over the wire."""

from __future__ import annotations

import asyncio
import itertools
from datetime import UTC, datetime

import numpy as np
import pytest

from config.words import Kind, Permit, cell_of, value_of
from drivers.bacnet.driver import BacnetDriver
from drivers.bacnet.link import BacnetLink
from drivers.bacnet.plan import plan
from drivers.base import Request, WriteItem, bind
from supervisor.demo.field import FieldSimulator
from supervisor.demo.park import Park
from supervisor.demo.sky import Sky
from tests.sim.loop import clock, run
from tests.sites import compiled, sennecey

SITE = sennecey()
SKY = Sky(47.28, 5.11, "Europe/Paris", 1)
MONDAY_NS = int(datetime(2026, 1, 5, 0, tzinfo=UTC).timestamp()) * 10**9
BMS, PANEL = "21605/BLD-0001.bms", "21605/BLD-0001.security"
TYPE = SITE.types["BLD"]


def park() -> Park:
    points = {tag: point for (owner, tag), point in SITE.points.items() if owner == "BLD"}
    return Park(TYPE, points, SITE.equipment["BLD"], 1)


def test_the_type_has_48_tags_of_which_37_have_alarm_rules() -> None:
    """Source: plant documentation 7.4."""
    assert len(TYPE.tags) == 48 and len({rule.tag for rule in TYPE.alarms.values()}) == 37
    assert not any(TYPE.tags[name].access_mode.writable for name in TYPE.tags if name[:4] in ("Fire", "Intr", "Door"))


def test_a_day_stays_within_the_ranges_of_the_type() -> None:
    made = park()
    co2, energy = [], []
    for minutes in range(0, 24 * 60, 15):
        made.step(SKY.at(MONDAY_NS + minutes * 60 * 10**9))
        for role in TYPE.devices:
            for name, value in made.values(0, role).items():
                tag = TYPE.tags[name]
                if tag.values is not None:
                    assert value in range(len(tag.values)), name
                elif tag.range is not None:
                    assert isinstance(value, int | float) and tag.range[0] <= value <= tag.range[1], (name, value)
        co2.append(float(made.value(0, "CO2_1")))
        energy.append(float(made.value(0, "Elec_E")))
    assert max(co2) > 700 > 500 > co2[8], "people come and go"
    assert all(a <= b for a, b in itertools.pairwise(energy)), "a meter never runs back"


def test_a_building_obeys_and_a_person_may_break_it() -> None:
    made, seconds = park(), 0

    def go(more: int) -> None:
        nonlocal seconds
        seconds += more
        made.step(SKY.at(MONDAY_NS + seconds * 10**9))

    go(0)
    made.act(0, "set AHU_FanCmd true")
    go(1)
    assert made.value(0, "AHU_FanFb") is True and made.value(1, "AHU_FanFb") is False
    for act, tag, value in (
        ("fire", "Fire_Alarm", True),
        ("fire over", "Fire_Alarm", False),
        ("force 2", "Door2", 3),
        ("lift", "Lift_Trapped", True),
        ("boiler", "Boiler_Fault", True),
    ):
        made.act(0, act)
        go(1)
        assert made.value(0, tag) == value, act
    with pytest.raises(ValueError, match="expected a door"):
        made.act(0, "force 9")


def test_what_the_server_reads_over_the_wire_is_what_the_building_has() -> None:
    async def main() -> None:
        field = FieldSimulator(SITE, clock(), ports="os")
        await field.start()
        plant = compiled(SITE)
        for name in (BMS, PANEL):
            [spec] = [d for d in plant.devices if d.name == name]
            host, port = field.endpoints[name]
            device = spec.device.model_copy(update={"host": host, "port": port, "local_host": "127.0.0.1"})
            link = BacnetLink(device)
            driver = BacnetDriver(name, device, spec.points, link, clock())
            await link.open()
            await driver.open()
            field.freeze(True)
            rows = np.arange(len(spec.points))
            requests: list[Request] = [bind(each, rows, i) for i, each in enumerate(plan(device, spec.points))]
            for request in requests:
                batch = await driver.read(request, 1.0)
                assert not batch.statuses.any()
                for row, cell in zip(batch.rows.tolist(), batch.cells.tolist(), strict=True):
                    point = spec.points[row]
                    raw = value_of(point.kind, cell)
                    want = field.engineering(name, point.name)
                    tag = TYPE.tags[point.name]
                    got = raw * tag.scale + tag.offset if point.kind.is_float else raw
                    assert got == pytest.approx(want), point.name
            if name == BMS:
                i = next(i for i, point in enumerate(spec.points) if point.name == "OccMode")
                item = WriteItem(i, cell_of(Kind.Enumeration, 3))
                [outcome] = await driver.write([item], Permit(1, float("inf")), 1.0)
                assert outcome.outcome == "accepted" and field.engineering(name, "OccMode") == 3
            await link.close()
        assert field.turn("BLD-0001.bms", "hang 1 s") == f"{BMS}: hang 1 s"
        with pytest.raises(ValueError, match="no_rpm"):
            field.turn("BLD-0001.bms", "explode")
        await field.stop()
        await asyncio.sleep(0)

    run(main(), debug=False)
