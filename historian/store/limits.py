# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_store_full.py, tests/property/test_store.py
"""The bounds of a store: words only.

Law of this file: no I/O.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from config.words import NS_PER_S
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
