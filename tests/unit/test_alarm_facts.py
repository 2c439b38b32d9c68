# SPDX-License-Identifier: Apache-2.0
"""What the table of transitions does not say of an alarm: waits, duties, sounds, counts and times."""

from __future__ import annotations

from dataclasses import replace

import pytest

from config.model import Priority
from supervisor.alarms.events import (
    Acknowledge,
    Alarm,
    Announce,
    Disable,
    Enable,
    Quiet,
    Return,
    Silence,
    Suppress,
    Tick,
    Unhold,
)
from supervisor.alarms.machine import due_ns, step
from supervisor.alarms.state import REST, Isa, Rule
from tests.alarm_stories import (
    LATCHING,
    LIMIT,
    PARENT,
    PLAIN,
    REPEATING,
    SHELVE,
    SUPPLY,
    T0,
    TWO_STEP,
    Ack,
    After,
    H,
    S,
    Treated,
    play,
)


def test_what_topology_held_back_it_holds_back_until_released() -> None:
    """Held for a parent that may come; the parent comes; the parent goes."""
    rise = Alarm(1, hold_until_ns=T0 + 10 * S)
    held, effects, now_ns = play(PLAIN, [rise])
    assert held.flat is Isa.DSUPR and due_ns(held, PLAIN) == T0 + 10 * S
    assert not any(isinstance(e, Announce) for e in effects)
    under, _, _ = play(PLAIN, [Suppress(SUPPLY), After(60, Tick())], held, now_ns)
    assert under.flat is Isa.DSUPR and under.causes == {SUPPLY}
    alone, effects, _ = play(PLAIN, [After(10, Tick())], held, now_ns)
    assert alone.flat is Isa.UNACK and isinstance(effects[0], Announce), "the parent did not come: it is annunciated"
    early, effects, _ = play(PLAIN, [Unhold()], held, now_ns)
    assert early.flat is Isa.UNACK and isinstance(effects[0], Announce)


@pytest.mark.parametrize("rule", [TWO_STEP, LATCHING, PARENT], ids=lambda r: r.name)
def test_what_is_protected_waits_for_no_parent(rule: Rule) -> None:
    state, effects, _ = play(rule, [Alarm(1, hold_until_ns=T0 + 10 * S)])
    assert state.flat is Isa.UNACK and isinstance(effects[0], Announce)


def test_what_came_and_went_while_disabled_left_nothing_and_what_stays_rose_when_it_rose() -> None:
    state, _, _ = play(LIMIT, [Alarm(2), Ack(), Disable("MOC-7"), Return(), Enable("MOC-8")])
    assert state.at_rest and (state.level, state.annunciated) == (0, False)
    state, _, _ = play(LIMIT, [Disable("MOC-7"), Alarm(1), Alarm(2)])
    assert (state.raised_ns, state.level) == (T0 + 2 * S, 2)


def test_repetitions_are_counted_since_it_rose() -> None:
    """Part 9: ReAlarmRepeatCount."""
    again = After(2 * 3600, Tick())
    state, _, now_ns = play(REPEATING, [Alarm(), Ack(), again, Ack(), again])
    assert state.re_alarms == 2
    state, _, _ = play(REPEATING, [Ack(), Return(), Alarm()], state, now_ns)
    assert state.re_alarms == 0


def test_confirm_keeps_it_in_the_list_until_the_cause_is_treated() -> None:
    state, _, now_ns = play(TWO_STEP, [Alarm(), Ack(), Return()])
    assert state.flat is Isa.NORM and state.retain
    state, _, _ = play(TWO_STEP, [Treated()], state, now_ns)
    assert not state.retain and state.at_rest


def test_a_p1_acknowledges_nothing_by_itself_whatever_the_rule_says() -> None:
    careless = replace(TWO_STEP, ack_required=False, confirm_required=False)
    state, _, _ = play(careless, [Alarm(), Return()])
    assert state.flat is Isa.RTNUN and state.retain


def test_silence_is_not_an_acknowledgement() -> None:
    state, effects, now_ns = play(PLAIN, [Alarm(), Silence()])
    assert isinstance(effects[0], Quiet) and state.flat is Isa.UNACK and not state.sounding
    state, _, _ = play(PLAIN, [Return(), Alarm()], state, now_ns)
    assert state.sounding, "the next occurrence is heard"


def test_acknowledging_stops_the_sound() -> None:
    _, effects, _ = play(PLAIN, [Alarm(), Ack()])
    assert isinstance(effects[0], Quiet)


def test_two_occurrences_within_one_nanosecond_differ() -> None:
    first, _ = step(REST, Alarm(), T0, PLAIN)
    back, _ = step(first, Return(), T0, PLAIN)
    second, _ = step(back, Alarm(), T0, PLAIN)
    assert second.occurrence_ns != first.occurrence_ns


def test_severity_follows_the_level() -> None:
    assert [LIMIT.severity_at(level) for level in (-2, -1, 1, 2)] == [750, 600, 600, 750]
    _, effects, _ = play(LIMIT, [Alarm(1), Ack(), Alarm(2)])
    assert isinstance(effects[0], Announce) and effects[0].priority is Priority.P2


def test_times_are_kept_as_they_were() -> None:
    state, _, _ = play(PLAIN, [Alarm(), After(10, Acknowledge(T0 + S)), SHELVE])
    assert (state.raised_ns, state.acked_ns) == (T0 + S, T0 + 12 * S)
    assert state.shelved_until_ns == T0 + 13 * S + 2 * H == due_ns(state, PLAIN)
