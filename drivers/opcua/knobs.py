# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_opcua_simulator.py
"""What can go wrong with a simulated OPC UA server, in words a person types while the demo runs.

hang [30 s]            questions are heard and never answered
late 5 s               each answer is held that long; later questions are not blocked by it
slow 200 ms            each answer that long after its question, in order
silent [30 s]          subscriptions stop telling anything; all else is answered
no_subscriptions       no subscription is given any more: BadTooManySubscriptions
forget                 all sessions are forgotten: BadSessionIdInvalid
reset                  all connections are reset once
refuse [30 s]          connections are reset, new ones too
restart                the server stops and starts again, its values kept
garble [N]             the next N answers are noise
truncate [N]           the next N answers end in the middle
duplicate [N]          the next N answers are sent twice
busy [N]               the next N questions get BadServerTooBusy
reject ns=2;s=Plan     this node is unknown (accept ns=2;s=Plan turns it back)
heal                   everything back
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from config.model import seconds

LASTING: Final = ("hang", "refuse", "silent")
TIMED: Final = ("late", "slow")
COUNTED: Final = ("garble", "truncate", "duplicate", "busy")
NAMED: Final = ("reject", "accept")
PLAIN: Final = ("no_subscriptions", "forget", "reset", "restart", "heal")
NAMES: Final = (*LASTING, *TIMED, *COUNTED, *NAMED, *PLAIN)


@dataclass(frozen=True, slots=True)
class Knob:
    """One turn of one knob.

    Attributes:
        name: one of NAMES.
        seconds: how long [s]; None: until healed.
        count: how many answers.
        node: what is rejected or accepted.
    """

    name: str
    seconds: float | None = None
    count: int = 1
    node: str = ""


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
        return Knob(name, count=int(rest or 1))
    if name in NAMED and rest:
        return Knob(name, node=rest)
    if name in PLAIN and not rest:
        return Knob(name)
    raise ValueError(f"expected one of {', '.join(NAMES)}, got {text!r}")
