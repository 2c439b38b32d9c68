# SPDX-License-Identifier: Apache-2.0
"""The vectorised delays equal a slow one, per condition, that a process engineer can read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from supervisor.alarms.delays import Delays

S = 1_000_000_000
DELAYS = [(0, 0), (3, 0), (0, 4), (3, 5), (7, 2)]


@dataclass
class Slow:
    """One condition, told in words: sides, stages, watched time."""

    on: int
    off: int
    watched: int = 0
    sees: bool = False
    raw: int = 0
    side_since: int = 0
    second_since: int = 0
    side: int = 0
    second: bool = False

    def step(self, raw: int, usable: bool, passed: int) -> int:
        if self.sees:
            self.watched += passed
        self.sees = usable
        if not usable:
            return self.level
        was, now = (self.raw > 0) - (self.raw < 0), (raw > 0) - (raw < 0)
        if was != now:
            self.side_since = self.second_since = self.watched
        elif (abs(self.raw) == 2) != (abs(raw) == 2):
            self.second_since = self.watched
        self.raw = raw
        if self.side not in (0, now) and self.watched - self.side_since >= self.off:
            self.side, self.second = 0, False
        if self.side == 0 and now != 0 and self.watched - self.side_since >= self.on:
            self.side = now
        if self.side == now != 0:
            beyond = abs(raw) == 2
            if beyond != self.second and self.watched - self.second_since >= (self.on if beyond else self.off):
                self.second = beyond
        return self.level

    @property
    def level(self) -> int:
        return self.side * 2 if self.second else self.side


scans = st.lists(
    st.tuples(
        st.lists(st.tuples(st.sampled_from([0, 0, 1, 2, -1, -2]), st.sampled_from([True, True, True, False])),
                 min_size=len(DELAYS), max_size=len(DELAYS)),
        st.integers(1, 4),
        st.sampled_from([0, 0, 0, 3600, -7200]),
    ),
    max_size=30,
)  # fmt: skip


@given(scans)
def test_fast_equals_slow(scans: list[tuple[list[tuple[int, bool]], int, int]]) -> None:
    fast = Delays(*(np.array(column) * S for column in zip(*DELAYS, strict=True)))
    slow = [Slow(on, off) for on, off in DELAYS]
    now = 1_000_000
    for inputs, passed, set_by in scans:
        now += passed + set_by
        before = fast.level.copy()
        raw, usable = np.array([r for r, _ in inputs], np.int8), np.array([u for _, u in inputs], np.bool_)
        moved = fast.run(raw, usable, now * S, set_by * S)
        assert fast.level.tolist() == [s.step(r, u, passed) for s, (r, u) in zip(slow, inputs, strict=True)]
        away, back = (before == 0) & (fast.level != 0), (before != 0) & (fast.level == 0)
        assert moved.rise.tolist() == np.flatnonzero(away).tolist()
        assert moved.clear.tolist() == np.flatnonzero(back).tolist()
        assert moved.change.tolist() == np.flatnonzero((before != fast.level) & ~away & ~back).tolist()


@given(scans, st.integers(0, 29))
def test_a_restart_loses_no_watched_time_and_adds_none(
    scans: list[tuple[list[tuple[int, bool]], int, int]], stop: int
) -> None:
    """Stopped after any scan and gone on an hour later: the same levels as without."""
    on, off = (np.array(column) * S for column in zip(*DELAYS, strict=True))
    steady, broken = Delays(on, off), Delays(on, off)
    now = late = 1_000_000
    everything = np.arange(len(DELAYS))
    for i, (inputs, passed, _) in enumerate(scans):
        raw, usable = np.array([r for r, _ in inputs], np.int8), np.array([u for _, u in inputs], np.bool_)
        if i == stop:
            # The interval in which it stopped was watched by nobody, in either.
            saved = {name: column.copy() for name, column in broken.columns().items()}
            broken = Delays(on, off)
            broken.restore(saved, everything, everything, late * S)
            late += 3600
            steady.run(raw, usable, now * S)
            broken.run(raw, usable, late * S)
        else:
            now, late = now + passed, late + passed
            steady.run(raw, usable, now * S)
            broken.run(raw, usable, late * S)
        assert broken.level.tolist() == steady.level.tolist()
