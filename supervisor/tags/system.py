# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_system_tags.py
"""Tags made by the server: communication of each device, parameters, and the health of this very post.

Law of this file: columns only; what the machine says of itself is handed in (`supervisor.machine`).

Server-made tags are always Good: that a device does not answer is a fact, `Comm = 0, Good`, not a missing value. Before
the first verdict on a device its `Comm` is BadWaitingForInitialData. A parameter is what the configuration says,
from the start on, whatever a checkpoint or the generation before said.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from config.model import ALARM_COUNTS
from config.words import Batch, Rows, StatusCode
from supervisor.plant.place import place_of
from supervisor.plant.plant import Plant
from supervisor.tags.freshness import Freshness
from supervisor.tags.parameters import Parameters
from supervisor.tags.table import TagTable

COMM: Final = "comm"

# A measurement of this post: its value, or None while it cannot be had.
Measurements = Callable[[], Mapping[str, float | None]]


class SystemTags:
    """Server-made tags of one plant.

    Args:
        measurements: latest values by source; a source that is missing or None reads BadNoCommunication's kin,
            BadResourceUnavailable.
    """

    def __init__(self, plant: Plant, measurements: Measurements) -> None:
        self._measurements = measurements
        self._comm_rows: Rows = np.concatenate([d.comm_rows for d in plant.devices] or [np.zeros(0, np.int64)])
        self._comm_device = np.repeat(np.arange(len(plant.devices)), [len(d.comm_rows) for d in plant.devices])
        own = [
            (row, self._source(plant, b.info.system, row), b.info.kind.is_float)
            for b in plant.blocks
            if b.info.system is not None and b.info.system != COMM
            for row in (b.start + np.flatnonzero(plant.supported[b.rows])).tolist()
        ]
        self._own_rows = np.array([row for row, _, _ in own], np.int64)
        self._sources = [source for _, source, _ in own]
        self._whole = np.array([not is_float for _, _, is_float in own], np.bool_)
        self._parameters = Parameters(plant)

    def _source(self, plant: Plant, system: str, row: int) -> str:
        """Alarms are counted where the equipment lies, everything else is this post's."""
        return place_of(plant, row).source(system) if system in ALARM_COUNTS else system

    def sample(self, table: TagTable, freshness: Freshness, now_ns: int) -> Batch | None:
        """Values of this scan; they show in the next one. Only rows that differ from the table are named."""
        comm_cells, comm_status = self._comm(freshness)
        own_cells, own_status = self._post()
        fixed = self._parameters
        fixed_cells, fixed_status = fixed.values(table)
        rows = np.concatenate([self._comm_rows, self._own_rows, fixed.rows])
        cells = np.concatenate([comm_cells, own_cells, fixed_cells])
        statuses = np.concatenate([comm_status, own_status, fixed_status])
        differs = (table.status[rows] != statuses) | (table.cells[rows] != cells)
        if not differs.any():
            return None
        rows, cells, statuses = rows[differs], cells[differs], statuses[differs]
        return Batch(-1, rows, cells, statuses, np.full(len(rows), now_ns, np.int64))

    def _comm(self, freshness: Freshness) -> tuple[Rows, np.ndarray[tuple[int], np.dtype[np.uint32]]]:
        answering = freshness.answering()[self._comm_device]
        judged = freshness.judged()[self._comm_device]
        waiting = np.uint32(StatusCode.BadWaitingForInitialData)
        return answering.astype(np.int64), np.where(judged, np.uint32(0), waiting)

    def _post(self) -> tuple[Rows, np.ndarray[tuple[int], np.dtype[np.uint32]]]:
        values = self._measurements()
        known = [values.get(source) for source in self._sources]
        numbers = np.array([0.0 if value is None else value for value in known], np.float64)
        cells = numbers.view(np.int64).copy()
        cells[self._whole] = numbers[self._whole].astype(np.int64)
        missing = np.array([value is None for value in known], np.bool_)
        return cells, np.where(missing, np.uint32(StatusCode.BadResourceUnavailable), np.uint32(0))
