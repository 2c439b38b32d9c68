# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_alarm_machine.py, tests/unit/test_alarm_facts.py, tests/property/test_alarm_machine_property.py
"""The alarm machine: `step(state, event, now, rule) -> (state, effects)`.

Law of this file: pure. No I/O, no clock, no knowledge of tags, people or other conditions. It is the table of
transitions of ISA-18.2 as agreed for this plant (`_TABLE`: core state x event -> what to do); rows are named by their
number there. What the plant does is here, what people do in `acts`.

What the table rests on:

- The core keeps running under the overlays. An overlay only keeps a condition from being *annunciated*.
- When the last overlay goes, an active condition is annunciated anew; an inactive one is what its latch and its
  acknowledgement say (row 19). No overlay clears either.
- What rises and returns under shelving or out of service leaves the duty to acknowledge. What does so under suppression
  leaves none (forty children of one lost supply would otherwise all stand there), unless the rule is protected: P1,
  safety class, latching.
- What chatters and still awaits its acknowledgement is not annunciated each time: it stands in the list already.
- Topology (a parent that stands) holds back only what is normal: what was annunciated stays.
- Disabled is different: nothing is evaluated, nothing is remembered but what was there before, and whether it is in
  alarm now.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final, TypeAlias

from config.words import StatusCode
from supervisor.alarms import acts
from supervisor.alarms.events import (
    Acknowledge,
    Alarm,
    Confirm,
    Disable,
    Effect,
    Enable,
    Evaluable,
    Event,
    Place,
    Quiet,
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
from supervisor.alarms.outcomes import Outcome, annunciated, become_unacked, left, logged, refused, settled
from supervisor.alarms.state import BEAT_NS, QUIET_NS, Isa, Rule, State

# Each handler takes its own kind of event; the table sees to it that it gets no other.
_Handler: TypeAlias = Callable[[State, Any, int, Rule], Outcome]


def step(state: State, event: Event, now_ns: int, rule: Rule) -> Outcome:
    """One event.

    Args:
        now_ns: UTC [ns].
    Returns: the state after it and what follows. A refused action leaves the state as it was and gives one `Refused`.
    """
    if not state.enabled:
        after, effects = _while_disabled(state, event, now_ns, rule)
    else:
        handler = _TABLE.get((state.core, type(event))) or _ANY[type(event)]
        after, effects = handler(state, event, now_ns, rule)
    if state.sounding and not after.sounding:
        effects = (Quiet(), *effects)
    return after, effects


def due_ns(state: State, rule: Rule) -> int | None:
    """When the next `Tick` has something to do [UTC ns]; None: nothing waits."""
    if state.shelved_until_ns is None and state.release_ns is None:
        return _re_alarm_ns(state, rule)
    times = (state.shelved_until_ns, state.release_ns, _re_alarm_ns(state, rule))
    return min(t for t in times if t is not None)


def _re_alarm_ns(state: State, rule: Rule) -> int | None:
    # Counted from the acknowledgement, so that acknowledging an old alarm is not answered by its sound.
    if rule.re_alarm_ns is None or state.flat is not Isa.ACKED:
        return None
    return state.acked_ns + rule.re_alarm_ns


def _nothing(state: State, _event: Event, _now_ns: int, _rule: Rule) -> Outcome:
    return state, ()


# --- the plant ------------------------------------------------------------------------------------------------------


def _rise(state: State, event: Alarm, now_ns: int, rule: Rule) -> Outcome:
    """Rows 1, 7 and 13; or, from A, the wait for a parent that is about to stand."""
    risen = replace(
        state,
        process=True,
        level=event.level,
        last_level=state.level,
        latched=state.latched or rule.latching,
        raised_ns=now_ns,
        annunciated=False,
        re_alarms=0,
        beats=_beats(state, now_ns),
    )
    if not state.overlaid and rule.suppressible and state.core is Isa.NORM and event.hold_until_ns > now_ns:
        return logged(What.HELD, state, replace(risen, release_ns=event.hold_until_ns))
    if not state.overlaid:
        risen = become_unacked(risen, now_ns, rule)
        if risen.chatters and not rule.protected:
            return logged(What.ALARM, state, replace(risen, annunciated=True))
        return annunciated(What.ALARM, state, risen, rule)
    if rule.protected or not state.suppressed:
        risen = become_unacked(risen, now_ns, rule)
    return logged(What.ALARM, state, risen)


def _beats(state: State, now_ns: int) -> int:
    """How often it has risen quickly after its last rise, nobody having acknowledged it since; quiet ends that."""
    gap_ns = now_ns - state.raised_ns
    if state.acked or not 0 <= gap_ns < QUIET_NS:
        return 0
    return state.beats + 1 if gap_ns < BEAT_NS else state.beats


def _change_level(state: State, event: Alarm, now_ns: int, rule: Rule) -> Outcome:
    """Rows 14 and 15: worse, or on the other side, is annunciated again; better is only written down.

    An unacknowledged one that gets worse is a new occurrence too: an acknowledgement of the milder one, still on its
    way, must not cover it.
    """
    if event.level == state.level:
        return state, ()
    after = replace(state, level=event.level, last_level=state.level)
    worse = abs(event.level) > abs(state.level) or event.level * state.level < 0
    if not worse or (state.overlaid and state.suppressed and not rule.protected):
        return logged(What.LEVEL, state, after)
    after = become_unacked(after, now_ns, rule)
    if state.overlaid:
        return logged(What.LEVEL, state, after)
    return annunciated(What.LEVEL, state, after, rule)


def _return(state: State, _event: Event, now_ns: int, rule: Rule) -> Outcome:
    """Rows 3, 4, 5, 8 and 9; ends one-shot shelving (19) and a wait for release."""
    after = replace(state, process=False, returned_ns=now_ns, release_ns=None)
    if rule.acks_itself:
        after = replace(after, acked=True)
    if after.one_shot:
        after = replace(after, shelved_until_ns=None, one_shot=False)
    return logged(What.RETURNED, state, settled(after))


def _evaluable(state: State, event: Evaluable, now_ns: int, _rule: Rule) -> Outcome:
    """Row 25: the core state is kept, whatever the inputs are worth."""
    if event.evaluable == state.evaluable:
        return state, ()
    what = What.KNOWN if event.evaluable else What.UNKNOWN
    return logged(what, state, replace(state, evaluable=event.evaluable, evaluable_ns=now_ns))


def _tick(state: State, _event: Event, now_ns: int, rule: Rule) -> Outcome:
    """Rows 16, 19 (expiry) and 21 (release): whatever is due, in this order."""
    effects: tuple[Effect, ...] = ()
    if state.shelved_until_ns is not None and now_ns >= state.shelved_until_ns:
        after = replace(state, shelved_until_ns=None, one_shot=False)
        state, effects = left(What.SHELF_EXPIRED, state, after, now_ns, rule)
    if state.release_ns is not None and now_ns >= state.release_ns:
        state, more = left(What.RELEASED, state, replace(state, release_ns=None), now_ns, rule)
        effects += more
    re_alarm_ns = _re_alarm_ns(state, rule)
    if re_alarm_ns is not None and now_ns >= re_alarm_ns:
        again = become_unacked(replace(state, re_alarms=state.re_alarms + 1), now_ns, rule)
        state, more = annunciated(What.RE_ALARM, state, again, rule)
        effects += more
    return state, effects


# --- suppression ----------------------------------------------------------------------------------------------------


def _suppress(state: State, event: Suppress, _now_ns: int, rule: Rule) -> Outcome:
    """Row 20."""
    cause = event.cause
    if cause in state.causes:
        return state, ()
    # From A only: what was annunciated, or awaits an acknowledgement, stays before the operator.
    if cause.topology and (not rule.suppressible or state.annunciated or not state.acked):
        return state, ()
    after = replace(state, causes=state.causes | {cause}, release_ns=None)
    return logged(What.SUPPRESSED, state, after, cause.detail)


def _unhold(state: State, _event: Event, now_ns: int, rule: Rule) -> Outcome:
    """The parent that was about to stand did not: no reason to wait any longer."""
    if state.release_ns is None:
        return state, ()
    return left(What.RELEASED, state, replace(state, release_ns=None), now_ns, rule)


def _release(state: State, event: Release, now_ns: int, rule: Rule) -> Outcome:
    """Row 21: the last cause went. What is in alarm must stand for its on-delay once more; the shell may make what is
    not protected wait for its turn before it sends the `Tick` that ends the wait.
    """
    if event.cause not in state.causes:
        return state, ()
    after = replace(state, causes=state.causes - {event.cause})
    if after.causes or not after.process:
        return logged(What.RELEASED, state, after, event.cause.detail)
    if rule.on_delay_ns or not rule.protected:
        return replace(after, release_ns=now_ns + rule.on_delay_ns), ()
    return left(What.RELEASED, state, after, now_ns, rule, event.cause.detail)


def _while_disabled(state: State, event: Event, now_ns: int, rule: Rule) -> Outcome:
    """Only what is true now is followed, in silence, so that `enable` finds it (row 28)."""
    match event:
        case Alarm(level=level):
            raised_ns = state.raised_ns if state.process else now_ns
            return replace(state, process=True, level=level, last_level=state.level, raised_ns=raised_ns), ()
        case Return():
            return settled(replace(state, process=False, release_ns=None)), ()
        case Evaluable(evaluable=evaluable):
            since_ns = state.evaluable_ns if evaluable == state.evaluable else now_ns
            return replace(state, evaluable=evaluable, evaluable_ns=since_ns), ()
        case Tick():
            return _tick(state, event, now_ns, rule)
        case Suppress() | Release() | Unhold():
            return _ANY[type(event)](state, event, now_ns, rule)
        case Enable(record=record):
            if not record.strip():
                return refused(state, StatusCode.BadInvalidArgument, "expected the number of the change record")
            return acts.enabled(state, record, now_ns, rule)
        case Disable():
            return refused(state, StatusCode.BadConditionAlreadyDisabled, "it is disabled")
        case _:
            return refused(state, StatusCode.BadConditionDisabled, "it is disabled; an engineer must enable it first")


_A, _B, _C, _D, _E, _F = Isa.NORM, Isa.UNACK, Isa.ACKED, Isa.RTNUN, Isa.LUNACK, Isa.LACKED

_TABLE: Final[dict[tuple[Isa, type], _Handler]] = {
    (_A, Alarm): _rise,  # 1
    (_D, Alarm): _rise,  # 7
    (_E, Alarm): _rise,  # 13
    (_F, Alarm): _rise,  # 13
    (_B, Alarm): _change_level,
    (_C, Alarm): _change_level,  # 14, 15
    (_B, Return): _return,  # 3, 4, 8
    (_C, Return): _return,  # 5, 9
    (_A, Return): _nothing,
    (_D, Return): _nothing,
    (_E, Return): _nothing,
    (_F, Return): _nothing,
    (_F, Reset): acts.reset,  # 11
}
"""Core state x event, where the core state decides."""

_ANY: Final[dict[type, _Handler]] = {
    Evaluable: _evaluable,  # 25
    Tick: _tick,  # 16, 19, 21
    Suppress: _suppress,  # 20
    Unhold: _unhold,
    Release: _release,  # 21
    Acknowledge: acts.acknowledge,  # 2, 6, 10
    Confirm: acts.confirm,
    Reset: acts.refuse_reset,  # 12
    Silence: acts.silence,
    Shelve: acts.shelve,  # 17, 18
    Unshelve: acts.unshelve,  # 19
    Remove: acts.remove,  # 22
    Place: acts.place,  # 23
    Disable: acts.disable,  # 24
    Enable: acts.refuse_enable,
}
"""Events that every enabled condition answers the same way, whatever its core."""
