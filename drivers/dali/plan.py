# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_dali_plan.py
"""Points to questions on the bus: what one frame, or one walk through a memory bank, answers together.

Law of this file: pure; runs once per device and generation.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from drivers.base import Exchange, Point
from drivers.dali import registers
from drivers.dali.address import FAULTS, LEVELS, LOYTEC, LUNATONE, DaliDevice, DaliPoint
from drivers.dali.banks import FIELDS
from drivers.dali.frames import FAILURE_BITS, STATUS_BITS
from drivers.dali.gateway import check_gear
from drivers.dali.schedule import Rank

RANKS: Final = {
    "faults": Rank.FAULT,
    "bus": Rank.FAULT,
    "level": Rank.LEVEL,
    "status": Rank.LEVEL,
    "failures": Rank.LEVEL,
    "group": Rank.LEVEL,
    "bank": Rank.ENERGY,
    "found": Rank.LEVEL,  # a hundred frames that do not hold the bus: as energy they would wait for hours on a full one
}


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of a gear or its line.

    Attributes:
        sort: a key of RANKS.
        number: of the bank or group.
        positions: of the points it answers.
        values: their names, in the same order.
    """

    sort: str
    number: int
    positions: tuple[int, ...]
    values: tuple[str, ...]

    @property
    def label(self) -> str:
        """For people: 'level', 'bank 202'."""
        return f"{self.sort} {self.number}" if self.sort in ("bank", "group") else self.sort

    @property
    def rank(self) -> Rank:
        """How urgent."""
        return RANKS[self.sort]


def sort_of(address: DaliPoint) -> tuple[str, int]:
    """The question that answers a value, and its number."""
    value = str(address.value)
    if value in FIELDS:
        return "bank", FIELDS[value].bank
    if value == "group_level":
        return "group", address.group or 0
    if value in FAULTS:
        return "faults", 0
    for sort, values in (("level", LEVELS), ("status", STATUS_BITS), ("failures", FAILURE_BITS)):
        if value in values:
            return sort, 0
    return ("found", 0) if value == "found" else ("bus", 0)


def questions(points: Sequence[Point], chosen: Iterable[int]) -> list[Question]:
    """The questions that answer the points at positions `chosen`."""
    found: dict[tuple[str, int], list[int]] = {}
    for i in chosen:
        found.setdefault(sort_of(points[i].address), []).append(i)
    return [
        Question(sort, number, tuple(positions), tuple(str(points[i].address.value) for i in positions))
        for (sort, number), positions in found.items()
    ]


def plan(device: DaliDevice, points: Sequence[Point]) -> list[Exchange]:
    """Exchanges that read all readable polled points of a gear or a line.

    Raises:
        ValueError: a value of a gear on a device that is none, or a line the gateway does not have.
    """
    if device.wire == LOYTEC:
        from drivers.dali import objects  # loads the BACnet driver

        return objects.plan(device, points)
    if device.wire != LUNATONE:
        return registers.plan(device, points)
    check_gear(device, points)
    exchanges = []
    for poll in dict.fromkeys(p.poll for p in points if p.poll is not None):
        chosen = [i for i, p in enumerate(points) if p.poll == poll and p.access.readable]
        for question in questions(points, chosen):
            take = np.array(question.positions, np.int64)
            exchanges.append(Exchange(take, poll, question.label, question))
    return exchanges
