# SPDX-License-Identifier: Apache-2.0
"""The search for refused addresses against devices with arbitrary holes and blocks that must not be spanned."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from drivers.modbus import split
from drivers.modbus.split import Learned


def poll(state: Learned, bad: set[int], now_s: float) -> tuple[set[int], int]:
    """One read of a device that refuses any question touching an address in `bad`; points answered, questions put."""
    split.release(state, now_s)
    to_ask, answered, asked = list(state.parts), set(), 0
    while to_ask:
        start, end = part = to_ask.pop(0)
        asked += 1
        touched = set(range(state.first[start], max(state.last[start:end]) + 1))
        if touched & bad:
            to_ask[:0] = split.refused(state, part, 2, now_s)
            split.check_invariants(state)
        else:
            answered |= set(range(start, end))
    split.answered(state)
    split.check_invariants(state)
    return answered, asked


blocks = st.lists(st.tuples(st.integers(0, 9), st.integers(1, 4)), min_size=1, max_size=40)


@given(blocks, st.sets(st.integers(0, 300), max_size=8))
def test_every_point_without_a_refused_address_answers_at_every_poll(
    shape: list[tuple[int, int]], bad: set[int]
) -> None:
    first, last, at = [], [], 0
    for gap, width in shape:
        first.append(at + gap)
        last.append(at + gap + width - 1)
        at += gap + width
    healthy = {i for i in range(len(first)) if not bad & set(range(first[i], last[i] + 1))}
    state = split.begin(first, last)
    counts = []
    for k in range(12):
        answered, asked = poll(state, bad, float(k))
        assert answered == healthy
        assert set(state.quarantined) == set(range(len(first))) - healthy
        assert asked <= 2 * len(first)
        counts.append(asked)
    assert counts[-1] == counts[-2] <= max(1, 2 * len(bad) + 2 + len(state.cuts))


@given(blocks, st.sets(st.integers(0, 300), max_size=8))
def test_a_device_that_is_mended_is_asked_whole_again_unless_a_cut_was_proven(
    shape: list[tuple[int, int]], bad: set[int]
) -> None:
    first, last, at = [], [], 0
    for gap, width in shape:
        first.append(at + gap)
        last.append(at + gap + width - 1)
        at += gap + width
    state = split.begin(first, last)
    for k in range(8):
        poll(state, bad, float(k))
    for k in range(4):
        answered, _ = poll(state, set(), split.RETRY_AFTER_S + 10 + k)
    assert answered == set(range(len(first)))
    assert len(state.parts) == len(state.cuts) + 1


def test_the_largest_gap_is_cut_first() -> None:
    state = split.begin([0, 1, 2, 20, 21], [0, 1, 2, 20, 21])
    assert split.refused(state, (0, 5), 2, 0.0) == [(0, 3), (3, 5)]


def test_without_gaps_the_middle_is_cut() -> None:
    state = split.begin(list(range(8)), list(range(8)))
    assert split.refused(state, (0, 8), 2, 0.0) == [(0, 4), (4, 8)]


def test_the_worked_example_of_the_docstring() -> None:
    state = split.begin(list(range(8)), list(range(8)))
    assert poll(state, {5}, 0.0) == ({0, 1, 2, 3, 4, 6, 7}, 7)
    assert state.parts == [(0, 5), (6, 8)]
    assert poll(state, {5}, 1.0)[1] == 2
