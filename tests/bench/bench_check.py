# SPDX-License-Identifier: Apache-2.0
"""`vigie check` of a plant of tier L: every file read, every row judged; beside a mere parse of the rows as YAML."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

from config.load import find_site, load_site
from config.problems import SiteProblems, report
from tests.sites import PROTOCOLS

CABINETS = 850
LUMINAIRES = 34_000
TAGS_OF_A_LUMINAIRE = 18
COMMUNES = 24

_HEAD = """type: LMP
title: {fr: "Luminaire", en: "Luminaire"}
revision: 1
devices:
  gateway: {protocol: modbus}
poll_classes:
  slow: {period: 60 s, timeout: 1 s, bad_after: 180 s}
parameters:
  power_W: {title: {fr: "Puissance", en: "Power"}, kind: Double, unit: W, range: [1, 400]}
  crossing: {title: {fr: "Passage", en: "Crossing"}, kind: Boolean, default: false}
tags:
"""
_TAG = """  T{i}:
    title: {{fr: "T", en: "T"}}
    kind: Float
    unit: W
    range: [0, 400]
    history: {{class: A2, deadband: "3 %"}}
    point: {{table: holding, address: {i}}}
    poll: slow
"""


def tier_l(folder: Path, cabinets_count: int, luminaires_count: int, life: str = "in service") -> None:
    """A plant of the size of tier L: Sennecey with its cabinets 50 times over, and as many lamps as the metropolis has.

    Args:
        life: of the lamps (type LMP, made here; Sennecey's own luminaires hang on a DALI line).
    """
    shutil.copytree(find_site("sennecey"), folder)
    (folder / "types").mkdir()
    text = _HEAD + "".join(_TAG.format(i=i) for i in range(TAGS_OF_A_LUMINAIRE))
    (folder / "types" / "LMP.yaml").write_text(text, encoding="utf-8")
    areas = "".join(f'  {21000 + i}: {{title: "Commune {i}"}}\n' for i in range(COMMUNES))
    site = (folder / "site.yaml").read_text(encoding="utf-8")
    site = site.replace("\nareas:\n", f"\nareas:\n{areas}").replace(
        "\ninventory:\n", "\ninventory:\n  LMP: inventory/LMP.csv\n"
    )
    (folder / "site.yaml").write_text(site, encoding="utf-8")
    cabinets = folder / "inventory" / "CAB.csv"
    header, *rows = cabinets.read_text(encoding="utf-8").splitlines()
    tails = [row.split(",21605,", 1)[1] for row in rows]
    made = []
    for i in range(cabinets_count):
        tail = tails[i % len(tails)].replace("127.21.6.", f"127.{i // len(tails)}.6.").replace(",FDR-", ",21605/FDR-")
        made.append(f"CAB-{i + 1:04},{21000 + i % COMMUNES},{tail}")
    cabinets.write_text("\n".join([header, *made]) + "\n", encoding="utf-8")
    (folder / "inventory" / "LMP.csv").write_text(luminaires(99, luminaires_count, life), encoding="utf-8")


def luminaires(power_max: int, count: int, life: str = "in service") -> str:
    """The inventory of luminaires; powers beyond 400 W are outside the range."""
    header = "name,area,life,title,gateway.host,gateway.unit_id,power_W,crossing\n"
    return header + "".join(
        f'LMP-{i + 1:05},{21000 + i % COMMUNES},{life},"Mât {i}, rue {i // 50}",10.0.{i // 200}.1,{i % 200 + 1},'
        f"{power_max - i % 40},{'true' if i % 50 == 0 else 'false'}\n"
        for i in range(count)
    )


def as_yaml() -> str:
    """The same luminaires as YAML."""
    header, *rows = luminaires(99, LUMINAIRES).replace('"', "").splitlines()
    names = header.split(",")
    return "".join(
        "- {" + ", ".join(f"{n}: '{c}'" for n, c in zip(names, row.split(","), strict=False)) + "}\n" for row in rows
    )


def rows() -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "site"
        tier_l(folder, CABINETS, LUMINAIRES)
        begin = time.perf_counter()
        site = load_site(folder, PROTOCOLS)
        good_s = time.perf_counter() - begin
        count = sum(len(group) for group in site.equipment.values())
        tags = sum(len(group) * len(site.types[type_].tags) for type_, group in site.equipment.items())
        (folder / "inventory" / "LMP.csv").write_text(luminaires(999, LUMINAIRES), encoding="utf-8")
        begin = time.perf_counter()
        try:
            load_site(folder, PROTOCOLS)
            wrong = 0
        except SiteProblems as problems:
            wrong = len(problems.problems)
            report(problems.problems)
        bad_s = time.perf_counter() - begin
    text = as_yaml()
    begin = time.perf_counter()
    yaml.load(text, Loader=yaml.CSafeLoader)
    peer_s = time.perf_counter() - begin
    note = f"{count:,} equipment, {tags:,} tags; peer: PyYAML parses the luminaires' rows, checks nothing"
    return [
        {"what": "check on tier L", "ours": good_s, "peer": peer_s, "unit": "s", "reach": "<= 10", "note": note},
        {
            "what": "check on tier L, a wrong cell in each luminaire",
            "ours": bad_s,
            "unit": "s",
            "note": f"{wrong:,} problems",
        },
    ]
