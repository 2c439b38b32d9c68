# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_hmi_structures.py
"""Structures of OPC UA field by field: a variable that holds a structure has a component for each of its fields.

Law of this file: types only, read from asyncua's own classes; no values of ours. Source: OPC 10000-5, 7
(ServerStatusType, SessionDiagnosticsVariableType and their like).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from enum import Enum
from functools import cache
from typing import Any, Final

from asyncua import ua

from supervisor.hmi.model.properties import data_value

Make = Callable[[], Any]
_SIMPLE: Final = {"UtcTime": "DateTime", "Duration": "Double", "LocaleId": "String", "Counter": "UInt32"}


@dataclass(frozen=True, slots=True)
class Field:
    """One field. `rank`: -1 scalar, 1 array."""

    name: str
    data_type: ua.NodeId
    variant_type: ua.VariantType
    rank: int

    def variant(self, value: Any) -> ua.Variant:
        """A value of this field."""
        if self.rank > 0:
            return ua.Variant(list(value or ()), self.variant_type, is_array=True)
        return ua.Variant(int(value) if isinstance(value, Enum) else value, self.variant_type)


@cache
def fields_of(structure: type) -> tuple[Field, ...]:
    """Fields of one of asyncua's structures."""
    return tuple(
        _field(f.name, str(f.type).strip("'\"")) for f in fields(structure) if not (f.name == "Encoding" and not f.init)
    )


def _field(name: str, annotation: str) -> Field:
    rank = 1 if annotation.startswith("list[") else -1
    plain = annotation.removeprefix("list[").removesuffix("]").split("|")[0].strip().removeprefix("ua.")
    known = getattr(ua, plain)
    if isinstance(known, type) and issubclass(known, Enum):
        variant_type = ua.VariantType.Int32
    else:
        built_in = getattr(ua.VariantType, _SIMPLE.get(plain, plain), None)
        variant_type = ua.VariantType.ExtensionObject if built_in is None else built_in
    return Field(name, ua.NodeId(getattr(ua.ObjectIds, plain)), variant_type, rank)


def spread(prefix: str, structure: type, make: Make) -> Mapping[ua.NodeId, Callable[[], ua.DataValue]]:
    """Values of a standard variable and of its components, for those that namespace 0 has.

    Args:
        prefix: name of the variable among ObjectIds ('Server_ServerStatus').
        make: the structure as it is now.
    """

    def of(field: Field) -> Callable[[], ua.DataValue]:
        return lambda: data_value(field.variant(getattr(make(), field.name)))

    found: dict[ua.NodeId, Callable[[], ua.DataValue]] = {
        ua.NodeId(getattr(ua.ObjectIds, prefix)): lambda: data_value(ua.Variant(make(), ua.VariantType.ExtensionObject))
    }
    for field in fields_of(structure):
        if (number := getattr(ua.ObjectIds, f"{prefix}_{field.name}", None)) is not None:
            found[ua.NodeId(number)] = of(field)
    return found
