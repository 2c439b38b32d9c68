# SPDX-License-Identifier: Apache-2.0
"""The alarm desk over a real journal: durable before shown, actions answered when recorded, restarts, a bad disk."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from config.model import Role
from config.words import StatusCode
from historian.base import Query, RecordKind, Row
from supervisor.alarms import writer as writer_module
from supervisor.alarms.events import Refused, Shelve
from supervisor.alarms.happening import By
from supervisor.alarms.pages import TABLE, read
from supervisor.alarms.rate import Rate
from supervisor.alarms.records import EventId
from supervisor.alarms.state import Isa
from supervisor.people import User
from tests.desk import ANNE, LEA, Post, S, story


def test_an_alarm_is_shown_with_the_event_its_record_got(tmp_path: Path) -> None:
    async def tell(post: Post) -> None:
        post.set("CAB-0002/V", 255)
        await post.scan()
        entry = post.seen("CAB-0002/V")
        (line,) = (await post.journal.query(Query(kinds=frozenset({RecordKind.ALARM})))).entries
        assert entry.event == EventId(line.post, *line.position) and post.desk.shown.recorded(entry)
        assert (line.record.subject, line.record.user) == ("21000/CAB-0002/V", "vigie")
        assert line.record.text == "alarm: Voltage (HIGH)"
        said = {k: line.record.data[k] for k in ("value", "limit", "priority", "before", "after", "announced")}
        assert said == {
            "value": 255.0,
            "limit": 253.0,
            "priority": "P3",
            "before": "A",
            "after": "B",
            "announced": True,
        }
        counts = post.desk.counts()
        assert (counts.active, counts.unacked, counts.unevaluable, post.desk.annunciated()) == (1, 1, 0, 1)
        post.set("V", 230)
        await post.scan()
        assert await post.ack("CAB-0002/V") is None
        assert post.desk.counts().active == post.desk.counts().unacked == 0 and not post.desk.shown.entries
        assert await post.journal.rows(TABLE) == []

    story(tmp_path, tell)


def test_nothing_is_shown_before_it_is_on_the_disk(tmp_path: Path) -> None:
    async def tell(post: Post) -> None:
        post.disk.slow.clear()
        post.set("V", 255)
        await post.scan()
        await asyncio.sleep(1.0)
        assert not post.desk.shown.entries and post.desk.counts().active == 0
        post.disk.slow.set()
        await post.settle()
        assert len(post.desk.shown.entries) == 3 and not post.desk.errors()

    story(tmp_path, tell)


def test_doors_are_told_what_is_shown_and_where_it_stands(tmp_path: Path) -> None:
    """Unrecorded, then once more with its ids; a comment is told with the id of its own record."""

    async def tell(post: Post) -> None:
        heard: list[tuple[list[str], list[Any], int | None]] = []
        post.desk.writer.told.append(
            lambda batch, values, events: heard.append(
                ([h.name for h in batch.happenings], list(values), None if events is None else len(events))
            )
        )
        post.disk.refuses = True
        post.set("CAB-0001/V", 255)
        await post.scan()
        await post.settle()
        post.disk.refuses = False
        await asyncio.sleep(writer_module.RETRY_S + 1)
        await post.desk.comment("21000/CAB-0001/V", ANNE)
        one = ["21000/CAB-0001/V"]
        assert heard == [(one, [255.0], None), (one, [255.0], 1), ([], [], 1)]

    story(tmp_path, tell)


def test_a_disk_that_hangs_does_not_blind_the_operator(tmp_path: Path) -> None:
    async def tell(post: Post) -> None:
        post.disk.slow.clear()
        post.set("CAB-0001/V", 255)
        await post.scan()
        await asyncio.sleep(writer_module.LATE_S + 0.5)
        entry = post.seen("CAB-0001/V")
        assert not post.desk.shown.recorded(entry) and entry.event is None
        assert "shown without being recorded" in post.desk.errors()[0]
        post.set("CAB-0002/V", 255)
        await post.scan()
        await asyncio.sleep(0.5)
        assert post.state("CAB-0002/V") is Isa.UNACK, "what comes later is shown too"
        post.disk.slow.set()
        await post.settle()
        await post.scan()
        for name in ("CAB-0001/V", "CAB-0002/V"):
            assert post.desk.shown.recorded(post.seen(name)) and post.seen(name).event is not None
        assert post.desk.errors() == [] and (await post.told()) == ["CAB-0001/V alarm", "CAB-0002/V alarm"]

    story(tmp_path, tell)


def test_a_disk_that_refuses_shows_marks_refuses_actions_and_catches_up(tmp_path: Path) -> None:
    async def tell(post: Post) -> None:
        post.set("CAB-0001/V", 255)
        await post.scan()
        post.disk.refuses = True
        post.set("CAB-0002/V", 255)
        await post.scan()
        assert post.state("CAB-0002/V") is Isa.UNACK and not post.desk.shown.recorded(post.seen("CAB-0002/V"))
        assert "no space left" in post.desk.errors()[0]
        answer = await post.ack("CAB-0001/V")
        assert isinstance(answer, Refused) and answer.text.startswith("nothing was done")
        post.set("V", 230)
        for _ in range(3):
            await post.scan()
        assert post.state("CAB-0001/V") is Isa.RTNUN, "what is shown stays the present"
        shown: list[Isa] = []
        post.desk.writer.told.append(lambda *_: shown.append(post.state("CAB-0002/V")))
        post.disk.refuses = False
        await asyncio.sleep(writer_module.RETRY_S + 1)
        await post.settle()
        assert len(shown) == 2 and set(shown) == {Isa.RTNUN}, "an older batch that is written at last shows nothing old"
        assert post.desk.errors() == []
        assert await post.told() == [
            "CAB-0001/V alarm",
            "CAB-0002/V alarm",
            "CAB-0001/V returned",
            "CAB-0002/V returned",
        ]
        assert post.state("CAB-0002/V") is Isa.RTNUN and post.desk.shown.recorded(post.seen("CAB-0002/V"))
        assert await post.ack("CAB-0002/V") is None

    story(tmp_path, tell)


def test_an_action_whose_record_fails_says_that_it_may_be_lost(tmp_path: Path) -> None:
    async def tell(post: Post) -> None:
        post.set("CAB-0001/V", 255)
        await post.scan()
        post.disk.refuses = True
        answer = await post.ack("CAB-0001/V")
        assert isinstance(answer, Refused) and "may be lost" in answer.text
        post.disk.refuses = False
        await asyncio.sleep(writer_module.RETRY_S + 1)
        assert (await post.told())[-1] == "CAB-0001/V acknowledged"

    story(tmp_path, tell)


def test_what_is_owed_is_bounded_and_states_are_never_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "OWED_MAX", 10)

    async def tell(post: Post) -> None:
        post.disk.refuses = True
        for i in range(20):
            post.set("V", 255 if i % 2 == 0 else 230)
            await post.scan()
        post.set("V", 255)
        await post.scan()
        assert post.desk.writer.waiting <= 13 and post.desk.writer.lost > 30
        assert "records were given up" in post.desk.errors()[1]
        post.disk.refuses = False
        await asyncio.sleep(writer_module.RETRY_S + 1)
        await post.close()
        await post.open()
        assert [post.state(f"CAB-000{i}/V") for i in (1, 2, 3)] == [Isa.UNACK] * 3

    story(tmp_path, tell)


def test_what_the_disk_is_writing_just_now_is_never_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that hangs and comes back: what it was asked to write stands there, each event with its own record."""
    monkeypatch.setattr(writer_module, "OWED_MAX", 2)

    async def tell(post: Post) -> None:
        post.disk.slow.clear()
        post.set("V", 255)
        await post.scan()
        await asyncio.sleep(writer_module.LATE_S + 0.5)
        assert post.state("CAB-0003/V") is Isa.UNACK, "shown, and under way"
        for volts in (230, 255, 230):
            post.set("V", volts)
            await post.scan()
        post.disk.slow.set()
        await post.settle()
        told = await post.told()
        assert told[:3] == [f"CAB-000{i}/V alarm" for i in (1, 2, 3)]
        assert post.desk.writer.lost == 12 - len(told) > 0, "what is counted as lost is what is not there"
        # Their present occurrence is the third batch's, whose record was given up; none shows another's.
        found = await post.journal.query(Query(limit=100))
        subject = {(e.position.epoch, e.position.sequence): e.record.subject for e in found.entries}
        for condition, entry in post.desk.shown:
            if entry.event is not None:
                at = (entry.event.epoch, entry.event.sequence)
                assert subject[at] == post.desk.book.name(condition)

    story(tmp_path, tell)


