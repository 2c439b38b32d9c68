# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_alarm_places.py
"""The place whose alarms a piece of equipment counts (`config.model.ALARM_COUNTS`).

Law of this file: pure. Equipment counts its own area; a parameter `desk` of its type, if it has one, names the owner
desk whose alarms it counts; empty: of all.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from supervisor.plant.plant import Plant

DESK: Final = "desk"


class Place(NamedTuple):
    """An area, and one owner desk in it ('': all of them)."""

    area: str
    desk: str

    def source(self, what: str) -> str:
        """What `supervisor.tags.system` asks for: 'alarms.active 21605 lighting'."""
        return f"{what} {self.area} {self.desk}"


def place_of(plant: Plant, row: int) -> Place:
    """The place that the equipment of a row counts."""
    block = plant.block(row)
    t, instance = plant.types[block.type], row - block.start
    desks = t.parameters.get(DESK)
    return Place(t.equipment[instance].partition("/")[0], "" if desks is None else str(desks[instance]))
