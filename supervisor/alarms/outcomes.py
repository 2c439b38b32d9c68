# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_alarm_machine.py, tests/property/test_alarm_machine_property.py
"""What one event can come to: written down, refused, annunciated; an occurrence begun or ended.

Law of this file: pure; the words in which the rows of the alarm machine speak, and no row.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeAlias

from config.words import StatusCode
from supervisor.alarms.events import Announce, Effect, Log, Refused, What
from supervisor.alarms.state import Rule, State

Outcome: TypeAlias = tuple[State, tuple[Effect, ...]]


def log(what: What, before: State, after: State, detail: str = "") -> Log:
    """The record of a change."""
    return Log(what, before.flat, after.flat, after.retain, detail)


def logged(what: What, before: State, after: State, detail: str = "") -> Outcome:
    """Changed, and written down; nobody is called."""
    return after, (log(what, before, after, detail),)


def refused(state: State, code: StatusCode, text: str) -> Outcome:
    """Nothing changed, and why."""
    return state, (Refused(code, text),)


def become_unacked(state: State, now_ns: int, rule: Rule) -> State:
    """A new occurrence with all its duties."""
    occurrence_ns = max(now_ns, state.occurrence_ns + 1)
    return replace(state, acked=False, confirmed=not rule.confirm_required, silenced=False, occurrence_ns=occurrence_ns)


def annunciated(what: What, before: State, after: State, rule: Rule, detail: str = "") -> Outcome:
    """Changed, written down, and put before the operator."""
    after = replace(after, annunciated=True)
    return after, (Announce(after.occurrence_ns, rule.priority_at(after.level)), log(what, before, after, detail))


def left(what: What, before: State, after: State, now_ns: int, rule: Rule, detail: str = "") -> Outcome:
    """Row 19: an overlay went. If it was the last, what is in alarm is annunciated as if it had just risen."""
    if after.process and not after.overlaid:
        after = replace(after, latched=after.latched or rule.latching)
        return annunciated(what, before, become_unacked(after, now_ns, rule), rule, detail)
    return logged(what, before, after, detail)


def settled(state: State) -> State:
    """A condition with nothing left of its occurrence has no level."""
    if state.active or not state.acked or not state.confirmed:
        return state
    return replace(state, level=0, last_level=0, annunciated=False)
