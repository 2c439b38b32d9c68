# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_event_filter.py, tests/property/test_event_filter_property.py
r"""The operator Like: a text against a pattern.

Law of this file: pure; no regular expressions, so that no pattern of a client costs more than length x length.

    %     any number of characters, also none
    _     one character
    [abc] one of these, `[a-f]` one between; `[^abc]` none of these
    \     the next character stands for itself

Source: OPC 10000-4, 7.7.3, Table 124.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

PATTERN_LENGTH_MAX: Final = 500

_One: TypeAlias = Callable[[str], bool]


class Pattern:
    """A pattern, read once.

    Raises:
        ValueError: a list without end, or a pattern longer than PATTERN_LENGTH_MAX.
    """

    def __init__(self, pattern: str) -> None:
        if len(pattern) > PATTERN_LENGTH_MAX:
            raise ValueError(f"expected a pattern of at most {PATTERN_LENGTH_MAX} characters, got {len(pattern)}")
        self._steps: list[_One | None] = []  # None: any number of characters
        at = 0
        while at < len(pattern):
            step, at = _step(pattern, at)
            self._steps.append(step)

    def matches(self, text: str) -> bool:
        """Whether the whole text fits. A `%` that took too little takes one character more; only the last one has to
        be tried again.
        """
        steps, at, step = self._steps, 0, 0
        star, star_at = -1, 0
        while at < len(text):
            if step < len(steps) and (wanted := steps[step]) is None:
                star, star_at, step = step, at, step + 1
            elif step < len(steps) and wanted is not None and wanted(text[at]):
                at, step = at + 1, step + 1
            elif star >= 0:
                star_at, step = star_at + 1, star + 1
                at = star_at
            else:
                return False
        return all(rest is None for rest in steps[step:])


def _step(pattern: str, at: int) -> tuple[_One | None, int]:
    """What stands at this place, and where the next begins."""
    char = pattern[at]
    if char == "%":
        return None, at + 1
    if char == "_":
        return lambda _: True, at + 1
    if char == "[":
        return _list(pattern, at + 1)
    if char == "\\" and at + 1 < len(pattern):
        char, at = pattern[at + 1], at + 1
    return lambda c: c == char, at + 1


def _list(pattern: str, at: int) -> tuple[_One, int]:
    end = pattern.find("]", at + 1)
    if end < 0:
        raise ValueError("a list '[' without its ']'")
    inside = pattern[at:end]
    without, inside = inside.startswith("^"), inside.removeprefix("^")
    singles: set[str] = set()
    spans: list[tuple[str, str]] = []
    i = 0
    while i < len(inside):
        if inside[i + 1 : i + 2] == "-" and i + 2 < len(inside):
            spans.append((inside[i], inside[i + 2]))
            i += 3
        else:
            singles.add(inside[i])
            i += 1
    return lambda c: (c in singles or any(low <= c <= high for low, high in spans)) is not without, end + 1
