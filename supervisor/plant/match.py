# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_ground_floor.py
"""Which rows of two generations are the same tag: by series id, never by row or name."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from config.words import Rows


def match_series(old: npt.NDArray[np.uint32], new: npt.NDArray[np.uint32]) -> tuple[Rows, Rows]:
    """Rows that carry the same series id in both, as (rows in old, rows in new), parallel.

    A tag whose kind changed has a new series id (the catalogue sees to it), so equal ids mean equal kinds.
    """
    _, in_old, in_new = np.intersect1d(old, new, assume_unique=True, return_indices=True)
    return in_old.astype(np.int64), in_new.astype(np.int64)
