# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_alarm_report.py
"""What a good alarm system keeps to: each measure of the report beside its target.

Law of this file: pure; numbers in, numbers out. Targets are those that ISA-18.2 and IEC 62682 (clause 16) give for one
operator desk over a month; a shorter time shows tendencies. `most` is what can still be managed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple


class Target(NamedTuple):
    """At most `good` is very likely acceptable, at most `most` manageable; None: there is nothing between."""

    name: str
    title: str
    good: float
    most: float | None = None


TARGETS: Final = (
    Target("per_day", "announced per day", 150, 300),
    Target("per_hour", "per hour", 6, 12),
    Target("per_10_min", "per 10 min", 1, 2),
    Target("per_10_min_max", "most in 10 min", 10),
    Target("busy_share", "hours with more than 30", 0.01),
    Target("flood_share", "10 min with more than 10", 0.01),
    Target("in_flood", "time in flood", 0.01),
    Target("top_share", "share of the top ten", 0.05),
    Target("chattering_total", "alarms that chatter", 0),
    Target("fleeting_total", "fleeting alarms", 0),
    Target("stale_total", "standing for more than a day", 4),
    Target("upset_max", "most in 10 min after an upset", 10),
    Target("unauthorised_total", "hidden without the right to", 0),
)
SHARES: Final = {"P1": 0.01, "P2": 0.05, "P3": 0.15, "P4": 0.80}
"""About so much of what is configured, and of what is announced, should have each priority."""


def measures(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each measure a report has: name, title, value, target, maximum, and whether it is met: yes, manageable, no."""
    made = []
    for name, title, good, most in TARGETS:
        if (value := report.get(name)) is None:
            continue
        met = "yes" if value <= good else "manageable" if most is not None and value <= most else "no"
        made.append({"name": name, "title": title, "value": value, "target": good, "maximum": most, "met": met})
    return made


def shares(configured: Mapping[str, int], announced: Mapping[str, int]) -> list[dict[str, Any]]:
    """For each priority: how many rules have it and how many announcements, as shares, beside the target."""
    of_rules, of_alarms = max(1, sum(configured.values())), max(1, sum(announced.values()))
    return [
        {
            "priority": priority,
            "configured": configured.get(priority, 0),
            "configured_share": configured.get(priority, 0) / of_rules,
            "announced": announced.get(priority, 0),
            "announced_share": announced.get(priority, 0) / of_alarms,
            "target": target,
        }
        for priority, target in SHARES.items()
    ]
