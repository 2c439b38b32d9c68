# SPDX-License-Identifier: Apache-2.0
"""Function blocks over any history: splitting a step changes nothing, instances do not touch each other, and what was
saved and restored goes on as if nothing had been."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supervisor.tags.blocks import Input, tick
from supervisor.tags.memory import make_block

S = 1_000_000_000
BLOCKS = [
    ("held_for", (5.0,)),
    ("unchanged_for", (5.0,)),
    ("integrate", (60.0,)),
    ("delta", ()),
    ("counter", (100.0, 25.0)),
    ("count_in", (60.0,)),
    ("change_in", (60.0,)),
]

# (milliseconds since the sample before, value, good)
sample = st.tuples(st.integers(1, 20_000), st.sampled_from([0.0, 1.0, 1.0, 50.0, 99.0]), st.booleans() | st.just(True))
history = st.lists(sample, min_size=1, max_size=30)


def run(name: str, literals: tuple[float, ...], samples: list[tuple[int, float, bool]], n: int = 1, block=None):  # type: ignore[no-untyped-def]
    """Feed samples (absolute ms, value, good); returns the block and the results."""
    block = make_block(name, literals, n) if block is None else block
    results, before = [], None
    for ms, value, good in samples:
        now = ms * 1_000_000
        x = Input(np.full(n, value), np.full(n, good), np.full(n, now))
        out, status = block.step(x, tick(before, now))
        results.append((out.tolist(), None if status is None else status.tolist()))
        before = now
    return block, results


def absolute(samples: list[tuple[int, float, bool]]) -> list[tuple[int, float, bool]]:
    at, out = 10**12, []
    for gap, value, good in samples:
        at += gap
        out.append((at, value, good))
    return out


def split(samples: list[tuple[int, float, bool]], parts: int) -> list[tuple[int, float, bool]]:
    """The same history looked at more often: each sample repeated until the next one."""
    out = [samples[0]]
    for (t0, v0, g0), (t1, v1, g1) in pairwise(samples):
        out += [(t0 + (t1 - t0) * k // parts, v0, g0) for k in range(1, parts)]
        out.append((t1, v1, g1))
    return out


@settings(max_examples=120, deadline=None)
@given(history, st.integers(2, 5))
def test_an_integral_does_not_depend_on_how_often_it_is_looked_at(
    samples: list[tuple[int, float, bool]], parts: int
) -> None:
    whole, _ = run("integrate", (60.0,), absolute(samples))
    fine, _ = run("integrate", (60.0,), split(absolute(samples), parts))
    exact = sum(v * (t1 - t0) / 60_000 for (t0, v, g), (t1, _, _) in pairwise(absolute(samples)) if g)
    assert whole.total[0] == pytest.approx(exact)
    assert fine.total[0] == pytest.approx(exact)
    assert whole.total[0] >= 0


@settings(max_examples=80, deadline=None)
@given(history)
def test_held_for_equals_its_definition(samples: list[tuple[int, float, bool]]) -> None:
    """Time in which the condition was true at both ends, since it was last seen false."""
    points = absolute(samples)
    _, results = run("held_for", (5.0,), points)
    held, previous = 0, None
    for (ms, value, good), (out, _) in zip(points, results, strict=True):
        true = good and value != 0
        if true and previous is not None and previous[1]:
            held += ms - previous[0]
        if good and not true:
            held = 0
        assert out == [held >= 5000]
        previous = (ms, true)


@pytest.mark.parametrize(("name", "literals"), BLOCKS)
@settings(max_examples=40, deadline=None)
@given(samples=history, cut=st.integers(0, 29))
def test_restored_it_goes_on_as_after_a_pause(
    name: str, literals: tuple[float, ...], samples: list[tuple[int, float, bool]], cut: int
) -> None:
    points = absolute(samples)
    first, rest = points[: cut % len(points)], [(ms + 100_000, v, g) for ms, v, g in points[cut % len(points) :]]
    pause = [(first[-1][0] + 90_000, 0.0, False)] if first else []
    _, expected = run(name, literals, [*first, *pause, *rest])
    before, _ = run(name, literals, first)
    after = make_block(name, literals, 1)
    after.restore({k: v.copy() for k, v in before.columns().items()}, np.array([0]), np.array([0]))
    _, results = run(name, literals, rest, block=after)
    assert results == expected[len(expected) - len(rest) :]


@pytest.mark.parametrize(("name", "literals"), BLOCKS)
@settings(max_examples=30, deadline=None)
@given(histories=st.lists(st.lists(sample, min_size=12, max_size=12), min_size=3, max_size=3))
def test_instances_do_not_touch_each_other(
    name: str, literals: tuple[float, ...], histories: list[list[tuple[int, float, bool]]]
) -> None:
    """Three instances at once and each alone; the total of `integrate` is compared, its display is spread by design."""
    times = [ms for ms, _, _ in absolute(histories[0])]
    together = make_block(name, literals, 3)
    alone = [make_block(name, literals, 1) for _ in histories]
    before = None
    for step, ms in enumerate(times):
        now = ms * 1_000_000
        values = np.array([h[step][1] for h in histories])
        good = np.array([h[step][2] for h in histories])
        together.step(Input(values, good, np.full(3, now)), tick(before, now))
        for i, block in enumerate(alone):
            block.step(Input(values[i : i + 1], good[i : i + 1], np.full(1, now)), tick(before, now))
        before = now
    for column, joined in together.columns().items():
        np.testing.assert_array_equal(joined, [block.columns()[column][0] for block in alone], column)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.floats(0, 99.99) | st.integers(0, 99).map(float), min_size=1, max_size=40))
def test_a_counter_never_falls(raws: list[float]) -> None:
    points = [(10**12 + i * 1000, raw, True) for i, raw in enumerate(raws)]
    _, results = run("counter", (100.0, 25.0), points)
    totals = [out[0] for out, _ in results]
    assert all(a <= b for a, b in pairwise(totals))


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 10**6), st.lists(st.integers(0, 15_999), min_size=1, max_size=30))
def test_a_counter_finds_the_true_total_through_any_number_of_roll_overs(start: int, advances: list[int]) -> None:
    true, points = [start % 65536], [(10**12, float(start % 65536), True)]
    for i, advance in enumerate(advances):
        true.append(true[-1] + advance)
        points.append((10**12 + (i + 1) * 1000, float(true[-1] % 65536), True))
    block, results = run("counter", (65536.0, 16384.0), points)
    assert [out[0] for out, _ in results] == true
    assert block.resets[0] == 0
