# SPDX-License-Identifier: Apache-2.0
"""Inventories: CSV and YAML say the same, and each complaint stands where it was written."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from config.load import load_site
from config.model import Site
from config.problems import SiteProblems
from config.source import YAML_ROWS_MAX
from tests.config.case import PLANT, PROTOCOLS


def plant(tmp_path: Path, **files: str) -> Path:
    """A copy of the good plant with these inventories."""
    folder = tmp_path / "plant"
    shutil.copytree(PLANT, folder, dirs_exist_ok=True)
    for name, text in files.items():
        (folder / "inventory" / name.replace("_", ".")).write_text(text, encoding="utf-8")
    return folder


def load(folder: Path) -> Site:
    return load_site(folder, PROTOCOLS)


def said(folder: Path) -> list[str]:
    with pytest.raises(SiteProblems) as caught:
        load(folder)
    return [str(p).replace(f"{folder}/", "") for p in caught.value.problems]


def test_yaml_and_csv_say_the_same(tmp_path: Path) -> None:
    by_csv = load(plant(tmp_path / "c", FTN_csv="name,area,was,controller.host,depth\nFTN-0001,21231,FTN-0007,h,1\n"))
    folder = plant(
        tmp_path / "y",
        FTN_yaml="- name: FTN-0001\n  area: '21231'\n  was: [FTN-0007]\n"
        "  devices: {controller: {host: h}}\n  parameters: {depth: 1}\n",
    )
    site = (folder / "site.yaml").read_text(encoding="utf-8").replace("FTN.csv", "FTN.yaml")
    (folder / "site.yaml").write_text(site, encoding="utf-8")
    by_yaml = load(folder)
    assert by_yaml.devices == by_csv.devices
    former = [e.was for e in (*by_yaml.equipment["FTN"], *by_csv.equipment["FTN"])]
    assert former == [["21231/FTN-0007"]] * 2
    assert by_yaml.equipment["FTN"][0].parameters == by_csv.equipment["FTN"][0].parameters


def test_planned_and_retired_equipment_may_lack_an_address(tmp_path: Path) -> None:
    rows = "name,area,life,controller.host,depth\nFTN-0001,21231,{},,1\n"
    for life in ("planned", "retired"):
        site = load(plant(tmp_path / life, FTN_csv=rows.format(life)))
        assert site.devices == {}
        assert len(site.equipment["FTN"]) == 1
    for life in ("commissioning", "in service", "maintenance", ""):
        assert said(plant(tmp_path / f"x{life}", FTN_csv=rows.format(life))) == [
            f"inventory/FTN.csv:2:{17 + len(life)}: FTN-0001.controller: missing required key 'host'"
        ]


def test_what_is_planned_is_judged_as_far_as_it_is_written(tmp_path: Path) -> None:
    rows = "name,area,life,controller.host,controller.port,depth\nFTN-0001,21231,planned,,0,1\n"
    assert said(plant(tmp_path, FTN_csv=rows)) == [
        "inventory/FTN.csv:2:24: FTN-0001.controller: missing required key 'host'",
        "inventory/FTN.csv:2:25: FTN-0001.controller.port: expected a number of at least 1, got 0",
    ]


def test_everything_wrong_with_one_row_is_told(tmp_path: Path) -> None:
    rows = "name,area,life,controller.host,controller.port,depth\nFTN-1,999,gone,h,0,deep\n"
    paths = [line.split(": ")[1] for line in said(plant(tmp_path, FTN_csv=rows))]
    assert paths == ["FTN-1.name", "FTN-1.life", "FTN-1.controller.port", "FTN-1.depth"]


def test_yaml_inventories_are_small(tmp_path: Path) -> None:
    entries = "".join(f"- {{name: NODE-{i:05}, area: '21231'}}\n" for i in range(YAML_ROWS_MAX + 1))
    assert said(plant(tmp_path, NODE_yaml=entries)) == [
        "inventory/NODE.yaml:1:1: expected at most 2000 entries, got 2001; write a larger inventory as CSV"
    ]
    few = "".join(entries.splitlines(keepends=True)[:-1])
    assert len(load(plant(tmp_path, NODE_yaml=few)).equipment["NODE"]) == YAML_ROWS_MAX


def test_an_empty_inventory_is_one_without_equipment(tmp_path: Path) -> None:
    site = load(plant(tmp_path, FTN_csv="name,area,controller.host,depth\n", NODE_yaml="[]\n"))
    assert site.equipment == {"FTN": (), "NODE": ()}
