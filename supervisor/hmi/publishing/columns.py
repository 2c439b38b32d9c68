# SPDX-License-Identifier: Apache-2.0
# Tests: tests/property/test_hmi_items.py
"""Monitored items as columns: what every set of them has, and what counts as a change.

Law of this file: numpy only; no asyncua, no I/O, no clock. Items stay in the order of their ids, so that an id is
found by bisection.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, ClassVar, Final

import numpy as np
import numpy.typing as npt

from config.words import BAD, Cells, Rows, Statuses, TimesNs
from supervisor.tags.table import TagTable

Ids = npt.NDArray[np.uint32]
Mask = npt.NDArray[np.bool_]


class Mode(IntEnum):
    """Monitoring mode. Source: OPC 10000-4, 7.23."""

    DISABLED = 0
    SAMPLING = 1
    REPORTING = 2


class Trigger(IntEnum):
    """What counts as a change. Source: OPC 10000-4, 7.10."""

    STATUS = 0
    VALUE = 1
    TIMESTAMP = 2


# Settings as the client gave them, and the value that the next one is compared with.
SHARED: Final[dict[str, Any]] = {
    "ids": np.uint32,
    "handles": np.uint32,
    "rows": np.int64,
    "mode": np.uint8,
    "trigger": np.uint8,
    "stamps": np.uint8,
    "band": np.float64,  # absolute deadband [unit of the tag], 0 none
    "period_ns": np.int64,  # sampling interval, 0: every scan
    "cells": np.int64,
    "status": np.uint32,
    "source_ns": np.int64,
    "fresh": np.bool_,  # nothing was taken yet, or the item was disabled since
    "released": np.bool_,  # an item that triggers this one has fired: it may report although it only samples
    "triggers": np.bool_,  # other items are linked to this one
    "barred": np.bool_,  # the session's present user may not see this row
}


@dataclass(frozen=True, slots=True)
class Values:
    """Values of items at one moment. Arrays (n,)."""

    cells: Cells
    status: Statuses
    source_ns: TimesNs

    @classmethod
    def of(cls, table: TagTable, rows: Rows) -> Values:
        return cls(table.cells[rows], table.status[rows], table.source_ns[rows])


class Columns:
    """Growable columns of one length; `dtypes` names them, each becomes an attribute."""

    dtypes: ClassVar[dict[str, Any]] = SHARED

    ids: Ids
    handles: Ids
    rows: Rows
    mode: npt.NDArray[np.uint8]
    trigger: npt.NDArray[np.uint8]
    stamps: npt.NDArray[np.uint8]
    band: npt.NDArray[np.float64]
    period_ns: TimesNs
    cells: Cells
    status: Statuses
    source_ns: TimesNs
    fresh: Mask
    released: Mask
    triggers: Mask
    barred: Mask

    def __init__(self) -> None:
        self._memory = {name: np.zeros(0, dtype) for name, dtype in self.dtypes.items()}
        self._count = 0
        self.expose()

    def __len__(self) -> int:
        return self._count

    def expose(self) -> None:
        """The columns have changed in length or meaning: whoever keeps something derived from them renews it."""
        for name, memory in self._memory.items():
            setattr(self, name, memory[: self._count])
        self._plain = bool((self.trigger == Trigger.VALUE).all())
        self._banded = np.flatnonzero(self.band > 0)

    def insert(self, new: dict[str, Any]) -> Rows:
        """Add items; columns that are not named begin with 0. Returns their positions. `new['ids']` ascends."""
        n, m = self._count, len(new["ids"])
        at = np.searchsorted(self.ids, new["ids"])
        if n and m and at[0] < n:
            for name in self._memory:
                column = np.insert(self._memory[name][:n], at, new.get(name, 0))
                self._memory[name] = column
        else:
            self._append(new, n, m)
        self._count = n + m
        self.expose()
        return at + np.arange(m)

    def _append(self, new: dict[str, Any], n: int, m: int) -> None:
        grow = n + m > len(self._memory["ids"])
        for name, memory in self._memory.items():
            if grow:
                grown = np.zeros(max(2 * n, n + m), memory.dtype)
                grown[:n] = memory[:n]
                self._memory[name] = memory = grown
            memory[n : n + m] = new.get(name, 0)

    def find(self, ids: Ids) -> tuple[Rows, Mask]:
        """Positions of `ids` and a mask of those that exist; a position is without meaning where they do not."""
        if not self._count:
            return np.zeros(len(ids), np.int64), np.zeros(len(ids), np.bool_)
        at = np.minimum(np.searchsorted(self.ids, ids), self._count - 1)
        return at, self.ids[at] == ids

    def take_out(self, at: Rows) -> dict[str, Any]:
        """Remove the items at these positions; returns their columns, in the order of their ids."""
        gone = np.zeros(self._count, np.bool_)
        gone[at] = True
        left = self._count - int(gone.sum())
        taken = {}
        for name, memory in self._memory.items():
            column = memory[: self._count]
            taken[name] = column[gone]
            memory[:left] = column[~gone]
        self._count = left
        self.expose()
        return taken

    def changed(self, at: Rows | slice, now: Values, is_float: Mask) -> Mask:
        """Which of the items at positions `at` have something to tell, compared with what was taken last.

        Args:
            is_float: whether a tag's cell is float64, by item of `at`; looked at only for deadbands.
        """
        then = self.cells[at]
        moved: Mask = (now.cells != then) & (now.status < BAD)
        if len(self._banded):
            band = self.band[at]
            banded = np.flatnonzero(moved & (band > 0))
            moved[banded] = ~within_band(now.cells[banded], then[banded], is_float[banded], band[banded])
        if not self._plain:
            trigger = self.trigger[at]
            moved &= trigger >= Trigger.VALUE
            moved |= (trigger == Trigger.TIMESTAMP) & (now.source_ns != self.source_ns[at])
        moved |= now.status != self.status[at]
        moved |= self.fresh[at]
        moved &= ~self.barred[at]
        return moved

    def remember(self, at: Rows | slice, now: Values) -> None:
        """These values were taken: the next ones are compared with them."""
        self.cells[at] = now.cells
        self.status[at] = now.status
        self.source_ns[at] = now.source_ns
        self.fresh[at] = False


def within_band(now: Cells, then: Cells, is_float: Mask, band: npt.NDArray[np.float64]) -> Mask:
    """Whether values differ by no more than their deadband; arrays (n,). NaN is within no band."""
    here = np.where(is_float, now.view(np.float64), now.astype(np.float64))
    there = np.where(is_float, then.view(np.float64), then.astype(np.float64))
    with np.errstate(invalid="ignore", over="ignore"):
        inside: Mask = np.abs(here - there) <= band
    return inside
