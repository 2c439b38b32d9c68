# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_hmi_details.py
"""Values of a tag's properties.

Law of this file: what a type declares, and the three that change with the tag (`details.LIVE`); nothing is kept.
Source: OPC 10000-8, 5.6 (Range, EUInformation) and OPC 10000-3, 8.40 (EnumValueType).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from asyncua import ua

from config.units import UNITS
from config.words import BAD, Kind, StatusCode
from supervisor.hmi.model import details
from supervisor.hmi.model.place import Place
from supervisor.hmi.model.texts import chosen
from supervisor.hmi.values import ticks, wire_type
from supervisor.plant.plant import TagInfo
from supervisor.tags.table import TagTable

_UNECE_URI: Final = "http://www.opcfoundation.org/UA/units/un/cefact"
_OWN_URI: Final = "urn:vigie:units"
_TEXT: Final = ua.VariantType.LocalizedText
_STRUCTURE: Final = ua.VariantType.ExtensionObject


def status(code: StatusCode | int) -> ua.StatusCode:
    return ua.StatusCode(ua.UInt32(int(code)))


def data_value(value: ua.Variant | None, code: StatusCode | int = StatusCode.Good, **times: Any) -> ua.DataValue:
    """A DataValue; without a value it really has none on the wire (asyncua would send a null Variant)."""
    made = ua.DataValue(value, status(code), **times)
    if value is None:
        object.__setattr__(made, "Value", None)
    return made


def filetime(ns: int) -> Any:
    """UTC ns -> the datetime that asyncua encodes [whole µs]."""
    return ua.win_epoch_to_datetime(ticks(ns))


def _range(low: float, high: float) -> ua.Variant:
    return ua.Variant(ua.Range(Low=float(low), High=float(high)), _STRUCTURE)


def _unit(info: TagInfo) -> ua.Variant:
    """Number and symbol of the unit; one that UNECE does not know has the number -1 and a namespace of ours."""
    symbol = info.unit or ""
    known = UNITS.get(symbol)
    number = -1 if known is None else known.id
    made = ua.EUInformation(
        NamespaceUri=_OWN_URI if number < 0 else _UNECE_URI,
        UnitId=number,
        DisplayName=ua.LocalizedText(symbol),
        Description=ua.LocalizedText(known.name if known else symbol, "en" if known else None),
    )
    return ua.Variant(made, _STRUCTURE)


def _enum_values(info: TagInfo) -> ua.Variant:
    named = [
        ua.EnumValueType(Value=i, DisplayName=ua.LocalizedText(name), Description=ua.LocalizedText(name))
        for i, name in enumerate(info.values)
    ]
    return ua.Variant(named, _STRUCTURE)


def _state(info: TagInfo, which: int, locale: str) -> ua.Variant:
    states = info.states or (("", ""), ("", ""))
    return ua.Variant(ua.LocalizedText(chosen(states[which], locale), locale), _TEXT)


_DECLARED: Final[dict[str, Callable[[TagInfo, str], ua.Variant]]] = {
    details.EU_RANGE: lambda info, _: _range(info.low, info.high),
    details.INSTRUMENT_RANGE: lambda info, _: _range(info.instrument_low, info.instrument_high),
    details.ENGINEERING_UNITS: lambda info, _: _unit(info),
    details.ENUM_STRINGS: lambda info, _: ua.Variant([ua.LocalizedText(name) for name in info.values], _TEXT),
    details.ENUM_VALUES: lambda info, _: _enum_values(info),
    details.FALSE_STATE: lambda info, locale: _state(info, 0, locale),
    details.TRUE_STATE: lambda info, locale: _state(info, 1, locale),
    details.DEFINITION: lambda info, _: ua.Variant(info.calc, ua.VariantType.String),
}


def declared(info: TagInfo, name: str, locale: str) -> ua.Variant | None:
    """Value of a property that the type declares; None for one that changes with the tag."""
    make = _DECLARED.get(name)
    return None if make is None else make(info, locale)


def data_type(info: TagInfo, name: str) -> int:
    """Numeric NodeId of a property's data type."""
    return wire_type(info.kind) if name == details.LAST_USABLE_VALUE else details.DATA_TYPES[name]


def variant(table: TagTable, kind: Kind, row: int) -> ua.Variant:
    """The value in the table, whatever its status."""
    value: Any = table.last_value(row)
    if kind is Kind.DateTime:
        value = filetime(value)
    return ua.Variant(value, ua.VariantType(wire_type(kind)))


def live(table: TagTable, place: Place, info: TagInfo, now_ns: int) -> ua.DataValue:
    """Value of a property that changes with the tag.

    LastUsableValue is the tag's value while it has one. Then it stays, UncertainLastUsableValue, with the time it was
    seen; a tag that never had a value has none here either.
    """
    row, now = place.row, filetime(now_ns)
    code = int(table.status[row])
    bad = code >= BAD
    if place.detail == details.VALUE_AS_TEXT:
        text = None if bad else _text(info, int(table.cells[row]))
        return data_value(text, code, SourceTimestamp=filetime(int(table.source_ns[row])), ServerTimestamp=now)
    seen_ns = int(table.last_usable_ns[row] if bad else table.source_ns[row])
    if bad and seen_ns == 0:
        return data_value(None, StatusCode.BadWaitingForInitialData, ServerTimestamp=now)
    seen = filetime(seen_ns)
    if place.detail == details.LAST_USABLE_TIME:
        return data_value(ua.Variant(seen, ua.VariantType.DateTime), SourceTimestamp=seen, ServerTimestamp=now)
    code = StatusCode.UncertainLastUsableValue if bad else code
    return data_value(variant(table, info.kind, row), code, SourceTimestamp=seen, ServerTimestamp=now)


def _text(info: TagInfo, number: int) -> ua.Variant:
    """Name of an Enumeration's value; a number without a name is told as a number."""
    known = 0 <= number < len(info.values)
    return ua.Variant(ua.LocalizedText(info.values[number] if known else str(number)), _TEXT)
