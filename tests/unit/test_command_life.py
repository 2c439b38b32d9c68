# SPDX-License-Identifier: Apache-2.0
"""The life of a command, from the wish to the verdict: the pure machine."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.words import StatusCode, Verdict
from supervisor.commands.life import ENDINGS, Cause, Event, Life, Step, check_invariants, step


def test_a_command_reaches_confirmed_only_through_every_step() -> None:
    life = Life(10.0, 5.0)
    for event in (Event.PASSED, Event.RECORDED, Event.ACCEPTED, Event.EQUAL):
        with pytest.raises(ValueError, match="cannot end by 'confirmed'"):
            step(life, Cause.CONFIRMED, 1.0)
        life = step(life, event, 1.0)
    life = step(life, Cause.CONFIRMED, 2.0)
    assert life.ending.verdict is Verdict.CONFIRMED
    with pytest.raises(ValueError, match="'ended' cannot meet"):
        step(life, Event.EQUAL, 3.0)


def test_time_ends_a_command_before_it_left_as_expired_and_after_it_is_held_as_unknown() -> None:
    life = step(Life(10.0, 5.0), Event.PASSED, 0.0)
    assert step(life, Event.TICK, 9.9) == life
    assert step(life, Event.TICK, 10.0).ending.verdict is Verdict.EXPIRED
    for event in (Event.RECORDED, Event.ACCEPTED):
        life = step(life, event, 1.0)
    assert step(life, Event.TICK, 99.0) == life, "a command that has left cannot expire"
    life = step(life, Event.EQUAL, 20.0)
    assert step(life, Event.TICK, 24.9) == life
    assert step(life, Event.TICK, 25.0).cause is Cause.EFFECT_MISSING


@given(st.lists(st.tuples(st.sampled_from([*Event, *Cause]), st.floats(0, 30)), max_size=12))
def test_no_sequence_of_events_breaks_the_invariants(events: list[tuple[Event | Cause, float]]) -> None:
    life = Life(10.0, 5.0)
    seen = [life.step]
    for event, now in events:
        try:
            life = step(life, event, now)
        except ValueError:
            continue
        seen.append(life.step)
        check_invariants(life)
    if life.step is Step.ENDED and life.ending.verdict is Verdict.CONFIRMED:
        assert [s for s in Step if s in seen] == list(Step)
    if life.step is Step.ENDED and life.ending.verdict is Verdict.EXPIRED:
        assert Step.ANSWERED not in seen


def test_every_cause_has_one_ending_and_only_confirmed_is_good() -> None:
    assert set(ENDINGS) == set(Cause)
    for cause, ending in ENDINGS.items():
        assert (ending.verdict is Verdict.CONFIRMED) == (cause is Cause.CONFIRMED)
        assert (ending.status is StatusCode.Good) == (cause is Cause.CONFIRMED)
        assert ending.status is StatusCode.Good or ending.status >= 0x80000000
