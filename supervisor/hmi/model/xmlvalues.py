# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_nodeset.py
"""Values of declared properties in OPC UA's XML encoding.

Law of this file: text only. The same values in binary are `properties.py`'s. Source: OPC 10000-6, 5.3.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from xml.sax.saxutils import escape

from config.units import UNITS
from supervisor.hmi.model import details
from supervisor.plant.plant import TagInfo

_TYPES: Final = "http://opcfoundation.org/UA/2008/02/Types.xsd"
_OUTERMOST: Final = (
    f' xmlns="{_TYPES}">\n'  # asyncua takes an element whose first child begins at once for an empty one
)
_UNECE_URI: Final = "http://www.opcfoundation.org/UA/units/un/cefact"
_OWN_URI: Final = "urn:vigie:units"
# Numeric NodeIds of the structures' XML encodings. Source: NodeIds.csv.
_RANGE, _UNIT, _ENUM_VALUE = 885, 888, 7616


def of(info: TagInfo, detail: str) -> str:
    """The Value element of a property; '' for one that changes with the tag."""
    make = _MADE.get(detail)
    return "" if make is None else f"<Value>{make(info)}</Value>"


def _text(words: str, locale: str = "", tag: str = "LocalizedText", own_namespace: bool = True) -> str:
    xmlns = _OUTERMOST if own_namespace else ">"
    named = f"<Locale>{locale}</Locale>" if locale else ""
    return f"<{tag}{xmlns}{named}<Text>{escape(words)}</Text></{tag}>"


def _structure(type_id: int, body: str, own_namespace: bool = True) -> str:
    xmlns = _OUTERMOST if own_namespace else ">"
    return (
        f"<ExtensionObject{xmlns}<TypeId><Identifier>i={type_id}</Identifier></TypeId>"
        f"<Body>{body}</Body></ExtensionObject>"
    )


def _range(low: float, high: float) -> str:
    return _structure(_RANGE, f"<Range><Low>{low!r}</Low><High>{high!r}</High></Range>")


def _unit(info: TagInfo) -> str:
    symbol = info.unit or ""
    known = UNITS.get(symbol)
    number = -1 if known is None else known.id
    return _structure(
        _UNIT,
        f"<EUInformation><NamespaceUri>{_OWN_URI if number < 0 else _UNECE_URI}</NamespaceUri><UnitId>{number}</UnitId>"
        + _text(symbol, tag="DisplayName", own_namespace=False)
        + _text(known.name if known else symbol, "en" if known else "", "Description", own_namespace=False)
        + "</EUInformation>",
    )


def _enum_values(info: TagInfo) -> str:
    named = [
        f"<EnumValueType><Value>{i}</Value>"
        + _text(name, tag="DisplayName", own_namespace=False)
        + _text(name, tag="Description", own_namespace=False)
        + "</EnumValueType>"
        for i, name in enumerate(info.values)
    ]
    inside = "".join(_structure(_ENUM_VALUE, body, own_namespace=False) for body in named)
    return f"<ListOfExtensionObject{_OUTERMOST}{inside}</ListOfExtensionObject>"


def _enum_strings(info: TagInfo) -> str:
    inside = "".join(_text(name, own_namespace=False) for name in info.values)
    return f"<ListOfLocalizedText{_OUTERMOST}{inside}</ListOfLocalizedText>"


def _state(info: TagInfo, which: int) -> str:
    """In French: a file has one language, and it is the post's."""
    return _text(info.states[which][0] if info.states else "", "fr")


_MADE: Final[dict[str, Callable[[TagInfo], str]]] = {
    details.EU_RANGE: lambda info: _range(info.low, info.high),
    details.INSTRUMENT_RANGE: lambda info: _range(info.instrument_low, info.instrument_high),
    details.ENGINEERING_UNITS: _unit,
    details.ENUM_STRINGS: _enum_strings,
    details.ENUM_VALUES: _enum_values,
    details.FALSE_STATE: lambda info: _state(info, 0),
    details.TRUE_STATE: lambda info: _state(info, 1),
    details.DEFINITION: lambda info: f'<String xmlns="{_TYPES}">{escape(info.calc or "")}</String>',
}
