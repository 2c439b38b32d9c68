# SPDX-License-Identifier: Apache-2.0
"""Turns on a bus: who is first, what polls may spend, who holds it."""

from __future__ import annotations

import math

import pytest

from drivers.dali.frames import QUERY_S
from drivers.dali.schedule import AGE_S, LOAD_WINDOW_S, MOMENT_S, PURSE_MAX_S, Rank, Schedule


def test_command_before_fault_before_level_before_energy() -> None:
    schedule = Schedule(0.5)
    for ticket, rank in enumerate((Rank.ENERGY, Rank.LEVEL, Rank.FAULT, Rank.COMMAND), 1):
        schedule.enter(ticket, rank, 0.0)
    order = []
    for _ in range(4):
        ticket, _ = schedule.choose(0.0)
        order.append(ticket)
        schedule.sent(ticket, QUERY_S, 0.0, False)
    assert order == [4, 3, 2, 1]


def test_within_a_rank_who_came_first() -> None:
    schedule = Schedule(0.5)
    schedule.enter(2, Rank.LEVEL, 0.0)
    schedule.enter(1, Rank.LEVEL, 0.1)
    assert schedule.choose(0.2)[0] == 2


def test_a_poll_waits_for_its_purse_and_a_command_does_not() -> None:
    schedule = Schedule(0.5, purse_s=-0.1)
    schedule.enter(1, Rank.FAULT, 0.0)
    assert schedule.choose(0.0) == (0, pytest.approx(0.202))
    schedule.enter(2, Rank.COMMAND, 0.0)
    assert schedule.choose(0.0)[0] == 2
    assert schedule.choose(0.3)[0] == 2


def test_a_poll_of_many_frames_holds_the_bus_against_polls_only() -> None:
    schedule = Schedule(0.5)
    schedule.enter(1, Rank.ENERGY, 0.0)
    schedule.sent(1, QUERY_S, 0.0, holds=True)
    schedule.enter(2, Rank.FAULT, 0.0)
    assert schedule.choose(0.0) == (0, math.inf)
    schedule.enter(3, Rank.COMMAND, 0.0)
    assert schedule.choose(0.0)[0] == 3
    schedule.leave(3)
    schedule.leave(1)
    assert schedule.choose(0.0)[0] == 2


def test_who_waits_longest_is_served_once_in_five_frames() -> None:
    schedule = Schedule(0.5)
    for ticket in (1, 2):
        schedule.enter(ticket, Rank.ENERGY, 0.0)
    for ticket in range(3, 12):
        schedule.enter(ticket, Rank.FAULT, AGE_S)
    order = []
    for _ in range(7):
        ticket, _ = schedule.choose(AGE_S)
        order.append(ticket)
        schedule.sent(ticket, QUERY_S, AGE_S, False)
    assert order == [1, 3, 4, 5, 6, 2, 7]


def test_the_load_is_that_of_the_last_minute() -> None:
    schedule = Schedule(0.5)
    schedule.heard(6.0, 0.0)
    schedule.heard(6.0, 30.0)
    assert schedule.load(30.0) == pytest.approx(20.0)
    assert schedule.load(LOAD_WINDOW_S) == pytest.approx(10.0)
    assert schedule.load(1000.0) == 0.0


def test_a_purse_is_bounded() -> None:
    schedule = Schedule(0.5)
    schedule.choose(1e6)
    assert schedule.purse_s == PURSE_MAX_S


def test_a_frame_that_is_tied_to_the_next_is_followed_by_it_whatever_waits() -> None:
    """IEC 62386-102, 11: a device type is enabled for the next command alone."""
    schedule = Schedule(0.5, purse_s=0.01)
    schedule.enter(1, Rank.LEVEL, 0.0)
    schedule.sent(1, QUERY_S, 0.0, holds=True, ties=True)
    schedule.enter(2, Rank.COMMAND, 0.0)
    assert schedule.choose(0.0) == (0, math.inf)
    schedule.enter(1, Rank.LEVEL, 0.0)
    assert schedule.purse_s < 0 and schedule.choose(0.0) == (1, 0.0)
    schedule.sent(1, QUERY_S, 0.0, holds=True)
    assert schedule.choose(0.0)[0] == 2
    schedule.sent(2, QUERY_S, 0.0, holds=False)
    schedule.enter(1, Rank.LEVEL, 9.0)
    schedule.sent(1, QUERY_S, 9.0, holds=True, ties=True)
    schedule.enter(2, Rank.COMMAND, 9.0)
    schedule.leave(1)
    assert schedule.choose(9.0)[0] == 2, "who gives up between the two lets go"


def test_a_gateway_that_tells_of_more_frames_than_a_bus_carries_fills_nothing() -> None:
    schedule = Schedule(0.5)
    for i in range(20_000):
        schedule.heard(QUERY_S, i * 1e-3)
    assert len(schedule.spent) <= LOAD_WINDOW_S / MOMENT_S + 1 and schedule.load(20.0) == 100.0
