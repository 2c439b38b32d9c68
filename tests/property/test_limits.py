# SPDX-License-Identifier: Apache-2.0
"""The vectorised limit comparison equals a slow one that a process engineer can read."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from historian.catalogue import Catalogue
from supervisor.alarms.limits import LimitBank
from supervisor.tags.pool import StringPool
from supervisor.tags.table import TagTable
from tests.ground import cabinets

PLANT = cabinets(["CAB-0001"], 2, Catalogue(":memory:", "ground"))
LIMITS = [196.0, 207.0, 253.0, 264.0]


def slow(level: int, value: float, deadband: float) -> int:
    """Level after `value`: a limit is left only past its deadband."""
    low_low, low, high, high_high = LIMITS
    if value > (high_high - deadband if level >= 2 else high_high):
        return 2
    if value > (high - deadband if level >= 1 else high):
        return 1
    if value < (low_low + deadband if level <= -2 else low_low):
        return -2
    return -1 if value < (low + deadband if level <= -1 else low) else 0


steps = st.lists(st.tuples(st.floats(180, 280), st.booleans()), max_size=30)


@given(steps, st.sampled_from([0.0, 1.0, 5.0]))
def test_fast_equals_slow(values: list[tuple[float, bool]], deadband: float) -> None:
    table = TagTable(PLANT, StringPool(), now_ns=0)
    bank = LimitBank(np.array([0]), np.array(LIMITS)[:, None], np.array([deadband]))
    level = 0
    for value, usable in values:
        status = np.array([0 if usable else 0x80310000], np.uint32)
        table.put(np.array([0]), np.array([value]).view(np.int64), status, 1)
        level = slow(level, value, deadband) if usable else level
        bank.compare(table)
        assert bank.level[0] == level
        assert bank.evaluable[0] == usable


def test_an_absent_limit_never_trips() -> None:
    table = TagTable(PLANT, StringPool(), now_ns=0)
    limits = np.array([[np.nan], [207.0], [np.nan], [np.nan]])
    bank = LimitBank(np.array([0]), limits, np.zeros(1))
    for value, level in ((1e9, 0), (-1e9, -1), (float("inf"), 0), (float("-inf"), -1)):
        table.put(np.array([0]), np.array([value]).view(np.int64), np.zeros(1, np.uint32), 1)
        bank.compare(table)
        assert bank.level[0] == level
