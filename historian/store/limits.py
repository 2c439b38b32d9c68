# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_store_full.py, tests/property/test_store.py
"""The bounds of a store, and which samples lie within them.

Law of this file: words and columns; no I/O, no clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from config.words import NS_PER_S
from historian.store.samples import CLASSES, Samples
from historian.store.upkeep import RETENTION_S

FUTURE_NS: Final = 3600 * NS_PER_S
"""How far ahead of the server a sample's time may be [ns]."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one store.

    Attributes:
        turn_rows, turn_bytes, turn_age_s: when a log file is full and is sealed.
        unsealed_rows_max: rows of the log in memory [about 40 B each].
        size_max: segments, roll-ups and log together [B].
        retention_s: class -> how long samples are kept [s].
    """

    turn_rows: int = 1_000_000
    turn_bytes: int = 64 << 20
    turn_age_s: int = 3600
    unsealed_rows_max: int = 3_000_000
    size_max: int = 1 << 40
    retention_s: Mapping[str, int] = field(default_factory=lambda: dict(RETENTION_S))

    def in_time(self, samples: Samples, now_ns: int) -> Samples:
        """Those that are no older than their class is kept and no newer than FUTURE_NS."""
        kept_ns = np.array([self.retention_s[c] for c in CLASSES], np.int64) * NS_PER_S
        oldest, time_ns = now_ns - kept_ns, samples.time_ns
        if len(samples) and time_ns.min() >= oldest.max() and time_ns.max() <= now_ns + FUTURE_NS:
            return samples
        fine = (time_ns >= np.maximum(oldest, 0)[samples.class_id]) & (time_ns <= now_ns + FUTURE_NS)
        return samples if fine.all() else samples.take(fine)
