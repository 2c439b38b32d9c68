# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_freshness.py
"""Staleness: when does a value stop being true? Judged per request, never per row.

Law of this file: pure arrays over requests; time is an argument (boot time, which never steps); no I/O.

A request is *waiting* until its first answer, *fresh* after one, *uncertain* from its first miss, *bad* when
`bad_after_s` has passed since its last answer. A watchdog does not trust the driver host: a request that was neither
answered nor missed for two periods and its full patience counts as missed, so that a hung driver cannot keep old
values Good.

    waiting -> fresh | bad      fresh -> uncertain      uncertain -> fresh | bad      bad -> fresh | uncertain

The last one is a request that was given up while one of its rows was read beside the plan (a read-back, a change that
the device told by itself): that value is as good as any, and grows old as any.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from config.words import NS_PER_S, Rows
from drivers.base import PollClass

_NO_ROWS: Final = np.zeros(0, np.int64)


class Fresh(IntEnum):
    """State of a request."""

    WAITING = 0
    FRESH = 1
    UNCERTAIN = 2
    BAD = 3


@dataclass(frozen=True, slots=True)
class Judgement:
    """Rows whose status must fall now: `uncertain` at the first miss, `bad` after bad_after."""

    uncertain: Rows
    bad: Rows


class Freshness:
    """The state of every request.

    Args:
        rows: rows of each request.
        polls: its poll class.
        devices: index of its device.
        device_count: number of devices.
        boot_ns: now [ns of boot time]; the wait for first answers starts here.
    """

    def __init__(
        self, rows: Sequence[Rows], polls: Sequence[PollClass], devices: Sequence[int], device_count: int, boot_ns: int
    ) -> None:
        n = len(rows)
        self._rows = list(rows)
        self._device = np.array(devices, np.int64)
        self._device_count = device_count
        self.state: npt.NDArray[np.uint8] = np.full(n, Fresh.WAITING, np.uint8)
        self._last_ns = np.full(n, boot_ns, np.int64)
        self._bad_after_ns = np.array([p.bad_after_s * NS_PER_S for p in polls], np.int64)
        watchdog_s = [2 * p.period_s + p.timeout_s * (p.retries + 1) for p in polls]
        self._watchdog_ns = np.array([s * NS_PER_S for s in watchdog_s], np.int64)
        self._missed = np.zeros(n, np.bool_)

    def seen(self, request: int, boot_ns: int) -> None:
        """The request was answered."""
        self.state[request] = Fresh.FRESH
        self._last_ns[request] = boot_ns
        self._missed[request] = False

    def missed(self, requests: Sequence[int]) -> None:
        """These requests were not answered in their slot."""
        self._missed[np.asarray(requests, np.int64)] = True

    def beside(self, rows: Rows, boot_ns: int) -> None:
        """These rows were read, but not by their request. One that was given up falls once more, unless it answers."""
        owners = self._owner[np.minimum(rows, len(self._owner) - 1)]
        given_up = owners[(owners >= 0) & (self.state[owners] == Fresh.BAD)]
        self.state[given_up] = Fresh.UNCERTAIN
        self._last_ns[given_up] = boot_ns

    @cached_property
    def _owner(self) -> npt.NDArray[np.int32]:
        """The request of each row, -1 for none; the last one stands for all rows beyond."""
        end = max((int(rows.max()) + 1 for rows in self._rows if len(rows)), default=0)
        owner = np.full(end + 1, -1, np.int32)
        for request, rows in enumerate(self._rows):
            owner[rows] = request
        return owner

    def judge(self, boot_ns: int) -> Judgement:
        """Move the states on and say which rows fall. Rows are named once per fall."""
        age = boot_ns - self._last_ns
        fresh = self.state == Fresh.FRESH
        falls = fresh & (self._missed | (age > np.minimum(self._watchdog_ns, self._bad_after_ns)))
        self.state[falls] = Fresh.UNCERTAIN
        hopeless = (self.state != Fresh.FRESH) & (self.state != Fresh.BAD) & (age > self._bad_after_ns)
        self.state[hopeless] = Fresh.BAD
        self._missed[:] = False
        return Judgement(self._of(falls & ~hopeless), self._of(hopeless))

    def answering(self) -> npt.NDArray[np.bool_]:
        """For each device: does at least one of its requests stand fresh? (devices,)"""
        fresh = np.bincount(self._device, self.state == Fresh.FRESH, minlength=self._device_count)
        return fresh > 0

    def judged(self) -> npt.NDArray[np.bool_]:
        """For each device: has any request been answered or given up since start? (devices,)"""
        past = np.bincount(self._device, self.state != Fresh.WAITING, minlength=self._device_count)
        return past > 0

    def _of(self, requests: npt.NDArray[np.bool_]) -> Rows:
        hit = np.flatnonzero(requests)
        return np.concatenate([self._rows[i] for i in hit]) if len(hit) else _NO_ROWS
