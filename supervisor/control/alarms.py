# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_control_alarms.py
"""What people ask of the alarms through the control socket: lists, actions, history.

Law of this file: arguments come from outside and are checked here; a wrong one is a ValueError whose sentence goes to
who asked. Answers are bounded. Who may do what is decided by the engine's table of rights, not here.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Awaitable, Callable, Iterator
from operator import itemgetter
from typing import Any, Final

from config.words import NS_PER_S
from historian.base import Entry as Line
from historian.base import Query, RecordKind
from supervisor.alarms.desk import ACTIONS_MAX, AlarmDesk
from supervisor.alarms.events import (
    Acknowledge,
    Confirm,
    Operator,
    Place,
    Refused,
    Remove,
    Reset,
    Shelve,
    Silence,
    Unshelve,
)
from supervisor.alarms.records import EventId
from supervisor.alarms.shown import Entry
from supervisor.alarms.state import Rule
from supervisor.alarms.wording import wording
from supervisor.commands.values import iso
from supervisor.control.alarm_call import LIST_MAX, AlarmCall
from supervisor.control.alarm_names import matcher, of_one
from supervisor.control.alarm_report import report
from supervisor.control.alarm_view import LISTS, order

HISTORY_PAGES_MAX: Final = 20
_PAGE: Final = 5000
_STEP: Final = 1000
"""Alarms looked at without letting the loop do anything else: a few milliseconds."""
_ALARMS: Final = frozenset({RecordKind.ALARM})


async def _list(call: AlarmCall) -> Any:
    """Alarms of one list whose names match, the urgent ones first."""
    which, pattern = call.text("list", "active"), call.text("pattern", "")
    matches = matcher(pattern) if pattern else None
    limit = call.number("limit", 200, LIST_MAX)
    if which not in LISTS:
        raise ValueError(f"list: expected one of {', '.join(LISTS)}, got '{which[:30]}'")
    found = await _found(call, LISTS[which], matches)
    key = order(call.desk.book, newest=bool(call.arguments.get("newest")))
    first = await _first(found, key, limit)
    return {
        "total": len(found),
        "errors": call.desk.errors(),
        "alarms": [call.document(c, e) for c, e in first],
    }


async def _found(
    call: AlarmCall, belongs: Callable[[Entry, Rule], bool], matches: Callable[[str], bool] | None
) -> list[tuple[int, Entry]]:
    """Alarms shown that belong to a list; in a storm they are many, so the loop is let go now and then."""
    book, seen = call.desk.book, call.seeing()
    found = []
    shown = list(call.desk.shown)
    for start in range(0, len(shown), _STEP):
        for condition, entry in shown[start : start + _STEP]:
            if belongs(entry, book.rule(condition)) and seen(condition):
                if matches is None or matches(book.name(condition)):
                    found.append((condition, entry))
        await asyncio.sleep(0)
    return found


async def _first(found: list[tuple[int, Entry]], key: Callable[[int, Entry], Any], n: int) -> list[tuple[int, Entry]]:
    """The `n` that come first: the best of some are compared with the next, so that nobody waits for a long sort."""
    best: list[tuple[Any, int, Entry]] = []
    for start in range(0, len(found), _STEP):
        some = [(key(c, e), c, e) for c, e in found[start : start + _STEP]]
        best = heapq.nsmallest(n, best + some, key=itemgetter(0))
        await asyncio.sleep(0)
    return [(c, e) for _, c, e in best]


async def _ack(call: AlarmCall) -> Any:
    """Acknowledge what is shown of `what`: an event's id, or names by pattern. `reset`, `confirm`: that instead."""
    what = call.text("what").strip()
    if not what:
        raise ValueError("what: expected the id of an event (1/5/1234), or a pattern; '*' is every one")
    kind = call.text("action", "ack")
    wanted = list(_wanted(call, what, kind))
    if len(wanted) > ACTIONS_MAX:
        raise ValueError(f"{len(wanted):,} alarms match; at most {ACTIONS_MAX:,} at a time, so narrow the pattern")
    answers = await call.desk.act_all(wanted, call.by())
    refused = [{"name": n, "text": a.text} for (n, _), a in zip(wanted, answers, strict=True) if a is not None]
    done = [n for (n, _), a in zip(wanted, answers, strict=True) if a is None]
    return {"done": done, "refused": refused}


def _wanted(call: AlarmCall, what: str, kind: str) -> Iterator[tuple[str, Operator]]:
    """What was meant, as its person saw it: an occurrence that came later is not acknowledged unseen."""
    desk, make = call.desk, _ON_OCCURRENCE.get(kind)
    if make is None:
        raise ValueError(f"action: expected one of {', '.join(_ON_OCCURRENCE)}")
    if (event := EventId.parse(what)) is not None:
        if (found := desk.shown.by_event(event)) is None or not call.sees(found[0]):
            raise ValueError(f"event {event} is no alarm's present one; look at 'vigie alarms' again")
        condition, entry = found
        yield desk.book.name(condition), make(entry)
        return
    matches = matcher(what)
    any_matched = False
    for condition, entry in list(desk.shown):
        if matches(name := desk.book.name(condition)) and call.sees(condition):
            any_matched = True
            if _OPEN[kind](entry):
                yield name, make(entry)
    if not any_matched:
        raise ValueError(f"no alarm matches '{what[:100]}'; 'vigie alarms' shows those that stand")


