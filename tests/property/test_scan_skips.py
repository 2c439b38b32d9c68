# SPDX-License-Identifier: Apache-2.0
"""What is not asked in a scan would have said the same: rules and calculations of the whole demo plant, with random
values, qualities, gaps and pauses, beside ones that are asked everything in every scan.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from config.words import StatusCode
from supervisor.alarms.conditions import Conditions
from supervisor.alarms.rules import RuleBook
from supervisor.plant.plant import Plant
from supervisor.tags.calc import Program
from supervisor.tags.locality import locality_of
from supervisor.tags.pool import StringPool
from supervisor.tags.table import TagTable
from tests.sites import compiled, sennecey

SITE = sennecey()
PLANT = compiled(SITE)
PLACE = locality_of(SITE)
T0 = 1_780_000_000_000_000_000
STATUSES = np.array(
    [StatusCode.Good] * 6
    + [StatusCode.UncertainLastUsableValue, StatusCode.BadNoCommunication, StatusCode.BadSensorFailure],
    np.uint32,
)


def rules() -> Conditions:
    return Conditions(RuleBook(PLANT, {name: t.alarms for name, t in SITE.types.items()}), PLACE)


class Half:
    """One table, its calculations and rules; `lazy`: as the server does it."""

    def __init__(self, plant: Plant, lazy: bool) -> None:
        self.table = TagTable(plant, StringPool(), T0)
        self.program, self.conditions, self._lazy = Program(plant, PLACE), rules(), lazy

    def scan(self, now_ns: int) -> list[list[int]]:
        if not self._lazy:
            self.program._ran_on = self.conditions._looked_at = None
        self.program.run(self.table, now_ns)
        moves = self.conditions.run(self.table, now_ns)
        changed = self.table.changed_rows()
        return [changed.tolist(), *(np.asarray(getattr(moves, f.name)).tolist() for f in dataclasses.fields(moves))]


def _write(random: np.random.Generator, halves: list[Half], now_ns: int) -> None:
    """Some rows of some blocks, as a few devices would answer: numbers near their limits, often the same again."""
    block = PLANT.blocks[random.integers(len(PLANT.blocks))]
    rows = np.unique(random.integers(block.start, block.start + block.count, random.integers(1, 6)))
    rows = rows[PLANT.supported[rows]]
    if block.info.kind.is_float:
        cells = random.choice([0.0, 1.5, 59.0, 61.0, 195.0, 230.0, 265.0], len(rows)).view(np.int64)
    else:
        cells = random.integers(0, max(2, len(block.info.values)), len(rows))
    status = random.choice(STATUSES, len(rows))
    for half in halves:
        half.table.put(rows, cells, status, now_ns)


@pytest.mark.parametrize("seed", range(3))
def test_what_is_not_asked_would_have_said_the_same(seed: int) -> None:
    random = np.random.default_rng(seed)
    halves = [Half(PLANT, lazy=True), Half(PLANT, lazy=False)]
    now_ns, moved = T0, 0
    for scan in range(100):
        now_ns += int(random.choice([1e8, 1e8, 1e8, 5e9, 61e9, 7.3e12, -2e9]))
        for _ in range(random.integers(0, 12)):
            _write(random, halves, now_ns)
        lazy, eager = (half.scan(now_ns) for half in halves)
        assert lazy == eager, scan
        moved += len(lazy[1]) + len(lazy[2])
    tables = [half.table for half in halves]
    for column in ("cells", "status", "source_ns", "last_usable_ns"):
        assert np.array_equal(*(getattr(table, column) for table in tables)), column
    assert moved > 30, "rules rose and cleared"


def test_at_rest_a_tenth_of_the_rules_is_asked() -> None:
    """Only what depends on time; and who answers, which no tag tells: that is an empty list while all are right."""
    lines = [line for lines in rules()._types for line in lines]
    timed = [line for line in lines if line.inputs is None and line.block.model.on != "identity"]
    assert len(timed) < len(lines) / 10
