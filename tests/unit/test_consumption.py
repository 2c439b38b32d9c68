# SPDX-License-Identifier: Apache-2.0
"""What a meter counted: roll-overs, replacements, holes, edges. Nothing is lost, nothing is invented."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from config.words import NS_PER_S, Kind, StatusCode
from historian.store.consumption import Consumption, consumption
from historian.store.samples import CLASSES, Samples, from_cells

QUARTER = 900 * NS_PER_S
BEGIN = 20_500 * 96 * QUARTER
GOOD, UNSURE, BAD = StatusCode.Good, StatusCode.UncertainSubNormal, StatusCode.Bad


def meter(*readings: tuple[int, float | None]) -> Samples:
    """(quarter, reading; None: Bad)."""
    n = len(readings)
    return from_cells(
        np.ones(n, np.uint32),
        np.full(n, Kind.Double, np.uint8),
        np.array([0.0 if v is None else v for _, v in readings]).view(np.int64),
        np.array([StatusCode.BadNoCommunication if v is None else GOOD for _, v in readings], np.uint32),
        np.array([BEGIN + q * QUARTER for q, _ in readings], np.int64),
        BEGIN,
        np.full(n, CLASSES.index("C"), np.uint8),
        np.zeros(n, np.uint8),
    )


def hours(*readings: tuple[int, float | None], n: int = 2, rolls_over_at: float | None = None) -> Consumption:
    edges = BEGIN + np.arange(n + 1, dtype=np.int64) * 4 * QUARTER
    return consumption(meter(*readings), edges, rolls_over_at)


def said(c: Consumption) -> list[tuple[float | None, int]]:
    return [(None if math.isnan(a) else a, s) for a, s in zip(c.amount.tolist(), c.status.tolist(), strict=True)]


def test_a_reading_on_an_edge_ends_the_bucket_before_it() -> None:
    c = hours(*((q, 100.0 + q) for q in range(9)))
    assert said(c) == [(4, GOOD), (4, GOOD)]


def test_the_reading_before_the_first_edge_is_where_the_first_bucket_begins() -> None:
    assert said(hours((-1, 95.0), (1, 100.0), (4, 101.0), (8, 101.0))) == [(6, GOOD), (0, GOOD)]


def test_a_counter_that_rolls_over_loses_nothing() -> None:
    c = hours((0, 9998.0), (2, 9999.5), (4, 0.5), (6, 2.0), (8, 2.0), rolls_over_at=10_000)
    assert said(c) == [(2.5, GOOD), (1.5, GOOD)]
    assert c.rolled.tolist() == [1, 0] and c.replaced.tolist() == [0, 0]


def test_a_meter_that_was_replaced_invents_nothing() -> None:
    """From 5,000 to a new one at 12: no roll-over of a counter up to 10,000 explains it."""
    c = hours((0, 5000.0), (2, 5001.0), (4, 12.0), (6, 13.0), (8, 14.0), rolls_over_at=10_000)
    assert said(c) == [(1, UNSURE), (2, GOOD)] and c.replaced.tolist() == [1, 0]
    assert said(hours((0, 5000.0), (2, 5001.0), (4, 12.0), (8, 14.0)))[0] == (1, UNSURE), "nor without a known range"


def test_a_replacement_by_a_meter_that_stands_higher_invents_nothing_either() -> None:
    c = hours((0, 10.0), (2, 11.0), (4, 7000.0), (8, 7001.0), rolls_over_at=10_000)
    assert said(c) == [(1, UNSURE), (1, GOOD)]


def test_bad_readings_are_bridged() -> None:
    assert said(hours((0, 1.0), (1, None), (2, None), (4, 5.0), (8, None))) == [(4, GOOD), (None, BAD)]


def test_an_infinite_reading_is_none() -> None:
    assert said(hours((0, 1.0), (1, math.inf), (2, -math.inf), (4, 5.0), (8, 6.0))) == [(4, GOOD), (1, GOOD)]


def test_what_was_used_over_a_hole_stands_where_it_was_read() -> None:
    """The server stopped for a day: nobody knows when the 96 were used, and nobody pretends to."""
    c = hours((0, 0.0), (4, 4.0), (100, 100.0), (104, 104.0), n=26)
    assert said(c)[0] == (4, GOOD) and said(c)[1:24] == [(None, BAD)] * 23
    assert said(c)[24:] == [(96, UNSURE), (4, GOOD)]


def test_without_readings_nothing_is_known() -> None:
    assert said(hours()) == [(None, BAD)] * 2
    assert said(hours((0, 5.0))) == [(None, BAD)] * 2


readings = st.lists(st.tuples(st.integers(1, 30), st.integers(0, 999) | st.none()), min_size=2, max_size=40)


@given(story=readings, cuts=st.sets(st.integers(-10, 1200), min_size=2, max_size=20))
def test_however_it_is_cut_the_parts_are_the_whole(story: list[tuple[int, int | None]], cuts: set[int]) -> None:
    at = np.cumsum([gap for gap, _ in story]).tolist()
    samples = meter(*((q, None if v is None else float(v)) for q, (_, v) in zip(at, story, strict=True)))
    inner = sorted(c for c in cuts if at[0] < c < at[-1])
    edges = BEGIN + np.array([at[0], *inner, at[-1]], np.int64) * QUARTER
    parts = consumption(samples, edges, 1000.0)
    whole = consumption(samples, edges[[0, -1]], 1000.0)
    assert np.nansum(parts.amount) == np.nansum(whole.amount)
    assert parts.replaced.sum() == whole.replaced.sum() and parts.rolled.sum() == whole.rolled.sum()


@given(start=st.integers(0, 999), advances=st.lists(st.integers(0, 250), min_size=1, max_size=50))
def test_any_number_of_roll_overs_is_found(start: int, advances: list[int]) -> None:
    true = np.concatenate([[start], start + np.cumsum(advances)])
    samples = meter(*((q, float(v % 1000)) for q, v in enumerate(true.tolist())))
    edges = np.array([BEGIN, BEGIN + len(advances) * QUARTER], np.int64)
    assert consumption(samples, edges, 1000.0).amount.tolist() == [sum(advances)]
