# SPDX-License-Identifier: Apache-2.0
"""Conditions in pages: a storm is few rows, a plant laid out anew finds everything, a restart looks not back."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from config.model import AlarmRule
from historian.base import Row
from supervisor.alarms.events import Log, What
from supervisor.alarms.happening import Happening
from supervisor.alarms.pages import PAGE, TABLE, Mark, Pages, key_of, read
from supervisor.alarms.rows import Live
from supervisor.alarms.rules import RuleBook
from supervisor.alarms.state import Isa, State
from tests.desk import ANNE, RULES, TAGS, TEXT, Post, story
from tests.plants import TypeSpec, make_plant, tag

RAISED = Live(State(process=True, acked=False, occurrence_ns=5), 7)
AGAIN = Live(State(process=True, acked=False, occurrence_ns=9), 8, True)


def book(names: list[str]) -> RuleBook:
    plant = make_plant({"CAB": TypeSpec({t: tag(k) for t, k in TAGS.items()})}, {"CAB": names})
    return RuleBook(plant, {"CAB": {n: AlarmRule.model_validate({"text": TEXT} | rule) for n, rule in RULES.items()}})


def cabinets(n: int, first: int = 1) -> list[str]:
    return [f"21000/CAB-{i:04d}" for i in range(first, first + n)]


def kept(table: dict[bytes, bytes], rows: list[Row]) -> dict[bytes, bytes]:
    for row in rows:
        table.pop(row.key, None)
        if row.payload is not None:
            table[row.key] = row.payload
    return table


def written(pages: Pages, lives: Mapping[int, Live | None]) -> list[Row]:
    return pages.rows(pages.take(lives))


def test_a_storm_is_a_row_for_each_page_and_a_change_is_one() -> None:
    pages = Pages(book(cabinets(1000)))
    storm = written(pages, dict.fromkeys(range(3000), RAISED))
    assert [row.key for row in storm] == [key_of(n) for n in range(-(-3000 // PAGE))]
    assert max(len(row.payload or b"") for row in storm) < 64 * PAGE, "a shared state is told once"
    (row,) = written(pages, {700: AGAIN})
    assert row.key == key_of(700 // PAGE)
    assert read([(row.key, row.payload or b"")]).lives[pages._book.name(700)] == AGAIN
    (row,) = written(pages, dict.fromkeys(range(PAGE)))
    assert row.payload is None, "nothing in it that is not at rest"


def test_what_could_not_be_written_is_taken_again() -> None:
    pages = Pages(book(cabinets(2)))
    written(pages, {1: RAISED})  # the disk refused
    touched = pages.take({1: RAISED}) | pages.take({1: None, 2: AGAIN})
    (row,) = pages.rows(touched)
    assert list(read([(row.key, row.payload or b"")]).lives.values()) == [AGAIN]


def test_a_plant_laid_out_anew_finds_its_conditions_and_the_table_is_set_right() -> None:
    old, new = book(cabinets(300)), book(cabinets(301, first=0))  # one inserted before all others
    table = kept({}, written(Pages(old), dict.fromkeys(range(900), RAISED)))
    found = read(table.items())
    living = {new.find(name): live for name, live in found.lives.items()}
    assert None not in living and len(living) == 900
    pages = Pages(new)
    lives, stale = pages.begin({c: live for c, live in living.items() if c is not None}, found)
    assert len(lives) == 900 and set(stale) == set(table)
    kept(table, [*(Row(TABLE, key, None) for key in stale), *written(pages, lives)])
    again = read(table.items())
    assert again.lives == found.lives
    assert Pages(new).begin({c: live for c, live in living.items() if c is not None}, again) == ({}, [])


def test_damaged_pages_are_told_and_the_others_read() -> None:
    good = written(Pages(book(cabinets(1))), {0: RAISED})[0]
    payload = good.payload or b""
    bad = [b"", b"[]", b"{", b"[9,[],[],[],[],[]]", payload[:-1], payload.replace(b"[0]", b"[7]", 1), b"\xff", b"5"]
    stored = read([*((key_of(n + 1), each) for n, each in enumerate(bad)), (good.key, payload)])
    assert stored.damaged == [f"#{n + 1}" for n in range(len(bad))]
    assert len(stored.lives) == 1 and len(stored.names) == len(bad) + 1


def test_a_page_tells_where_the_record_of_an_occurrence_stands(tmp_path: Path) -> None:
    async def tell(post: Post) -> None:
        post.set("V", 255)
        await post.scan()
        await post.ack("CAB-0001/V")
        assert await post.desk.comment("21000/CAB-0002/V", ANNE) is None
        marks = read(await post.journal.rows(TABLE)).marks
        shown = {post.desk.book.name(c): entry for c, entry in post.desk.shown}
        assert {name: mark.event for name, mark in marks.items()} == {n: e.event for n, e in shown.items()}
        assert {mark.value for mark in marks.values()} == {255.0}
        assert [name for name, mark in marks.items() if mark.touched] == ["21000/CAB-0001/V", "21000/CAB-0002/V"]
        post.set("CAB-0001/V", 230)  # acknowledged: at rest, and what was known of it is forgotten
        await post.scan()
        post.set("CAB-0001/V", 255)
        await post.scan()
        mark = read(await post.journal.rows(TABLE)).marks["21000/CAB-0001/V"]
        assert (mark.touched, mark.event) == (False, post.seen("CAB-0001/V").event)

    story(tmp_path, tell)


@pytest.mark.parametrize("announced", [True, False])
def test_an_event_of_an_attempt_that_was_refused_is_given_anew(announced: bool) -> None:
    known = book(cabinets(1))
    pages, log = Pages(known), Log(What.SUPPRESSED, Isa.NORM, Isa.DSUPR, True)
    h = Happening(0, known.name(0), known.block(0).rule, 5, 5, log, RAISED.state, announced, False)
    for first in ((1, 1, 7), (1, 1, 9)):
        pages.attempt()
        pages.take({0: RAISED})
        pages.tell([h], [1.0], first)
    pages.written()
    assert pages.mark(0) == Mark((1, 1, 9), (), 1.0, False)
    for first in ((1, 1, 20), (1, 1, 30)):
        pages.attempt()
        pages.take({0: RAISED})
        pages.tell([h._replace(announced=False)], [2.0], first)
    assert pages.mark(0) == Mark((1, 1, 9), ((1, 1, 30),), 2.0, False), "an occurrence keeps the event it has"
