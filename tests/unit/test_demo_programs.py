# SPDX-License-Identifier: Apache-2.0
"""Lighting programs of the simulated cabinets, hour by hour."""

from __future__ import annotations

import numpy as np
import pytest

from supervisor.demo.programs import wanted_level, within


def level(program: int, hour: float, elevation_deg: float = -20.0, off: tuple[float, float] = (0.0, 5.0)) -> float:
    found = wanted_level(np.array([program]), np.array([elevation_deg]), hour, np.array([off[0]]), np.array([off[1]]))
    return float(found[0])


@pytest.mark.parametrize(
    ("program", "hour", "expected"),
    [
        (0, 23.0, 100),
        (0, 3.0, 100),
        (1, 21.99, 100),
        (1, 22.0, 70),
        (1, 4.99, 70),
        (1, 5.0, 100),
        (2, 20.0, 80),
        (2, 2.0, 50),
        (3, 23.99, 100),
        (3, 0.0, 0),
        (3, 4.99, 0),
        (3, 5.0, 100),
        (5, 3.0, 100),
        (6, 0.99, 100),
        (6, 1.0, 0),
        (6, 6.0, 0),
        (99, 3.0, 100),
    ],
)
def test_level_by_night(program: int, hour: float, expected: float) -> None:
    assert level(program, hour) == expected


@pytest.mark.parametrize("program", [0, 1, 2, 3, 5, 6, 99])
def test_everything_is_off_by_day(program: int) -> None:
    assert level(program, 12.0, elevation_deg=-5.9) == 0


def test_part_night_hours_may_begin_before_midnight() -> None:
    assert [level(3, hour, off=(23.0, 4.0)) for hour in (22.9, 23.0, 3.9, 4.0)] == [100, 0, 0, 100]


def test_equal_ends_mean_never() -> None:
    assert not within(3.0, 3.0, 3.0)
