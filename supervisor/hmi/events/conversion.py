# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_event_conversion.py
"""Conversions between built-in types: which are made by themselves, which only when asked for, and how.

Law of this file: pure; a conversion that loses something fails, it never guesses. Failed is None.

Source: OPC 10000-4, 7.7.3: Table 125 (rules), Table 126 (precedence).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from supervisor.hmi.events.value import Id, Type, Value

_T = Type

_PRECEDENCE: Final = (
    _T.DOUBLE, _T.FLOAT, _T.INT64, _T.UINT64, _T.INT32, _T.UINT32, _T.STATUS_CODE, _T.INT16, _T.UINT16, _T.SBYTE,
    _T.BYTE, _T.BOOLEAN, _T.GUID, _T.STRING, _T.EXPANDED_NODE_ID, _T.NODE_ID, _T.LOCALIZED_TEXT, _T.QUALIFIED_NAME,
)  # fmt: skip
_RANK: Final = {type_: rank for rank, type_ in enumerate(_PRECEDENCE)}

_COLUMNS: Final = (
    _T.BOOLEAN, _T.BYTE, _T.BYTE_STRING, _T.DATE_TIME, _T.DOUBLE, _T.EXPANDED_NODE_ID, _T.FLOAT, _T.GUID, _T.INT16,
    _T.INT32, _T.INT64, _T.NODE_ID, _T.SBYTE, _T.STATUS_CODE, _T.STRING, _T.LOCALIZED_TEXT, _T.QUALIFIED_NAME,
    _T.UINT16, _T.UINT32, _T.UINT64,
)  # fmt: skip
# From each type (row) to each type (column): I by itself, E only when asked for, X never, - the same.
_RULES: Final = {
    _T.BOOLEAN:          "-IXXIXIXIIIXIXEXXIII",
    _T.BYTE:             "E-XXIXIXIIIXIXEXXIII",
    _T.BYTE_STRING:      "XX-XXXXEXXXXXXXXXXXX",
    _T.DATE_TIME:        "XXX-XXXXXXXXXXEXXXXX",
    _T.DOUBLE:           "EEXX-XEXEEEXEXEXXEEE",
    _T.EXPANDED_NODE_ID: "XXXXX-XXXXXEXXIXXXXX",
    _T.FLOAT:            "EEXXIX-XEEEXEXEXXEEE",
    _T.GUID:             "XXEXXXX-XXXXXXEXXXXX",
    _T.INT16:            "EEXXIXIX-IIXEXEXXEII",
    _T.INT32:            "EEXXIXIXE-IXEEEXXEEI",
    _T.INT64:            "EEXXIXIXEE-XEEEXXEEE",
    _T.NODE_ID:          "XXXXXIXXXXX-XXIXXXXX",
    _T.SBYTE:            "EEXXIXIXIIIX-XEXXIII",
    _T.STATUS_CODE:      "XXXXXXXXXIIXX-XXXEII",
    _T.STRING:           "IIXEIEIIIIIEIX-EEIII",
    _T.LOCALIZED_TEXT:   "XXXXXXXXXXXXXXI-XXXX",
    _T.QUALIFIED_NAME:   "XXXXXXXXXXXXXXII-XXX",
    _T.UINT16:           "EEXXIXIXIIIXEIEXX-II",
    _T.UINT32:           "EEXXIXIXEIIXEEEXXE-I",
    _T.UINT64:           "EEXXIXIXEEIXEEEXXEE-",
}  # fmt: skip
RULE: Final = {(a, b): rule for a, row in _RULES.items() for b, rule in zip(_COLUMNS, row, strict=True)}
"""'I', 'E', 'X' or '-' of each pair of types."""

_RANGE: Final = {
    _T.SBYTE: (-(2**7), 2**7 - 1),
    _T.BYTE: (0, 2**8 - 1),
    _T.INT16: (-(2**15), 2**15 - 1),
    _T.UINT16: (0, 2**16 - 1),
    _T.INT32: (-(2**31), 2**31 - 1),
    _T.UINT32: (0, 2**32 - 1),
    _T.INT64: (-(2**63), 2**63 - 1),
    _T.UINT64: (0, 2**64 - 1),
}
INTEGERS: Final = frozenset(_RANGE)
_FLOATS: Final = frozenset({_T.FLOAT, _T.DOUBLE})
_NODE_IDS: Final = frozenset({_T.NODE_ID, _T.EXPANDED_NODE_ID})
_CODE_SHIFT: Final = 16  # the upper half of a StatusCode says what happened


def common(a: Value, b: Value) -> tuple[Value, Value] | None:
    """Both as the type that takes precedence; None: there is no implicit conversion, or it fails."""
    if a.type is b.type:
        return a, b
    rank_a, rank_b = _RANK.get(a.type), _RANK.get(b.type)
    if rank_a is None or rank_b is None:
        return None
    if rank_a < rank_b:
        converted = convert(b, a.type, explicit=False)
        return None if converted is None else (a, converted)
    converted = convert(a, b.type, explicit=False)
    return None if converted is None else (converted, b)


def convert(value: Value, to: Type, *, explicit: bool) -> Value | None:
    """A single value as another type; None: not allowed, or what it holds does not fit."""
    rule = RULE.get((value.type, to), "X")
    if value.is_array or rule == "X" or (rule == "E" and not explicit):
        return None
    if rule == "-":
        return value
    data = _converted(value, to)
    return None if data is None else Value(to, data)


def integer(value: Value, to: Type) -> int:
    """An integer cut to the bits of another integer type."""
    low, high = _RANGE[to]
    cut = int(value.data) & (high - low)
    return cut - (high - low + 1) if cut > high else cut


def _converted(value: Value, to: Type) -> Any:
    try:
        if value.type is _T.STRING:
            return _from_text(value.data, to)
        if to is _T.STRING:
            return _as_text(value)
        if to in INTEGERS:
            return _as_integer(value, to)
        if to in _FLOATS:
            return _as_float(float(value.data), to)
        if to is _T.BOOLEAN:
            return bool(value.data)
        return _OTHERS[to](value)
    except (ValueError, OverflowError, struct.error):
        return None


def _as_integer(value: Value, to: Type) -> int | None:
    data = value.data
    if value.type is _T.STATUS_CODE and to is _T.UINT16:
        return int(data) >> _CODE_SHIFT
    number = round(data) if value.type in _FLOATS else int(data)
    low, high = _RANGE[to]
    return number if low <= number <= high else None


def _as_float(number: float, to: Type) -> float:
    return float(struct.unpack("<f", struct.pack("<f", number))[0]) if to is _T.FLOAT else number


def _code(value: Value) -> int | None:
    if value.type is _T.UINT16:
        return int(value.data) << _CODE_SHIFT
    return int(value.data) if 0 <= value.data < 2**32 else None


_OTHERS: Final[dict[Type, Callable[[Value], Any]]] = {
    _T.STATUS_CODE: _code,
    _T.NODE_ID: lambda v: v.data,
    _T.EXPANDED_NODE_ID: lambda v: v.data,
    _T.LOCALIZED_TEXT: lambda v: ("", v.data[1]),
    _T.GUID: lambda v: UUID(bytes_le=v.data),
    _T.BYTE_STRING: lambda v: v.data.bytes_le,
}

# --- texts ----------------------------------------------------------------------------------------------------------


def _as_text(value: Value) -> str:
    data = value.data
    if value.type is _T.BOOLEAN:
        return "true" if data else "false"
    if value.type in _NODE_IDS:
        return id_text(data)
    if value.type in (_T.LOCALIZED_TEXT, _T.QUALIFIED_NAME):
        return str(data[1])
    if value.type is _T.DATE_TIME:
        return datetime.fromtimestamp(data / 1e9, UTC).isoformat().replace("+00:00", "Z")
    return str(data)


def id_text(node_id: Id) -> str:
    """'ns=2;s=21605/CAB-0003', 'i=85'. Source: OPC 10000-6, 5.3.1.10."""
    namespace, identifier = node_id
    letter = {int: "i", str: "s", UUID: "g"}.get(type(identifier), "b")
    shown = identifier.hex() if isinstance(identifier, bytes) else identifier
    return f"{f'ns={namespace};' if namespace else ''}{letter}={shown}"


def _id_of_text(words: str) -> Id:
    namespace, head, rest = 0, "", words
    if words.startswith("ns="):
        head, _, rest = words[3:].partition(";")
        namespace = _digits(head)
    kind, equals, identifier = rest[:1], rest[1:2], rest[2:]
    if equals != "=" or kind not in "isg":
        raise ValueError(words)
    if kind == "i":
        return namespace, _digits(identifier)
    return namespace, UUID(identifier) if kind == "g" else identifier


def _digits(words: str) -> int:
    if not (words.isascii() and words.isdigit() and len(words) < 11):
        raise ValueError(words)
    return int(words)


def _from_text(words: str, to: Type) -> Any:
    if to is _T.BOOLEAN:
        return {"true": True, "1": True, "false": False, "0": False}.get(words.strip().lower())
    if to in INTEGERS:
        low, high = _RANGE[to]
        number = int(words) if len(words) < 40 else high + 1
        return number if low <= number <= high else None
    if to in _FLOATS:
        return _as_float(float(words), to)
    if to is _T.DATE_TIME:
        moment = datetime.fromisoformat(words)
        return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1e6) * 1000
    if to in _NODE_IDS:
        return _id_of_text(words)
    if to is _T.GUID:
        return UUID(words)
    return (0, words) if to is _T.QUALIFIED_NAME else ("", words)
