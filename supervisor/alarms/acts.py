# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_alarm_refusals.py, tests/property/test_alarm_machine_property.py
"""What people do to a condition: rows 2, 6, 10 to 12, 17 to 19, 22 to 24 and 28 of the alarm machine.

Law of this file: pure. Who may do it was asked before (`rights`); here is asked whether it makes sense now. A refused
action leaves the state as it was and gives one `Refused`, whose text tells what to do instead.
"""

from __future__ import annotations

from dataclasses import replace

from config.words import StatusCode
from supervisor.alarms.events import (
    Acknowledge,
    Confirm,
    Disable,
    Event,
    Remove,
    Shelve,
    What,
)
from supervisor.alarms.outcomes import Outcome, become_unacked, left, logged, refused, settled
from supervisor.alarms.state import Rule, State


def acknowledge(state: State, event: Acknowledge, now_ns: int, _rule: Rule) -> Outcome:
    """Rows 2, 6 and 10."""
    if not 0 < event.occurrence_ns == state.occurrence_ns:
        return _unknown_occurrence(state)
    if state.acked:
        return refused(state, StatusCode.BadConditionBranchAlreadyAcked, "this occurrence is already acknowledged")
    after = settled(replace(state, acked=True, acked_ns=now_ns))
    return logged(What.ACKED, state, after)


def confirm(state: State, event: Confirm, _now_ns: int, _rule: Rule) -> Outcome:
    if not 0 < event.occurrence_ns == state.occurrence_ns:
        return _unknown_occurrence(state)
    if state.confirmed:
        return refused(state, StatusCode.BadConditionBranchAlreadyConfirmed, "this occurrence needs no confirmation")
    if not state.acked:
        return refused(state, StatusCode.BadInvalidState, "acknowledge it first, then confirm that it was treated")
    return logged(What.CONFIRMED, state, settled(replace(state, confirmed=True)))


def _unknown_occurrence(state: State) -> Outcome:
    return refused(state, StatusCode.BadEventIdUnknown, "that is not its present occurrence; look at it again")


def reset(state: State, _event: Event, _now_ns: int, _rule: Rule) -> Outcome:
    """Row 11. What cannot be evaluated is not normal."""
    if not state.evaluable:
        return refused(state, StatusCode.BadInvalidState, "its inputs are not usable, so nobody knows it is normal")
    return logged(What.RESET, state, settled(replace(state, latched=False)))


def refuse_reset(state: State, _event: Event, _now_ns: int, _rule: Rule) -> Outcome:
    """Row 12, and everything that is not latched or not normal."""
    if not state.latched:
        text = "it is not latched"
    elif state.process:
        text = "it is still in alarm"
    else:
        text = "acknowledge it first"
    return refused(state, StatusCode.BadInvalidState, text)


def silence(state: State, _event: Event, _now_ns: int, _rule: Rule) -> Outcome:
    if not state.sounding:
        return refused(state, StatusCode.BadInvalidState, "it makes no sound")
    after = replace(state, silenced=True)
    return logged(What.SILENCED, state, after)


def shelve(state: State, event: Shelve, now_ns: int, rule: Rule) -> Outcome:
    """Rows 17 and 18: never without a reason, never without an end."""
    if state.shelved:
        return refused(state, StatusCode.BadConditionAlreadyShelved, "it is shelved; unshelve it to choose a new end")
    if not event.reason.strip():
        return refused(state, StatusCode.BadInvalidArgument, "expected a reason for shelving")
    duration_ns = rule.shelving_max_ns if event.duration_ns is None else event.duration_ns
    if not 0 < duration_ns <= rule.shelving_max_ns:
        hours = rule.shelving_max_ns / 3.6e12
        return refused(state, StatusCode.BadShelvingTimeOutOfRange, f"expected more than 0 and up to {hours:g} h")
    after = replace(state, shelved_until_ns=now_ns + duration_ns, one_shot=event.duration_ns is None)
    return logged(What.SHELVED, state, after, event.reason)


def unshelve(state: State, _event: Event, now_ns: int, rule: Rule) -> Outcome:
    if not state.shelved:
        return refused(state, StatusCode.BadConditionNotShelved, "it is not shelved")
    return left(What.UNSHELVED, state, replace(state, shelved_until_ns=None, one_shot=False), now_ns, rule)


def remove(state: State, event: Remove, now_ns: int, _rule: Rule) -> Outcome:
    """Row 22."""
    if state.out_of_service:
        return refused(state, StatusCode.BadInvalidState, f"it is out of service under {state.work_order}")
    if not event.work_order.strip() or event.review_ns <= now_ns:
        return refused(state, StatusCode.BadInvalidArgument, "expected a work order and a review date to come")
    after = replace(state, work_order=event.work_order, review_ns=event.review_ns)
    return logged(What.REMOVED, state, after, event.work_order)


def place(state: State, _event: Event, now_ns: int, rule: Rule) -> Outcome:
    """Row 23."""
    if not state.out_of_service:
        return refused(state, StatusCode.BadInvalidState, "it is in service")
    after = replace(state, work_order=None, review_ns=None)
    return left(What.PLACED, state, after, now_ns, rule, state.work_order or "")


def disable(state: State, event: Disable, _now_ns: int, _rule: Rule) -> Outcome:
    """Row 24."""
    if not event.record.strip():
        return refused(state, StatusCode.BadInvalidArgument, "expected the number of the change record")
    after = replace(state, enabled=False)
    return logged(What.DISABLED, state, after, event.record)


def refuse_enable(state: State, _event: Event, _now_ns: int, _rule: Rule) -> Outcome:
    return refused(state, StatusCode.BadConditionAlreadyEnabled, "it is enabled")


def enabled(state: State, record: str, now_ns: int, rule: Rule) -> Outcome:
    """Row 28. What is in alarm rises now for everyone who looks, through whatever still lies over it."""
    after = replace(state, enabled=True)
    if after.process and after.overlaid:
        after = replace(after, latched=after.latched or rule.latching)
        if rule.protected or not after.suppressed:
            after = become_unacked(after, now_ns, rule)
    return left(What.ENABLED, state, after, now_ns, rule, record)
