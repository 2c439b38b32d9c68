# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_values.py, tests/config
"""Whether one value fits a kind and a range; what a cell of a CSV file means for a kind.

Law of this file: pure, one value at a time, sentences for people.
"""

from __future__ import annotations

import math
from typing import Any, Final, get_args

from pydantic.fields import FieldInfo

from config.problems import shown
from config.source import scalar
from config.words import Kind

PARAMETER_KINDS: Final = tuple(k for k in Kind if k not in (Kind.DateTime, Kind.Enumeration))


def misfit(kind: Kind, value: Any, limits: tuple[float, float] | None = None) -> str | None:
    """Why `value` is no value of `kind` within `limits` ('expected ..., got ...'); None if it is one."""
    if kind is Kind.Boolean:
        return None if isinstance(value, bool) else f"expected true or false, got {shown(value)}"
    if kind is Kind.String:
        hint = "; put it in quotes" if isinstance(value, int | float) else ""
        return None if isinstance(value, str) else f"expected text, got {shown(value)}{hint}"
    if kind.is_float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            return f"expected a number, got {shown(value)}"
    else:
        if isinstance(value, bool) or not isinstance(value, int):
            return f"expected an integer, got {shown(value)}"
        bounds = kind.bounds
        if bounds is not None and not bounds[0] <= value <= bounds[1]:
            return f"expected {kind.name} {bounds[0]}..{bounds[1]}, got {value}"
    if limits is not None and not limits[0] <= value <= limits[1]:
        return f"expected {limits[0]}..{limits[1]}, got {value}"
    return None


def cell_value(kind: Kind, text: str) -> Any:
    """A cell of a CSV file as YAML would have read it, but text where text is asked for."""
    return text if kind is Kind.String else scalar(text)


def wants_text(info: FieldInfo) -> bool:
    """True if a setting is text only, so that '0042' or 'true' in a CSV file stays what it is."""
    leaves = _leaves(info.annotation)
    return str in leaves and not leaves & {int, float, bool}


def _leaves(annotation: Any) -> set[Any]:
    args = [a for a in get_args(annotation) if a is not type(None)]
    return set().union(*(_leaves(a) for a in args)) if args else {annotation if isinstance(annotation, type) else str}
