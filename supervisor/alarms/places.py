# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_alarm_places.py
"""Where alarms are: how many of each kind in an area, for one desk or for all, for the tags that show it.

Law of this file: columns of the rule book made once; numbers out; no I/O, no clock.
"""

from __future__ import annotations

from array import array

import numpy as np
import numpy.typing as npt

from config.model import ALARM_COUNTS
from supervisor.alarms.rules import RuleBook
from supervisor.plant.place import Place, place_of
from supervisor.plant.plant import Plant


class Places:
    """Which conditions lie where.

    Attributes:
        group_of: number of the group, one for each area and owner desk, of each condition, (count,).
        groups: how many there are, at least 1.
    """

    def __init__(self, book: RuleBook) -> None:
        known: dict[Place, int] = {}
        column = np.zeros(book.count, np.uint16)
        areas = {t.name: [path.partition("/")[0] for path in t.equipment] for t in book.plant.types.values()}
        columns: dict[tuple[str, str], list[int]] = {}  # rules of one type and one desk lie alike
        for block in book.blocks:
            key = block.type, block.model.owner_desk or ""
            if key not in columns:
                places = (Place(area, key[1]) for area in areas[block.type])
                columns[key] = [known.setdefault(place, len(known)) for place in places]
            column[block.conditions] = columns[key]
        self.group_of = array("H", column.tobytes())
        self.groups = max(1, len(known))
        self._column: npt.NDArray[np.uint16] = column
        wanted = sorted({place_of(book.plant, row) for row in _rows(book.plant)})
        self._sources = [place.source(what) for place in wanted for what in ALARM_COUNTS]
        self._adds_up = np.zeros((len(wanted), self.groups), np.int64)
        for place, adds in zip(wanted, self._adds_up, strict=True):
            adds[[n for each, n in known.items() if each.area == place.area and place.desk in ("", each.desk)]] = 1

    def numbers(self, shown: list[list[int]], unevaluable: npt.NDArray[np.bool_]) -> dict[str, float | None]:
        """Every number that a tag of the plant shows, by source.

        Args:
            shown: active, unacknowledged, shelved and suppressed of each group.
            unevaluable: of each condition, (count,).
        """
        if not self._sources:
            return {}
        counted = np.empty((self.groups, len(ALARM_COUNTS)), np.int64)
        counted[:, :-1] = np.array(shown, np.int64)[:, : len(ALARM_COUNTS) - 1]
        counted[:, -1] = np.bincount(self._column[unevaluable], minlength=self.groups)
        return dict(zip(self._sources, (self._adds_up @ counted).ravel().tolist(), strict=True))


def _rows(plant: Plant) -> list[int]:
    return [row for b in plant.blocks if b.info.system in ALARM_COUNTS for row in range(b.start, b.start + b.count)]
