# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_bacnet_simulator.py, tests/kit/test_bacnet.py
"""What can go wrong with a simulated BACnet device, in words a person types while the demo runs.

hang [30 s]            questions are heard and never answered
late 5 s               each answer is held that long; later questions are not blocked by it
slow 200 ms            each answer that long after its question, in order
refuse [30 s]          nothing is heard: the device is off
silent [30 s]          changes are not told any more; all else is answered
no_room                no subscription is taken any more: resources, no-space-to-add-list-element
no_rpm                 ReadPropertyMultiple is not known: reject, unrecognized-service
small [N]              answers are N bytes at most (206): abort, segmentation-not-supported
forget                 all subscriptions are forgotten, and nobody is told
restart                the device stops and starts again: subscriptions are gone, it says I-Am
garble [N]             the next N answers are noise
truncate [N]           the next N answers end in the middle
duplicate [N]          the next N answers are sent twice
busy [N]               the next N questions get the abort out-of-resources
reject analog-input 3  this object is unknown (accept analog-input 3 turns it back)
hold 5                 every present-value is held by that priority (release turns it back)
heal                   everything back
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from config.model import seconds

LASTING: Final = ("hang", "refuse", "silent")
TIMED: Final = ("late", "slow")
COUNTED: Final = ("garble", "truncate", "duplicate", "busy", "small", "hold")
NAMED: Final = ("reject", "accept")
PLAIN: Final = ("no_room", "no_rpm", "forget", "restart", "release", "heal")
NAMES: Final = (*LASTING, *TIMED, *COUNTED, *NAMED, *PLAIN)
DEFAULTS: Final = {"small": 206, "hold": 5}


@dataclass(frozen=True, slots=True)
class Knob:
    """One turn of one knob.

    Attributes:
        name: one of NAMES.
        seconds: how long [s]; None: until healed.
        count: how many answers, bytes, or which priority.
        object: what is rejected or accepted.
    """

    name: str
    seconds: float | None = None
    count: int = 1
    object: str = ""


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
    if name in LASTING:
        return Knob(name)
    if name in COUNTED:
        if rest and not (rest.isascii() and rest.isdecimal() and 1 <= int(rest[:9]) <= 1_000_000):
            raise ValueError(f"{name}: expected a number 1..1000000, got {rest!r}")
        return Knob(name, count=int(rest or DEFAULTS.get(name, 1)))
    if name in NAMED and rest:
        return Knob(name, object=rest)
    if name in PLAIN and not rest:
        return Knob(name)
    raise ValueError(f"expected one of {', '.join(NAMES)}, got {text!r}")
