# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_command_values.py
"""What someone asks for, as the device will get it, and whether what it reads back is that.

Law of this file: pure; one value at a time; nothing here knows users, devices or time.

A person types text, an HMI sends typed values; both end as an engineering value of the tag's kind. On the way down a
scaled value is divided by its scale; the driver rounds it for an integer wire and checks the wire's own range.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Final

from config.words import Kind, StatusCode, cell_of, value_of
from supervisor.plant.plant import TagInfo

Asked = bool | int | float | str | datetime
Value = bool | int | float | str

TEXT_LENGTH_MAX: Final = 250  # the longest Modbus string is 123 registers in one write
_NS: Final = 1_000_000_000
_BOOLEANS: Final = {"true": True, "false": False}
# A device clock or a time on the wire often has whole seconds only. Source: `unix32` of drivers/modbus/place.py.
_TIME_TOLERANCE_NS: Final = _NS
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class WrongType(ValueError):
    """The value is not of the tag's kind; the sentence says what was expected."""


class OutOfRange(ValueError):
    """The value lies outside the tag's declared range; the sentence says what was expected."""


def engineering(info: TagInfo, asked: Asked) -> Value:
    """The engineering value asked for; DateTime as UTC nanoseconds, Enumeration as its number.

    Raises:
        WrongType, OutOfRange.
    """
    kind = info.kind
    if kind is Kind.Boolean:
        return _boolean(asked)
    if kind is Kind.String:
        return _text(asked)
    if kind is Kind.DateTime:
        return _time_ns(asked)
    if kind is Kind.Enumeration:
        return _enumeration(info, asked)
    value = _float(kind, asked) if kind.is_float else _integer(kind, asked)
    _check_range(info, value)
    return value


def _boolean(asked: Asked) -> bool:
    value = _BOOLEANS.get(asked.strip().lower()) if isinstance(asked, str) else asked
    if not isinstance(value, bool):
        raise WrongType(f"expected true or false, got {asked!r}")
    return value


def _text(asked: Asked) -> str:
    if not isinstance(asked, str):
        raise WrongType(f"expected a text, got {asked!r}")
    if len(asked) > TEXT_LENGTH_MAX:
        raise OutOfRange(f"expected at most {TEXT_LENGTH_MAX} characters, got {len(asked)}")
    return asked


def _time_ns(asked: Asked) -> int:
    value: Asked = asked
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            raise WrongType(f"expected a time such as 2026-03-01T18:30:00Z, got {asked!r}") from None
        if value.tzinfo is None:
            raise WrongType(f"expected a time with its zone, such as 2026-03-01T18:30:00Z, got {asked!r}")
    if not isinstance(value, datetime):
        raise WrongType(f"expected a time such as 2026-03-01T18:30:00Z, got {asked!r}")
    since = (value if value.tzinfo else value.replace(tzinfo=UTC)) - _EPOCH
    ns = (since.days * 86400 + since.seconds) * _NS + since.microseconds * 1000
    if not 0 <= ns < 2**63:
        raise OutOfRange(f"expected a time between 1970 and 2262, got {asked}")
    return ns


def _enumeration(info: TagInfo, asked: Asked) -> int:
    if isinstance(asked, str) and asked.strip() in info.values:
        return info.values.index(asked.strip())
    names = ", ".join(f"{i} {name}" for i, name in enumerate(info.values))
    try:
        number = _integer(Kind.Enumeration, asked)
    except WrongType:
        raise WrongType(f"expected one of {names}; got {asked!r}") from None
    if not 0 <= number < len(info.values):
        raise OutOfRange(f"expected one of {names}; got {number}")
    return number


def _integer(kind: Kind, asked: Asked) -> int:
    value: Asked = asked
    if isinstance(value, str):
        try:
            value = int(value.strip(), 16 if value.strip().lower().startswith("0x") else 10)
        except ValueError:
            raise WrongType(f"expected a whole number, got {asked!r}") from None
    if isinstance(value, bool) or not isinstance(value, int):
        raise WrongType(f"expected a whole number, got {asked!r}")
    low, high = kind.bounds or (-(2**63), 2**63 - 1)
    if not low <= value <= high:
        raise OutOfRange(f"expected {kind.name} {low}..{high}, got {value}")
    return value


