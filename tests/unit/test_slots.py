# SPDX-License-Identifier: Apache-2.0
"""The grid of drivers/slots.py: spread, drift-free, monotone; missed slots are counted, never queued."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.base import PollClass
from drivers.polled import Polled
from drivers.slots import Slot, after, phase_s, running_slot, slot_at

PERIODS = st.sampled_from([0.1, 0.25, 1.0, 3.0, 10.0, 60.0, 900.0])


@pytest.mark.parametrize(
    ("served", "now_s", "next_index", "missed"),
    [
        (7, 7.1, 8, 0),  # in good time
        (7, 8.0, 8, 0),  # exactly when the next begins
        (7, 8.9, 8, 0),  # the next has begun: late, served at once
        (7, 9.0, 9, 1),  # slot 8 had no chance
        (7, 12.5, 12, 4),
    ],
)
def test_missed_slots_are_skipped_and_counted(served: int, now_s: float, next_index: int, missed: int) -> None:
    assert after(Slot(1.0, 0.0, served), now_s) == (Slot(1.0, 0.0, next_index), missed)


@given(st.text(min_size=1, max_size=40), PERIODS)
def test_phase_lies_in_the_period(name: str, period_s: float) -> None:
    assert 0.0 <= phase_s(name, period_s) < period_s


def test_phase_is_the_same_on_every_machine() -> None:
    """Recorded once: a change of the hash would move every slot of every city."""
    assert phase_s("21605/CAB-0003.controller", 10.0) == pytest.approx(2.9435547)


def test_a_city_is_spread_evenly() -> None:
    """850 cabinets over 10 s in bins of 1 s: 85 expected; a bin beyond +-5 standard deviations would be a pattern."""
    bins = [0] * 10
    for number in range(850):
        bins[int(phase_s(f"21605/CAB-{number:04d}.controller", 10.0))] += 1
    assert all(85 - 45 < n < 85 + 45 for n in bins), bins


@given(PERIODS, st.floats(0, 0.999), st.floats(0, 1e6))
def test_the_first_slot_is_the_next_on_the_grid(period_s: float, share: float, now_s: float) -> None:
    slot = slot_at(period_s, share * period_s, now_s)
    assert now_s <= slot.due_s <= now_s + period_s * (1 + 1e-9)


@given(PERIODS, st.floats(0, 0.999), st.lists(st.floats(0, 5), min_size=1, max_size=50))
def test_slots_never_go_back_and_every_one_is_served_or_counted(
    period_s: float, share: float, lengths: list[float]
) -> None:
    slot = slot_at(period_s, share * period_s, 100.0)
    first, now_s, served, missed_total = slot.index, 100.0, 0, 0
    for length in lengths:
        now_s = max(now_s, slot.due_s) + length * period_s
        following, missed = after(slot, now_s)
        served, missed_total = served + 1, missed_total + missed
        assert following.index > slot.index and missed >= 0
        assert following.due_s + period_s > now_s, "a slot whose successor has begun is not served"
        slot = following
    assert slot.index - first == served + missed_total


def test_a_day_of_slots_does_not_drift() -> None:
    slot = slot_at(0.1, 0.03, 0.0)
    for _ in range(864_000):
        slot, missed = after(slot, slot.due_s)
        assert missed == 0
    assert slot.due_s == pytest.approx(86_400.03, abs=1e-6)


@pytest.mark.parametrize("period_s", [0.0, -1.0, math.inf, math.nan])
def test_a_period_must_be_positive(period_s: float) -> None:
    with pytest.raises(ValueError, match="expected a period > 0 s"):
        slot_at(period_s, 0.0, 0.0)


@given(PERIODS, st.floats(0, 0.999), st.floats(0, 1e6), st.integers(0, 10**6))
def test_a_device_that_comes_back_is_due_at_once_and_then_on_its_grid(
    period_s: float, share: float, now_s: float, index: int
) -> None:
    slot = running_slot(Slot(period_s, share * period_s, index), now_s)
    assert now_s - period_s * (1 + 1e-9) - 1e-9 <= slot.due_s <= now_s + 1e-9
    following, missed = after(slot, now_s)
    assert (following.index, missed) == (slot.index + 1, 0)


def test_slots_that_pass_while_the_bus_carries_no_more_are_skipped_and_not_missed() -> None:
    def served(waited_s: float) -> tuple[int, float]:
        each = Polled(PollClass("p", 10.0, 1.0, 0, 60.0), [], Slot(10.0, 0.0, 0))
        each.begin(0.0)
        return each.end(47.0, waited_s), each.due_s

    assert served(0.0) == (3, 40.0), "10, 20 and 30 s were missed; 40 s is late and served at once"
    assert served(20.0) == (1, 40.0)
    assert served(46.0) == (0, 40.0)


def test_classes_that_are_called_together_are_due_together_and_the_fastest_goes_first() -> None:
    """By their grids alone the slowest would have waited longest."""
    classes = [Polled(PollClass("p", s, 1.0, 0, 3 * s), [], Slot(s, 0.0, 100)) for s in (5.0, 900.0, 1800.0)]
    for each in classes:
        each.at_once(1234.5)
    assert [each.due_s for each in classes] == [1234.5] * 3 and min(classes, key=lambda e: e.due_s) is classes[0]
    classes[0].begin(1234.5)
    assert (classes[0].end(1234.6), classes[0].due_s) == (0, 1235.0), "and from then on by its grid"
