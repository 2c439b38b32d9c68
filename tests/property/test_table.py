# SPDX-License-Identifier: Apache-2.0
"""The columnar table equals a slow one that holds one small object per tag."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from config.words import StatusCode
from supervisor.tags.pool import StringPool
from supervisor.tags.table import TagTable
from tests.plants import TypeSpec, make_plant, tag

ROWS = 4
PLANT = make_plant(
    {"CAB": TypeSpec({"V": tag("Float"), "N": tag("Int64")})},
    {"CAB": ["a/CAB-0001", "a/CAB-0002"]},
)
GOOD, UNCERTAIN, LOST = StatusCode.Good, StatusCode.UncertainLastUsableValue, StatusCode.BadNoCommunication
WRONG = StatusCode.BadConfigurationError


@dataclass
class SlowTag:
    """The law of the table, for one tag, in words."""

    cell: int = 0
    status: int = StatusCode.BadWaitingForInitialData
    source_ns: int = 0
    last_usable_ns: int = 0
    changed: bool = False

    def put(self, cell: int, status: int, now_ns: int) -> None:
        bad = status >= 0x80000000
        if bad:
            cell = self.cell  # a Bad status keeps the last usable value beside the null
            if self.status < 0x80000000:
                self.last_usable_ns = self.source_ns
        self.changed |= cell != self.cell or status != self.status
        self.cell, self.status, self.source_ns = cell, status, now_ns

    def degrade(self, status: int, now_ns: int) -> None:
        if self.status in (status, StatusCode.BadNotSupported, WRONG):
            return
        if status < 0x80000000 and self.status >= 0x80000000:
            return
        self.put(self.cell, status, now_ns if status >= 0x80000000 else self.source_ns)


rows = st.lists(st.integers(0, ROWS - 1), unique=True, max_size=ROWS)
operations = st.lists(
    st.tuples(
        st.sampled_from(["put", "degrade", "collect"]),
        rows,
        st.integers(-3, 3),
        st.sampled_from([GOOD, UNCERTAIN, LOST, WRONG]),
    ),
    max_size=25,
)


@given(operations)
def test_fast_equals_slow(steps: list[tuple[str, list[int], int, StatusCode]]) -> None:
    table = TagTable(PLANT, StringPool(), now_ns=0)
    slow = [SlowTag() for _ in range(ROWS)]
    for now, (what, at, cell, status) in enumerate(steps, start=1):
        index = np.array(at, np.int64)
        if what == "put":
            n = len(index)
            table.put(index, np.full(n, cell, np.int64), np.full(n, status, np.uint32), now)
            for row in at:
                slow[row].put(cell, status, now)
        elif what == "degrade":
            table.degrade(index, status, now)
            for row in at:
                slow[row].degrade(status, now)
        else:
            assert table.changed_rows().tolist() == [r for r, t in enumerate(slow) if t.changed]
            for t in slow:
                t.changed = False
        for row, t in enumerate(slow):
            assert int(table.cells[row]) == t.cell
            assert int(table.status[row]) == t.status
            assert int(table.source_ns[row]) == t.source_ns
            if t.status >= 0x80000000:
                assert table.value(row) is None
                assert int(table.last_usable_ns[row]) == t.last_usable_ns
