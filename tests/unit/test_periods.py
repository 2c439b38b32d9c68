# SPDX-License-Identifier: Apache-2.0
"""Days, weeks and months of a city, over the nights on which its clocks are set."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from supervisor.recording.periods import edges_of

PARIS = ZoneInfo("Europe/Paris")
S = 1_000_000_000
HOUR = 3600 * S


def ns(local: str, zone: ZoneInfo = PARIS) -> int:
    return round(datetime.fromisoformat(local).replace(tzinfo=zone).timestamp()) * S


def hours(period: str, begin: str, end: str, zone: ZoneInfo = PARIS) -> list[int]:
    return [(b - a) // HOUR for a, b in pairwise(edges_of(period, ns(begin, zone), ns(end, zone), zone, 1000))]


def test_the_day_in_march_has_23_hours_and_the_one_in_october_25() -> None:
    assert hours("day", "2026-03-28", "2026-03-31") == [24, 23, 24]
    assert hours("day", "2026-10-24", "2026-10-27") == [24, 25, 24]


def test_periods_begin_where_the_calendar_says() -> None:
    assert edges_of("day", ns("2026-01-05T12:00"), ns("2026-01-05T13:00"), PARIS, 9) == [
        ns("2026-01-05"), ns("2026-01-06")
    ]  # fmt: skip
    assert edges_of("week", ns("2026-01-07T12:00"), ns("2026-01-12"), PARIS, 9) == [ns("2026-01-05"), ns("2026-01-12")]
    months = edges_of("month", ns("2025-11-30T23:59"), ns("2026-03-01"), PARIS, 99)
    assert months == [ns(f"{m}-01") for m in ("2025-11", "2025-12", "2026-01", "2026-02", "2026-03")]


def test_weeks_and_months_with_a_set_clock() -> None:
    assert hours("week", "2026-03-23", "2026-04-06") == [167, 168]
    assert hours("month", "2026-03-01", "2026-05-01") == [31 * 24 - 1, 30 * 24]


def test_a_zone_whose_clocks_go_forward_at_midnight_has_days_all_the_same() -> None:
    assert hours("day", "2025-04-24", "2025-04-26", ZoneInfo("Africa/Cairo")) == [24, 23]


def test_there_are_at_most_so_many() -> None:
    assert len(edges_of("day", 0, 10**18, PARIS, 10)) == 11


@pytest.mark.parametrize(("period", "start", "words"), [("year", 0, "day, week, month"), ("day", 2**70, "calendar")])
def test_what_is_no_period_is_one_sentence(period: str, start: int, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        edges_of(period, start, start + 1, PARIS, 5)
