# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_ground_floor.py
"""Carry live values from one generation's table to the next: what is the same tag keeps value, status and time."""

from __future__ import annotations

from supervisor.plant.match import match_series
from supervisor.tags.table import TagTable


def carry(old: TagTable, new: TagTable) -> int:
    """Copy every row whose series id lives on; both tables share the string pool.

    Rows that the new plant does not support stay BadNotSupported; rows that it newly supports start afresh.

    Returns: number of rows carried.
    Raises:
        ValueError: the tables have different pools, so that string cells would change their meaning.
    """
    if old.pool is not new.pool:
        raise ValueError("both generations must share one string pool")
    was, now = match_series(old.plant.series, new.plant.series)
    alive = new.plant.supported[now] & old.plant.supported[was]
    was, now = was[alive], now[alive]
    for column in ("cells", "status", "source_ns", "last_usable_ns"):
        getattr(new, column)[now] = getattr(old, column)[was]
    new.mark_changed(slice(None))
    return len(now)