def test_actions_are_recorded_with_their_person_and_seen_on_the_list(tmp_path: Path) -> None:
    async def tell(post: Post) -> None:
        post.set("V", 255)
        await post.scan()
        assert await post.ack("CAB-0001/V") is None
        again = await post.ack("CAB-0001/V")
        assert again is not None and again.code is StatusCode.BadConditionBranchAlreadyAcked
        assert await post.act("CAB-0002/V", Shelve(3600 * S, "travaux"), LEA) is None
        assert await post.desk.comment("21000/CAB-0003/V", ANNE) is None
        assert post.seen("CAB-0001/V").acked_by == "anne" and post.seen("CAB-0001/V").comment == "vu"
        assert (post.state("CAB-0002/V"), post.seen("CAB-0002/V").shelved_by) == (Isa.SHLVD, "lea")
        assert post.seen("CAB-0003/V").comment == "vu"
        lines = (await post.journal.query(Query(person="anne"))).entries
        assert [e.record.data["what"] for e in lines] == ["acknowledged", "comment"]
        assert (lines[0].record.data["terminal"], lines[0].record.data["comment"]) == ("desk 1", "vu")
        eve = By(User("eve", Role.VIEWER), "desk 3", "x")
        for answer in (await post.ack("CAB-0003/V", eve), await post.desk.comment("21000/CAB-0003/V", eve)):
            assert answer is not None and answer.code is StatusCode.BadUserAccessDenied
        nobody = await post.desk.comment("21000/CAB-0009/V", ANNE)
        assert nobody is not None and nobody.code is StatusCode.BadNodeIdUnknown

    story(tmp_path, tell)


