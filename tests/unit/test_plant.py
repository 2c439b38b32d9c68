# SPDX-License-Identifier: Apache-2.0
"""The compiled plant of the shipped site: rows, names, devices, what is polled and what is not."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path

import numpy as np

from config.words import Kind, StatusCode
from supervisor.tags.pool import StringPool
from supervisor.tags.table import TagTable
from tests.sites import DEVICES, EQUIPMENT, TAGS, TAGS_OF_TYPE, compiled, edited, renamed, sennecey

CAB_1_ROW = "CAB-0001,21605,in service"


def test_sennecey_has_its_tags_in_blocks_end_to_end() -> None:
    plant = compiled(sennecey())
    assert plant.rows == TAGS == 1972
    assert {name: len(type_.blocks) for name, type_ in plant.types.items()} == {
        name: TAGS_OF_TYPE[name] for name in EQUIPMENT
    }
    ends = 0
    for block in plant.blocks:
        assert block.start == ends
        assert (plant.block_of_row[block.rows] == block.index).all()
        ends += block.count
    assert ends == plant.rows
    assert len(np.unique(plant.series)) == plant.rows


def test_names_and_rows_are_inverse() -> None:
    plant = compiled(sennecey())
    for row, name in enumerate(plant.names()):
        assert plant.name(row) == name
        assert plant.row(name) == row
    for unknown in ("", "21605", "21605/CAB-0001", "21605/CAB-9999/V1", "21605/CAB-0001/Nope", "/", "V1"):
        assert plant.row(unknown) is None


def test_the_same_site_has_the_same_digest_and_another_has_not(tmp_path: Path) -> None:
    first, second = compiled(sennecey()), compiled(sennecey())
    assert first.digest == second.digest
    other = compiled(edited(tmp_path, {"inventory/CAB.csv": (CAB_1_ROW, CAB_1_ROW.replace("CAB-0001", "CAB-0101"))}))
    assert other.digest != first.digest


def test_what_is_not_built_or_not_fitted_reads_not_supported() -> None:
    plant = compiled(sennecey())
    table = TagTable(plant, StringPool(), now_ns=0)
    for name in ("21605/CAB-0001/LampsOut", "21605/CAB-0001/Lux", "21605/SYS-0002/CPU", "21605/SYS-0001/Probe"):
        row = plant.row(name)
        assert row is not None
        assert table.status[row] == StatusCode.BadNotSupported, name
        assert table.value(row) is None
    lux = [plant.row(f"21605/CAB-{i:04d}/Lux") for i in range(1, 18)]
    fitted = [row for row in lux if row is not None and plant.supported[row]]
    assert 1 <= len(fitted) <= 2, "one cabinet in ten has a photocell"


def test_a_device_has_the_rows_of_its_own_equipment_and_no_point_it_lacks() -> None:
    plant = compiled(sennecey())
    assert len(plant.devices) == DEVICES
    for device in plant.devices:
        equipment = device.name.rpartition(".")[0]
        for point, row in zip(device.points, device.rows.tolist(), strict=True):
            assert plant.name(row) == f"{equipment}/{point.name}"
            assert plant.block(row).info.kind is point.kind
    names = {d.name: {p.name for p in d.points} for d in plant.devices}
    assert "Lux" in names["21605/CAB-0003.controller"]
    assert "Lux" not in names["21605/CAB-0001.controller"]
    assert plant.block(plant.row("21605/CAB-0001/State") or 0).info.kind is Kind.Enumeration


def test_planned_and_retired_equipment_is_not_polled_and_out_of_service(tmp_path: Path) -> None:
    plant = compiled(edited(tmp_path, {"inventory/CAB.csv": (CAB_1_ROW, "CAB-0001,21605,planned")}))
    assert "21605/CAB-0001.controller" not in {d.name for d in plant.devices}
    table = TagTable(plant, StringPool(), now_ns=0)
    row = plant.row("21605/CAB-0001/V1")
    assert row is not None
    assert table.status[row] == StatusCode.BadOutOfService
    assert table.status[plant.row("21605/CAB-0002/V1")] == StatusCode.BadWaitingForInitialData


def test_a_plant_does_not_hold_on_to_the_instances_it_was_made_of(tmp_path: Path) -> None:
    """Of 35,000 instances the models weigh more than the plant."""
    site = edited(tmp_path, {})
    plant = compiled(site)
    cabinet = weakref.ref(site.equipment["CAB"][0])
    lamp = weakref.ref(next(device for (path, _), device in site.devices.items() if path.endswith("DLI-0001")))
    name = plant.name(0)
    site.forget_instances()
    gc.collect()
    assert cabinet() is None and plant.name(0) == name
    assert lamp() is not None, "what is polled keeps its device"


def test_a_former_name_keeps_answering(tmp_path: Path) -> None:
    plant = compiled(renamed(tmp_path, "CAB-0001", "CAB-0101"))
    assert plant.row("21605/CAB-0001/V1") == plant.row("21605/CAB-0101/V1") is not None
    assert plant.name(plant.row("21605/CAB-0001/V1") or 0) == "21605/CAB-0101/V1"
