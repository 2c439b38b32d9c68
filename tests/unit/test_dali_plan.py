# SPDX-License-Identifier: Apache-2.0
"""Which values one question answers."""

from __future__ import annotations

import pytest

from config.words import Access, Kind
from drivers.base import Point
from drivers.dali.address import DaliDevice, DaliPoint
from drivers.dali.plan import plan
from drivers.dali.schedule import Rank

GEAR = DaliDevice(wire="lunatone", host="h", short_address=5)


def point(value: str, poll: str | None = "p", access: Access = Access.R, group: int | None = None) -> Point:
    return Point(value, Kind.Double, access, DaliPoint(value=value, group=group), poll)


def test_values_of_one_answer_are_asked_together() -> None:
    names = ("level", "lamp_on", "level_set", "active_power", "supply_voltage", "active_energy", "lamp_failure")
    exchanges = plan(GEAR, [point(name) for name in names])
    assert {e.label: e.take.tolist() for e in exchanges} == {
        "level": [0, 2],
        "status": [1],
        "bank 202": [3, 5],
        "bank 205": [4],
        "faults": [6],
    }
    assert [e.body.rank for e in exchanges] == [Rank.LEVEL, Rank.LEVEL, Rank.ENERGY, Rank.ENERGY, Rank.FAULT]


def test_poll_classes_and_groups_are_kept_apart_and_what_is_not_read_is_not_asked() -> None:
    points = [
        point("group_level", "a", Access.RW, 1),
        point("group_level", "a", Access.RW, 2),
        point("bus_load", "a"),
        point("cycle_time", "b"),
        point("line_level", None, Access.W),
    ]
    line = DaliDevice(wire="lunatone", host="h")
    assert [(e.poll, e.label) for e in plan(line, points)] == [
        ("a", "group 1"),
        ("a", "group 2"),
        ("a", "bus"),
        ("b", "bus"),
    ]


def test_a_line_has_no_lamp() -> None:
    with pytest.raises(ValueError, match="level: expected a short_address"):
        plan(DaliDevice(wire="lunatone", host="h"), [point("level")])