def test_a_restart_forgets_nothing_and_repeats_nothing(tmp_path: Path) -> None:
    async def tell(post: Post) -> None:
        post.set("V", 255)
        post.set("CAB-0003/Trip", 1)
        await post.scan()
        await post.ack("CAB-0001/V")
        await post.act("CAB-0002/V", Shelve(3600 * S, "travaux"), LEA)
        before = {c: (e.live, e.event, e.acked_by, e.shelved_by, e.value) for c, e in post.desk.shown}
        told = await post.told()
        counts = post.desk.counts()
        await post.close()
        await asyncio.sleep(60)
        await post.open()
        after = {c: (e.live, e.event, e.acked_by, e.shelved_by, e.value) for c, e in post.desk.shown}
        assert after == before and post.desk.annunciated() == 4
        post.set("V", 255)
        post.set("CAB-0003/Trip", 1)
        for _ in range(15):
            await post.scan()
        assert await post.told() == told, "nothing is announced, acknowledged or recorded twice"
        assert post.desk.counts() == counts
        event = post.seen("CAB-0003/Trip").event
        assert event is not None and post.desk.shown.by_event(event) is not None
        await asyncio.sleep(3600)
        await post.scan()
        assert (await post.told())[-1] == "CAB-0002/V shelving expired", "at the end it was given, not later"

    story(tmp_path, tell)


