# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_fieldmap.py, tests/system/test_server.py
"""Where the simulated devices are: `field.json` of `vigie simulate --ports os` instead of the site's own addresses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from supervisor.failure import Failure
from supervisor.plant.plant import Plant


def at_field_map(plant: Plant, path: Path) -> Plant:
    """The plant with its devices at the places that the file names: {device: [host, port]}. Blocking.

    Raises:
        Failure: the file is no field map, lacks a device, or the plant has devices that are not on TCP.
    """
    places = _read(path)
    devices = []
    for spec in plant.devices:
        if (place := places.get(spec.name)) is None:
            raise Failure(f"{path}: device {spec.name} is missing; is it another site's?")
        if not getattr(spec.device, "host", None):
            raise Failure(f"{spec.name} hangs on a serial port; --field can only move devices of TCP")
        at = {"host": str(place[0]), "port": int(place[1])}
        devices.append(replace(spec, device=spec.device.model_copy(update=at)))
    return replace(plant, devices=tuple(devices))


def _read(path: Path) -> Mapping[str, Any]:
    try:
        places = json.loads(path.read_text())
    except (OSError, ValueError) as e:
        raise Failure(f"{path}: expected the field.json of 'vigie simulate', got {e}") from e
    if not isinstance(places, dict):
        raise Failure(f"{path}: expected the field.json of 'vigie simulate', got something else")
    return places
