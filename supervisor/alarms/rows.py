# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_alarm_resuming.py, tests/property/test_alarm_machine_property.py
"""One condition as a row of a named table: plain values out, the same condition back.

Law of this file: pure; only plain values (numbers, texts, lists), so that any store and any wire can carry them. The
first element is the layout's version; a row of another layout is refused, never guessed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from supervisor.alarms.state import Cause, State

VERSION: Final = 2

Row: TypeAlias = tuple[Any, ...]

_FLAGS: Final = (
    "process",
    "acked",
    "confirmed",
    "latched",
    "evaluable",
    "enabled",
    "annunciated",
    "silenced",
    "one_shot",
)
_NUMBERS: Final = (
    "level",
    "last_level",
    "shelved_until_ns",
    "release_ns",
    "work_order",
    "review_ns",
    "raised_ns",
    "returned_ns",
    "acked_ns",
    "occurrence_ns",
    "re_alarms",
    "evaluable_ns",
    "beats",
)


class Live(NamedTuple):
    """A condition that is not at rest.

    Attributes:
        field_ns: when its input says that it rose [UTC ns].
        first: it was the first of its first-out group.
    """

    state: State
    field_ns: int = 0
    first: bool = False


def encode(live: Live) -> Row:
    """A row: (version, flags as bits, numbers, causes, field time, first)."""
    return (*encode_state(live.state), live.field_ns, live.first)


def encode_state(state: State) -> Row:
    """A row without its last two elements."""
    flags = sum(1 << bit for bit, name in enumerate(_FLAGS) if getattr(state, name))
    causes = tuple(sorted((c.rule, c.topology) for c in state.causes))
    return VERSION, flags, tuple(getattr(state, name) for name in _NUMBERS), causes


def decode(row: Sequence[Any]) -> Live:
    """A row back.

    Raises:
        ValueError: another layout, or damaged.
    """
    if not row or row[0] != VERSION:
        raise ValueError(f"expected a condition's row of layout {VERSION}, got {row[:1]!r}")
    try:
        _, flags, numbers, causes, field_ns, first = row
        named: dict[str, Any] = dict(zip(_NUMBERS, numbers, strict=True))
        named |= {name: bool(flags >> bit & 1) for bit, name in enumerate(_FLAGS)}
        state = State(**named, causes=frozenset(Cause(rule, topology) for rule, topology in causes))
    except (TypeError, ValueError) as error:
        raise ValueError(f"a condition's row is damaged: {error}") from None
    return Live(state, field_ns, first)