def test_a_restart_looks_only_for_what_people_did(tmp_path: Path) -> None:
    """However long the journal is: events, values and the rate lie beside the conditions."""

    async def tell(post: Post) -> None:
        post.set("V", 255)
        await post.scan()
        await post.ack("CAB-0001/V")
        assert await post.desk.comment("21000/CAB-0002/V", ANNE) is None
        for _ in range(200):
            post.set("CAB-0003/V", 230)
            await post.scan(60)
            post.set("CAB-0003/V", 255)
            await post.scan(60)
        rate = post.desk.annunciated()
        await post.close()
        await post.open()
        assert post.disk.asked == ["21000/CAB-0001/V", "21000/CAB-0002/V"]
        assert (post.seen("CAB-0001/V").acked_by, post.seen("CAB-0002/V").comment) == ("anne", "vu")
        assert post.seen("CAB-0003/V").event is not None and post.seen("CAB-0003/V").value == 255
        (acked,) = post.seen("CAB-0001/V").later
        entry = (await post.journal.query(Query(before=acked.sequence + 1, limit=1))).entries[0]
        assert (entry.record.subject, entry.record.data["what"]) == ("21000/CAB-0001/V", "acknowledged")
        assert post.desk.annunciated() == rate == 5

    story(tmp_path, tell)


def test_a_renamed_cabinet_keeps_its_alarm_and_a_vanished_one_is_told(tmp_path: Path) -> None:
    async def tell(post: Post) -> None:
        post.set("V", 255)
        await post.scan()
        await post.close()
        names = ["21000/CAB-0007", "21000/CAB-0002"]
        await post.open(names, {"21000/CAB-0001": "21000/CAB-0007"})
        assert post.state("CAB-0007/V") is Isa.UNACK
        await post.settle()
        post.set("V", 255)
        await post.scan()
        assert (await post.told())[-1] == "CAB-0003/V closed"
        assert set(read(await post.journal.rows(TABLE)).lives) == {"21000/CAB-0002/V", "21000/CAB-0007/V"}
        assert "1 are no more" in post.desk.found

    story(tmp_path, tell)


def test_a_damaged_row_is_told_and_evaluated_anew(tmp_path: Path) -> None:
    async def tell(post: Post) -> None:
        await post.journal.append_with([], [Row(TABLE, b"21000/CAB-0001/V", b"[2,2]")])
        await post.close()
        await post.open()
        await post.settle()
        assert await post.told() == ["CAB-0001/V closed"] and await post.journal.rows(TABLE) == []

    story(tmp_path, tell)


def test_a_scan_heavier_than_a_transaction_is_written_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "WEIGHT_MAX", 8)

    async def tell(post: Post) -> None:
        post.disk.appends.clear()  # what a start writes down of its settings
        post.set("V", 255)
        await post.scan()
        assert post.disk.appends == [4, 4, 2]
        assert len(post.desk.shown.entries) == 10 == len(read(await post.journal.rows(TABLE)).lives)
        assert all(post.desk.shown.recorded(e) and e.event for _, e in post.desk.shown)

    story(tmp_path, tell, n=10)


def test_event_ids_are_read_as_written() -> None:
    assert EventId.parse(str(EventId(1, 5, 1234))) == EventId(1, 5, 1234)
    for text in ("", "1/5", "21605/CAB-0001/V", "1/5/x", "1/5/-2", "1/5/" + "9" * 30, "1/²/3"):
        assert EventId.parse(text) is None


def test_rate_of_the_last_ten_minutes() -> None:
    rate = Rate()
    t0 = 1_750_000_000 * S
    rate.count(2, t0)
    rate.count(3, t0 + 300 * S)
    assert [rate.last(t0 + s * S) for s in (300, 599, 601, 950)] == [5, 5, 3, 0]
    rate.count(4, t0 + 10_000 * S)
    assert rate.last(t0 + 1000 * S) == 0, "a clock that was set back by hours keeps nothing for hours"


def test_an_event_id_as_bytes_and_back() -> None:
    event = EventId(1, 5, 2**40)
    assert bytes(event).hex() == "00000001000000050000010000000000"
    assert EventId.of_bytes(bytes(event)) == event
    assert EventId.of_bytes(b"another server's") is not None  # 16 bytes are an id, known or not
    assert EventId.of_bytes(b"short") is None
