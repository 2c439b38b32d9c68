# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_control_alarms.py
"""Which alarms a person means by 'CAB-*/V1_limits'.

Law of this file: pure. A pattern has at most three parts, '<area>/<equipment>/<rule>', with the wildcards of a shell;
with two parts the area is any; with one it is an equipment or a rule. Nothing is everything.
"""

from __future__ import annotations

import difflib
import fnmatch
import re
from collections.abc import Callable

from supervisor.alarms.rules import RuleBook


def matcher(pattern: str) -> Callable[[str], bool]:
    """A test of names '<area>/<equipment>/<rule>'.

    Raises:
        ValueError: more than three parts.
    """
    if not pattern:
        return lambda _name: True
    parts = pattern.split("/")
    if len(parts) > 3:
        raise ValueError(f"'{pattern[:100]}': expected <area>/<equipment>/<alarm>, or its last parts")
    if len(parts) == 1:
        one = _part(pattern)
        return lambda name: any(map(one, name.split("/")[1:]))
    tests = [_part(p) for p in parts]

    def matches(name: str) -> bool:
        own = name.split("/")[-len(tests) :]
        return len(own) == len(tests) and all(test(part) for test, part in zip(tests, own, strict=True))

    return matches


def _part(pattern: str) -> Callable[[str], bool]:
    compiled = re.compile(fnmatch.translate(pattern or "*"))
    return lambda text: compiled.match(text) is not None


def resolve(book: RuleBook, name: str) -> str:
    """The whole name of one condition; the area may be left out where only one equipment is called so.

    Raises:
        ValueError: none, or several, with what is near.
    """
    name = name.strip("/")
    if (condition := book.find(name)) is not None:
        return book.name(condition)
    found = [c for area in book.plant.areas if (c := book.find(f"{area}/{name}")) is not None]
    if len(found) == 1:
        return book.name(found[0])
    if found:
        raise ValueError(f"'{name}' is one of {len(found)}; name it with its area: {book.name(found[0])}")
    raise ValueError(f"no alarm '{name[:200]}'{_hint(book, name)}")


def _hint(book: RuleBook, name: str) -> str:
    equipment, _, rule = name.rpartition("/")
    places = [equipment, *(f"{area}/{equipment}" for area in book.plant.areas)]
    known = next((f for place in places if (f := book.plant.find(place)) is not None), None)
    if known is None:
        return "; expected <area>/<equipment>/<alarm>, such as 21605/CAB-0003/V1_limits"
    near = difflib.get_close_matches(rule, [b.rule.name for b in book.of_type(known[0].name)], 1, 0.4)
    return f"; did you mean '{equipment}/{near[0]}'?" if near else ""
