# SPDX-License-Identifier: Apache-2.0
"""The tables of drivers/link.py: each transition, and any sequence keeps the invariants."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.words import LinkState
from drivers.link import (
    TABLE,
    Backoff,
    Effect,
    Event,
    Health,
    Link,
    answered,
    diagram,
    faults,
    health_faults,
    silent,
    step,
)

BACKOFF = Backoff(min_s=1.0, max_s=60.0)
DOWN, CONNECTING, UP, BACKING_OFF = LinkState.DOWN, LinkState.CONNECTING, LinkState.UP, LinkState.BACKING_OFF


@pytest.mark.parametrize(
    ("events", "state", "last_effects"),
    [
        (["start"], CONNECTING, ["open"]),
        (["start", "opened"], UP, ["tell_up"]),
        (["start", "failed"], BACKING_OFF, ["close", "tell_down", "wait"]),
        (["start", "failed", "due"], CONNECTING, ["open"]),
        (["start", "opened", "lost"], BACKING_OFF, ["close", "tell_down", "wait"]),
        (["start", "opened", "lost", "lost"], BACKING_OFF, []),
        (["start", "opened", "lost", "due", "opened"], UP, ["tell_up"]),
        (["start", "stop"], DOWN, ["close", "tell_down"]),
        (["start", "stop", "opened"], DOWN, ["close"]),
        (["start", "opened", "stop", "stop"], DOWN, []),
        (["start", "failed", "stop", "due"], DOWN, []),
        (["start", "stop", "start"], CONNECTING, ["open"]),
    ],
)
def test_transitions(events: list[str], state: LinkState, last_effects: list[str]) -> None:
    link, effects = Link(), ()
    for now_s, event in enumerate(events):
        link, effects = step(link, Event(event), float(now_s + 1), BACKOFF)
        assert faults(link) == []
    assert link.state is state
    assert [e.value for e in effects] == last_effects


@pytest.mark.parametrize(
    ("state", "event"),
    [(UP, "start"), (UP, "opened"), (UP, "due"), (CONNECTING, "due"), (BACKING_OFF, "opened"), (BACKING_OFF, "failed")],
)
def test_what_cannot_happen_is_a_bug_and_says_so(state: LinkState, event: str) -> None:
    with pytest.raises(ValueError, match=f"event {event} cannot happen to a link that is {state.value}"):
        step(Link(state=state), Event(event), 1.0, BACKOFF)


def test_an_outage_begins_once_and_keeps_its_beginning() -> None:
    link, _ = step(Link(), Event.START, 10.0, BACKOFF)
    link, _ = step(link, Event.OPENED, 11.0, BACKOFF)
    link, _ = step(link, Event.LOST, 20.0, BACKOFF, reason="reset by peer")
    assert (link.since_s, link.reason, link.failures) == (20.0, "reset by peer", 1)
    link, _ = step(link, Event.DUE, 22.0, BACKOFF)
    link, _ = step(link, Event.FAILED, 23.0, BACKOFF, reason="refused")
    assert (link.since_s, link.reason, link.failures) == (20.0, "refused", 2)


def test_failures_are_forgotten_at_an_answer_not_at_a_connection() -> None:
    link = Link(state=CONNECTING, failures=4, since_s=1.0, reason="no reply")
    link, _ = step(link, Event.OPENED, 5.0, BACKOFF)
    assert link.failures == 4
    lost, _ = step(link, Event.LOST, 6.0, BACKOFF, reason="no reply within 1 s")
    assert lost.failures == 5
    link, _ = step(link, Event.ANSWERED, 6.0, BACKOFF)
    lost, _ = step(link, Event.LOST, 7.0, BACKOFF, reason="reset")
    assert lost.failures == 1


@pytest.mark.parametrize(
    ("attempt", "chance", "pause_s"),
    [(1, 0.0, 2.0), (1, 1.0, 1.0), (2, 0.0, 4.0), (4, 0.0, 16.0), (6, 0.0, 60.0), (6, 1.0, 30.0), (10_000, 0.0, 60.0)],
)
def test_back_off(attempt: int, chance: float, pause_s: float) -> None:
    assert BACKOFF.pause_s(attempt, chance) == pause_s


@given(st.integers(1, 10**6), st.floats(0, 1), st.floats(0.01, 10), st.floats(1, 1000))
def test_back_off_stays_in_its_bounds(attempt: int, chance: float, min_s: float, factor: float) -> None:
    backoff = Backoff(min_s, min_s * factor)
    assert backoff.min_s <= backoff.pause_s(attempt, chance) <= backoff.max_s
    assert backoff.pause_s(attempt, chance) <= backoff.pause_s(attempt + 1, chance)


def test_bounds_out_of_order_are_refused() -> None:
    with pytest.raises(ValueError, match="0 < min_s <= max_s"):
        Backoff(2.0, 1.0)


@given(st.lists(st.tuples(st.sampled_from(Event), st.floats(0, 100), st.floats(0, 1)), max_size=60))
def test_any_sequence_keeps_the_invariants(events: list[tuple[Event, float, float]]) -> None:
    link, now_s, opens, told_up = Link(), 1.0, 0, False
    for event, dt_s, chance in events:
        now_s += dt_s
        if (link.state, event) not in TABLE:
            continue
        before = link
        link, effects = step(link, event, now_s, BACKOFF, chance, "why")
        assert faults(link) == []
        opens += effects.count(Effect.OPEN)
        if Effect.TELL_UP in effects:
            assert not told_up
            told_up = True
        if Effect.TELL_DOWN in effects:
            told_up = False
        assert told_up == (link.state is UP)
        assert link.since_s <= now_s
        if Effect.WAIT in effects:
            assert BACKOFF.min_s - 1e-9 <= link.due_s - now_s <= BACKOFF.max_s + 1e-9
        assert before.state is link.state or effects, "a move without an effect would strand the shell"


def test_from_every_state_a_link_that_is_wanted_finds_its_way_up() -> None:
    road = {CONNECTING: Event.OPENED, BACKING_OFF: Event.DUE, DOWN: Event.START}
    for state in LinkState:
        link = Link(state=state)
        for _ in range(3):
            if link.state is not UP:
                link, _ = step(link, road[link.state], 1.0, BACKOFF)
        assert link.state is UP


@given(st.lists(st.booleans(), max_size=40), st.integers(1, 5))
def test_demotion_after_k_silences_and_return_at_the_first_answer(heard: list[bool], demote_after: int) -> None:
    health = Health()
    for now_s, ok in enumerate(heard):
        health = (
            answered(health, float(now_s)) if ok else silent(health, float(now_s), demote_after, "no reply within 1 s")
        )
        assert health_faults(health, demote_after) == []
        assert not (ok and health.demoted)


def test_a_silence_keeps_its_beginning() -> None:
    health = Health()
    for now_s in (5.0, 6.0, 7.0):
        health = silent(health, now_s, 3, "no reply within 1 s")
    assert (health.since_s, health.demoted) == (5.0, True)
    assert answered(health, 9.0) == Health(since_s=9.0)
    assert answered(Health(since_s=3.0), 9.0).since_s == 3.0


def test_the_diagram_is_the_table() -> None:
    lines = diagram().splitlines()
    assert "          up --lost-----> backing_off  close, tell_down, wait" in lines
    assert len(lines) == sum(1 for (b, _), (a, e) in TABLE.items() if b is not a or e)
