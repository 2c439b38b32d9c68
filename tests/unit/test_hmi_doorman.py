# SPDX-License-Identifier: Apache-2.0
"""How many stand at the door and how long: the operators never wait for strangers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.hmi.contract import Counters, Limits
from supervisor.hmi.entrance.doorman import Doorman, Stage, Visit, overdue

LIMITS = Limits(connections=4, connections_per_address=3, strangers=2)


class Door:
    """A doorman and what he did."""

    def __init__(self, limits: Limits = LIMITS) -> None:
        self.counters = Counters()
        self.doorman = Doorman(limits, self.counters)
        self.dropped: list[Visit] = []
        self.stages: dict[Visit, Stage] = {}

    def come(self, address: str = "a", stage: Stage = Stage.CONNECTED, now_s: float = 0.0) -> Visit | None:
        visit = Visit(address, now_s, lambda v, now: v.reach(self.stages[v], now), lambda _: self.dropped.append(visit))
        self.stages[visit] = stage
        return visit if self.doorman.admit(visit, now_s) else None


@pytest.mark.parametrize(
    ("stage", "stays_s"),
    [(Stage.CONNECTED, 5.0), (Stage.GREETED, 10.0), (Stage.OPEN, 30.0), (Stage.ACTIVE, 1e9)],
)
def test_each_step_has_its_time(stage: Stage, stays_s: float) -> None:
    visit = Visit("a", 100.0, lambda v, now: None, lambda reason: None, stage)
    assert not overdue(visit, Limits(), 100.0 + stays_s - 0.1)
    assert bool(overdue(visit, Limits(), 100.0 + stays_s)) is (stage is not Stage.ACTIVE)


def test_a_chunk_that_never_ends_and_a_channel_that_has_ended() -> None:
    visit = Visit("a", 0.0, lambda v, now: None, lambda reason: None, Stage.ACTIVE)
    visit.partial_since_s = 10.0
    assert not overdue(visit, Limits(), 39.9) and "incomplete" in overdue(visit, Limits(), 40.0)
    visit.partial_since_s, visit.channel_ends_s = None, 50.0
    assert not overdue(visit, Limits(), 50.0) and "expired" in overdue(visit, Limits(), 50.1)


def test_the_stranger_who_has_waited_longest_makes_room() -> None:
    door = Door()
    first, second = door.come("a"), door.come("b")
    third = door.come("c")
    assert third is not None and door.dropped == [first]
    assert list(door.doorman.visits) == [second, third] and door.counters.dropped_connections == 1


def test_who_has_logged_in_is_never_turned_away_for_a_newcomer() -> None:
    door = Door()
    inside = [door.come(a, Stage.ACTIVE) for a in "abc"]
    stranger = door.come("d")
    newcomer = door.come("e")
    assert door.dropped == [stranger] and newcomer is not None
    door.stages[newcomer] = Stage.ACTIVE
    assert door.come("f") is None and door.counters.rejected_connections == 1
    assert all(v in door.doorman.visits for v in inside)


def test_one_address_does_not_take_every_place() -> None:
    door = Door(Limits(connections=10, connections_per_address=2, strangers=10))
    assert door.come("a") and door.come("a") and door.come("a") is None
    assert door.come("b") and door.counters.rejected_connections == 1


def test_looking_round_drops_who_is_overdue_and_forgets_them() -> None:
    door = Door()
    slow, quick = door.come("a"), door.come("a", Stage.ACTIVE)
    door.doorman.look(4.9)
    assert not door.dropped
    door.doorman.look(5.0)
    assert door.dropped == [slow] and list(door.doorman.visits) == [quick]
    door.doorman.leave(slow)  # the socket says so too, later
    assert quick is not None
    door.doorman.leave(quick)
    assert not door.doorman.visits and not door.doorman._of_address


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(list(Stage)), st.booleans()), max_size=60))
def test_the_bounds_hold_whoever_comes_and_goes(steps: list[tuple[str, Stage, bool]]) -> None:
    door = Door()
    for now, (address, stage, goes) in enumerate(steps):
        visit = door.come(address, stage, float(now))
        if goes and visit is not None:
            door.doorman.leave(visit)
        visits = list(door.doorman.visits)
        assert len(visits) <= LIMITS.connections
        for one in "abc":
            assert sum(v.address == one for v in visits) <= LIMITS.connections_per_address
            assert door.doorman._of_address[one] == sum(v.address == one for v in visits)
    inside = [v for v in door.dropped if v.stage is Stage.ACTIVE]
    assert not inside
