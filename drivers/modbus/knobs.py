# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_modbus_simulator.py
"""What can go wrong with a simulated device, in words a person types while the demo runs.

hang [30 s]            questions are heard and never answered
late 5 s               each answer is held that long; later questions are not blocked by it
slow 200 ms            each answer that long after its question, in order
reset                  all connections are reset once
refuse [30 s]          connections are reset, new ones too
restart                the device stops and starts again, its memory kept
garble [N]             the next N answers are noise
truncate [N]           the next N answers end in the middle
duplicate [N]          the next N answers are sent twice
wrong_id [N]           the next N answers bear another transaction id (RTU: another unit)
busy [N]               the next N questions get exception 6: busy
reject holding 104     this address gets exception 2 (accept holding 104 turns it back)
heal                   everything back
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, get_args

from config.model import seconds
from drivers.modbus.address import Table

LASTING: Final = ("hang", "refuse")
TIMED: Final = ("late", "slow")
COUNTED: Final = ("garble", "truncate", "duplicate", "wrong_id", "busy")
ADDRESSED: Final = ("reject", "accept")
PLAIN: Final = ("reset", "restart", "heal")
NAMES: Final = (*LASTING, *TIMED, *COUNTED, *ADDRESSED, *PLAIN)


@dataclass(frozen=True, slots=True)
class Knob:
    """One turn of one knob.

    Attributes:
        name: one of NAMES.
        seconds: how long [s]; None: until healed.
        count: how many answers.
        table, address: what is rejected or accepted.
    """

    name: str
    seconds: float | None = None
    count: int = 1
    table: str = ""
    address: int = 0


def parse(text: str) -> Knob:
    """'hang 30 s' -> a knob.

    Raises:
        ValueError: with what was expected.
    """
    name, _, rest = text.strip().partition(" ")
    rest = rest.strip()
    if name in LASTING:
        return Knob(name, seconds=_seconds(name, rest) if rest else None)
    if name in TIMED:
        return Knob(name, seconds=_seconds(name, rest))
    if name in COUNTED:
        return Knob(name, count=_number(name, rest, 1, 1_000_000) if rest else 1)
    if name in ADDRESSED:
        table, _, address = rest.partition(" ")
        if table not in get_args(Table):
            raise ValueError(f"{name}: expected one of {', '.join(get_args(Table))}, got {table!r}")
        return Knob(name, table=table, address=_number(name, address, 0, 65535))
    if name in PLAIN and not rest:
        return Knob(name)
    raise ValueError(f"expected one of {', '.join(NAMES)}, got {text!r}")


def _seconds(name: str, text: str) -> float:
    try:
        value = seconds(text)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
    if not isinstance(value, float):
        raise ValueError(f"{name}: expected a duration, got {text!r}")
    return value


def _number(name: str, text: str, low: int, high: int) -> int:
    if not text.isascii() or not text.isdecimal() or not low <= int(text[:9]) <= high:
        raise ValueError(f"{name}: expected a number {low}..{high}, got {text!r}")
    return int(text)
