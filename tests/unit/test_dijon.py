# SPDX-License-Identifier: Apache-2.0
"""Dijon-24, the shipped site of tier M: as many of everything as the plant documentation counts, none twice."""

from __future__ import annotations

import csv
from collections import Counter
from ipaddress import IPv4Address

import pytest

from config.load import find_site
from config.model import Site
from tests.sites import DIJON_DEVICES, DIJON_EQUIPMENT, DIJON_TAGS, TAGS_OF_TYPE, compiled, dijon

# Source: plant documentation 7.1, last row.
TOTALS = {"lights": 34_000, "cabinets": 850, "gateways": 30, "dali_lines": 40, "buildings": 180, "junctions": 140}
TOTALS |= {"bollards": 40, "cameras": 384, "road_weather": 8, "vehicles": 205, "gritters": 46}


@pytest.fixture(scope="module")
def site() -> Site:
    return dijon()


def test_the_communes_have_what_the_documentation_counts() -> None:
    path = find_site("dijon-24") / "inventory" / "communes.csv"
    with path.open(encoding="utf-8") as file:
        communes = list(csv.DictReader(file))
    assert len(communes) == 24
    assert {column: sum(int(row[column]) for row in communes) for column in TOTALS} == TOTALS


def test_it_has_96_625_tags_and_its_feeders_collectors_and_alarm_counts(site: Site) -> None:
    assert {name: len(found) for name, found in site.equipment.items()} == DIJON_EQUIPMENT
    assert {name: len(site.types[name].tags) for name in site.types} == {n: TAGS_OF_TYPE[n] for n in DIJON_EQUIPMENT}
    beside = DIJON_EQUIPMENT["FDR"] + 2 * DIJON_EQUIPMENT["COL"] + 5 * DIJON_EQUIPMENT["ALM"]
    assert DIJON_TAGS - beside == 96_625
    plant = compiled(site)
    assert (plant.rows, len(plant.devices)) == (DIJON_TAGS, DIJON_DEVICES)


def test_it_has_the_communes_of_its_areas(site: Site) -> None:
    found = Counter(unit.area for unit in site.equipment["CAB"])
    assert found.keys() == site.model.areas.keys()
    assert (found["21231"], found["21605"], found["21270"]) == (378, 17, 2), "documentation 7.1, rows 1, 11 and 24"


def test_alarms_are_counted_in_every_commune_for_all_and_for_every_desk(site: Site) -> None:
    counted = Counter((unit.area, unit.parameters.get("desk", "")) for unit in site.equipment["ALM"])
    wanted = {(area, desk) for area in site.model.areas for desk in ("", *site.model.desks)}
    assert counted == Counter(wanted)


def test_every_device_is_on_loopback_and_has_a_place_of_its_own(site: Site) -> None:
    hosts = Counter(device.host for (path, _), device in site.devices.items() if "/CAB-" in path or "/BLD-" in path)
    assert len(hosts) == 850 + 2 * 180 and set(hosts.values()) == {1}
    assert all(IPv4Address(device.host).is_loopback for device in site.devices.values())
    gear = Counter((d.host, d.short_address) for (path, _), d in site.devices.items() if "/LUM-" in path)
    assert len(gear) == 1440 and len({host for host, _ in gear}) == 40


def test_every_cabinet_hangs_on_a_feeder_of_its_commune_with_eight_others_at_most(site: Site) -> None:
    fed = Counter(unit.feeder for unit in site.equipment["CAB"])
    assert fed.keys() == {f"{unit.area}/{unit.name}" for unit in site.equipment["FDR"]}
    assert max(fed.values()) <= 9
