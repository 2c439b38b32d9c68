# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_system_tags.py
"""Tags that show a parameter of their equipment: what the configuration says, as a value with a status.

Law of this file: columns, made once for a plant; nothing that is measured.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from config.words import Cells, Kind, Rows, StatusCode, Statuses
from supervisor.plant.plant import Block, Plant
from supervisor.tags.table import TagTable


class Parameters:
    """Rows of one plant whose tags name a parameter, and what belongs into them.

    Attributes:
        rows: of fitted and supported tags of equipment in life, (n,).
    """

    def __init__(self, plant: Plant) -> None:
        self._shown = [
            (block, t.parameters[block.info.parameter], self._at(plant, block, t.life))
            for t in plant.types.values()
            for block in t.blocks.values()
            if block.info.parameter is not None
        ]
        self.rows: Rows = np.concatenate([np.zeros(0, np.int64), *(b.start + at for b, _, at in self._shown)])
        self._cells: Cells | None = None
        self._statuses: Statuses = np.zeros(len(self.rows), np.uint32)

    def _at(self, plant: Plant, block: Block, life: tuple[str, ...]) -> Rows:
        """Instance numbers; planned and retired equipment is out of service, its parameters too."""
        in_life = np.array([each not in ("planned", "retired") for each in life], np.bool_)
        return np.flatnonzero(plant.supported[block.rows] & in_life)

    def values(self, table: TagTable) -> tuple[Cells, Statuses]:
        """Cells and statuses of `rows`. Texts take their place in the table's pool; without place: BadOutOfMemory."""
        if self._cells is None:
            parts = [self._of(block.info.kind, values[at], table) for block, values, at in self._shown]
            self._cells = np.concatenate([np.zeros(0, np.int64), *(cells for cells, _ in parts)])
            self._statuses = np.concatenate([np.zeros(0, np.uint32), *(statuses for _, statuses in parts)])
        return self._cells, self._statuses

    def _of(self, kind: Kind, values: npt.NDArray[np.generic], table: TagTable) -> tuple[Cells, Statuses]:
        good = np.zeros(len(values), np.uint32)
        if kind.is_float:
            return values.astype(np.float64).view(np.int64), good
        if kind is not Kind.String:
            return values.astype(np.int64), good
        places = [table.pool.intern(str(text)) for text in values.tolist()]
        cells = np.array([place or 0 for place in places], np.int64)
        full = np.array([place is None for place in places], np.bool_)
        return cells, np.where(full, np.uint32(StatusCode.BadOutOfMemory), good)
