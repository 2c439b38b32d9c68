# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_opcua_simulator.py, tests/unit/test_bacnet_simulator.py, tests/unit/test_dali_simulator.py
"""Words a person types to break a simulated device: 'hang 30 s', 'garble 3', 'reject ns=2;s=Plan'.

Law of this file: text in, a `Knob` out. Which words a protocol knows stands in its own `knobs.py`; what they do, in its
simulator.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from config.model import seconds

COUNT_MAX: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Knob:
    """One turn of one knob.

    Attributes:
        name: one of the protocol's names.
        seconds: how long [s]; None: until healed.
        count: how many answers; which gear, priority or size, where a number says that.
        what: what is meant, as it was typed.
    """

    name: str
    seconds: float | None = None
    count: int = 1
    what: str = ""


@dataclass(frozen=True, slots=True)
class Words:
    """The words of one protocol, by what may stand behind them.

    Attributes:
        lasting: a duration, or nothing: until healed.
        timed: a duration.
        counted: a number 1..COUNT_MAX, or nothing: the one of `defaults`, else 1.
        numbered: a number low..high.
        named: any text.
        plain: nothing.
    """

    lasting: tuple[str, ...] = ()
    timed: tuple[str, ...] = ()
    counted: tuple[str, ...] = ()
    numbered: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    named: tuple[str, ...] = ()
    plain: tuple[str, ...] = ()
    defaults: Mapping[str, int] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """All of them."""
        return (*self.lasting, *self.timed, *self.counted, *self.numbered, *self.named, *self.plain)

    def parse(self, text: str) -> Knob:
        """'hang 30 s' -> a knob.

        Raises:
            ValueError: with what was expected.
        """
        name, _, rest = text.strip().partition(" ")
        rest = rest.strip()
        if (name in self.lasting and rest) or name in self.timed:
            return Knob(name, seconds=_seconds(name, rest))
        if name in self.lasting or (name in self.plain and not rest):
            return Knob(name)
        if name in self.counted:
            return Knob(name, count=number(name, rest or str(self.defaults.get(name, 1)), 1, COUNT_MAX))
        if name in self.numbered:
            return Knob(name, count=number(name, rest, *self.numbered[name]))
        if name in self.named and rest:
            return Knob(name, what=rest)
        raise ValueError(f"expected one of {', '.join(self.names)}, got {text!r}")


def _seconds(name: str, text: str) -> float:
    try:
        value = seconds(text)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
    if not isinstance(value, float):
        raise ValueError(f"{name}: expected a duration, got {text!r}")
    return value


def number(name: str, text: str, low: int, high: int) -> int:
    """A number of a knob.

    Raises:
        ValueError: with what was expected.
    """
    if not text.isascii() or not text.isdecimal() or not low <= int(text[:9]) <= high:
        raise ValueError(f"{name}: expected a number {low}..{high}, got {text!r}")
    return int(text)
