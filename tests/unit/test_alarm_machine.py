# SPDX-License-Identifier: Apache-2.0
"""The table of transitions of the alarm machine: one row of the table, one test, under its number there.

A row says: rule, what happened before (from rest), what happens now, the letter it must show after, and what the
operator and the journal get. The rows are those of plant documentation 3.2, after ISA-18.2 / IEC 62682.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from supervisor.alarms.events import (
    Alarm,
    Announce,
    Disable,
    Enable,
    Evaluable,
    Log,
    Place,
    Release,
    Reset,
    Return,
    Suppress,
    Tick,
    Unshelve,
    What,
)
from supervisor.alarms.state import Isa, Rule
from tests.alarm_stories import (
    COMM,
    DESIGN,
    HH,
    LATCHING,
    LIMIT,
    ONE_SHOT,
    OO,
    PARENT,
    PLAIN,
    REMOVE,
    REPEATING,
    SELF_ACK,
    SHELVE,
    SLOW_P1,
    SUPPLY,
    T0,
    TREATED,
    TWO_STEP,
    A,
    Ack,
    After,
    B,
    C,
    D,
    Doing,
    E,
    F,
    G,
    H,
    Story,
    X,
    play,
)


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
