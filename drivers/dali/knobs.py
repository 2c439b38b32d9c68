# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_dali_simulator.py
"""What can go wrong with a simulated Lunatone gateway and its bus, in words a person types while the demo runs.

hang [30 s]            frames are heard and never answered, nor those under way
late 5 s               each answer is held that long; later frames are not blocked by it
slow 200 ms            each answer that long after its frame, in order
reset                  all connections are reset once
refuse [30 s]          connections are reset, new ones too
restart                the gateway stops and starts again
garble [N]             the next N answers are noise
truncate [N]           the next N answers end in the middle
duplicate [N]          the next N answers are sent twice
busy [N]               the next N frames find the buffer full
lamp 5                 the lamp of gear 5 fails (whole 5 turns it back)
gear 5                 gear 5 itself fails (whole 5)
dead 5                 gear 5 neither hears nor answers (whole 5)
short                  both wires of the bus touch
unpowered              the bus has no voltage
power_cycle            the mains of all gear was off and on
heal                   everything back
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from config.model import seconds

LASTING: Final = ("hang", "refuse")
TIMED: Final = ("late", "slow")
COUNTED: Final = ("garble", "truncate", "duplicate", "busy")
GEAR: Final = ("lamp", "gear", "dead", "whole")
PLAIN: Final = ("reset", "restart", "short", "unpowered", "power_cycle", "heal")
NAMES: Final = (*LASTING, *TIMED, *COUNTED, *GEAR, *PLAIN)


@dataclass(frozen=True, slots=True)
class Knob:
    """One turn of one knob.

    Attributes:
        name: one of NAMES.
        seconds: how long [s]; None: until healed.
        count: how many answers.
        gear: which one.
    """

    name: str
    seconds: float | None = None
    count: int = 1
    gear: int = 0


def parse(text: str) -> Knob:
    """'hang 30 s' -> a knob.

    Raises:
        ValueError: with what was expected.
    """
    name, _, rest = text.strip().partition(" ")
    rest = rest.strip()
    if (name in LASTING and rest) or name in TIMED:
        value = seconds(rest)
        if not isinstance(value, float):
            raise ValueError(f"{name}: expected a duration, got {rest!r}")
        return Knob(name, seconds=value)
    if name in LASTING or (name in PLAIN and not rest):
        return Knob(name)
    if name in COUNTED:
        return Knob(name, count=_number(name, rest or "1", 1, 1_000_000))
    if name in GEAR:
        return Knob(name, gear=_number(name, rest, 0, 63))
    raise ValueError(f"expected one of {', '.join(NAMES)}, got {text!r}")


def _number(name: str, text: str, low: int, high: int) -> int:
    if not text.isascii() or not text.isdecimal() or not low <= int(text[:9]) <= high:
        raise ValueError(f"{name}: expected a number {low}..{high}, got {text!r}")
    return int(text)
