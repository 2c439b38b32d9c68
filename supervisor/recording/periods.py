# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_periods.py
"""Days, weeks and months of a place: where they begin, in UTC.

Law of this file: pure; the zone is an argument. A day is from midnight to midnight of the clocks on the wall: 23 hours
on the night in March on which they go forward, 25 on the one in October.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from config.words import NS_PER_S

PERIODS: Final = ("day", "week", "month")


def edges_of(period: str, from_ns: int, until_ns: int, zone: ZoneInfo, most: int) -> list[int]:
    """Beginnings of the periods from the one that holds `from_ns`, and the end of the last [UTC ns, ascending]: that
    which reaches `until_ns`, or the `most`-th.

    Raises:
        ValueError: no such period, or beyond the calendar.
    """
    if period not in PERIODS:
        raise ValueError(f"period: expected one of {', '.join(PERIODS)}, got '{str(period)[:20]}'")
    try:
        day = datetime.fromtimestamp(from_ns // NS_PER_S, UTC).astimezone(zone).date()
        begin = _begin(period, day)
        edges = [_midnight(begin, zone)]
        while len(edges) <= most and (edges[-1] < until_ns or len(edges) == 1):
            begin = _next(period, begin)
            edges.append(_midnight(begin, zone))
    except (ValueError, OverflowError, OSError):
        raise ValueError(f"expected times within the calendar, got {from_ns}..{until_ns} ns") from None
    return edges


def _begin(period: str, day: date) -> date:
    if period == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if period == "month" else day


def _next(period: str, begin: date) -> date:
    if period == "month":
        return (begin + timedelta(days=32)).replace(day=1)
    return begin + timedelta(days=7 if period == "week" else 1)


def _midnight(day: date, zone: ZoneInfo) -> int:
    """The first instant of a local date. Where clocks go forward at midnight, midnight itself is none."""
    at = datetime.combine(day, time(), zone)
    return round(at.timestamp()) * NS_PER_S
