# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_event_filter.py
"""What a clause of a filter names: a field of an event, or a part of it; and values written in a filter.

Law of this file: pure. A clause is judged once, when the filter is made; whatever is true of all events is said then.

Source: OPC 10000-4, 7.7.4.5 (SimpleAttributeOperand), 7.27 (NumericRange), Table 178 (result codes).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from asyncua import ua

from supervisor.hmi.events.event import Event
from supervisor.hmi.events.hierarchy import BASE_EVENT, CONDITION, CONDITION_ID, EventTypes, Field, step
from supervisor.hmi.events.value import Id, Type, Value
from supervisor.hmi.values import EPOCH_TICKS

_CODES: Final = ua.StatusCodes
_DIGITS_MAX: Final = 9
_TEXTS: Final = frozenset({Type.STRING, Type.BYTE_STRING})


class BadClause(Exception):
    """A clause that no event can satisfy.

    Attributes:
        code: StatusCode for the result of the clause.
    """

    def __init__(self, code: int) -> None:
        super().__init__(ua.StatusCode(ua.UInt32(code)).name)
        self.code = code


@dataclass(frozen=True, slots=True)
class Operand:
    """A field of an event.

    Attributes:
        name: path of the field.
        of: it counts only for events of this type; None: for all.
        part: first and last index of what is wanted of it; None: all.
    """

    name: str
    of: Id | None = None
    part: tuple[int, int] | None = None

    def get(self, event: Event, locale: str, types: EventTypes) -> Value | None:
        """Its value; None where the event has none."""
        if self.of is not None and not types.is_a(event.type, self.of):
            return None
        value = event.field(self.name, locale)
        return value if self.part is None or value is None else _part(value, *self.part)


def operand(wanted: Any, types: EventTypes) -> Operand:
    """A SimpleAttributeOperand, judged.

    Raises:
        BadClause: no event will ever have that; the code says why.
    """
    of = id_of(wanted.TypeDefinitionId)
    if of not in types.ancestors:
        raise BadClause(_CODES.BadTypeDefinitionInvalid)
    path = wanted.BrowsePath or []
    if any(name is None or not name.Name for name in path):
        raise BadClause(_CODES.BadBrowseNameInvalid)
    known = types.every if of == BASE_EVENT else types.fields[of]
    name = "/".join(step(q.NamespaceIndex, q.Name) for q in path)
    found = _condition_id(of, types) if not path else known.get(name) or _added(name, types)
    if found is None:
        raise BadClause(_CODES.BadNodeIdUnknown)
    right = ua.AttributeIds.NodeId if name == CONDITION_ID else ua.AttributeIds.Value
    if wanted.AttributeId != right or (path and not found.is_variable):
        raise BadClause(_CODES.BadAttributeIdInvalid)
    part = None if not wanted.IndexRange else _range(wanted.IndexRange)
    if part is not None and not (found.may_be_array or found.is_text):
        raise BadClause(_CODES.BadTypeMismatch)
    return Operand(name, None if of == BASE_EVENT else of, part)


def _condition_id(of: Id, types: EventTypes) -> Field | None:
    """The empty path names the condition itself; only conditions have an id."""
    return Field(False, False, False) if of == BASE_EVENT or types.is_a(of, CONDITION) else None


def _added(name: str, types: EventTypes) -> Field | None:
    """Fields that this server adds to its events stand in another namespace than 0."""
    return types.every.get(name) if ":" in name else None


def _range(text: str) -> tuple[int, int]:
    low, colon, high = text.partition(":")
    bounds = (low, high) if colon else (low, low)
    if not all(b.isascii() and b.isdigit() and len(b) <= _DIGITS_MAX for b in bounds):
        raise BadClause(_CODES.BadIndexRangeInvalid)
    first, last = int(bounds[0]), int(bounds[1])
    if first > last or (colon and first == last):
        raise BadClause(_CODES.BadIndexRangeInvalid)
    return first, last


def _part(value: Value, first: int, last: int) -> Value | None:
    if not value.is_array and value.type not in _TEXTS:
        return None
    cut = value.data[first : last + 1]
    return Value(value.type, cut, value.is_array) if len(cut) else None


# --- values of asyncua ----------------------------------------------------------------------------------------------


def id_of(node_id: ua.NodeId) -> Id:
    return node_id.NamespaceIndex, node_id.Identifier


def literal(variant: ua.Variant) -> Value | None:
    """A Variant as a value; None: null.

    Raises:
        BadClause: of a type that no filter can compare.
    """
    data = variant.Value
    if data is None or variant.VariantType is ua.VariantType.Null:
        return None
    try:
        type_ = Type(variant.VariantType.value)
    except (ValueError, AttributeError):
        raise BadClause(_CODES.BadFilterLiteralInvalid) from None
    if type_ is Type.VARIANT:
        raise BadClause(_CODES.BadFilterLiteralInvalid)
    if isinstance(data, list | tuple):
        if any(d is None for d in data):
            raise BadClause(_CODES.BadFilterLiteralInvalid)
        return Value(type_, tuple(_plain(type_, d) for d in data), True)
    return Value(type_, _plain(type_, data))


def _plain(type_: Type, data: Any) -> Any:
    if type_ in (Type.NODE_ID, Type.EXPANDED_NODE_ID):
        return id_of(data)
    if type_ is Type.LOCALIZED_TEXT:
        return data.Locale or "", data.Text or ""
    if type_ is Type.QUALIFIED_NAME:
        return data.NamespaceIndex, data.Name or ""
    if type_ is Type.STATUS_CODE:
        return int(data.value)
    if type_ is Type.DATE_TIME:
        return (int(ua.datetime_to_win_epoch(data)) - EPOCH_TICKS) * 100
    if type_ is Type.GUID:
        return data if isinstance(data, UUID) else UUID(str(data))
    return data
