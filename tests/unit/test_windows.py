# SPDX-License-Identifier: Apache-2.0
"""How often and how far within a sliding window: edges, bad inputs, stops of the server, clocks that are set."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.words import StatusCode
from supervisor.tags.blocks import FunctionBlock, Input, tick
from supervisor.tags.windows import SLOTS, ChangeIn, CountIn

S = 1_000_000_000
T0 = 1_750_000_000 * S
GOOD, UNSURE, WAITS = 0, StatusCode.UncertainSubNormal, StatusCode.BadWaitingForInitialData


def feed(block: FunctionBlock, *samples: tuple[float, float] | tuple[float, None]) -> list[tuple[float, int]]:
    """(second, value or None for a bad one) -> (result, own status)."""
    found, before = [], None
    for second, value in samples:
        now = T0 + round(second * S)
        x = Input(np.array([math.nan if value is None else value]), np.array([value is not None]), np.array([now]))
        out, status = block.step(x, tick(before, now))
        found.append((float(out[0]), 0 if status is None else int(status[0])))
        before = now
    return found


def counts(*samples: tuple[float, float] | tuple[float, None], duration_s: float = 32.0) -> list[float]:
    return [count for count, _ in feed(CountIn(1, duration_s), *samples)]


def test_becoming_true_counts_being_true_does_not() -> None:
    assert counts((0, 0), (1, 1), (2, 1), (3, 0), (4, 1), (5, 1)) == [0, 1, 1, 1, 2, 2]


def test_what_is_true_when_it_is_first_seen_has_not_become_so() -> None:
    assert counts((0, 1), (1, 0), (2, 1)) == [0, 0, 1]


def test_it_is_forgotten_when_the_window_has_passed() -> None:
    assert counts((0, 0), (1, 1), (2, 0), (10, 1), (32, 1), (33, 1), (41, 1), (42, 1)) == [0, 1, 1, 2, 2, 1, 1, 0]


def test_a_bad_input_is_no_change_and_hides_none() -> None:
    assert counts((0, 0), (1, None), (2, 0), (3, 1), (4, None), (5, 1), (6, None), (7, 0), (8, 1))[-1] == 2


def test_the_window_slides_while_nobody_looks() -> None:
    assert counts((0, 0), (1, 1), (2, 0), (1000, 0)) == [0, 1, 1, 0]


def test_a_clock_that_is_set_back_takes_the_window_along() -> None:
    found = counts((0, 0), (1, 1), (2, 0), (-3600, 0), (-3600 + 29, 0), (-3600 + 31, 0))
    assert found == [0, 1, 1, 1, 1, 0], "what was one second old is one second old"


def test_change_needs_a_first_value_and_then_a_window() -> None:
    block = ChangeIn(1, 32.0)
    assert feed(block, (0, None), (1, 5.0), (3, 7.0)) == [(0, WAITS), (0, UNSURE), (2, UNSURE)]
    assert feed(block, (31, 9.0), (32, 9.0), (33, 9.0)) == [(4, UNSURE), (4, GOOD), (4, GOOD)]
    assert feed(block, (35, 9.0)) == [(2, GOOD)], "the 5 of the first second has left the window"


def test_change_falls_too() -> None:
    assert feed(ChangeIn(1, 32.0), *((t, -float(t)) for t in range(100)))[-1] == (-32, GOOD)


def test_over_a_stop_the_value_that_stood_counts() -> None:
    """A meter at 10, the server stopped for half a window, the meter at 14: the 4 are not lost."""
    assert feed(ChangeIn(1, 32.0), *((t, 10.0) for t in range(40)), (56, 14.0), (57, 15.0))[-1] == (5, GOOD)


def test_a_bad_reading_holds_the_last_change() -> None:
    assert feed(ChangeIn(1, 32.0), (0, 1.0), (1, 3.0), (2, None))[-1] == (2, UNSURE)


def test_instances_restored_from_different_times_go_on_each_from_its_own() -> None:
    early, late, both = CountIn(1, 32.0), CountIn(1, 32.0), CountIn(2, 32.0)
    feed(early, (0, 0), (1, 1))
    feed(late, (20, 0), (21, 1))
    both.restore(early.columns(), np.array([0]), np.array([0]))
    both.restore(late.columns(), np.array([0]), np.array([1]))
    now = T0 + 35 * S
    out, _ = both.step(Input(np.ones(2), np.ones(2, np.bool_), np.full(2, now)), tick(None, now))
    assert out.tolist() == [0, 1]


@given(
    times=st.lists(st.integers(1, 20), min_size=1, max_size=60),
    truths=st.lists(st.booleans(), min_size=60, max_size=60),
)
def test_the_count_is_that_of_the_last_thirty_two_steps(times: list[int], truths: list[bool]) -> None:
    at = np.cumsum(times).tolist()
    said = list(zip(at, truths, strict=False))
    found = counts(*((t, float(v)) for t, v in said), duration_s=float(SLOTS))
    second = T0 // S
    for i, (now, _) in enumerate(said):
        rises = [b for (_, was), (b, v) in pairwise(said[: i + 1]) if v and not was]
        assert found[i] == sum(second + r > second + now - SLOTS for r in rises)


@pytest.mark.parametrize("block", [CountIn, ChangeIn])
def test_a_year_costs_as_much_as_a_minute(block: type[CountIn] | type[ChangeIn]) -> None:
    sizes = {sum(c.nbytes for c in block(100, duration_s).columns().values()) for duration_s in (60.0, 366 * 86400.0)}
    assert len(sizes) == 1 and sizes.pop() <= 100 * (SLOTS * 8 + 24)
