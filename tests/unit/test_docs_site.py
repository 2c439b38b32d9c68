# SPDX-License-Identifier: Apache-2.0
"""The site that docs/engineer.md and docs/types.md build by example is a good one, and its field can be simulated."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from config.load import load_site
from config.model import (
    SYSTEM_SOURCES,
    AlarmRule,
    Confirm,
    DeviceRole,
    ParameterModel,
    PollClassModel,
    Site,
    TagModel,
    TypeModel,
)
from config.problems import Problem
from config.testfile import read_tests
from drivers.bacnet import knobs as bacnet_knobs
from drivers.dali import knobs as dali_knobs
from drivers.modbus import knobs as modbus_knobs
from drivers.modbus.place import ModbusPoint
from drivers.opcua import knobs as opcua_knobs
from supervisor.alarms.rehearsal import run_file
from supervisor.demo.field import FieldSimulator
from supervisor.demo.park import Park
from tests.sites import PROTOCOLS, compiled, dijon

KNOBS = {"Modbus": modbus_knobs, "OPC UA": opcua_knobs, "BACnet": bacnet_knobs, "DALI": dali_knobs}
HEALED = ("ok", "heal")
DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r"^```(?:yaml|csv)\n# file: (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class _Still:
    def wall_ns(self) -> int:
        return 1_767_643_200 * 10**9

    def boot_s(self) -> float:
        return 0.0


@pytest.fixture
def site(tmp_path: Path) -> Site:
    for page in ("types.md", "engineer.md"):
        for name, text in BLOCK.findall((DOCS / page).read_text()):
            path = tmp_path / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
    return load_site(tmp_path, PROTOCOLS)


def test_the_example_site_is_good(site: Site) -> None:
    assert (site.model.site, list(site.types), len(site.users)) == ("fontaines", ["FTN"], 2)
    plant = compiled(site)
    assert plant.rows == 3 * len(site.types["FTN"].tags) == 21
    level = plant.types["FTN"].blocks["Level"]
    assert plant.supported[level.rows].tolist()[:2] == [True, False]


def test_the_example_tests_of_alarms_pass(site: Site, tmp_path: Path) -> None:
    problems: list[Problem] = []
    read = read_tests(tmp_path / "tests" / "fountain.tests.yaml", problems)
    assert read is not None and not problems, problems
    assert run_file(site, *read) == (2, [])


def test_the_example_field_answers(site: Site) -> None:
    field = FieldSimulator(site, _Still(), ports="os")
    assert field.devices == ("21231/FTN-0001.plc", "21231/FTN-0002.plc")
    assert field.engineering("FTN-0001", "Level") == 100.0


def test_the_page_on_types_names_every_key() -> None:
    """A key that the models know and the page does not is a key nobody will find."""
    page = (DOCS / "types.md").read_text()
    models = (TypeModel, DeviceRole, PollClassModel, ParameterModel, TagModel, AlarmRule, Confirm, ModbusPoint)
    keys = {info.alias or name for model in models for name, info in model.model_fields.items()}
    words = set(re.findall(r"[a-z_0-9]+", page))
    assert keys - words == {"encoding", "owns_register"}, "rare ones; `vigie schema type` has them"
    assert {source for source in SYSTEM_SOURCES if source not in page} == set()


@pytest.mark.parametrize("wire", KNOBS)
def test_the_page_names_every_word_that_breaks_a_wire(wire: str) -> None:
    page = (DOCS / "engineer.md").read_text()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if "|" in line]
    told = " ".join(row[0] for row in rows if len(row) == 3 and (row[1] == "all" or wire in row[1].split(", ")))
    words = {word.split()[0] for word in re.findall(r"`([^`]+)`", told)} | set(HEALED)
    assert words - {"ok"} == set(KNOBS[wire].NAMES), "none is missing, none is invented"


def test_the_page_names_every_word_that_breaks_equipment() -> None:
    page, site = (DOCS / "engineer.md").read_text(), dijon()
    for name, equipment in site.equipment.items():
        points = {tag: point for (owner, tag), point in site.points.items() if owner == name}
        if any(role.protocol in PROTOCOLS for role in site.types[name].devices.values()):
            words = Park(site.types[name], points, equipment[:1], 1).words
            missing = {w for w in words if not re.search(rf"^\|.*`{w}( [^`]*)?`.*\|.*\|.*\|$", page, re.MULTILINE)}
            assert not missing, name