def _float(kind: Kind, asked: Asked) -> float:
    value: Asked = asked
    if isinstance(value, str):
        try:
            value = float(value.strip())
        except ValueError:
            raise WrongType(f"expected a number, got {asked!r}") from None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise WrongType(f"expected a number, got {asked!r}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number) or (kind is Kind.Float and abs(number) > 3.4028235e38):
        raise OutOfRange(f"expected a finite {kind.name}, got {asked!r}")
    return number


def _check_range(info: TagInfo, value: int | float) -> None:
    if value < info.low or value > info.high:  # NaN, no range declared, is never smaller or greater
        unit = f" {info.unit}" if info.unit else ""
        raise OutOfRange(f"expected {info.low:g}..{info.high:g}{unit}, got {value:g}{unit}")


def wire(info: TagInfo, value: Value) -> tuple[int, str | None]:
    """What the driver gets: (bits of the raw cell, text of a String or None)."""
    if isinstance(value, str):
        return 0, value
    if info.kind.is_float:
        return cell_of(info.kind, (value - info.offset) / info.scale), None
    return cell_of(info.kind, value), None


def from_wire(info: TagInfo, cell: int, text: str | None) -> Value:
    """The engineering value of what was read back."""
    if info.kind is Kind.String:
        return text or ""
    raw = value_of(info.kind, cell)
    return raw * info.scale + info.offset if info.kind.is_float else raw


def holds(info: TagInfo, asked: Value, read: Value) -> bool:
    """True if a device that reads back `read` holds what was asked, given what a wire can carry: a scaled value may
    lie on an integer register (half a count), a Float has 24 bits, a time may have whole seconds.
    """
    if isinstance(asked, str) or isinstance(read, str):
        return asked == read
    if info.kind is Kind.DateTime:
        return abs(asked - read) <= _TIME_TOLERANCE_NS
    if not info.kind.is_float:
        return asked == read
    if not math.isfinite(read):
        return False
    counts = (read - info.offset) / info.scale
    scaled = info.scale != 1.0 or info.offset != 0.0
    whole = scaled and abs(counts - round(counts)) <= 1e-6 * max(1.0, abs(counts))
    half_count = 0.5 * abs(info.scale) * (1 + 1e-9) if whole else 0.0
    return abs(asked - read) <= max(half_count, 1e-6 * max(abs(asked), abs(read)))


def follows(info: TagInfo, asked: Value, feedback: TagInfo, seen: Value) -> bool:
    """True if the feedback tag shows the effect: the same name for two enumerations, equal for whole numbers, within
    1 % of the feedback's declared range for measured values.
    """
    if isinstance(asked, str) or isinstance(seen, str):
        return asked == seen
    if info.values and feedback.values:
        return _named(info, asked) == _named(feedback, seen)
    if info.kind.is_float or feedback.kind.is_float:
        span = feedback.high - feedback.low
        return abs(asked - seen) <= max(0.01 * span if math.isfinite(span) else 0.0, 1e-6 * abs(asked))
    return int(asked) == int(seen)


def _named(info: TagInfo, number: int | float) -> str:
    return info.values[int(number)] if 0 <= int(number) < len(info.values) else f"({int(number)})"


def shown(info: TagInfo, value: Value | None) -> str:
    """A value as people read it: with its unit, an enumeration by name, a time in UTC."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return repr(value)
    if info.kind is Kind.DateTime:
        return iso(int(value))
    if info.kind is Kind.Enumeration:
        return _named(info, value)
    number = f"{value:.7g}" if isinstance(value, float) else str(value)
    return f"{number} {info.unit}" if info.unit else number


def iso(ns: int) -> str:
    """UTC nanoseconds as ISO 8601 with milliseconds; a time no calendar holds is shown as its number."""
    try:
        at = datetime.fromtimestamp(ns // _NS, UTC)
    except (ValueError, OverflowError, OSError):
        return f"{ns} ns"
    return f"{at:%Y-%m-%dT%H:%M:%S}.{ns % _NS // 1_000_000:03d}Z"


def status_name(code: int) -> str:
    """'BadNoCommunication'; the number of a code that has no name here."""
    try:
        return StatusCode(code).name
    except ValueError:
        return f"0x{code:08X}"
