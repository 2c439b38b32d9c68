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

from supervisor.alarms.records import value_tag
from supervisor.alarms.rules import RuleBook
from supervisor.rights import Sight


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


def resolve(book: RuleBook, name: str, sight: Sight) -> str:
    """The whole name of one condition; the area may be left out where only one equipment is called so.

    Raises:
        ValueError: none, or several, with what is near.
    """
    name = name.strip("/")
    known = (book.find(place) for place in (name, *(f"{area}/{name}" for area in book.plant.areas)))
    found = [c for c in known if c is not None and is_shown(book, c, sight)]
    if len(found) == 1:
        return book.name(found[0])
    if found:
        raise ValueError(f"'{name}' is one of {len(found)}; name it with its area: {book.name(found[0])}")
    raise ValueError(f"no alarm '{name[:200]}'{_hint(book, name, sight)}")


def of_one(book: RuleBook, pattern: str, sight: Sight) -> str:
    """The whole name of the one equipment or alarm that a pattern names; empty: it may mean several, or none."""
    name = pattern.strip("/")
    if not name or any(sign in name for sign in "*?["):
        return ""
    places = (name, *(f"{area}/{name}" for area in book.plant.areas))
    found = {p for p in places if p.count("/") == 1 and book.plant.find(p) is not None and sight.subject(p)}
    found |= {p for p in places if (c := book.find(p)) is not None and is_shown(book, c, sight)}
    return found.pop() if len(found) == 1 else ""


def is_shown(book: RuleBook, condition: int, sight: Sight) -> bool:
    """Whether an alarm is there for this person: its equipment is, and the tag it tells of is not personal data."""
    if _is_personal(book, condition, sight):
        return False
    return sight.whole or sight.user.may_see(*book.domain(condition))


def seeing(book: RuleBook, sight: Sight) -> Callable[[int], bool]:
    """`is_shown` for many: what depends on the rule is asked once for all its conditions."""
    open_ = [block.count > 0 and not _is_personal(book, block.start, sight) for block in book.blocks]
    of = book.block_of
    if sight.whole:
        return lambda condition: open_[of[condition]]
    return lambda condition: open_[of[condition]] and sight.user.may_see(*book.domain(condition))


def _is_personal(book: RuleBook, condition: int, sight: Sight) -> bool:
    """Whether it tells of personal data that this person may not read."""
    block = book.block(condition)
    tag = book.plant.types[block.type].blocks.get(value_tag(block.model) or "")
    return tag is not None and tag.info.personal and not sight.user.may_read_personal()


def _hint(book: RuleBook, name: str, sight: Sight) -> str:
    equipment, _, rule = name.rpartition("/")
    places = [equipment, *(f"{area}/{equipment}" for area in book.plant.areas)]
    known = next((f for p in places if (f := book.plant.find(p)) is not None and sight.subject(p)), None)
    if known is None:
        return "; expected <area>/<equipment>/<alarm>, such as 21605/CAB-0003/V1_limits"
    near = difflib.get_close_matches(rule, [b.rule.name for b in book.of_type(known[0].name)], 1, 0.4)
    return f"; did you mean '{equipment}/{near[0]}'?" if near else ""
