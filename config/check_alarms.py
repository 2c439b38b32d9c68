# SPDX-License-Identifier: Apache-2.0
# Tests: tests/config
"""Alarm rules: whether each can work, and whether somebody thought about it.

Law of this file: rules only; it needs the sound part of a type and the names of the site's desks.

A rule is refused if it lacks what its kind needs, has what its kind ignores, compares what cannot be compared, or, at
P1 and P2, does not say its cause, its consequence, what the operator does and how fast. Source: ISA-18.2, clause 9
(rationalisation); the record follows ISA-TR18.2.2.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection
from typing import Any, Final

from config.binding import Operand
from config.model import SHELVING_MAX_H, SHELVING_MAX_P1_H, AlarmClass, AlarmRule, Priority, TagModel
from config.problems import Problem, one_of, unknown
from config.scope import Scope, is_number
from config.source import Place
from config.typefile import TypeFile
from config.values import misfit
from config.words import Kind

LIMITS: Final = ("low_low", "low", "high", "high_high")
# Kind of rule -> what it needs, what it may have besides. `tag` is allowed everywhere: it is where the alarm is shown.
_NEEDS: Final[dict[str, tuple[str, ...]]] = {
    "limit": ("tag",),
    "discrete": ("tag", "equals"),
    "discrepancy": ("command", "feedback"),
    "rate": ("tag", "per"),
    "stale": ("tag", "after"),
    "deviation": ("tag", "from", "high"),
    "calculated": ("condition",),
    "fed": ("share", "at_least"),
    "identity": ("tag",),
}
_MAY_HAVE: Final[dict[str, tuple[str, ...]]] = {
    "limit": LIMITS,
    "rate": ("low", "high"),
    "deviation": ("high_high",),
}
_SETTINGS: Final = (*LIMITS, "equals", "command", "feedback", "from", "per", "after", "condition", "share", "at_least")
_RECORD: Final = ("cause", "consequence", "operator_action", "response_time")
_URGENT: Final = (Priority.P1, Priority.P2)
RE_ALARM_MIN_S: Final = 60
"""An alarm that is announced again sooner after its acknowledgement only makes noise [s]."""
_TRUTH: Final = Operand(Kind.Boolean)
_NUMBER: Final = Operand(Kind.Double)


def check_alarms(type_: TypeFile, desks: Collection[str] | None) -> list[Problem]:
    """All problems of the alarm rules of a type. `desks` None: the site's desks could not be read."""
    check = _Check(type_, desks)
    for name, rule in type_.model.alarms.items():
        check.rule(name, rule)
    check.desks_unknown()
    return check.problems


