# SPDX-License-Identifier: Apache-2.0
"""A field map moves every device to where the simulator says, or says in one sentence why it cannot."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from supervisor.failure import Failure
from supervisor.fieldmap import at_field_map
from tests.sites import compiled, sennecey


def written(folder: Path, places: Any) -> Path:
    path = folder / "field.json"
    path.write_text(json.dumps(places))
    return path


def test_every_device_is_moved_and_keeps_everything_else(tmp_path: Path) -> None:
    plant = compiled(sennecey())
    places = {d.name: ["127.0.0.1", 20_000 + i] for i, d in enumerate(plant.devices)}
    moved = at_field_map(plant, written(tmp_path, places))
    assert [(d.device.host, d.device.port) for d in moved.devices] == [tuple(p) for p in places.values()]
    assert moved.digest == plant.digest
    assert all(a.points is b.points for a, b in zip(moved.devices, plant.devices, strict=True))


def test_another_sites_map_a_file_that_is_none_and_a_serial_device_are_refused(tmp_path: Path) -> None:
    plant = compiled(sennecey())
    with pytest.raises(Failure, match=r"device 21605/COL-0001.server is missing; is it another site's"):
        at_field_map(plant, written(tmp_path, {"other": ["127.0.0.1", 1]}))
    with pytest.raises(Failure, match=r"expected the field\.json"):
        at_field_map(plant, written(tmp_path, ["x"]))
    with pytest.raises(Failure, match=r"expected the field\.json"):
        at_field_map(plant, tmp_path / "none.json")
    first = plant.devices[0]
    serial = replace(first, device=first.device.model_copy(update={"host": None}))
    with pytest.raises(Failure, match="hangs on a serial port"):
        at_field_map(replace(plant, devices=(serial,)), written(tmp_path, {serial.name: ["127.0.0.1", 1]}))
