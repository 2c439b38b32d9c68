# SPDX-License-Identifier: Apache-2.0
# Tests: tests/sim/test_modbus_days.py, tests/sim/test_opcua_days.py, tests/sim/test_bacnet_days.py
"""A day of faults: what moves, what breaks, and a judge who compares every Good value with what the device holds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import numpy as np
import numpy.typing as npt

from config.words import Batch, LinkState, StatusCode
from drivers.simulated import Simulated

DAY_S = 86_400
Cells = npt.NDArray[np.int64]


class Judge:
    """A sink that compares.

    Args:
        held: the cells that the field holds now, by row.

    Attributes:
        good, wrong: values that came as Good, and those of them that the device did not hold.
        worst: the first of those, for people.
        losses: calls of `missed`.
    """

    def __init__(self, held: Callable[[], Cells]) -> None:
        self._held = held
        self._truths = [held()]
        self.good = self.wrong = self.losses = 0
        self.worst = ""

    def moved(self) -> None:
        """The field has changed, or a fault changed it."""
        self._truths = [*self._truths, self._held()]

    def settled(self) -> None:
        """What was is known everywhere by now."""
        self._truths = self._truths[:1]

    def batch(self, batch: Batch) -> None:
        good = batch.statuses == StatusCode.Good
        rows, cells = batch.rows[good], batch.cells[good]
        true = np.zeros(len(rows), np.bool_)
        for truth in self._truths:
            true |= cells == truth[rows]
        self.good += len(rows)
        if wrong := int((~true).sum()):
            self.wrong += wrong
            row = int(rows[~true][0])
            self.worst = self.worst or f"row {row}: {cells[~true][0]} read, {[int(t[row]) for t in self._truths]} held"

    def missed(self, requests: Sequence[int], status: StatusCode, reason: str, now_ns: int) -> None:
        self.losses += 1

    def link(self, device: int, state: LinkState, reason: str, now_ns: int) -> None: ...


async def a_day(
    device: Simulated, judge: Judge, knobs: Sequence[str], move: Callable[[int], Any], settle_s: float
) -> None:
    """24 hours: the field moves, a knob is turned, lasts a while, is turned back; every knob has its turn.

    Args:
        move: let the field hold other values; its argument counts up. It moves right behind a fault.
        settle_s: until what was before is known everywhere [s].
    """
    chance, loop, used = Random(1), asyncio.get_running_loop(), set()
    end_s, moment = loop.time() + DAY_S, 0
    while loop.time() < end_s:
        moment += 1
        move(moment)
        judge.moved()
        await asyncio.sleep(settle_s + chance.uniform(30, 100))
        judge.settled()
        knob = chance.choice(knobs)
        used.add(knob)
        device.turn(knob)
        judge.moved()
        await asyncio.sleep(chance.uniform(1, 120))
        device.turn("heal")
        judge.moved()
    assert used == set(knobs)


def words_of(knobs: Sequence[str]) -> set[str]:
    """The names that a list of knobs turns."""
    return {knob.split()[0] for knob in knobs}
