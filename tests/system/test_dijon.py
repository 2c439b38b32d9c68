# SPDX-License-Identifier: Apache-2.0
"""The demo plant of 24 communes with real processes: all comes up, one feeder cut is one alarm, all ends cleanly.

Each run plays two communes of it; VIGIE_DIJON=24 plays all of them: 850 cabinets, 180 buildings, 40 DALI lines.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from config.load import find_site, load_site
from config.model import Site
from supervisor.control.client import ControlClient
from supervisor.demo.door import turn_knob
from tests.sites import DIJON_DEVICES, DIJON_EQUIPMENT, DIJON_TAGS, PROTOCOLS
from tests.system.server_kit import PATIENCE_S, Process, Server, running, until

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]
WHOLE = os.environ.get("VIGIE_DIJON") == "24"
COMMUNES = ("21540", "21605")
"""Saint-Apollinaire and Sennecey: at least one of everything but bollards, gritters and road weather."""
CUT = "21605/FDR-0001"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The site: whole, or with two of its communes in the table that everything is made from."""
    if WHOLE:
        return find_site("dijon-24")
    made = tmp_path / "dijon"
    shutil.copytree(find_site("dijon-24"), made)
    table = made / "inventory" / "communes.csv"
    header, *rows = table.read_text(encoding="utf-8").splitlines()
    kept = [row for row in rows if row.partition(",")[0] in COMMUNES]
    table.write_text("\n".join([header, *kept, ""]), encoding="utf-8")
    return made


def expected(site: Site) -> Counter[str]:
    """How many devices of each protocol there are."""
    protocols = Counter[str]()
    for path, role in site.devices:
        type_ = path.partition("/")[2].partition("-")[0]
        protocols[site.types[type_].devices[role].protocol] += 1
    return protocols


def alarms(server: Server, *arguments: str) -> list[dict[str, Any]]:
    code, said = server.vigie("alarms", "--json", *arguments)
    assert code == 0, said
    found: list[dict[str, Any]] = json.loads(said)["alarms"]
    return found


def test_all_devices_come_up_and_one_feeder_cut_is_one_alarm(folder: Path, tmp_path: Path) -> None:
    site = load_site(folder, PROTOCOLS)
    tags = sum(len(group) * len(site.types[name].tags) for name, group in site.equipment.items())
    if WHOLE:
        assert (tags, len(site.devices)) == (DIJON_TAGS, DIJON_DEVICES)
    field, state = tmp_path / "field", tmp_path / "server"
    with running(Process("simulate", str(folder), "--ports", "os", "--state", str(field))) as simulator:
        until("the field listens", lambda: (field / "field.json").exists() or simulator.process.poll() is not None)
        server = Server(state, "run", str(folder), "--field", str(field / "field.json"))
        with running(server):
            _is_whole(server, site, tags)
            _one_alarm(server, site, field)
            code, said = server.end()
            assert code == 0 and "Traceback" not in said, said[-3000:]
        code, said = simulator.end()
        assert code == 0 and "Traceback" not in said, said[-3000:]


def status(server: Server, **arguments: int) -> dict[str, Any]:
    """The status document, by the control socket: only there one may ask for a few devices of thousands."""
    with ControlClient(server.state, timeout_s=PATIENCE_S) as control:
        document: dict[str, Any] = control.call("status", **arguments)
        return document


def _is_whole(server: Server, site: Site, tags: int) -> None:
    """Every device answers, and what is counted is what the site holds."""

    def all_up() -> bool:
        counts = status(server, devices=0)["device_counts"]
        assert counts["total"] == len(site.devices)
        return bool(counts["up"] == counts["total"])

    until("every device is up", all_up, 2 * PATIENCE_S)
    found = status(server)
    assert Counter(device["protocol"] for device in found["devices"]) == expected(site)
    assert (found["tags"]["total"], found["equipment"]) == (tags, sum(map(len, site.equipment.values())))
    if WHOLE:
        assert found["equipment"] == sum(DIJON_EQUIPMENT.values())
    # DALI buses fill in over minutes; what polls at its own speed is there within its first periods.
    fast = [row for kind in ("CAB", "BLD", "JCT") for row in _some(site, kind)]
    until("values are read", lambda: all(r["status"] == "Good" for r in server.read(*fast).values()))


def _some(site: Site, kind: str) -> list[str]:
    """One tag of the first and of the last equipment of a type."""
    tag = {"CAB": "V1", "BLD": "Zone1_T", "JCT": "Mode"}[kind]
    return [f"{unit.area}/{unit.name}/{tag}" for unit in (site.equipment[kind][0], site.equipment[kind][-1])]


def _one_alarm(server: Server, site: Site, field: Path) -> None:
    """Cut a feeder: its alarm is put before the operator, those of its cabinets lie under it."""
    fed = {f"{unit.area}/{unit.name}" for unit in site.equipment["CAB"] if unit.feeder == CUT}
    assert len(fed) >= 8
    turn_knob(field, CUT, "supply off")

    def under() -> bool:
        held = {alarm["name"] for alarm in alarms(server, "--suppressed")}
        return held >= {f"{cabinet}/Supply_Loss" for cabinet in fed}

    until("its cabinets lie under the feeder", under)
    shown = [alarm["name"] for alarm in alarms(server, "--unacked")]
    assert [name for name in shown if name.rpartition("/")[0] in {CUT, *fed}] == [f"{CUT}/Supply_lost"]
