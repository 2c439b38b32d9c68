# SPDX-License-Identifier: Apache-2.0
"""Any sequence of events keeps the laws of the alarm machine: nothing dangerous is hidden, nothing is forgotten.

A second, much simpler account of the duties is kept beside the machine (`owed`, `in_alarm`), and three more machines
get the same events: one that is stored and loaded before each of them, and one that lives 3 h later.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from config.model import Priority
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
from supervisor.alarms.rows import Live, decode, encode
from supervisor.alarms.state import REST, Cause, Isa, Rule, State, check_invariants

S = 1_000_000_000
T0 = 1_750_000_000 * S
LATER = 3 * 3600 * S
CAUSES = [Cause("Supply_Loss", True), Cause("Comm_lost", True), Cause("self", False)]

rules = st.builds(
    Rule,
    st.just("any"),
    st.sampled_from(list(Priority)),
    st.sampled_from(list(Priority)),
    safety=st.booleans(),
    latching=st.booleans(),
    ack_required=st.booleans(),
    confirm_required=st.booleans(),
    parent=st.booleans(),
    on_delay_ns=st.sampled_from([0, 5 * S]),
    re_alarm_ns=st.sampled_from([None, 60 * S]),
    shelving_max_ns=st.just(3600 * S),
)


def shifted(value: Any) -> Any:
    """The same event 3 h later."""
    for name in ("occurrence_ns", "review_ns", "hold_until_ns"):
        if getattr(value, name, 0) > 0:
            value = replace(value, **{name: getattr(value, name) + LATER})
    return value


class Machine(RuleBasedStateMachine):
    """One condition, and what is owed to the operator for it."""

    @initialize(rule=rules)
    def begin(self, rule: Rule) -> None:
        self.rule = rule
        self.now_ns = T0
        self.state = self.stored = self.later = REST
        self.in_alarm = False
        self.owed = False
        self.level = 0

    def do(self, event: Event) -> None:
        self.now_ns += S // 10
        before, now_ns, rule = self.state, self.now_ns, self.rule
        self.state, effects = step(before, event, now_ns, rule)
        self.account(before, event, effects)
        self.laws(before, event, effects)
        stored = decode(json.loads(json.dumps(encode(Live(self.stored))))).state
        self.stored, again = step(stored, event, now_ns, rule)
        assert (self.stored, again) == (self.state, effects), "a stored state goes on as the one that never stopped"
        self.later, later = step(self.later, shifted(event), now_ns + LATER, rule)
        assert self.later.flat is self.state.flat
        assert [type(e) for e in later] == [type(e) for e in effects], "times are kept absolute, and only compared"

    def account(self, before: State, event: Event, effects: tuple[Effect, ...]) -> None:
        """What is owed, told without the machine."""
        done = not any(isinstance(e, Refused) for e in effects)
        if isinstance(event, Alarm):
            worse = abs(event.level) > abs(self.level) or event.level * self.level < 0
            if (worse or not self.in_alarm) and before.enabled and self.rule.protected:
                self.owed = True
            self.in_alarm, self.level = True, event.level
        elif isinstance(event, Enable) and done and self.in_alarm and self.rule.protected:
            self.owed = True
        elif isinstance(event, Return):
            self.in_alarm = False
        elif isinstance(event, Acknowledge) and done:
            self.owed = False
        if any(isinstance(e, Announce) for e in effects):
            self.owed = True
        if isinstance(event, Return) and self.rule.acks_itself:
            self.owed = False

    def laws(self, before: State, event: Event, effects: tuple[Effect, ...]) -> None:
        after = self.state
        check_invariants(after, self.rule)
        refused = [e for e in effects if isinstance(e, Refused)]
        announced = [e for e in effects if isinstance(e, Announce)]
        logs = [e for e in effects if isinstance(e, Log)]
        if refused:
            assert after == before and len(effects) == 1
        # No overlay, no clock and nothing in the field clears a duty or a latch; only people do.
        if not before.acked and after.acked:
            assert isinstance(event, Acknowledge) or (isinstance(event, Return) and self.rule.acks_itself)
        if before.latched and not after.latched:
            assert isinstance(event, Reset) and before.acked and not before.process and before.evaluable
        if not before.confirmed and after.confirmed:
            assert isinstance(event, Confirm)
        # Nothing is annunciated through an overlay, and nothing without a new occurrence.
        if announced:
            assert not after.overlaid and after.flat is Isa.UNACK
            assert after.occurrence_ns > before.occurrence_ns
        # What the operator sees never changes in silence.
        if before.flat is not after.flat and before.enabled:
            waits = isinstance(event, Release) and after.release_ns is not None
            assert logs or waits
        if before.retain and not after.retain:
            assert logs and not logs[-1].retain
        # Topology takes nothing off the screen.
        topology = isinstance(event, Suppress) and event.cause.topology
        if topology and before.core is not Isa.NORM and not before.overlaid:
            assert after == before

    @invariant()
    def nothing_dangerous_is_hidden(self) -> None:
        if not hasattr(self, "state"):
            return
        assert self.state.process is self.in_alarm
        if self.state.enabled:
            assert self.owed is not self.state.acked or not self.rule.protected
            if self.owed or self.in_alarm:
                assert self.state.retain, "in alarm, or owed an acknowledgement: it is in the list"

    @invariant()
    def what_is_due_will_come(self) -> None:
        if not hasattr(self, "state") or (due := due_ns(self.state, self.rule)) is None:
            return
        after, _ = step(self.state, Tick(), due, self.rule)
        again = due_ns(after, self.rule)
        assert again is None or again > due, "a tick deals with what is due"

    @rule(level=st.sampled_from([-2, -1, 1, 2]), hold=st.sampled_from([0, 10]))
    def alarm(self, level: int, hold: int) -> None:
        self.do(Alarm(level, self.now_ns + hold * S if hold else 0))

    @rule()
    def returns(self) -> None:
        self.do(Return())

    @rule(evaluable=st.booleans())
    def quality(self, evaluable: bool) -> None:
        self.do(Evaluable(evaluable))

    @rule(seconds=st.sampled_from([1, 10, 100, 1000, 5000]))
    def time_passes(self, seconds: int) -> None:
        self.now_ns += seconds * S
        self.do(Tick())

    @rule(cause=st.sampled_from(CAUSES))
    def suppress(self, cause: Cause) -> None:
        self.do(Suppress(cause))

    @rule(cause=st.sampled_from(CAUSES))
    def release(self, cause: Cause) -> None:
        self.do(Release(cause))

    @rule()
    def unhold(self) -> None:
        self.do(Unhold())

    @rule(current=st.booleans())
    def acknowledge(self, current: bool) -> None:
        seen = self.state.occurrence_ns if current else 17
        self.do(Acknowledge(seen))
        if not current:
            assert self.state.acked or self.owed or not self.rule.protected

    @rule()
    def confirm(self) -> None:
        self.do(Confirm(self.state.occurrence_ns))

    @rule()
    def reset(self) -> None:
        self.do(Reset())

    @rule()
    def silence(self) -> None:
        self.do(Silence())

    @rule(duration=st.sampled_from([None, 50 * S, 3600 * S, 3601 * S]))
    def shelve(self, duration: int | None) -> None:
        self.do(Shelve(duration, "reason"))
        if self.state.shelved_until_ns is not None:
            assert self.state.shelved_until_ns <= self.now_ns + self.rule.shelving_max_ns

    @rule()
    def unshelve(self) -> None:
        self.do(Unshelve())

    @rule()
    def remove(self) -> None:
        self.do(Remove("WO-1", self.now_ns + 86400 * S))

    @rule()
    def place(self) -> None:
        self.do(Place())

    @rule()
    def disable(self) -> None:
        before = self.state
        self.now_ns += S
        self.state, effects = step(before, Disable("MOC-1"), self.now_ns, self.rule)
        self.stored, _ = step(self.stored, Disable("MOC-1"), self.now_ns, self.rule)
        self.later, _ = step(self.later, Disable("MOC-1"), self.now_ns + LATER, self.rule)
        if before.enabled:
            assert any(isinstance(e, Log) and e.what is What.DISABLED for e in effects), "never without a record"

    @rule()
    def enable(self) -> None:
        self.do(Enable("MOC-2"))


Machine.TestCase.settings = settings(max_examples=250, stateful_step_count=40, deadline=None)
TestMachine = Machine.TestCase
