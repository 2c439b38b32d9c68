# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_store_rules.py
"""What is stored: the class rules of the plant documentation (7.3) by row.

    E  event        every change; kept alive every 24 h (E13: the same, evidence)
    A1 fast analog  beyond the dead band, not within 10 s of the last; kept alive every 5 min
    A2 slow analog  beyond the dead band; kept alive every hour
    C  counter      at whole quarters (or `every`), UTC
    D  daily        once a day (or `every`), UTC
    P  personal     every change; kept alive every 24 h
    N  none         never

Law of this file: the rules as columns, made once per plant; `sieve` applies them.

A change of severity (Good, Uncertain, Bad) is stored at once, whatever the interval: a gap must begin where it begins;
only D waits for its hour. A change that comes too early is stored as it stands when the interval ends. Kept alive means
the value is stored again though nothing changed: up to an eighth earlier, each series by its own part, so that half a
million quiet tags do not come due in one scan.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from config.model import HistoryClass, HistoryRule
from config.words import NS_PER_S, Kind
from historian.store.samples import CLASSES

NOT_STORED: Final = 255
"""Class number of class N."""


class Timing(NamedTuple):
    """Of one class [s]: least and longest time between two samples, alignment; 0 is none."""

    least_s: int
    longest_s: int
    every_s: int


TIMING: Final[dict[HistoryClass, Timing]] = {
    HistoryClass.E: Timing(0, 86_400, 0),
    HistoryClass.A1: Timing(10, 300, 0),
    HistoryClass.A2: Timing(0, 3600, 0),
    HistoryClass.C: Timing(0, 0, 900),
    HistoryClass.D: Timing(0, 0, 86_400),
    HistoryClass.P: Timing(0, 86_400, 0),
}


@dataclass(frozen=True, slots=True)
class RuledBlock:
    """One tag of a type over all its instances, `count` rows from `start`; range NaN where none is declared."""

    start: int
    count: int
    kind: Kind
    rule: HistoryRule
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class RowRules:
    """By row, (n,).

    Attributes:
        class_id: index into CLASSES, or NOT_STORED.
        deadband: a change of at most this is none [unit of the tag]; 0: any change counts.
        least_ns, longest_ns, every_ns: see `Timing` [ns].
    """

    series: npt.NDArray[np.uint32]
    kind: npt.NDArray[np.uint8]
    class_id: npt.NDArray[np.uint8]
    deadband: npt.NDArray[np.float64]
    least_ns: npt.NDArray[np.int64]
    longest_ns: npt.NDArray[np.int64]
    every_ns: npt.NDArray[np.int64]


def rules_of(series: npt.NDArray[np.uint32], blocks: Iterable[RuledBlock]) -> RowRules:
    """Rules of all rows of a plant. Rows in no block are not stored.

    Args:
        series: id of each row, (n,).
    """
    n = len(series)
    rules = RowRules(
        series,
        np.zeros(n, np.uint8),
        np.full(n, NOT_STORED, np.uint8),
        np.zeros(n),
        np.zeros(n, np.int64),
        np.zeros(n, np.int64),
        np.zeros(n, np.int64),
    )
    for block in blocks:
        rows = slice(block.start, block.start + block.count)
        rules.kind[rows] = block.kind
        if block.rule.class_ is HistoryClass.N:
            continue
        timing = TIMING[block.rule.class_]
        rules.class_id[rows] = CLASSES.index("E13" if block.rule.evidence else block.rule.class_.value)
        rules.deadband[rows] = deadband_of(block.rule, block.low, block.high)
        rules.least_ns[rows] = timing.least_s * NS_PER_S
        rules.longest_ns[rows] = timing.longest_s * NS_PER_S
        every_s = block.rule.every if timing.every_s and block.rule.every is not None else timing.every_s
        rules.every_ns[rows] = round(every_s * NS_PER_S)
    return rules


def deadband_of(rule: HistoryRule, low: float, high: float) -> float:
    """In units of the tag; '2 %' is of its range.

    Raises:
        ValueError: per cent, and no range.
    """
    if rule.deadband is None:
        return 0.0
    if isinstance(rule.deadband, str) and rule.deadband.endswith("%"):
        span = float(rule.deadband.removesuffix("%")) / 100.0 * (high - low)
        if not span >= 0.0:
            raise ValueError(f"dead band {rule.deadband}: expected a range of the tag, got {low}..{high}")
        return span
    return float(rule.deadband)
