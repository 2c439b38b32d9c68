# SPDX-License-Identifier: Apache-2.0
"""What clocks of the site show, on the two nights on which they are set too."""

from __future__ import annotations

from datetime import datetime

import pytest

from supervisor.tags.locality import Locality

S = 1_000_000_000
DIJON = Locality(47.322, 5.041, "Europe/Paris")


def ns(utc: str) -> int:
    return round(datetime.fromisoformat(f"{utc}+00:00").timestamp()) * S


@pytest.mark.parametrize(
    ("utc", "hour"),
    [
        ("2026-01-15T21:30:00", 22.5),  # winter: UTC + 1
        ("2026-07-15T21:30:00", 23.5),  # summer: UTC + 2
        ("2026-07-15T22:00:00", 0.0),
        ("2026-03-29T00:59:59", 1 + 3599 / 3600),  # clocks go forward at 01:00 UTC
        ("2026-03-29T01:00:00", 3.0),
        ("2026-10-25T00:30:00", 2.5),  # clocks go back at 01:00 UTC: half past two ...
        ("2026-10-25T01:30:00", 2.5),  # ... comes twice
        ("2026-10-25T02:00:00", 3.0),
    ],
)
def test_hours_are_those_on_the_wall(utc: str, hour: float) -> None:
    assert DIJON.local_hour(ns(utc)) == pytest.approx(hour)


def test_the_nights_of_march_and_october_have_eleven_and_thirteen_hours_between_six_and_six() -> None:
    """'local_hour() >= 18 or local_hour() < 6' over a night, in steps of a minute."""

    def night(noon: str) -> float:
        times = range(ns(noon), ns(noon) + 24 * 3600 * S, 60 * S)
        return sum(DIJON.local_hour(t) >= 18 or DIJON.local_hour(t) < 6 for t in times) / 60

    assert night("2026-03-28T11:00:00") == 11
    assert night("2026-10-24T11:00:00") == 13
    assert night("2026-06-01T11:00:00") == 12


def test_the_day_is_that_of_the_local_date() -> None:
    assert DIJON.local_weekday(ns("2026-11-29T22:59:59")) == 7, "Sunday"
    assert DIJON.local_weekday(ns("2026-11-29T23:00:00")) == 1, "Monday has begun in Dijon, not in Greenwich"


def test_fractions_of_a_second_show_the_same_clock() -> None:
    at = ns("2026-01-15T21:30:00")
    assert DIJON.local_hour(at) == DIJON.local_hour(at + S - 1) != DIJON.local_hour(at + S)
