# SPDX-License-Identifier: Apache-2.0
"""The table of transitions of the alarm machine: one row of the table, one test, under its number there.

A row says: rule, what happened before (from rest), what happens now, the letter it must show after, and what the
operator and the journal get. The rows are those of plant documentation 3.2, after ISA-18.2 / IEC 62682.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import pytest

from config.model import Priority
from config.words import StatusCode
from supervisor.alarms.events import (
    Acknowledge,
    Alarm,
    Announce,
    Confirm,
    Disable,
    Effect,
    Enable,
    Evaluable,
    Event,
    Log,
    Place,
    Quiet,
    Refused,
    Release,
    Remove,
    Reset,
    Return,
    Shelve,
    Silence,
    Suppress,
    Tick,
    Unhold,
    Unshelve,
    What,
)
from supervisor.alarms.machine import due_ns, step
from supervisor.alarms.state import REST, Cause, Isa, Rule, State, check_invariants

S: Final = 1_000_000_000
H: Final = 3600 * S
T0: Final = 1_750_000_000 * S

PLAIN: Final = Rule("MainSw_open", Priority.P2, Priority.P2)
LIMIT: Final = Rule("V1_limits", Priority.P3, Priority.P2, on_delay_ns=60 * S)
LATCHING: Final = Rule("K1_trip", Priority.P2, Priority.P2, latching=True)
SELF_ACK: Final = Rule("Program_changed", Priority.P4, Priority.P4, ack_required=False)
TWO_STEP: Final = Rule("RCD_trip", Priority.P1, Priority.P1, safety=True, confirm_required=True)
TREATED: Final = Rule("Lamp_out", Priority.P3, Priority.P3, confirm_required=True)
SLOW_P1: Final = replace(TWO_STEP, on_delay_ns=60 * S)
REPEATING: Final = Rule("Door_open", Priority.P3, Priority.P3, re_alarm_ns=2 * H)
PARENT: Final = Rule("Supply_Loss", Priority.P2, Priority.P2, parent=True)

SUPPLY: Final = Cause("21605/CAB-0001/Supply_Loss", topology=True)
COMM: Final = Cause("21605/CAB-0001/Comm_lost", topology=True)
DESIGN: Final = Cause("21605/CAB-0001/V1_limits", topology=False)


class Ack:
    """Acknowledge whatever the present occurrence is."""


class Treated:
    """Confirm whatever the present occurrence is."""


@dataclass(frozen=True)
class After:
    """Wait so long, then the event."""

    seconds: float
    event: Event


Doing = Event | Ack | Treated | After
Story = Sequence[Doing]
WEEK: Final = T0 + 7 * 24 * H
SHELVE: Final = Shelve(2 * H, "door contact under repair")
ONE_SHOT: Final = Shelve(None, "known, returns by itself")
REMOVE: Final = Remove("WO-1234", WEEK)


def play(rule: Rule, story: Story, state: State = REST, now_ns: int = T0) -> tuple[State, tuple[Effect, ...], int]:
    """State, effects of the last event, and time after a story; events lie one second apart."""
    effects: tuple[Effect, ...] = ()
    for doing in story:
        now_ns += S
        event: Event
        if isinstance(doing, After):
            now_ns += round(doing.seconds * S)
            event = doing.event
        elif isinstance(doing, Ack):
            event = Acknowledge(state.occurrence_ns)
        elif isinstance(doing, Treated):
            event = Confirm(state.occurrence_ns)
        else:
            event = doing
        state, effects = step(state, event, now_ns, rule)
        check_invariants(state, rule)
    return state, effects, now_ns


@dataclass(frozen=True)
class Row:
    """One row of the table.

    Attributes:
        sounds: whether it is put before the operator (sound, blink, new EventId).
        retain: Part 9 Retain afterwards.
        what: what the journal says; None: nothing is written down.
    """

    name: str
    rule: Rule
    before: Story
    start: Isa
    event: Doing
    end: Isa
    sounds: bool
    retain: bool
    what: What | None


A, B, C, D, E, F, G, HH, OO, X = Isa
ROWS = [
    Row("01 normal, alarm: annunciated", PLAIN, [], A, Alarm(), B, True, True, What.ALARM),
    Row("02 unacknowledged, acknowledge", PLAIN, [Alarm()], B, Ack(), C, False, True, What.ACKED),
    Row("03 unacknowledged, returns", PLAIN, [Alarm()], B, Return(), D, False, True, What.RETURNED),
    Row("04 returns, no acknowledgement needed", SELF_ACK, [Alarm()], B, Return(), A, False, False, What.RETURNED),
    Row("05 acknowledged, returns", PLAIN, [Alarm(), Ack()], C, Return(), A, False, False, What.RETURNED),
    Row("06 returned, acknowledge", PLAIN, [Alarm(), Return()], D, Ack(), A, False, False, What.ACKED),
    Row("07 returned, alarm again", PLAIN, [Alarm(), Return()], D, Alarm(), B, True, True, What.ALARM),
    Row("08 latching, returns unacknowledged", LATCHING, [Alarm()], B, Return(), E, False, True, What.RETURNED),
    Row("09 latching, returns acknowledged", LATCHING, [Alarm(), Ack()], C, Return(), F, False, True, What.RETURNED),
    Row("10 latched, acknowledge", LATCHING, [Alarm(), Return()], E, Ack(), F, False, True, What.ACKED),
    Row("11 latched, reset", LATCHING, [Alarm(), Return(), Ack()], F, Reset(), A, False, False, What.RESET),
    Row("12 latched, reset before acknowledging", LATCHING, [Alarm(), Return()], E, Reset(), E, False, True, None),
    Row("13 latched, trips again", LATCHING, [Alarm(), Return()], E, Alarm(), B, True, True, What.ALARM),
    Row("13 acknowledged latch, trips again", LATCHING, [Alarm(), Ack(), Return()], F, Alarm(), B, True, True,
        What.ALARM),
    Row("14 high, then high high", LIMIT, [Alarm(1), Ack()], C, Alarm(2), B, True, True, What.LEVEL),
    Row("14 low, then high at once", LIMIT, [Alarm(-1), Ack()], C, Alarm(1), B, True, True, What.LEVEL),
    Row("14 worse before it was acknowledged", LIMIT, [Alarm(1)], B, Alarm(2), B, True, True, What.LEVEL),
    Row("15 high high, then high", LIMIT, [Alarm(2), Ack()], C, Alarm(1), C, False, True, What.LEVEL),
    Row("16 re-alarm time over", REPEATING, [Alarm(), Ack()], C, After(2 * 3600, Tick()), B, True, True,
        What.RE_ALARM),
    Row("16 re-alarm time not over", REPEATING, [Alarm(), Ack()], C, After(7190, Tick()), C, False, True, None),
    Row("17 normal, shelve 2 h", PLAIN, [], A, SHELVE, G, False, False, What.SHELVED),
    Row("17 unacknowledged, shelve 2 h", PLAIN, [Alarm()], B, SHELVE, G, False, True, What.SHELVED),
    Row("17 latched, shelve 2 h", LATCHING, [Alarm(), Return()], E, SHELVE, G, False, True, What.SHELVED),
    Row("18 acknowledged, shelve one shot", PLAIN, [Alarm(), Ack()], C, ONE_SHOT, G, False, True, What.SHELVED),
    Row("19 unshelve, in alarm", PLAIN, [Alarm(), Ack(), SHELVE], G, Unshelve(), B, True, True, What.UNSHELVED),
    Row("19 shelving expires, in alarm", PLAIN, [Alarm(), Ack(), SHELVE], G, After(2 * 3600, Tick()), B, True, True,
        What.SHELF_EXPIRED),
    Row("19 shelving not expired", PLAIN, [Alarm(), Ack(), SHELVE], G, After(7190, Tick()), G, False, True, None),
    Row("19 unshelve, latched unacknowledged", LATCHING, [Alarm(), Return(), SHELVE], G, Unshelve(), E, False, True,
        What.UNSHELVED),
    Row("19 unshelve, latched acknowledged", LATCHING, [Alarm(), Return(), Ack(), SHELVE], G, Unshelve(), F, False,
        True, What.UNSHELVED),
    Row("19 unshelve, returned unacknowledged", PLAIN, [Alarm(), Return(), SHELVE], G, Unshelve(), D, False, True,
        What.UNSHELVED),
    Row("19 unshelve, normal", PLAIN, [SHELVE], G, Unshelve(), A, False, False, What.UNSHELVED),
    Row("19 came and went on the shelf", PLAIN, [SHELVE, Alarm(), Return()], G, Unshelve(), D, False, True,
        What.UNSHELVED),
    Row("19 one shot ends at the return", PLAIN, [Alarm(), Ack(), ONE_SHOT], G, Return(), A, False, False,
        What.RETURNED),
    Row("19 one shot ends at the return, unacknowledged", PLAIN, [Alarm(), ONE_SHOT], G, Return(), D, False, True,
        What.RETURNED),
    Row("20 normal, parent stands", PLAIN, [], A, Suppress(SUPPLY), HH, False, False, What.SUPPRESSED),
    Row("20 alarm while the parent stands", PLAIN, [Suppress(SUPPLY)], HH, Alarm(), HH, False, True, What.ALARM),
    Row("20 annunciated before the parent", PLAIN, [Alarm()], B, Suppress(SUPPLY), B, False, True, None),
    Row("20 acknowledged before the parent", PLAIN, [Alarm(), Ack()], C, Suppress(SUPPLY), C, False, True, None),
    Row("20 returned before the parent", PLAIN, [Alarm(), Return()], D, Suppress(SUPPLY), D, False, True, None),
    Row("20 came and went on the shelf before the parent", PLAIN, [SHELVE, Alarm(), Return(), Unshelve()], D,
        Suppress(SUPPLY), D, False, True, None),
    Row("20 unconfirmed before, waits for a parent that comes", TREATED, [Alarm(), Ack(), Return(),
        Alarm(1, hold_until_ns=T0 + H)], HH, Suppress(SUPPLY), HH, False, True, What.SUPPRESSED),
    Row("20 P1 is not held back by a parent", TWO_STEP, [], A, Suppress(SUPPLY), A, False, False, None),
    Row("20 latching is not held back by a parent", LATCHING, [], A, Suppress(SUPPLY), A, False, False, None),
    Row("20 a parent is not held back by a parent", PARENT, [], A, Suppress(COMM), A, False, False, None),
    Row("20 acknowledged, suppressed by design", LIMIT, [Alarm(), Ack()], C, Suppress(DESIGN), HH, False, True,
        What.SUPPRESSED),
    Row("20 P1, suppressed by design, stays retained", TWO_STEP, [Alarm()], B, Suppress(DESIGN), HH, False, True,
        What.SUPPRESSED),
    Row("21 parent gone, no on-delay: it waits for its turn only", PLAIN, [Suppress(SUPPLY), Alarm(), Release(SUPPLY)],
        HH, Tick(), B, True, True, What.RELEASED),
    Row("21 P1, suppression by design gone, no on-delay", TWO_STEP, [Suppress(DESIGN), Alarm()], HH, Release(DESIGN), B,
        True, True, What.RELEASED),
    Row("21 P1, suppression by design gone, on-delay begins anew", SLOW_P1, [Suppress(DESIGN), Alarm()], HH,
        Release(DESIGN), HH, False, True, None),
    Row("21 parent gone, on-delay begins anew", LIMIT, [Suppress(SUPPLY), Alarm()], HH, Release(SUPPLY), HH, False,
        True, None),
    Row("21 parent gone, on-delay over", LIMIT, [Suppress(SUPPLY), Alarm(), Release(SUPPLY)], HH, After(60, Tick()),
        B, True, True, What.RELEASED),
    Row("21 parent gone, returned within the on-delay", LIMIT, [Suppress(SUPPLY), Alarm(), Release(SUPPLY)], HH,
        Return(), A, False, False, What.RETURNED),
    Row("21 one parent of two gone", PLAIN, [Suppress(SUPPLY), Suppress(COMM), Alarm()], HH, Release(SUPPLY), HH,
        False, True, What.RELEASED),
    Row("21 came and went while suppressed", PLAIN, [Suppress(SUPPLY), Alarm(), Return()], HH, Release(SUPPLY), A,
        False, False, What.RELEASED),
    Row("21 got worse and went while suppressed: no duty is left", LIMIT, [Suppress(DESIGN), Alarm(1), Alarm(2),
        Return()], HH, Release(DESIGN), A, False, False, What.RELEASED),
    Row("21 P1 came and went while suppressed by design", TWO_STEP, [Suppress(DESIGN), Alarm(), Return()], HH,
        Release(DESIGN), D, False, True, What.RELEASED),
    Row("22 unacknowledged, out of service", PLAIN, [Alarm()], B, REMOVE, OO, False, True, What.REMOVED),
    Row("23 back in service, in alarm", PLAIN, [Alarm(), Ack(), REMOVE], OO, Place(), B, True, True, What.PLACED),
    Row("23 back in service, latched", LATCHING, [Alarm(), Return(), REMOVE], OO, Place(), E, False, True, What.PLACED),
    Row("24 disable by an engineer", TWO_STEP, [Alarm()], B, Disable("MOC-7"), X, False, False, What.DISABLED),
    Row("25 inputs Bad, in alarm: stays", PLAIN, [Alarm(), Ack()], C, Evaluable(False), C, False, True, What.UNKNOWN),
    Row("25 inputs Bad, normal: stays", PLAIN, [], A, Evaluable(False), A, False, False, What.UNKNOWN),
    Row("27 shelved, then suppressed", PLAIN, [Alarm(), SHELVE], G, Suppress(DESIGN), HH, False, True,
        What.SUPPRESSED),
    Row("27 suppressed, then out of service", PLAIN, [Alarm(), SHELVE, Suppress(DESIGN)], HH, REMOVE, OO, False, True,
        What.REMOVED),
    Row("27 out of service, then disabled", PLAIN, [Alarm(), SHELVE, Suppress(DESIGN), REMOVE], OO, Disable("MOC-7"),
        X, False, False, What.DISABLED),
    Row("27 one overlay gone, another still there", PLAIN, [Alarm(), SHELVE, REMOVE], OO, Place(), G, False, True,
        What.PLACED),
    Row("28 enable, in alarm", PLAIN, [Disable("MOC-7"), Alarm()], X, Enable("MOC-8"), B, True, True, What.ENABLED),
    Row("28 enable, latched before", LATCHING, [Alarm(), Return(), Ack(), Disable("MOC-7")], X, Enable("MOC-8"), F,
        False, True, What.ENABLED),
    Row("28 enable, unacknowledged before", PLAIN, [Alarm(), Return(), Disable("MOC-7")], X, Enable("MOC-8"), D,
        False, True, What.ENABLED),
    Row("28 enable on the shelf, a latching rule in alarm latches", LATCHING, [SHELVE, Disable("MOC-7"), Alarm(),
        Enable("MOC-8"), Return()], G, Unshelve(), E, False, True, What.UNSHELVED),
    Row("28 enable, a latching rule in alarm latches", LATCHING, [Disable("MOC-7"), Alarm(), Enable("MOC-8")], B,
        Return(), E, False, True, What.RETURNED),
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=lambda r: r.name.replace(" ", "_"))
def test_row(row: Row) -> None:
    state, _, now_ns = play(row.rule, row.before)
    assert state.flat is row.start
    after, effects, _ = play(row.rule, [row.event], state, now_ns)
    announced = [e for e in effects if isinstance(e, Announce)]
    logged = [e for e in effects if isinstance(e, Log)]
    assert after.flat is row.end
    assert bool(announced) is row.sounds
    assert after.retain is row.retain
    assert [e.what for e in logged] == ([row.what] if row.what else [])
    for e in logged:
        assert (e.before, e.after, e.retain) == (row.start, row.end, row.retain)
    for announce in announced:
        assert announce.occurrence_ns == after.occurrence_ns > state.occurrence_ns, "a new EventId"
        assert not after.acked and not after.silenced


def test_every_row_of_the_table_is_here() -> None:
    # 26 is a restart: `test_26`.
    assert {int(r.name[:2]) for r in ROWS} | {26} == set(range(1, 29))


@pytest.mark.parametrize("row", ROWS, ids=lambda r: r.name.replace(" ", "_"))
def test_26_restart_goes_on_from_the_same_state(row: Row) -> None:
    """A stored state answers the next event as the one that never stopped; nobody acknowledges twice."""
    state, _, now_ns = play(row.rule, row.before)
    stored = replace(state)
    assert play(row.rule, [row.event], stored, now_ns) == play(row.rule, [row.event], state, now_ns)


REFUSALS = [
    ("acknowledge what never was", PLAIN, [], Acknowledge(17), StatusCode.BadEventIdUnknown),
    ("acknowledge what is at rest", PLAIN, [], Ack(), StatusCode.BadEventIdUnknown),
    ("acknowledge an older occurrence", PLAIN, [Alarm(), Return(), Alarm()], Acknowledge(T0 + S),
     StatusCode.BadEventIdUnknown),
    ("acknowledge HIGH while it went HIGH HIGH", LIMIT, [Alarm(1), Alarm(2)], Acknowledge(T0 + S),
     StatusCode.BadEventIdUnknown),
    ("acknowledge twice", PLAIN, [Alarm(), Ack()], Ack(), StatusCode.BadConditionBranchAlreadyAcked),
    ("confirm before acknowledging", TWO_STEP, [Alarm()], Treated(), StatusCode.BadInvalidState),
    ("confirm twice", TWO_STEP, [Alarm(), Ack(), Treated()], Treated(), StatusCode.BadConditionBranchAlreadyConfirmed),
    ("confirm an older occurrence", TWO_STEP, [Alarm(), Ack()], Confirm(17), StatusCode.BadEventIdUnknown),
    ("reset in alarm", LATCHING, [Alarm(), Ack()], Reset(), StatusCode.BadInvalidState),
    ("reset what does not latch", PLAIN, [Alarm()], Reset(), StatusCode.BadInvalidState),
    ("reset what nobody can evaluate", LATCHING, [Alarm(), Ack(), Return(), Evaluable(False)], Reset(),
     StatusCode.BadInvalidState),
    ("silence what makes no sound", PLAIN, [Alarm(), Ack()], Silence(), StatusCode.BadInvalidState),
    ("silence twice", PLAIN, [Alarm(), Silence()], Silence(), StatusCode.BadInvalidState),
    ("shelve twice", PLAIN, [SHELVE], SHELVE, StatusCode.BadConditionAlreadyShelved),
    ("shelve without a reason", PLAIN, [], Shelve(H, " "), StatusCode.BadInvalidArgument),
    ("shelve for longer than allowed", PLAIN, [], Shelve(13 * H, "x"), StatusCode.BadShelvingTimeOutOfRange),
    ("shelve for no time", PLAIN, [], Shelve(0, "x"), StatusCode.BadShelvingTimeOutOfRange),
    ("unshelve what is not shelved", PLAIN, [Alarm()], Unshelve(), StatusCode.BadConditionNotShelved),
    ("remove without a work order", PLAIN, [], Remove("", WEEK), StatusCode.BadInvalidArgument),
    ("remove without a review to come", PLAIN, [], Remove("WO-1", T0), StatusCode.BadInvalidArgument),
    ("remove twice", PLAIN, [REMOVE], REMOVE, StatusCode.BadInvalidState),
    ("place what is in service", PLAIN, [], Place(), StatusCode.BadInvalidState),
    ("disable without a record", PLAIN, [], Disable(""), StatusCode.BadInvalidArgument),
    ("disable twice", PLAIN, [Disable("MOC-7")], Disable("MOC-7"), StatusCode.BadConditionAlreadyDisabled),
    ("enable what is enabled", PLAIN, [], Enable("MOC-8"), StatusCode.BadConditionAlreadyEnabled),
    ("enable without a record", PLAIN, [Disable("MOC-7")], Enable(""), StatusCode.BadInvalidArgument),
    ("acknowledge while disabled", PLAIN, [Alarm(), Disable("MOC-7")], Ack(), StatusCode.BadConditionDisabled),
    ("shelve while disabled", PLAIN, [Disable("MOC-7")], SHELVE, StatusCode.BadConditionDisabled),
]  # fmt: skip


@pytest.mark.parametrize(("name", "rule", "before", "event", "code"), REFUSALS, ids=lambda x: x if isinstance(x, str)
                         else "")  # fmt: skip
def test_refused(name: str, rule: Rule, before: Story, event: Doing, code: StatusCode) -> None:
    state, _, now_ns = play(rule, before)
    after, effects, _ = play(rule, [event], state, now_ns)
    assert after == state, "a refused action changes nothing"
    (refused,) = effects
    assert isinstance(refused, Refused) and refused.code is code
    assert refused.text


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


def test_the_codes_of_refused_actions_are_those_of_the_standard() -> None:
    from asyncua import ua

    known = {name: value for name, value in vars(ua.StatusCodes).items() if name.startswith(("Good", "Bad", "Uncert"))}
    for code in StatusCode:
        if code.name in known:
            assert known[code.name] == int(code), code.name
    assert {code.name for *_, code in REFUSALS} <= known.keys()
