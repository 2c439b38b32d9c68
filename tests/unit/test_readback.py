# SPDX-License-Identifier: Apache-2.0
"""Points read one by one: each asked once, answered in the order asked for."""

from __future__ import annotations

import numpy as np

from config.words import Access, Batch, Kind
from drivers.base import Point
from drivers.readback import NOT_READABLE, in_order, readable, unpacked

POINTS = [Point(f"p{i}", Kind.Double, access, None, None) for i, access in enumerate((Access.R, Access.W, Access.RW))]


def test_each_is_asked_once_and_answered_in_order() -> None:
    assert readable(POINTS, [2, 1, 0, 2]) == [2, 0] and readable(POINTS, [1]) == []
    cells, statuses = np.array([7, 8]), np.array([0, 0x80000000], np.uint32)
    found = unpacked(Batch(-1, np.array([2, 0]), cells, statuses, np.zeros(2, np.int64), {1: "x"}), [2, 0])
    assert found == {2: (7, 0, None), 0: (8, 0x80000000, "x")}
    assert in_order([0, 1, 2, 2], found) == [found[0], NOT_READABLE, found[2], found[2]]
