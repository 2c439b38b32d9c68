# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_alarm_pages.py, tests/unit/test_alarm_desk.py
"""Conditions as pages of a named table: one row of the table holds what is not at rest among PAGE conditions.

Law of this file: no I/O, no clock. What lies in a page is named, so that a plant laid out anew, or renamed equipment,
finds its conditions; the key of a page holds for one layout only.

Why pages: a storm of 34,000 conditions writes 133 rows of the database instead of 34,000, an ordinary change one, of
at most some 60 kB. A page tells states that are shared once.

    key      '#' and the number of the page: condition number // PAGE
    payload  JSON: [layout, states, names, which state, field times, first]

Rows of the layout before, one condition each under its name, are still read.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from pydantic_core import to_json

from historian.base import Row
from supervisor.alarms.rows import Live, decode, encode_state
from supervisor.alarms.rules import RuleBook

TABLE: Final = "conditions"
PAGE: Final = 256
LAYOUT: Final = 1
_MARK: Final = b"#"  # a condition's name holds a '/', never this


class Pages:
    """What is to stand in the table, page by page. One job at a time; each batch of changes once, in order.

    A batch that could not be written is taken again, with those behind it: the last state is then the same.
    """

    def __init__(self, book: RuleBook) -> None:
        self._book = book
        self._pages: dict[int, dict[int, Live]] = {}

    def take(self, lives: Mapping[int, Live | None]) -> set[int]:
        """Conditions are this now; None: at rest. The pages this touches."""
        touched = set()
        for condition, live in lives.items():
            touched.add(number := condition // PAGE)
            page = self._pages.setdefault(number, {})
            if live is None:
                page.pop(condition, None)
            else:
                page[condition] = live
        return touched

    def rows(self, touched: Iterable[int]) -> list[Row]:
        """The rows of some pages; an empty page is a row to delete."""
        return [Row(TABLE, key_of(number), self._payload(number)) for number in sorted(touched)]

    def _payload(self, number: int) -> bytes | None:
        page = self._pages.get(number)
        if not page:
            self._pages.pop(number, None)
            return None
        states: list[Any] = []
        place: dict[int, int] = {}
        which = []
        for live in page.values():
            if (at := place.get(id(live.state))) is None:
                at = place[id(live.state)] = len(states)
                states.append(encode_state(live.state))
            which.append(at)
        names = [self._book.name(c) for c in page]
        fields, firsts = [live.field_ns for live in page.values()], [live.first for live in page.values()]
        return to_json([LAYOUT, states, names, which, fields, firsts])

    def begin(self, living: Mapping[int, Live], stored: Stored) -> tuple[dict[int, Live | None], list[bytes]]:
        """Take what lives after a start.

        Returns: the conditions of pages that do not lie as they should, and the keys to delete before they are
            written: of pages laid out for another plant, with names that are no more, or damaged.
        """
        self.take(living)
        name = self._book.name
        wanted = {key_of(number): (number, {name(c) for c in page}) for number, page in self._pages.items()}
        wrong = [number for key, (number, names) in wanted.items() if stored.names.get(key) != names]
        lives: dict[int, Live | None] = {c: live for number in wrong for c, live in self._pages[number].items()}
        return lives, [key for key, names in stored.names.items() if key not in wanted or wanted[key][1] != names]


class Stored(NamedTuple):
    """The table read back.

    Attributes:
        lives: by the name of the condition; conditions of one page share their states.
        names: key of each row of the table -> names in it; none where it cannot be read.
        damaged: those that cannot be read, as texts.
    """

    lives: dict[str, Live]
    names: dict[bytes, set[str]]
    damaged: list[str]


def key_of(number: int) -> bytes:
    return b"%b%d" % (_MARK, number)


def read(stored: Iterable[tuple[bytes, bytes]]) -> Stored:
    """The table, whatever its bytes."""
    result = Stored({}, {}, [])
    for key, payload in stored:
        try:
            found = _read_page(payload) if key.startswith(_MARK) else {key.decode(): decode(json.loads(payload))}
        except (ValueError, TypeError, IndexError):
            result.names[key] = set()
            result.damaged.append(key.decode("utf-8", "replace"))
            continue
        result.names[key] = set(found)
        result.lives.update(found)
    return result


def _read_page(payload: bytes) -> dict[str, Live]:
    layout, states, names, which, fields, firsts = json.loads(payload)
    if layout != LAYOUT:
        raise ValueError(f"expected a page of layout {LAYOUT}, got {layout!r}")
    shared = [decode([*state, 0, False]).state for state in states]
    lines = zip(names, which, fields, firsts, strict=True)
    return {str(name): Live(shared[at], int(field), bool(first)) for name, at, field, first in lines}
