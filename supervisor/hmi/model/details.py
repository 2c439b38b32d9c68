# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_hmi_details.py
"""Which properties a tag has, and of which variable type it is: both follow from its kind and what its type declares.

Law of this file: no asyncua, no values; the same for all instances of a type. Source: OPC 10000-8, 5.3 (DataItemType
and its subtypes; what is mandatory for a type is always there).

| the tag | variable type | properties |
|---|---|---|
| number with a range | AnalogItemType | EURange, EngineeringUnits, InstrumentRange as declared |
| number with a unit only | AnalogUnitType | EngineeringUnits |
| Enumeration | MultiStateValueDiscreteType | EnumValues, ValueAsText; EnumStrings for older clients |
| Boolean whose states are named | TwoStateDiscreteType | FalseState, TrueState |
| anything else | DataItemType | |

An Enumeration travels as Int32; MultiStateDiscreteType would demand an unsigned integer, the one chosen takes any.
Calculated tags tell their Definition. Tags that are read keep LastUsableValue and LastUsableTime beside the value, in
the namespace of the site: what is shown, greyed, while the value itself is null.
"""

from __future__ import annotations

from typing import Final

from config.words import Kind
from supervisor.plant.plant import TagInfo

EU_RANGE: Final = "EURange"
INSTRUMENT_RANGE: Final = "InstrumentRange"
ENGINEERING_UNITS: Final = "EngineeringUnits"
ENUM_STRINGS: Final = "EnumStrings"
ENUM_VALUES: Final = "EnumValues"
VALUE_AS_TEXT: Final = "ValueAsText"
FALSE_STATE: Final = "FalseState"
TRUE_STATE: Final = "TrueState"
DEFINITION: Final = "Definition"
LAST_USABLE_VALUE: Final = "LastUsableValue"
LAST_USABLE_TIME: Final = "LastUsableTime"

OWN: Final = frozenset({LAST_USABLE_VALUE, LAST_USABLE_TIME})
"""Properties that no standard names: their browse names stand in the site's namespace."""
LIVE: Final = frozenset({LAST_USABLE_VALUE, LAST_USABLE_TIME, VALUE_AS_TEXT})
"""Properties that change with the tag."""
ARRAYS: Final = frozenset({ENUM_STRINGS, ENUM_VALUES})

# Numeric NodeIds of the properties' data types. Source: NodeIds.csv, 1.05.
LOCALIZED_TEXT: Final = 21
DATA_TYPES: Final[dict[str, int]] = {
    EU_RANGE: 884,
    INSTRUMENT_RANGE: 884,
    ENGINEERING_UNITS: 887,
    ENUM_STRINGS: LOCALIZED_TEXT,
    ENUM_VALUES: 7594,
    VALUE_AS_TEXT: LOCALIZED_TEXT,
    FALSE_STATE: LOCALIZED_TEXT,
    TRUE_STATE: LOCALIZED_TEXT,
    DEFINITION: 12,
    LAST_USABLE_TIME: 294,  # UtcTime
}

DATA_ITEM: Final = 2365
ANALOG_ITEM: Final = 2368
ANALOG_UNIT: Final = 17497
TWO_STATE: Final = 2373
MULTI_STATE_VALUE: Final = 11238
VARIABLE_TYPE_NAMES: Final[dict[int, str]] = {
    DATA_ITEM: "DataItemType",
    ANALOG_ITEM: "AnalogItemType",
    ANALOG_UNIT: "AnalogUnitType",
    TWO_STATE: "TwoStateDiscreteType",
    MULTI_STATE_VALUE: "MultiStateValueDiscreteType",
}


def variable_type(info: TagInfo) -> int:
    """Numeric NodeId of the tag's TypeDefinition in namespace 0."""
    if _is_number(info.kind):
        if _declared(info.low):
            return ANALOG_ITEM
        return ANALOG_UNIT if info.unit is not None else DATA_ITEM
    if info.kind is Kind.Enumeration and info.values:
        return MULTI_STATE_VALUE
    return TWO_STATE if info.states is not None else DATA_ITEM


def details(info: TagInfo) -> tuple[str, ...]:
    """Names of the tag's properties, in the order they are browsed."""
    number, named = _is_number(info.kind), info.kind is Kind.Enumeration and bool(info.values)
    readable = info.access.readable
    has = (
        (EU_RANGE, number and _declared(info.low)),
        (INSTRUMENT_RANGE, number and _declared(info.instrument_low)),
        (ENGINEERING_UNITS, number and info.unit is not None),
        (ENUM_STRINGS, named),
        (ENUM_VALUES, named),
        (VALUE_AS_TEXT, named),
        (FALSE_STATE, info.states is not None),
        (TRUE_STATE, info.states is not None),
        (DEFINITION, info.calc is not None),
        (LAST_USABLE_VALUE, readable),
        (LAST_USABLE_TIME, readable),
    )
    return tuple(name for name, present in has if present)


def _is_number(kind: Kind) -> bool:
    return kind.is_float or (kind.is_integer and kind is not Kind.Enumeration)


def _declared(low: float) -> bool:
    return low == low
