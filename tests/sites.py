# SPDX-License-Identifier: Apache-2.0
"""Real sites for tests: the shipped ones, and copies of them with an edit."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

from config.load import find_site, load_site
from config.model import Site
from drivers.bacnet.protocol import PROTOCOL as BACNET
from drivers.dali.protocol import PROTOCOL as DALI
from drivers.modbus.protocol import PROTOCOL as MODBUS
from drivers.opcua.protocol import PROTOCOL as OPCUA
from historian.catalogue import Catalogue
from supervisor.plant.compile import compile_plant
from supervisor.plant.plant import Plant

# What the shipped demo sites hold; the one place that tests count by.
EQUIPMENT = {
    "ALM": 1,
    "BLD": 3,
    "BOL": 1,
    "CAB": 17,
    "CAM": 4,
    "COL": 1,
    "DLI": 1,
    "FDR": 2,
    "GRT": 1,
    "JCT": 1,
    "LUM": 36,
    "RWS": 1,
    "SYS": 4,
    "VEH": 2,
}
TAGS_OF_TYPE = {
    "ALM": 5,
    "BLD": 48,
    "BOL": 14,
    "CAB": 56,
    "CAM": 12,
    "COL": 2,
    "DLI": 12,
    "FDR": 1,
    "GRT": 7,
    "GWY": 8,
    "JCT": 38,
    "LUM": 18,
    "RWS": 22,
    "SYS": 14,
    "VEH": 11,
}
TAGS = sum(count * TAGS_OF_TYPE[name] for name, count in EQUIPMENT.items())
DEVICES = 71
# Tier M. Source: plant documentation 7.2, whose total leaves out feeders, collectors and alarm counts.
DIJON_EQUIPMENT = {
    "ALM": 24 * 7,
    "BLD": 180,
    "BOL": 40,
    "CAB": 850,
    "CAM": 384,
    "COL": 5,
    "DLI": 40,
    "FDR": 105,
    "GRT": 46,
    "GWY": 30,
    "JCT": 140,
    "LUM": 1440,
    "RWS": 8,
    "SYS": 36,
    "VEH": 205,
}
DIJON_TAGS = sum(count * TAGS_OF_TYPE[name] for name, count in DIJON_EQUIPMENT.items())
DIJON_DEVICES = 3548

PROTOCOLS = {"bacnet": BACNET, "dali": DALI, "modbus": MODBUS, "opcua": OPCUA}


def sennecey() -> Site:
    """The shipped demo site."""
    return load_site("sennecey", PROTOCOLS)


def lighting(site: Site) -> Site:
    """The site with cabinets, feeders, weather station and own nodes only: a third of the work for an hour."""
    kept = {name: group for name, group in site.equipment.items() if name in ("CAB", "FDR", "RWS", "SYS")}
    return site.model_copy(update={"equipment": kept})


def dijon() -> Site:
    """The shipped demo site of 24 communes."""
    return load_site("dijon-24", PROTOCOLS)


def paced(site: Site, scan_s: float) -> Site:
    """The site with another scan period: half a second is five times less work for the same virtual hour."""
    return site.model_copy(update={"model": site.model.model_copy(update={"scan": scan_s})})


def edited(tmp_path: Path, edits: dict[str, tuple[str, str]]) -> Site:
    """A copy of Sennecey in which file -> (old text, new text) was replaced once each."""
    folder = tmp_path / "site"
    shutil.copytree(find_site("sennecey"), folder, dirs_exist_ok=True)
    for name, (old, new) in edits.items():
        text = (folder / name).read_text()
        assert old in text, f"{name} holds no {old!r}"
        (folder / name).write_text(text.replace(old, new, 1))
    return load_site(folder, PROTOCOLS)


def compiled(site: Site, catalogue: Catalogue | None = None) -> Plant:
    """The plant of a site; pass one catalogue to several generations."""
    catalogue = catalogue or Catalogue(":memory:", site.model.site)
    return compile_plant(site, lambda names, kinds, was: catalogue.assign(names, kinds, was, now_ns=0))


def renamed(tmp_path: Path, old: str, new: str) -> Site:
    """A copy of Sennecey in which one cabinet has a new name and says what it was."""
    folder = tmp_path / "renamed"
    shutil.copytree(find_site("sennecey"), folder)
    path = folder / "inventory" / "CAB.csv"
    rows = list(csv.DictReader(path.read_text().splitlines()))
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["was", *rows[0]])
        writer.writeheader()
        for row in rows:
            change = {"was": old, "name": new} if row["name"] == old else {"was": ""}
            writer.writerow({**row, **change})
    return load_site(folder, PROTOCOLS)
