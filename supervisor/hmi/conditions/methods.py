# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_condition_methods.py
"""Methods of conditions: by which NodeIds they are called, what arguments they take, and what they mean to the desk.

Law of this file: pure; a table. A call is read here and carried out elsewhere (`calls`).

Types repeat the methods of their supertypes under NodeIds of their own; each of them is known. What this plant does not
offer over OPC UA (suppressing by hand, taking out of service, which needs a work order and a date) is not in the table.

Source: OPC 10000-9, 5.5 (ConditionType), 5.7 (AcknowledgeableConditionType), 5.8 (AlarmConditionType).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from asyncua import ua

from config.words import NS_PER_S, StatusCode
from supervisor.alarms.desk import COMMENT_LENGTH_MAX
from supervisor.alarms.events import (
    Acknowledge,
    Confirm,
    Disable,
    Enable,
    Operator,
    Place,
    Reset,
    Shelve,
    Silence,
    Unshelve,
)
from supervisor.hmi.events.operand import BadClause, literal
from supervisor.hmi.events.value import Type, Value

_NS_PER_MS: Final = NS_PER_S // 1000
_NO_REASON: Final = "no reason given"  # TimedShelve and OneShotShelve of old clients have no room for one
_LONGEST_MS: Final = 1e12


@dataclass(frozen=True, slots=True)
class Arguments:
    """What was given, as far as the method has it."""

    event_id: bytes | None = None
    comment: str = ""
    duration_ns: int = 0


@dataclass(frozen=True, slots=True)
class Method:
    """A method of a condition.

    Attributes:
        takes: types of its arguments, in order.
        needs_event: it names the event it means.
        act: what is asked of the desk, given the arguments and the occurrence; None: a comment only.
    """

    name: str
    takes: tuple[Type, ...] = ()
    needs_event: bool = False
    act: Callable[[Arguments, int], Operator] | None = None


def _shelve(a: Arguments, _occurrence_ns: int) -> Operator:
    return Shelve(a.duration_ns, a.comment or _NO_REASON)


def _shelve_once(a: Arguments, _occurrence_ns: int) -> Operator:
    return Shelve(None, a.comment or _NO_REASON)


_SAID: Final = (Type.BYTE_STRING, Type.LOCALIZED_TEXT)
_TEXT: Final = (Type.LOCALIZED_TEXT,)
_METHODS: Final = (
    Method("Acknowledge", _SAID, True, lambda _, occurrence_ns: Acknowledge(occurrence_ns)),
    Method("Confirm", _SAID, True, lambda _, occurrence_ns: Confirm(occurrence_ns)),
    Method("AddComment", _SAID, True),
    Method("Enable", (), False, lambda _a, _o: Enable("")),
    Method("Disable", (), False, lambda _a, _o: Disable("")),
    Method("TimedShelve", (Type.DOUBLE,), False, _shelve),
    Method("TimedShelve2", (Type.DOUBLE, Type.LOCALIZED_TEXT), False, _shelve),
    Method("OneShotShelve", (), False, _shelve_once),
    Method("OneShotShelve2", _TEXT, False, _shelve_once),
    Method("Unshelve", (), False, lambda _a, _o: Unshelve()),
    Method("Unshelve2", _TEXT, False, lambda _a, _o: Unshelve()),
    Method("Reset", (), False, lambda _a, _o: Reset()),
    Method("Reset2", _TEXT, False, lambda _a, _o: Reset()),
    Method("Silence", (), False, lambda _a, _o: Silence()),
    Method("PlaceInService", (), False, lambda _a, _o: Place()),
    Method("PlaceInService2", _TEXT, False, lambda _a, _o: Place()),
)
_STANDS: Final = re.compile(r"(ConditionType|\w+(?:ConditionType|AlarmType|StateMachineType)(?:_ShelvingState)?)_(\w+)")


def _by_number() -> dict[int, Method]:
    """Every NodeId of namespace 0 under which one of the methods stands in a type of conditions."""
    methods = {method.name: method for method in _METHODS}
    found: dict[int, Method] = {}
    for name, number in vars(ua.ObjectIds).items():
        stands = _STANDS.fullmatch(name)
        if stands is not None and (method := methods.get(stands[2])) is not None:
            found[int(number)] = method
    return found


METHODS: Final = _by_number()
"""Methods by the number of their NodeId in namespace 0."""
REFRESH: Final = frozenset({ua.ObjectIds.ConditionType_ConditionRefresh})
REFRESH_2: Final = frozenset({ua.ObjectIds.ConditionType_ConditionRefresh2})


class BadCall(Exception):
    """A call that cannot be carried out.

    Attributes:
        code: of the call.
        arguments: a code for each argument; empty: they are not what is wrong.
    """

    def __init__(self, code: int, arguments: Sequence[int] = ()) -> None:
        super().__init__(ua.StatusCode(ua.UInt32(code)).name)
        self.code = int(code)
        self.arguments = tuple(arguments)


def read_values(given: Sequence[ua.Variant] | None, takes: tuple[Type, ...]) -> list[Value | None]:
    """Arguments as values; a text may be null.

    Raises:
        BadCall: BadArgumentsMissing, BadTooManyArguments, or BadInvalidArgument with a code for each argument.
    """
    given = given or ()
    if len(given) != len(takes):
        few = len(given) < len(takes)
        raise BadCall(ua.StatusCodes.BadArgumentsMissing if few else ua.StatusCodes.BadTooManyArguments)
    values: list[Value | None] = []
    codes: list[int] = []
    for variant, type_ in zip(given, takes, strict=True):
        value = _value(variant)
        fits = value.type is type_ and not value.is_array if value is not None else type_ is Type.LOCALIZED_TEXT
        values.append(value)
        codes.append(ua.StatusCodes.Good if fits else ua.StatusCodes.BadTypeMismatch)
    if any(codes):
        raise BadCall(ua.StatusCodes.BadInvalidArgument, codes)
    return values


def _value(variant: ua.Variant) -> Value | None:
    """None: null, or of a type that no method takes; a NodeId never fits, so it stands for that."""
    try:
        return literal(variant)
    except BadClause:
        return Value(Type.NODE_ID, (0, 0))


def _is_too_long(value: Value | None) -> bool:
    """A comment that the journal would not hold whole."""
    return value is not None and value.type is Type.LOCALIZED_TEXT and len(value.data[1]) > COMMENT_LENGTH_MAX


def read_arguments(method: Method, given: Sequence[ua.Variant] | None) -> Arguments:
    """The arguments of a condition's method.

    Raises:
        BadCall: see `read_values`; BadOutOfRange for a comment of more than COMMENT_LENGTH_MAX characters; a duration
            that is none is StatusCode BadShelvingTimeOutOfRange.
    """
    made: dict[str, Any] = {}
    values = read_values(given, method.takes)
    codes = [ua.StatusCodes.BadOutOfRange if _is_too_long(v) else ua.StatusCodes.Good for v in values]
    if any(codes):
        raise BadCall(ua.StatusCodes.BadInvalidArgument, codes)
    for value, type_ in zip(values, method.takes, strict=True):
        if type_ is Type.BYTE_STRING and value is not None:
            made["event_id"] = value.data
        elif type_ is Type.LOCALIZED_TEXT:
            made["comment"] = "" if value is None else value.data[1]
        elif value is not None:
            if not 0.0 < value.data < _LONGEST_MS:
                raise BadCall(StatusCode.BadShelvingTimeOutOfRange)
            made["duration_ns"] = round(value.data * _NS_PER_MS)
    return Arguments(**made)