class _Check:
    def __init__(self, type_: TypeFile, desks: Collection[str] | None) -> None:
        self.type = type_
        self.desks = desks
        self.scope = Scope(type_)
        self.problems: list[Problem] = []
        self._tags = type_.names("tags")
        self._strange_desks: dict[str, list[str]] = {}

    def rule(self, name: str, rule: AlarmRule) -> None:
        place = ("alarms", name)
        self._settings(place, rule)
        for key in ("tag", "command", "feedback", "from"):
            self._tag_exists(place, key, _get(rule, key))
        self._limits(place, rule)
        self._equals(place, rule)
        self._identity(place, rule)
        self._feedback(place, rule)
        self._expressions(place, rule)
        self._importance(place, rule)
        if rule.owner_desk is not None and self.desks is not None and rule.owner_desk not in self.desks:
            self._strange_desks.setdefault(rule.owner_desk, []).append(name)

    def desks_unknown(self) -> None:
        """A desk the site does not have, said once for all rules of the type."""
        for desk, names in self._strange_desks.items():
            rules = "" if len(names) == 1 else f" (so {len(names)} rules)"
            text = unknown("a desk of the site", desk, sorted(self.desks or ()))
            self._say(("alarms", names[0], "owner_desk"), text + rules)

    def _say(self, place: Place, text: str, *, key: bool = False) -> None:
        self.problems.append(self.type.document.problem(place, text, key=key))

    def _tag(self, name: str | None) -> TagModel | None:
        return self.type.model.tags.get(name) if name is not None else None

    def _tag_exists(self, place: Place, key: str, name: str | None) -> None:
        if name is not None and name not in self._tags:
            self._say((*place, key), unknown("a tag of this type", name, sorted(self._tags)))

    # -------------------------------------------------------------------------------------------------------- settings

    def _settings(self, place: Place, rule: AlarmRule) -> None:
        needs = _NEEDS[rule.on]
        lacking = [key for key in needs if _get(rule, key) is None]
        if lacking:
            self._say(place, f"missing {_keys(lacking)} of an alarm on {rule.on}", key=True)
        may_have = (*needs, *_MAY_HAVE.get(rule.on, ()))
        for key in _SETTINGS:
            if _get(rule, key) is not None and key not in may_have:
                self._say((*place, key), f"expected no '{key}' for an alarm on {rule.on}", key=True)
        limits = _MAY_HAVE.get(rule.on, ()) if rule.on in ("limit", "rate") else ()
        if limits and not any(_get(rule, key) is not None for key in limits):
            self._say(place, f"expected one or more of {one_of(limits)} for an alarm on {rule.on}, got none", key=True)
        for key in ("only_while", "suppress_when"):
            if rule.on == "fed" and _get(rule, key) is not None:
                self._say((*place, key), f"expected no '{key}' for an alarm on fed", key=True)
        if (rule.supply or rule.is_feeder) and not rule.parent:
            text = "expected 'parent: true' of an alarm on fed, and of one that says 'supply: true' or 'feeds: true'"
            self._say(place, text, key=True)
        if rule.priority_extreme is not None and rule.low_low is None and rule.high_high is None:
            self._say(
                (*place, "priority_extreme"), "expected no priority_extreme without low_low or high_high", key=True
            )

    # ---------------------------------------------------------------------------------------------------------- limits

    def _limits(self, place: Place, rule: AlarmRule) -> None:
        if rule.on not in ("limit", "rate", "deviation"):
            return
        for key in ("tag", "from"):
            tag = self._tag(_get(rule, key))
            if tag is not None and not is_number(tag.kind):
                text = f"expected a tag that is a number for an alarm on {rule.on}, got '{_get(rule, key)}' of kind "
                self._say((*place, key), text + tag.kind.name)
        numbers: list[tuple[str, float]] = []
        for key in LIMITS:
            value = _get(rule, key)
            if isinstance(value, str):
                self._expression(value, _NUMBER, (*place, key), parameters_only=True)
            elif value is not None:
                numbers.append((key, value))
        self._order(place, numbers)
        if rule.on == "limit":
            self._inside_range(place, rule, numbers)

    def _order(self, place: Place, numbers: list[tuple[str, float]]) -> None:
        for (lower, low), (upper, high) in itertools.pairwise(numbers):
            if not low < high:
                self._say((*place, upper), f"expected {upper} above {lower} ({low}), got {high}")

    def _inside_range(self, place: Place, rule: AlarmRule, numbers: list[tuple[str, float]]) -> None:
        tag = self._tag(rule.tag)
        if tag is None or tag.range is None or not tag.range[0] < tag.range[1]:
            return
        low, high = tag.range
        for key, value in numbers:
            if not low <= value <= high:
                text = (
                    f"expected a limit in the range of '{rule.tag}' ({low}..{high}), got {value}: it is never reached"
                )
                self._say((*place, key), text)

    # --------------------------------------------------------------------------------------------------- other settings

    def _equals(self, place: Place, rule: AlarmRule) -> None:
        tag = self._tag(rule.tag)
        if rule.on != "discrete" or rule.equals is None or tag is None:
            return
        at = (*place, "equals")
        wanted = rule.equals if isinstance(rule.equals, list) else [rule.equals]
        if not wanted:
            self._say(at, "expected one value or more, got an empty list")
        for index, value in enumerate(wanted):
            here: Place = (*at, index) if isinstance(rule.equals, list) else at
            if tag.kind is Kind.Enumeration:
                if tag.values and value not in tag.values:
                    self._say(here, unknown(f"a value of '{rule.tag}'", value, tag.values))
            elif tag.kind.is_float or tag.kind is Kind.DateTime:
                self._say(
                    here, f"expected an alarm on limit for '{rule.tag}' of kind {tag.kind.name}, got one on discrete"
                )
            elif (text := misfit(tag.kind, value)) is not None:
                self._say(here, text)

    def _identity(self, place: Place, rule: AlarmRule) -> None:
        tag = self._tag(rule.tag)
        if rule.on == "identity" and tag is not None and tag.system != "comm":
            text = f"expected a tag of 'system: comm' for an alarm on identity, got '{rule.tag}'"
            self._say((*place, "tag"), text)

    def _feedback(self, place: Place, rule: AlarmRule) -> None:
        command, feedback = self._tag(rule.command), self._tag(rule.feedback)
        if rule.on != "discrepancy" or command is None or feedback is None:
            return
        if rule.command == rule.feedback:
            self._say((*place, "feedback"), f"expected another tag than the command, got '{rule.feedback}'")
        elif command.kind is not feedback.kind:
            text = f"expected a tag of kind {command.kind.name} as '{rule.command}', got '{rule.feedback}' of kind "
            self._say((*place, "feedback"), text + feedback.kind.name)

    def _expressions(self, place: Place, rule: AlarmRule) -> None:
        for key in ("condition", "only_while", "suppress_when"):
            text = _get(rule, key)
            if text is not None:
                self._expression(text, _TRUTH, (*place, key))

    def _expression(self, text: str, result: Operand, place: Place, *, parameters_only: bool = False) -> None:
        found = self.scope.expression(text, result, place, parameters_only=parameters_only)
        if isinstance(found, Problem):
            self.problems.append(found)

    # ------------------------------------------------------------------------------------------------------ importance

    def _importance(self, place: Place, rule: AlarmRule) -> None:
        urgent = next((p for p in (rule.priority, rule.priority_extreme) if p in _URGENT), None)
        lacking = [key for key in _RECORD if urgent is not None and _get(rule, key) is None]
        if rule.owner_desk is None:
            lacking.append("owner_desk")
        if lacking:
            what = f"a {urgent.value} alarm" if urgent is not None else "an alarm"
            self._say(place, f"missing {_keys(lacking)} of {what}", key=True)
        if rule.priority_extreme is not None and rule.priority_extreme.value > rule.priority.value:
            text = f"expected a priority at least as urgent as {rule.priority.value}, got {rule.priority_extreme.value}"
            self._say((*place, "priority_extreme"), text)
        self._duties(place, rule)

    def _duties(self, place: Place, rule: AlarmRule) -> None:
        """What people must do about it, and for how long they may put it aside."""
        what, shelving_max_h = _kind_of_duty(rule)
        if not rule.ack_required and what != "an alarm":
            self._say((*place, "ack_required"), f"expected true for {what}: somebody must have seen it, got false")
        if rule.shelving_max is not None and rule.shelving_max > shelving_max_h * 3600:
            text = f"expected at most {shelving_max_h} h for {what}, got {rule.shelving_max / 3600:g} h"
            self._say((*place, "shelving_max"), text)
        if rule.re_alarm is not None and rule.re_alarm < RE_ALARM_MIN_S:
            text = f"expected {RE_ALARM_MIN_S} s or more, got {rule.re_alarm:g} s: nobody could treat it meanwhile"
            self._say((*place, "re_alarm"), text)


def _kind_of_duty(rule: AlarmRule) -> tuple[str, int]:
    """What it is called where it is more than an alarm, and how long it may be shelved [h]."""
    if Priority.P1 in (rule.priority, rule.priority_extreme):
        return "a P1 alarm", SHELVING_MAX_P1_H
    if rule.class_ is AlarmClass.SAFETY:
        return "an alarm of class safety", SHELVING_MAX_P1_H
    return "a latching alarm" if rule.latching else "an alarm", SHELVING_MAX_H


def _get(rule: AlarmRule, key: str) -> Any:
    return getattr(rule, "from_" if key == "from" else key)


def _keys(names: list[str]) -> str:
    quoted = [f"'{name}'" for name in names]
    plural = "key" if len(names) == 1 else "keys"
    return f"required {plural} " + (", ".join(quoted[:-1]) + " and " + quoted[-1] if len(names) > 1 else quoted[0])
