# SPDX-License-Identifier: Apache-2.0
"""The sun over Dijon: dawn, sunrise, sunset and dusk of the longest and the shortest day, to the minute."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from supervisor.tags import sun as module
from supervisor.tags.sun import Sun

PARIS = ZoneInfo("Europe/Paris")
DIJON = (47.322, 5.041)
S = 1_000_000_000


def ns(day: str, clock: str) -> int:
    return round(datetime.fromisoformat(f"{day}T{clock}:00").replace(tzinfo=PARIS).timestamp()) * S


def crossing(day: str, clock: str, level: float) -> bool:
    """The sun passes `level` within two minutes of `clock`."""
    at = ns(day, clock)
    before, after = (Sun(*DIJON).elevation(at + offset * 60 * S) for offset in (-2, 2))
    return (before < level) != (after < level)


@pytest.mark.parametrize(
    ("day", "dawn", "sunrise", "sunset", "dusk"),
    [("2025-06-21", "05:02", "05:43", "21:39", "22:20"), ("2025-12-21", "07:47", "08:24", "16:51", "17:28")],
)
def test_times_of_the_day(day: str, dawn: str, sunrise: str, sunset: str, dusk: str) -> None:
    assert crossing(day, dawn, -6.0) and crossing(day, dusk, -6.0)
    assert crossing(day, sunrise, -0.833) and crossing(day, sunset, -0.833)
    sun = Sun(*DIJON)
    for clock, minute, night in ((sunrise, -3, True), (sunrise, 3, False), (sunset, -3, False), (sunset, 3, True)):
        assert sun.is_night(ns(day, clock) + minute * 60 * S) is night


def test_hours_of_night_of_december() -> None:
    """480 h between sunset and sunrise, 442 h between civil dusk and dawn, in steps of three minutes."""
    sun = Sun(*DIJON)
    steps = range(ns("2025-12-01", "12:00"), ns("2026-01-01", "12:00"), 180 * S)
    assert sum(sun.is_night(t) for t in steps) / 20 == pytest.approx(480, abs=2)
    assert sum(sun.elevation(t) < -6 for t in steps) / 20 == pytest.approx(442, abs=2)


def test_height_at_noon_and_in_the_south() -> None:
    noon = ns("2025-06-21", "13:41")
    assert Sun(*DIJON).elevation(noon) == pytest.approx(90 - 47.322 + 23.44, abs=0.1)
    assert Sun(-47.322, 5.041).elevation(noon) == pytest.approx(90 - 47.322 - 23.44, abs=0.1)


def test_it_moves_smoothly_through_a_day() -> None:
    sun = Sun(*DIJON)
    heights = [sun.elevation(ns("2025-03-20", "00:00") + m * 60 * S) for m in range(1440)]
    assert max(abs(b - a) for a, b in pairwise(heights)) < 0.2


def test_one_computation_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    real = module.elevation
    monkeypatch.setattr(module, "elevation", lambda *a, **k: asked.append(1) or real(*a, **k))
    sun = Sun(*DIJON)
    at = ns("2025-06-21", "12:00")
    for tenth in range(20):
        sun.elevation(at + tenth * S // 10)
        sun.is_night(at + tenth * S // 10)
    assert len(asked) == 2
