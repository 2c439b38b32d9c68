# SPDX-License-Identifier: Apache-2.0
"""A replaced counter goes on where the old one ended: in the table, in its consumption, through a roll-over."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.words import StatusCode
from historian.store.consumption import consumption
from supervisor.tags.pool import StringPool
from supervisor.tags.splices import Splices, modulus_of, spliced
from supervisor.tags.table import TagTable
from tests.plants import TypeSpec, make_plant, tag
from tests.unit.test_consumption import BEGIN, QUARTER, meter

NAMES = ["1/MTR-0001", "1/MTR-0002"]


def test_only_spliced_rows_are_touched() -> None:
    plant = make_plant(
        {"MTR": TypeSpec({"E": tag("Double"), "P": tag("Double")})}, {"MTR": ["1/MTR-0001", "1/MTR-0002"]}
    )
    table = TagTable(plant, StringPool(), 0)
    rows = np.array([plant.row(f"1/MTR-000{n}/{name}") for name in "EP" for n in (1, 2)])
    raw = np.array([10.0, 20.0, 30.0, 40.0]).view(np.int64)
    good, at = np.zeros(4, np.uint32), np.zeros(4, np.int64)
    table.apply(rows, raw, good, at)
    assert table.floats[rows].tolist() == [10.0, 20.0, 30.0, 40.0]
    table.splices.put(int(rows[1]), 500.0, None)
    table.apply(rows, raw, good, at)
    assert table.floats[rows].tolist() == [10.0, 520.0, 30.0, 40.0]
    table.splices.put(int(rows[1]), 600.0, 610.0)
    table.apply(rows, raw, good, at)
    assert table.floats[rows[1]] == 10.0, "the sum rolls over where the counter does"


def test_a_calculation_says_where_a_counter_rolls_over() -> None:
    total = tag("Double", calc="change_in(counter(E, 100000000), '1 d') / 2")
    plant = make_plant({"MTR": TypeSpec({"E": tag("Double"), "Day": total, "P": tag("Double")})}, {"MTR": NAMES})
    assert [modulus_of(plant, int(plant.row(f"{NAMES[1]}/{name}") or 0)) for name in ("E", "P")] == [1e8, None]


@given(
    old=st.lists(st.integers(0, 1000), min_size=2, max_size=20),
    new=st.lists(st.integers(0, 1000), min_size=2, max_size=20),
    first=st.integers(0, 10**6),
    begin=st.integers(0, 10**6 - 1),
)
def test_the_consumption_is_what_both_meters_counted(old: list[int], new: list[int], first: int, begin: int) -> None:
    modulus = 1e6
    before = (begin + np.cumsum([0, *old])) % modulus
    offset = float(before[-1]) - first
    after = [spliced(float(x), offset, modulus) for x in first + np.cumsum([0, *new])]
    assert after[0] == pytest.approx(before[-1] % modulus)
    series = [*before.tolist(), *after]
    found = consumption(meter(*enumerate(series, 1)), np.array([BEGIN, BEGIN + (len(series) + 1) * QUARTER]), modulus)
    assert found.replaced.sum() == 0 and found.amount[0] == pytest.approx(sum(old) + sum(new))
    assert found.status[0] == StatusCode.Good, "nothing says that there ever was another meter"


def test_nothing_is_held_before_the_first_splice() -> None:
    splices = Splices(5)
    floats = np.zeros(2)
    splices.join(np.array([0, 1]), floats)
    assert not splices.offsets and splices._mask is None and floats.tolist() == [0.0, 0.0]
