# SPDX-License-Identifier: Apache-2.0
"""Dimming curves against IEC 62386-102, 9.3 and IEC 62386-207, 9.10."""

from __future__ import annotations

import math

import pytest

from drivers.dali.curve import MASK, level, percent


@pytest.mark.parametrize(("step", "light"), [(1, 0.1), (60, 0.501), (85, 1.0), (170, 10.0), (229, 50.53), (254, 100.0)])
def test_the_logarithmic_curve_at_its_known_points(step: int, light: float) -> None:
    assert percent(step) == pytest.approx(light, rel=0.01)


def test_every_level_is_found_again_from_its_light() -> None:
    for curve in ("logarithmic", "linear"):
        assert [level(percent(step, curve), curve) for step in range(255)] == list(range(255))


def test_the_linear_curve_is_a_line() -> None:
    assert (percent(0, "linear"), percent(127, "linear"), percent(254, "linear")) == (0.0, 50.0, 100.0)


def test_off_is_off_and_any_light_is_light() -> None:
    assert level(0) == 0
    assert level(0.0001) == 1


def test_mask_is_no_level() -> None:
    assert math.isnan(percent(MASK))


@pytest.mark.parametrize("light", [-0.1, 100.1, math.nan, math.inf])
def test_what_is_no_light_is_refused(light: float) -> None:
    with pytest.raises(ValueError, match=r"expected a level of 0\.\.100 %"):
        level(light)
