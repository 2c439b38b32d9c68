# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_event_filter.py, tests/property/test_event_filter_property.py
"""The where clause of an event filter: operators over fields and values, in three-valued logic.

Law of this file: pure. An element may refer only to elements behind it, so each is evaluated once, from the last to
the first, whatever refers to it: a filter costs no more than its operands. What no operand can resolve is null, and
only TRUE lets an event pass.

Source: OPC 10000-4, 7.7 (ContentFilter, FilterOperator, truth tables).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeAlias

from asyncua import ua

from supervisor.hmi.events.conversion import INTEGERS, common, convert, integer
from supervisor.hmi.events.event import Event
from supervisor.hmi.events.hierarchy import EventTypes
from supervisor.hmi.events.like import Pattern
from supervisor.hmi.events.operand import BadClause, Operand, literal, operand
from supervisor.hmi.events.value import FALSE, TRUE, Type, Value, boolean

ELEMENTS_MAX: Final = 100
OPERANDS_MAX: Final = 1_000
"""In all elements together."""

_CODES: Final = ua.StatusCodes
_OP: Final = ua.FilterOperator
_ORDERED: Final = INTEGERS | {Type.FLOAT, Type.DOUBLE, Type.DATE_TIME, Type.STRING, Type.BOOLEAN}
_NODE_IDS: Final = frozenset({Type.NODE_ID, Type.EXPANDED_NODE_ID})

Values: TypeAlias = Sequence[Value | None]
_Operator: TypeAlias = Callable[[Values, Event, EventTypes], Value | None]


class Element(NamedTuple):
    """The value of another element."""

    index: int


class Literal(NamedTuple):
    """A value written in the filter."""

    value: Value | None


class Step(NamedTuple):
    """One element: what to do with which operands."""

    apply: _Operator
    operands: tuple[Operand | Element | Literal, ...]


@dataclass(frozen=True, slots=True)
class Where:
    """A where clause that was found good; without steps everything passes."""

    steps: tuple[Step | None, ...]  # None: nothing leads to this element

    @property
    def fields(self) -> frozenset[str]:
        """Fields of events that it looks at."""
        return frozenset(o.name for step in self.steps if step for o in step.operands if isinstance(o, Operand))

    def passes(self, event: Event, locale: str, types: EventTypes) -> bool:
        """Whether an event fits."""
        if not self.steps:
            return True
        made: list[Value | None] = [None] * len(self.steps)
        for i in range(len(self.steps) - 1, -1, -1):
            if (step := self.steps[i]) is not None:
                made[i] = step.apply([_resolve(o, made, event, locale, types) for o in step.operands], event, types)
        return made[0] == TRUE


def _resolve(
    wanted: Operand | Element | Literal, made: Values, event: Event, locale: str, types: EventTypes
) -> Value | None:
    if isinstance(wanted, Operand):
        return wanted.get(event, locale, types)
    return wanted.value if isinstance(wanted, Literal) else made[wanted.index]


# --- reading --------------------------------------------------------------------------------------------------------


def read_where(clause: Any, types: EventTypes) -> tuple[Where | None, ua.ContentFilterResult]:
    """A ContentFilter, judged.

    Returns: the clause (None: it cannot be used) and a result for each element.
    """
    elements = clause.Elements or [] if clause is not None else []
    result = ua.ContentFilterResult()
    if len(elements) > ELEMENTS_MAX or sum(len(e.FilterOperands or ()) for e in elements) > OPERANDS_MAX:
        return None, result
    steps: list[Step | None] = []
    for i, element in enumerate(elements):
        step, judged = _read_element(i, element, len(elements), types)
        steps.append(step)
        result.ElementResults.append(judged)
    if not all(r.StatusCode.is_good() for r in result.ElementResults):
        return None, result
    return Where(_reachable(steps)), result


def _reachable(steps: list[Step | None]) -> tuple[Step | None, ...]:
    """What the first element does not lead to is ignored. Source: OPC 10000-4, 7.7.1."""
    wanted = {0}
    for i, step in enumerate(steps):
        if i in wanted and step is not None:
            wanted |= {o.index for o in step.operands if isinstance(o, Element)}
    return tuple(step if i in wanted else None for i, step in enumerate(steps))


def _read_element(
    at: int, element: Any, count: int, types: EventTypes
) -> tuple[Step | None, ua.ContentFilterElementResult]:
    result = ua.ContentFilterElementResult()
    known = _OPERATORS.get(element.FilterOperator)
    wanted = element.FilterOperands or []
    if known is None:
        result.StatusCode = ua.StatusCode(ua.UInt32(_CODES.BadFilterOperatorUnsupported))
        return None, result
    least, most, apply = known
    if not least <= len(wanted) <= most:
        result.StatusCode = ua.StatusCode(ua.UInt32(_CODES.BadFilterOperandCountMismatch))
        return None, result
    operands: list[Operand | Element | Literal] = []
    codes: list[int] = []
    for position, one in enumerate(wanted):
        try:
            operands.append(_read_operand(one, at, count, types))
            _check_literal(element.FilterOperator, position, operands[-1], types)
            codes.append(_CODES.Good)
        except BadClause as bad:
            codes.append(bad.code)
    if any(codes):
        result.StatusCode = ua.StatusCode(ua.UInt32(_CODES.BadFilterOperandInvalid))
        result.OperandStatusCodes = [ua.StatusCode(ua.UInt32(code)) for code in codes]
        return None, result
    return _quickened(element.FilterOperator, Step(apply, tuple(operands))), result


def _read_operand(wanted: Any, at: int, count: int, types: EventTypes) -> Operand | Element | Literal:
    """AttributeOperand is for queries only. Source: OPC 10000-4, 7.22.3."""
    if isinstance(wanted, ua.uaprotocol_auto.SimpleAttributeOperand):
        return operand(wanted, types)
    if isinstance(wanted, ua.uaprotocol_auto.LiteralOperand):
        return Literal(literal(wanted.Value))
    if isinstance(wanted, ua.uaprotocol_auto.ElementOperand):
        if not at < wanted.Index < count:
            raise BadClause(_CODES.BadFilterElementInvalid)
        return Element(int(wanted.Index))
    raise BadClause(_CODES.BadFilterOperandInvalid)


def _check_literal(operator: int, position: int, wanted: Operand | Element | Literal, types: EventTypes) -> None:
    """Values that must name something are judged at once."""
    if not isinstance(wanted, Literal):
        return
    value = wanted.value
    if operator == _OP.OfType and (value is None or value.type not in _NODE_IDS):
        raise BadClause(_CODES.BadFilterOperandInvalid)
    if operator == _OP.OfType and value is not None and value.data not in types.ancestors:
        raise BadClause(_CODES.BadNodeIdUnknown)
    if operator == _OP.Cast and position == 1 and _type_named(value) is None:
        raise BadClause(_CODES.BadFilterOperandInvalid)
    if operator == _OP.Like and position == 1 and value is not None and value.type is Type.STRING:
        try:
            Pattern(value.data)
        except ValueError:
            raise BadClause(_CODES.BadFilterLiteralInvalid) from None


def _quickened(operator: int, step: Step) -> Step:
    """The same step, with what can be known beforehand worked out: lists of types may have a hundred members."""
    values = [o.value for o in step.operands[1:] if isinstance(o, Literal)]
    if operator == _OP.InList and len(values) == len(step.operands) - 1:
        kinds = {v.type for v in values if v is not None and not v.is_array}
        if len(kinds) == 1 and all(v is not None and not v.is_array for v in values):
            return Step(_in_set(kinds.pop(), values), step.operands[:1])
    if operator == _OP.Like and values and values[0] is not None and values[0].type is Type.STRING:
        return Step(_fits(Pattern(values[0].data)), step.operands[:1])
    return step


# --- operators ------------------------------------------------------------------------------------------------------


def _equal(a: Value | None, b: Value | None) -> bool:
    if a is None or b is None or a.is_array is not b.is_array:
        return False
    if a.is_array:
        return a == b
    both = common(a, b)
    return both is not None and bool(both[0].data == both[1].data)


def _ordered(a: Value | None, b: Value | None, test: Callable[[Any, Any], bool]) -> Value:
    both = None if a is None or b is None or a.is_array or b.is_array else common(a, b)
    if both is None or both[0].type not in _ORDERED:
        return FALSE
    return boolean(test(both[0].data, both[1].data))


def _as_boolean(value: Value | None) -> bool | None:
    if value is None or value.is_array:
        return None
    made = convert(value, Type.BOOLEAN, explicit=False)
    return None if made is None else bool(made.data)


def _not(v: Values, _event: Event, _types: EventTypes) -> Value | None:
    known = _as_boolean(v[0])
    return None if known is None else boolean(not known)


def _and(v: Values, _event: Event, _types: EventTypes) -> Value | None:
    a, b = _as_boolean(v[0]), _as_boolean(v[1])
    if a is False or b is False:
        return FALSE
    return None if a is None or b is None else TRUE


def _or(v: Values, _event: Event, _types: EventTypes) -> Value | None:
    a, b = _as_boolean(v[0]), _as_boolean(v[1])
    if a or b:
        return TRUE
    return None if a is None or b is None else FALSE


def _between(v: Values, _event: Event, _types: EventTypes) -> Value:
    inside = _ordered(v[0], v[1], lambda a, b: a >= b).data and _ordered(v[0], v[2], lambda a, b: a <= b).data
    return boolean(inside)


def _text_of(value: Value | None) -> str | None:
    if value is None or value.is_array:
        return None
    made = convert(value, Type.STRING, explicit=False)
    return None if made is None else str(made.data)


def _like(v: Values, _event: Event, _types: EventTypes) -> Value:
    text, pattern = _text_of(v[0]), _text_of(v[1])
    if text is None or pattern is None:
        return FALSE
    try:
        return boolean(Pattern(pattern).matches(text))
    except ValueError:
        return FALSE


def _fits(pattern: Pattern) -> _Operator:
    def apply(v: Values, _event: Event, _types: EventTypes) -> Value:
        text = _text_of(v[0])
        return boolean(text is not None and pattern.matches(text))

    return apply


def _in_set(type_: Type, values: Values) -> _Operator:
    among = frozenset(v.data for v in values if v is not None)

    def apply(v: Values, _event: Event, _types: EventTypes) -> Value:
        value = v[0]
        if value is not None and value.type is type_ and not value.is_array:
            return boolean(value.data in among)
        return boolean(any(_equal(value, one) for one in values))

    return apply


def _of_type(v: Values, event: Event, types: EventTypes) -> Value:
    wanted = v[0]
    return boolean(wanted is not None and wanted.type in _NODE_IDS and types.is_a(event.type, wanted.data))


def _type_named(value: Value | None) -> Type | None:
    """A built-in data type by its NodeId; its numbers are those of the types."""
    if value is None or value.is_array or value.type not in _NODE_IDS:
        return None
    namespace, number = value.data
    known = namespace == 0 and isinstance(number, int) and number in Type._value2member_map_
    return Type(number) if known else None


def _cast(v: Values, _event: Event, _types: EventTypes) -> Value | None:
    value, to = v[0], _type_named(v[1])
    return None if value is None or to is None else convert(value, to, explicit=True)


def _bitwise(combine: Callable[[int, int], int]) -> _Operator:
    """Both as the larger of their types; what is no integer is null."""

    def apply(v: Values, _event: Event, _types: EventTypes) -> Value | None:
        a, b = v
        if a is None or b is None or a.is_array or b.is_array or a.type not in INTEGERS or b.type not in INTEGERS:
            return None
        both = common(a, b)
        if both is None:
            return None
        type_ = both[0].type
        return Value(type_, integer(Value(type_, combine(int(both[0].data), int(both[1].data))), type_))

    return apply


def _comparison(test: Callable[[Any, Any], bool]) -> _Operator:
    return lambda v, _event, _types: _ordered(v[0], v[1], test)


_OPERATORS: Final[dict[int, tuple[int, int, _Operator]]] = {
    _OP.Equals: (2, 2, lambda v, _e, _t: boolean(_equal(v[0], v[1]))),
    _OP.IsNull: (1, 1, lambda v, _e, _t: boolean(v[0] is None)),
    _OP.GreaterThan: (2, 2, _comparison(lambda a, b: a > b)),
    _OP.LessThan: (2, 2, _comparison(lambda a, b: a < b)),
    _OP.GreaterThanOrEqual: (2, 2, _comparison(lambda a, b: a >= b)),
    _OP.LessThanOrEqual: (2, 2, _comparison(lambda a, b: a <= b)),
    _OP.Like: (2, 2, _like),
    _OP.Not: (1, 1, _not),
    _OP.Between: (3, 3, _between),
    _OP.InList: (2, OPERANDS_MAX, lambda v, _e, _t: boolean(any(_equal(v[0], one) for one in v[1:]))),
    _OP.And: (2, 2, _and),
    _OP.Or: (2, 2, _or),
    _OP.Cast: (2, 2, _cast),
    _OP.OfType: (1, 1, _of_type),
    _OP.BitwiseAnd: (2, 2, _bitwise(lambda a, b: a & b)),
    _OP.BitwiseOr: (2, 2, _bitwise(lambda a, b: a | b)),
}
"""Operator -> fewest and most operands, and what it does. InView and RelatedTo need an address space of instances."""
