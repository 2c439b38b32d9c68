# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_event_filter.py, tests/property/test_event_filter_property.py
"""An event filter: which events, and which of their fields. For subscriptions and for the past alike.

Law of this file: pure; judged once (`read_filter`), then only asked.

A select clause that names what no event has is told so and answered with null; a where clause with an error is no
filter at all. Source: OPC 10000-4, 7.22.3.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any, Final

from asyncua import ua

from supervisor.hmi.events.event import Event
from supervisor.hmi.events.hierarchy import EventTypes
from supervisor.hmi.events.operand import BadClause, Operand, operand
from supervisor.hmi.events.value import NULL_BYTES, Value, pack, pack_all
from supervisor.hmi.events.where import Where, read_where

CLAUSES_MAX: Final = 500
"""Select clauses of one filter; AlarmConditionType with everything in it has about 200 fields."""


@dataclass(frozen=True, slots=True)
class EventFilter:
    """A filter that can be used.

    Attributes:
        select: None: nothing can ever be selected there.
    """

    select: tuple[Operand | None, ...]
    where: Where
    types: EventTypes

    def passes(self, event: Event, locale: str) -> bool:
        """Whether the event is wanted."""
        return event.bypasses_where or self.where.passes(event, locale, self.types)

    def fields(self, event: Event, locale: str) -> list[Value | None]:
        """What is wanted of it, in the order of the clauses."""
        types = self.types
        return [None if o is None else o.get(event, locale, types) for o in self.select]

    def pack(self, event: Event, locale: str) -> bytes:
        """The same as bytes: the EventFields of an EventFieldList or a HistoryEventFieldList."""
        return pack_all(self.fields(event, locale))

    def template(self, event: Event, locale: str) -> Template:
        """What is wanted of all events that are alike, packed; what each has of its own is left open."""
        own, types = event.own, self.types
        passes = None if self.where.fields & own else self.where.passes(event, locale, types)
        runs, left = [struct.pack("<i", len(self.select))], []
        for o in self.select:
            if o is not None and o.name in own:
                left.append(o)
                runs.append(b"")
            else:
                runs[-1] += NULL_BYTES if o is None else pack(o.get(event, locale, types))
        return Template(passes, tuple(runs), tuple(left), types)


@dataclass(frozen=True, slots=True)
class Template:
    """EventFields of events that are alike.

    Attributes:
        passes: whether they are wanted; None: the filter looks at what each has of its own.
        runs: bytes before, between and after what is left open: one more than `left`.
        left: what each event has of its own.
    """

    passes: bool | None
    runs: tuple[bytes, ...]
    left: tuple[Operand, ...]
    types: EventTypes

    def fill(self, event: Event, locale: str) -> bytes:
        """The same as `EventFilter.pack`, of one more event of its like."""
        parts = [self.runs[0]]
        for o, run in zip(self.left, self.runs[1:], strict=True):
            parts += (pack(o.get(event, locale, self.types)), run)
        return b"".join(parts)


def read_filter(wanted: Any, types: EventTypes) -> tuple[EventFilter | None, ua.EventFilterResult | None]:
    """An EventFilter as a client sent it.

    Args:
        wanted: as asyncua decodes it.
    Returns: the filter (None: BadEventFilterInvalid) and what is wrong with it (None: nothing).
    """
    clauses = wanted.SelectClauses or []
    result = ua.EventFilterResult()
    if not 0 < len(clauses) <= CLAUSES_MAX:
        return None, result
    select: list[Operand | None] = []
    for clause in clauses:
        code = ua.StatusCodes.Good
        try:
            select.append(operand(clause, types))
        except BadClause as bad:
            select.append(None)
            code = bad.code
        result.SelectClauseResults.append(ua.StatusCode(ua.UInt32(code)))
    where, result.WhereClauseResult = read_where(wanted.WhereClause, types)
    if where is None or not any(select):
        return None, result
    good = all(select)
    return EventFilter(tuple(select), where, types), None if good else result