_ON_OCCURRENCE: Final[dict[str, Callable[[Entry], Operator]]] = {
    "ack": lambda e: Acknowledge(e.live.state.occurrence_ns),
    "confirm": lambda e: Confirm(e.live.state.occurrence_ns),
    "reset": lambda _e: Reset(),
    "silence": lambda _e: Silence(),
}
_OPEN: Final[dict[str, Callable[[Entry], bool]]] = {
    "ack": lambda e: e.live.state.enabled and not e.live.state.acked,
    "confirm": lambda e: e.live.state.acked and not e.live.state.confirmed,
    "reset": lambda e: e.live.state.latched,
    "silence": lambda e: e.live.state.sounding,
}


async def _shelve(call: AlarmCall) -> Any:
    """Shelve `condition` for `seconds` (null: once, until it returns to normal) because of `note`."""
    seconds = call.arguments.get("seconds")
    if seconds is not None and (isinstance(seconds, bool) or not isinstance(seconds, int | float)):
        raise ValueError("seconds: expected a number or null")
    duration_ns = None if seconds is None else round(min(max(float(seconds), 0.0), 1e9) * NS_PER_S)
    return await _act(call, Shelve(duration_ns, call.note()))


async def _unshelve(call: AlarmCall) -> Any:
    return await _act(call, Unshelve())


async def _remove(call: AlarmCall) -> Any:
    """Out of service under `work_order`, to be reviewed in `days`."""
    review_ns = call.now_ns + call.number("days", 30, 366) * 86_400 * NS_PER_S
    return await _act(call, Remove(call.text("work_order"), review_ns))


async def _place(call: AlarmCall) -> Any:
    return await _act(call, Place())


async def _comment(call: AlarmCall) -> Any:
    name = call.condition()
    _refuse(await call.desk.comment(name, call.by()))
    return {"name": name}


async def _act(call: AlarmCall, event: Operator) -> Any:
    name = call.condition()
    _refuse(await call.desk.act(name, event, call.by()))
    condition = call.desk.book.find(name)
    entry = None if condition is None else call.desk.shown.entries.get(condition)
    until_ns = None if entry is None else entry.live.state.shelved_until_ns
    return {"name": name, "until": None if until_ns is None else iso(until_ns)}


def _refuse(answer: Refused | None) -> None:
    if answer is not None:
        raise ValueError(answer.text)


# --- the past ---------------------------------------------------------------------------------------------------------


async def _history(call: AlarmCall) -> Any:
    """The newest `limit` alarm records whose names match, oldest first.

    The name of one equipment or alarm is looked up, however long ago it was; a pattern is compared with the newest
    HISTORY_PAGES_MAX pages, and `complete` says whether that was all.
    """
    pattern, limit = call.text("pattern", ""), call.number("limit", 200, LIST_MAX)
    matches, subject = matcher(pattern), of_one(call.desk.book, pattern, call.sight)
    lines: list[Line] = []
    before: int | None = None
    whole = False
    for _ in range(HISTORY_PAGES_MAX):
        query = Query(kinds=_ALARMS, subject=subject, before=before, limit=_PAGE)
        found = await call.journal.query(query)
        lines += [line for line in reversed(found.entries) if _told(call, line, matches)]
        whole = not found.more
        if len(lines) >= limit or whole:
            break
        before = found.entries[0].position.sequence
    return {
        "complete": whole or len(lines) >= limit,
        "records": [_line(call.desk, line) for line in reversed(lines[:limit])],
    }


def _told(call: AlarmCall, line: Line, matches: Callable[[str], bool]) -> bool:
    return matches(line.record.subject) and call.sees_name(line.record.subject)


def _line(desk: AlarmDesk, line: Line) -> dict[str, Any]:
    record = line.record
    condition = desk.book.find(record.subject)
    model = None if condition is None else desk.book.block(condition).model
    return {
        "event": str(EventId(line.post, *line.position)),
        "time": iso(record.time_ns),
        "name": record.subject,
        "user": record.user,
        "what": str(record.data.get("what", "")),
        "text": {"fr": record.text, "en": record.text}
        if model is None
        else wording(model, record.subject, record.data.get("value")),
        "data": dict(record.data),
    }


ALARM_OPERATIONS: Final[dict[str, Callable[[AlarmCall], Awaitable[Any]]]] = {
    "alarms": _list,
    "ack": _ack,
    "shelve": _shelve,
    "unshelve": _unshelve,
    "alarm_remove": _remove,
    "alarm_place": _place,
    "alarm_comment": _comment,
    "alarm_history": _history,
    "alarm_report": report,
}
