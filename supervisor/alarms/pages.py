# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_alarm_pages.py, tests/unit/test_alarm_desk.py
"""Conditions as pages of a named table: one row of the table holds what is not at rest among PAGE conditions.

Law of this file: no I/O, no clock. What lies in a page is named, so that a plant laid out anew, or renamed equipment,
finds its conditions; the key of a page holds for one layout only.

Why pages: a storm of 34,000 conditions writes 133 rows of the database instead of 34,000, an ordinary change one, of
at most some 60 kB. A page tells states that are shared once.

    key      '#' and the number of the page: condition number // PAGE
    payload  JSON: [layout, states, names, which state, field times, first, events, later events, values,
             touched]

Beside its state a page holds what a restart shows of a condition at once: where the record of its present occurrence
stands (post, epoch, sequence), its value when it was announced, and whether people had to do with it: what they said
stands in records only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from pydantic_core import from_json, to_json

from historian.base import Plain, Row
from supervisor.alarms.events import VALUED
from supervisor.alarms.happening import Happening
from supervisor.alarms.rows import Live, decode, encode_state
from supervisor.alarms.rules import RuleBook

TABLE: Final = "conditions"
PAGE: Final = 256
LAYOUT: Final = 2
LATER_MAX: Final = 31
"""Later events of one occurrence: an operator may have answered any of them, and acknowledges by its id."""
_MARK: Final = b"#"  # a condition's name holds a '/', never this


Event: TypeAlias = tuple[int, int, int]


class Mark(NamedTuple):
    """What is known of a condition beside its state.

    Attributes:
        event: record of its present occurrence (post, epoch, sequence); None: not known.
        later: the newest records of that occurrence after it, oldest first.
        value: of its tag when it was announced, or last changed level.
        touched: people had to do with this occurrence.
    """

    event: Event | None
    later: tuple[Event, ...]
    value: Plain
    touched: bool


class Pages:
    """What is to stand in the table, page by page. One job at a time; each batch of changes once, in order.

    A batch that could not be written is taken again, with those behind it: the last state is then the same.
    """

    def __init__(self, book: RuleBook) -> None:
        self._book = book
        self._pages: dict[int, dict[int, Live]] = {}
        self._events: dict[int, Event] = {}
        self._values: dict[int, Plain] = {}
        self._touched: set[int] = set()
        self._later: dict[int, list[Event]] = {}
        self._unsure: list[tuple[int, Event]] = []  # told by the attempt under way, and not in place of another event

    def take(self, lives: Mapping[int, Live | None]) -> set[int]:
        """Conditions are this now; None: at rest. The pages this touches."""
        touched = set()
        for condition, live in lives.items():
            touched.add(number := condition // PAGE)
            page = self._pages.setdefault(number, {})
            was = page.get(condition)
            if live is None:
                page.pop(condition, None)
                self._values.pop(condition, None)
            else:
                page[condition] = live
            if was is not None and (live is None or live.state.occurrence_ns != was.state.occurrence_ns):
                self._events.pop(condition, None)
                self._later.pop(condition, None)
                self._touched.discard(condition)
        return touched

    def tell(self, happenings: Sequence[Happening], values: Sequence[Plain], first: Event) -> None:
        """Take what the records of some happenings say, which stand at `first` and behind it; after `take`."""
        post, epoch, sequence = first
        for n, (h, value) in enumerate(zip(happenings, values, strict=True), sequence):
            condition = h.condition
            if (live := self._pages[condition // PAGE].get(condition)) is None:
                continue
            if h.announced or h.log.what in VALUED:
                self._values[condition] = value
            if h.state.occurrence_ns != live.state.occurrence_ns:
                continue
            if h.by is not None:
                self._touched.add(condition)
            event = post, epoch, n
            if h.announced:
                self._events[condition] = event
            elif h.state.acked or condition in self._events:
                self._add_later(condition, event)
            else:
                self._events[condition] = event
                self._unsure.append((condition, event))

    def _add_later(self, condition: int, event: Event) -> None:
        self._later[condition] = [*self._later.get(condition, ()), event][-LATER_MAX:]
        self._unsure.append((condition, event))

    def attempt(self) -> None:
        """What the attempt before told stands nowhere, unless it was `written`: it will be told again."""
        for condition, event in self._unsure:
            if self._events.get(condition) == event:
                del self._events[condition]
            if event in (later := self._later.get(condition, [])):
                later.remove(event)
        self._unsure.clear()

    def written(self) -> None:
        """What was told stands on the disk."""
        self._unsure.clear()

    def touch(self, condition: int, event: Event) -> set[int]:
        """Somebody said something about it, in that record. The page to be written."""
        number = condition // PAGE
        if condition not in self._pages.get(number, ()):
            return set()
        self._touched.add(condition)
        self._add_later(condition, event)
        return {number}

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
        events, values = [self._events.get(c) for c in page], [self._values.get(c) for c in page]
        later, touched = [self._later.get(c) for c in page], [c in self._touched for c in page]
        return to_json([LAYOUT, states, names, which, fields, firsts, events, later, values, touched])

    def begin(self, living: Mapping[int, Live], stored: Stored) -> tuple[dict[int, Live | None], list[bytes]]:
        """Take what lives after a start.

        Returns: the conditions of pages that do not lie as they should, and the keys to delete before they are
            written: of pages laid out for another plant, with names that are no more, or damaged.
        """
        self.take(living)
        name = self._book.name
        for former, mark in stored.marks.items():  # the names may be those of before
            if (condition := self._book.find(former)) in living and condition is not None:
                self._remember(condition, mark)
        wanted = {key_of(number): (number, {name(c) for c in page}) for number, page in self._pages.items()}
        wrong = [number for key, (number, names) in wanted.items() if stored.names.get(key) != names]
        lives: dict[int, Live | None] = {c: live for number in wrong for c, live in self._pages[number].items()}
        return lives, [key for key, names in stored.names.items() if key not in wanted or wanted[key][1] != names]

    def mark(self, condition: int) -> Mark:
        """What is known of it."""
        later = tuple(self._later.get(condition, ()))
        return Mark(self._events.get(condition), later, self._values.get(condition), condition in self._touched)

    def _remember(self, condition: int, mark: Mark) -> None:
        if mark.event is not None:
            self._events[condition] = mark.event
        if mark.later:
            self._later[condition] = list(mark.later)
        if mark.value is not None:
            self._values[condition] = mark.value
        if mark.touched:
            self._touched.add(condition)


class Stored(NamedTuple):
    """The table read back.

    Attributes:
        lives, marks: by the name of the condition; conditions of one page share their states.
        names: key of each row of the table -> names in it; none where it cannot be read.
        damaged: those that cannot be read, as texts.
    """

    lives: dict[str, Live]
    names: dict[bytes, set[str]]
    damaged: list[str]
    marks: dict[str, Mark]


def key_of(number: int) -> bytes:
    return b"%b%d" % (_MARK, number)


def read(stored: Iterable[tuple[bytes, bytes]]) -> Stored:
    """The table, whatever its bytes."""
    result = Stored({}, {}, [], {})
    for key, payload in stored:
        try:
            found, marks = _read_page(payload)
        except (ValueError, TypeError, IndexError):
            result.names[key] = set()
            result.damaged.append(key.decode("utf-8", "replace"))
            continue
        result.names[key] = set(found)
        result.lives.update(found)
        result.marks.update(marks)
    return result


def _read_page(payload: bytes) -> tuple[dict[str, Live], dict[str, Mark]]:
    layout, states, names, which, fields, firsts, events, later, values, touched = from_json(payload)
    if layout != LAYOUT:
        raise ValueError(f"expected a page of layout {LAYOUT}, got {layout!r}")
    shared = [decode([*state, 0, False]).state for state in states]
    lines = zip(names, which, fields, firsts, strict=True)
    known = zip(events, later, values, touched, strict=True)
    marks = (
        Mark(None if event is None else _event(*event), tuple(_event(*e) for e in after or ()), value, bool(t))
        for event, after, value, t in known
    )
    lives = {str(name): Live(shared[at], int(field), bool(first)) for name, at, field, first in lines}
    return lives, dict(zip(lives, marks, strict=True))


def _event(post: int, epoch: int, sequence: int) -> Event:
    return int(post), int(epoch), int(sequence)
