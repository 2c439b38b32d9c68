# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_control_alarm_report.py
"""The report on the alarm system: the journal's records of a time, read page by page and counted, and what stands now.

Law of this file: gathers and names; what is counted how is in `supervisor.alarms` (report, load, hiding, targets). Only
what is there for who asks is counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import compress
from typing import Final

from config.words import NS_PER_S
from historian.base import Entry as Line
from historian.base import Query, RecordKind, Run
from supervisor.alarms.hiding import Hiding
from supervisor.alarms.load import Document
from supervisor.alarms.report import Tally
from supervisor.alarms.rules import RuleBlock, RuleBook
from supervisor.alarms.settings import WHAT as SETTING
from supervisor.alarms.shown import Entry
from supervisor.alarms.targets import measures, shares
from supervisor.commands.values import iso
from supervisor.control.alarm_call import LIST_MAX, AlarmCall
from supervisor.control.alarm_view import LISTS

REPORT_DAYS_MAX: Final = 400
REPORT_RECORDS_MAX: Final = 1_000_000
STALE_NS: Final = 24 * 3600 * NS_PER_S
_PAGE: Final = 5000
_ALARMS: Final = frozenset({RecordKind.ALARM})


async def report(call: AlarmCall) -> Document:
    """How the alarm system did in the last `hours`: for the plant, each desk and each area, beside the targets."""
    hours = max(1, call.number("hours", 24, REPORT_DAYS_MAX * 24))
    from_ns, book = call.now_ns - hours * 3600 * NS_PER_S, call.desk.book
    tally = Tally(from_ns, call.now_ns)
    hiding = Hiding(from_ns, call.now_ns, lambda name: _longest(book, name))
    async with call.desk.counting.turn() as off_loop:
        whole = await _read(call, tally, hiding, off_loop)
        old = _old(call)
        made = {"from": iso(from_ns), "until": iso(call.now_ns), "complete": whole, "hidden": _hidden(call)}
        made |= {"stale_total": len(old), "stale": _oldest(call, old)} | await _settings(call, from_ns)
        return await off_loop(lambda: _finished(call, tally, made | hiding.document(), [c for c, _ in old]))


async def _read(call: AlarmCall, tally: Tally, hiding: Hiding, off_loop: Run) -> bool:
    """Count the records of the time, the newest first. False: there are more than REPORT_RECORDS_MAX."""
    before: int | None = None
    while tally.records < REPORT_RECORDS_MAX:
        found = await call.journal.query(Query(tally.from_ns, call.now_ns, _ALARMS, before=before, limit=_PAGE))

        def count(entries: list[Line] = found.entries) -> None:
            records = [line.record for line in entries if call.sees_name(line.record.subject)]
            tally.add(records)
            hiding.add(records)

        await off_loop(count)
        if not found.more:
            return True
        before = found.entries[0].position.sequence
    return False


def _finished(call: AlarmCall, tally: Tally, made: Document, old: list[int]) -> Document:
    """All that follows from what was counted; off the loop, so of the plant and its rules only."""
    book = call.desk.book
    made |= tally.document(lambda name: _is_head(book, name))
    for line in (*made["top"], *made["chattering"], *made["fleeting"], *made["upsets"]):
        line["text"] = _text(book, line["name"])
    names = [book.name(c) for c in old]
    made["desks"] = _shared(tally, lambda name: _desk(book, name), names)
    made["areas"] = _shared(tally, _area, names)
    for area in made["areas"]:
        known = book.plant.areas.get(area["name"])
        area["title"] = area["name"] if known is None else known.title
    return made | {"measures": measures(made), "shares": shares(_configured(call), made["priorities"])}


def _old(call: AlarmCall) -> list[tuple[int, Entry]]:
    """What has stood before the operators for more than a day."""
    book, seen = call.desk.book, call.seeing()
    return [
        (c, e)
        for c, e in list(call.desk.shown)
        if call.now_ns - e.live.state.raised_ns > STALE_NS and LISTS["active"](e, book.rule(c)) and seen(c)
    ]


async def _settings(call: AlarmCall, from_ns: int) -> Document:
    """Rules whose settings were changed, as the starts in that time found them."""
    query = Query(from_ns, call.now_ns, frozenset({RecordKind.CONFIG}), limit=_PAGE)
    found = [e.record for e in (await call.journal.query(query)).entries if e.record.data.get("what") == SETTING]
    told = [{"time": iso(record.time_ns), "text": record.text} for record in found[-LIST_MAX:]]
    return {"settings": told, "settings_total": len(found)}


def _oldest(call: AlarmCall, old: list[tuple[int, Entry]]) -> list[Document]:
    first = sorted(old, key=lambda s: s[1].live.state.raised_ns)[:LIST_MAX]
    return [call.document(c, e) for c, e in first]


def _shared(tally: Tally, whose: Callable[[str], str], old: list[str]) -> list[Document]:
    """The load of each owner beside the targets, which are for one desk; the heaviest first."""
    stale = Counter(map(whose, old))
    made = []
    for name, load in tally.shared(whose).items():
        whole = load | {"name": name, "stale_total": stale[name]}
        unmet = [m["name"] for m in measures(whole) if m["met"] == "no"]
        made.append({k: v for k, v in whole.items() if k not in ("tens", "hours", "floods")} | {"unmet": unmet})
    return sorted(made, key=lambda m: (-m["annunciated"], m["name"]))


def _hidden(call: AlarmCall) -> Document:
    """What people hide now: how many of each, and what is out of service past the day of its review."""
    counted: Counter[str] = Counter()
    overdue, seen = [], call.seeing()
    for condition, entry in list(call.desk.shown):
        state = entry.live.state
        if not (state.shelved or state.out_of_service or not state.enabled) or not seen(condition):
            continue
        counted["shelved"] += state.shelved
        counted["out of service"] += state.out_of_service
        counted["disabled"] += not state.enabled
        if state.review_ns is not None and state.review_ns < call.now_ns:
            overdue.append({"name": call.desk.book.name(condition), "review": iso(state.review_ns),
                            "work_order": state.work_order})  # fmt: skip
    now = {what: counted[what] for what in ("shelved", "out of service", "disabled")}
    return {"now": now, "overdue": sorted(overdue, key=lambda o: (o["review"], o["name"]))[:LIST_MAX],
            "overdue_total": len(overdue)}  # fmt: skip


def _block(book: RuleBook, name: str) -> RuleBlock | None:
    condition = book.find(name)
    return None if condition is None else book.block(condition)


def _longest(book: RuleBook, name: str) -> int | None:
    return None if (block := _block(book, name)) is None else block.rule.shelving_max_ns


def _is_head(book: RuleBook, name: str) -> bool:
    return (block := _block(book, name)) is not None and block.model.is_feeder


def _desk(book: RuleBook, name: str) -> str:
    return "" if (block := _block(book, name)) is None else block.model.owner_desk or ""


def _area(name: str) -> str:
    return name.partition("/")[0]


def _text(book: RuleBook, name: str) -> dict[str, str] | None:
    if (block := _block(book, name)) is None:
        return None
    return {"fr": block.model.text.fr, "en": block.model.text.en}


def _configured(call: AlarmCall) -> dict[str, int]:
    """Rules in force of equipment that this person sees, by priority."""
    counted: Counter[str] = Counter()
    seen = call.seeing()
    for block in call.desk.book.blocks:
        conditions = range(block.conditions.start, block.conditions.stop)
        counted[block.rule.priority.value] += sum(map(seen, compress(conditions, block.in_force.tolist())))
    return dict(counted)
