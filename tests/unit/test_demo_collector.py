# SPDX-License-Identifier: Apache-2.0
"""The street as a collector tells it: within its ranges, obedient, and read over the wire as it is."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import numpy as np
import pytest

from config.words import Kind, Permit, cell_of, value_of
from drivers.base import Request, WriteItem, bind
from drivers.opcua.driver import OpcuaDriver
from drivers.opcua.link import OpcuaLink
from drivers.opcua.plan import plan
from supervisor.demo.field import FieldSimulator
from supervisor.demo.park import Park
from supervisor.demo.sky import Sky
from supervisor.demo.street import traffic
from tests.sim.loop import clock, run
from tests.sites import compiled, dijon, sennecey

TYPES = {
    "JCT": "gateway",
    "BOL": "controller",
    "CAM": "collector",
    "VEH": "collector",
    "GRT": "collector",
    "COL": "server",
}

SITE = sennecey()
CITY = dijon()
SKY = Sky(47.28, 5.11, "Europe/Paris", 1)
MORNING_NS = int(datetime(2026, 1, 5, 7, tzinfo=UTC).timestamp()) * 10**9


def park(type_: str) -> Park:
    site = SITE if type_ in SITE.types else CITY
    points = {tag: point for (owner, tag), point in site.points.items() if owner == type_}
    return Park(site.types[type_], points, site.equipment[type_], 1)


@pytest.mark.parametrize("type_", TYPES)
def test_a_day_stays_within_the_ranges_of_the_type(type_: str) -> None:
    made = park(type_)
    for minutes in range(0, 24 * 60, 20):
        made.step(SKY.at(MORNING_NS + minutes * 60 * 10**9))
        for name, value in made.values(0, TYPES[type_]).items():
            tag = SITE.types[type_].tags[name]
            if tag.values is not None:
                assert value in range(len(tag.values)), name
            elif tag.range is not None:
                assert isinstance(value, int | float) and tag.range[0] <= value <= tag.range[1], (name, value)


def test_a_stuck_gateway_logs_no_more_and_commands_wait_in_it() -> None:
    made = park("GWY")
    made.step(SKY.at(MORNING_NS))
    assert made.value(0, "LastLog") == MORNING_NS - 45 * 60 * 10**9, "a quarter past the hour before"
    made.act(1, "stuck")
    later = MORNING_NS + 2 * 3600 * 10**9
    made.step(SKY.at(later))
    assert made.value(0, "LastLog") == later - 45 * 60 * 10**9 and made.value(0, "CmdPending") == 0
    assert made.value(1, "LastLog") == MORNING_NS - 45 * 60 * 10**9 and made.value(1, "CmdPending") == 1
    assert 0 <= int(made.value(0, "NodesLost")) < 0.02 * int(made.value(0, "Nodes"))
    assert made.value(0, "FW") == "4.2.0-gw"


def test_traffic_has_two_peaks() -> None:
    flow = [traffic(hour) for hour in range(24)]
    assert max(flow) == 1.0 and flow[3] < 0.1 and flow[8] > flow[11] < flow[17]


def test_a_bollard_obeys_and_a_junction_goes_to_flashing() -> None:
    made, seconds = park("BOL"), 0

    def go(more: int) -> None:
        nonlocal seconds
        seconds += more
        made.step(SKY.at(MORNING_NS + seconds * 10**9))

    go(0)
    made.act(0, "set Mode forced down")
    go(1)
    assert made.value(0, "Pos") == 2
    go(10)
    assert made.value(0, "Pos") == 1 and made.value(0, "Light") == 2
    made.act(0, "hit")
    go(1)
    assert made.value(0, "Hit") is True
    made, seconds = park("JCT"), 0
    go(0)
    made.act(0, "conflict")
    go(1)
    assert (made.value(0, "Mode"), made.value(0, "Conflict")) == (2, True)
    made.act(0, "conflict normal")
    made.act(0, "set PlanReq 7")
    go(1)
    assert made.value(0, "Plan") == 7


def test_the_whole_collector_is_read_over_one_connection_and_obeys() -> None:
    async def main() -> None:
        field = FieldSimulator(SITE, clock(), ports="os")
        await field.start()
        await asyncio.sleep(2)
        field.freeze(True)
        specs = [spec for spec in compiled(SITE).devices if spec.protocol == "opcua"]
        assert len(specs) == 10
        host, port = field.endpoints[specs[0].name]
        link = None
        for spec in specs:
            device = spec.device.model_copy(update={"host": host, "port": port})
            assert field.endpoints[spec.name] == (host, port), "one collector tells of them all"
            if link is None:
                link = OpcuaLink(device, clock())
                await link.open()
            driver = OpcuaDriver(spec.name, device, spec.points, link, clock())
            await driver.open()
            rows = np.arange(len(spec.points))
            requests: list[Request] = [bind(e, rows, i) for i, e in enumerate(plan(device, spec.points))]
            for request in requests:
                seen = await driver.read(request, 1.0)
                assert not seen.statuses.any(), driver.notes(request)
                for k, row in enumerate(seen.rows.tolist()):
                    point = spec.points[row]
                    text = (seen.texts or {}).get(k, "")
                    got = text if point.kind is Kind.String else value_of(point.kind, int(seen.cells[k]))
                    assert got == field.engineering(spec.name, point.name), point.name
            if "BOL" in spec.name:
                at = next(i for i, point in enumerate(spec.points) if point.name == "Mode")
                [done] = await driver.write([WriteItem(at, cell_of(Kind.Enumeration, 2))], Permit(1, np.inf), 1.0)
                assert done.outcome == "accepted" and field.engineering(spec.name, "Mode") == 2
        assert link is not None
        await link.close()
        assert field.turn("JCT-0001", "hang 1 s") == "21605/JCT-0001.gateway: hang 1 s"
        with pytest.raises(ValueError, match=r"no_subscriptions.*conflict"):
            field.turn("JCT-0001", "explode")
        await field.stop()

    run(main(), debug=False)
