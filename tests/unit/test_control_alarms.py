# SPDX-License-Identifier: Apache-2.0
"""What the control socket offers of the alarms: lists and their order, actions and their person, errors in words."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from config.model import Role
from supervisor.alarms.rules import RuleBook
from supervisor.control.alarm_call import AlarmCall
from supervisor.control.alarm_names import is_shown, matcher, resolve, seeing
from supervisor.control.alarm_view import document
from supervisor.control.alarms import ALARM_OPERATIONS
from supervisor.people import User
from supervisor.rights import Sight
from tests.desk import Post, story
from tests.sites import compiled, sennecey

ANNE = User("anne", Role.OPERATOR)
LEA = User("lea", Role.SUPERVISOR)


async def call(post: Post, operation: str, user: User = ANNE, **arguments: Any) -> Any:
    made = AlarmCall(post.desk, post.journal, user, "control uid 7", arguments, post.clock.wall_ns())
    return await ALARM_OPERATIONS[operation](made)


async def names(post: Post, which: str = "active", **arguments: Any) -> list[str]:
    answer = await call(post, "alarms", list=which, **arguments)
    assert answer["total"] == len(answer["alarms"])
    return [a["name"].partition("/")[2] for a in answer["alarms"]]


def told(tmp_path: Path, tell: Callable[[Post], Awaitable[None]]) -> None:
    """Two cabinets: the first has lost its supply (two alarms under it) and tripped; the second has a high voltage."""

    async def scene(post: Post) -> None:
        post.set("CAB-0001/Loss", 1)
        await post.scan()
        post.set("CAB-0001/V", 100)
        post.set("CAB-0001/Trip", 1)
        post.set("CAB-0002/V", 255)
        await post.scan()
        post.set("CAB-0001/V", 260)
        await post.scan()
        await tell(post)

    story(tmp_path, scene)


def test_lists_are_ordered_and_complete(tmp_path: Path) -> None:
    async def tell(post: Post) -> None:
        assert await names(post) == ["CAB-0001/Trip", "CAB-0001/Loss", "CAB-0002/V"], "what is held back is not here"
        assert await names(post, "suppressed") == ["CAB-0001/V"]
        assert await names(post, "all", pattern="CAB-0001") == ["CAB-0001/Trip", "CAB-0001/Loss", "CAB-0001/V"]
        assert await names(post, newest=True) == ["CAB-0001/Trip", "CAB-0002/V", "CAB-0001/Loss"]
        assert await names(post, pattern="V") == ["CAB-0002/V"] and await names(post, pattern="CAB-9*") == []
        assert await names(post, "out-of-service") == await names(post, "shelved") == []

    told(tmp_path, tell)


def test_an_alarm_says_all_that_its_line_needs(tmp_path: Path) -> None:
    async def tell(post: Post) -> None:
        (alarm,) = (await call(post, "alarms", pattern="CAB-0002/V"))["alarms"]
        said = {k: alarm[k] for k in ("priority", "state", "known", "value", "limit", "area", "equipment", "recorded")}
        assert said == {
            "priority": "P3", "state": "B", "known": True, "value": 255.0, "limit": 253.0, "area": "21000",
            "equipment": "CAB-0002", "recorded": True,
        }  # fmt: skip
        assert (alarm["text"], alarm["elapsed_s"], alarm["children"]) == ({"fr": "Tension", "en": "Voltage"}, 1.0, None)
        (loss,) = (await call(post, "alarms", pattern="Loss"))["alarms"]
        assert loss["children"]["suppressed"] == ["21000/CAB-0001/V"] and loss["value"] is True

    told(tmp_path, tell)


def test_acknowledging_by_event_by_name_and_by_pattern(tmp_path: Path) -> None:
    async def tell(post: Post) -> None:
        event = str(post.seen("CAB-0002/V").event)
        assert await call(post, "ack", what=event, note="vu") == {"done": ["21000/CAB-0002/V"], "refused": []}
        assert (post.seen("CAB-0002/V").acked_by, post.seen("CAB-0002/V").comment) == ("anne", "vu")
        answer = await call(post, "ack", what=event)
        assert answer["done"] == [] and "already acknowledged" in answer["refused"][0]["text"]
        assert (await call(post, "ack", what="CAB-0001/*"))["done"] == ["21000/CAB-0001/Loss", "21000/CAB-0001/Trip"]
        assert await call(post, "ack", what="*") == {"done": [], "refused": []}
        assert post.desk.counts().unacked == 0

    told(tmp_path, tell)


def test_what_came_up_after_somebody_looked_is_not_acknowledged_unseen(tmp_path: Path) -> None:
    async def tell(post: Post) -> None:
        event = str(post.seen("CAB-0002/V").event)
        post.set("CAB-0002/V", 270)
        await post.scan()
        with pytest.raises(ValueError, match="is no alarm's present one"):
            await call(post, "ack", what=event)
        assert (await call(post, "alarms", pattern="CAB-0002/V"))["alarms"][0]["priority"] == "P2"

    told(tmp_path, tell)


def test_latch_and_reset(tmp_path: Path) -> None:
    async def tell(post: Post) -> None:
        await call(post, "ack", what="Trip")
        answer = await call(post, "ack", what="Trip", action="reset")
        assert "still in alarm" in answer["refused"][0]["text"]
        post.set("CAB-0001/Trip", 0)
        await post.scan()
        assert "CAB-0001/Trip" in await names(post)
        assert (await call(post, "ack", what="Trip", action="reset"))["done"] == ["21000/CAB-0001/Trip"]
        assert "CAB-0001/Trip" not in await names(post)

    told(tmp_path, tell)


def test_shelving_of_what_stands_what_rests_and_what_is_protected(tmp_path: Path) -> None:
    async def tell(post: Post) -> None:
        answer = await call(post, "shelve", condition="CAB-0002/V", seconds=3600, note="travaux")
        assert answer["name"] == "21000/CAB-0002/V" and answer["until"]
        assert "CAB-0002/V" not in await names(post)
        await call(post, "shelve", condition="CAB-0003/V", seconds=None, note="travaux")
        (first, second) = (await call(post, "alarms", list="shelved"))["alarms"]
        assert (first["shelved_by"], second["one_shot"]) == ("anne", True)
        with pytest.raises(ValueError, match="this takes engineer, supervisor; anne is operator"):
            await call(post, "shelve", condition="CAB-0001/Trip", seconds=60, note="x")
        await call(post, "shelve", LEA, condition="CAB-0001/Trip", seconds=60, note="x")
        assert "CAB-0001/Trip" in await names(post), "a P1 is shown whatever lies over it"
        await call(post, "unshelve", condition="CAB-0002/V")
        assert "CAB-0002/V" in await names(post)
        with pytest.raises(ValueError, match="it is not shelved"):
            await call(post, "unshelve", condition="CAB-0002/V")

    told(tmp_path, tell)


def test_out_of_service_and_comments(tmp_path: Path) -> None:
    async def tell(post: Post) -> None:
        await call(post, "alarm_remove", LEA, condition="CAB-0002/V", work_order="OT 12", days=10)
        (alarm,) = (await call(post, "alarms", list="out-of-service"))["alarms"]
        assert (alarm["state"], alarm["work_order"]) == ("I", "OT 12")
        await call(post, "alarm_place", LEA, condition="CAB-0002/V")
        await call(post, "alarm_comment", condition="CAB-0002/V", note="vu sur place")
        assert post.seen("CAB-0002/V").comment == "vu sur place"

    told(tmp_path, tell)


def test_history_and_report(tmp_path: Path) -> None:
    async def tell(post: Post) -> None:
        await call(post, "ack", what="CAB-0002/V", note="vu")
        records = (await call(post, "alarm_history", pattern="CAB-0002/*"))["records"]
        assert [(r["what"], r["user"], r["text"]["fr"]) for r in records] == [
            ("alarm", "vigie", "Tension"),
            ("acknowledged", "anne", "Tension"),
        ]
        assert len((await call(post, "alarm_history", limit=2))["records"]) == 2
        report = await call(post, "alarm_report", hours=1)
        assert (report["annunciated"], report["complete"], report["stale_total"]) == (3, True, 0)
        assert report["top"][0]["text"] == {"fr": "Tension", "en": "Voltage"}
        assert [(a["name"], a["annunciated"], a["unmet"]) for a in report["areas"]] == [("21000", 3, [])]
        assert [(d["name"], d["annunciated"]) for d in report["desks"]] == [("", 3)]
        assert report["upsets"] == [] and report["unauthorised_total"] == 0

    told(tmp_path, tell)


def test_what_one_alarm_did_long_ago_is_found_and_a_pattern_says_where_it_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("supervisor.control.alarms._PAGE", 2)
    monkeypatch.setattr("supervisor.control.alarms.HISTORY_PAGES_MAX", 1)

    async def tell(post: Post) -> None:
        for voltage in (230, 255, 230, 255, 230):
            post.set("CAB-0002/V", voltage)
            await post.scan()
        for name in ("CAB-0001/Trip", "21000/CAB-0001/Trip"):
            answer = await call(post, "alarm_history", pattern=name)
            assert ([r["what"] for r in answer["records"]], answer["complete"]) == (["alarm"], True)
        answer = await call(post, "alarm_history", pattern="Trip")
        assert answer == {"complete": False, "records": []}, "said, not kept quiet"
        assert (await call(post, "alarm_history", pattern="CAB-0001"))["records"]
        assert (await call(post, "alarm_history", pattern="*", limit=1))["complete"]

    told(tmp_path, tell)


@pytest.mark.parametrize(
    ("operation", "arguments", "error"),
    [
        ("alarms", {"list": "open"}, "list: expected one of active, unacked, shelved"),
        ("alarms", {"pattern": "a/b/c/d"}, "expected <area>/<equipment>/<alarm>"),
        ("alarms", {"pattern": 7}, "pattern: expected a text"),
        ("alarms", {"limit": -1}, "limit: expected a whole number"),
        ("ack", {}, "what: expected a text"),
        ("ack", {"what": " "}, "what: expected the id of an event"),
        ("ack", {"what": "1/1/99999"}, "event 1/1/99999 is no alarm's present one"),
        ("ack", {"what": "CAB-0008/*"}, "no alarm matches 'CAB-0008/"),
        ("ack", {"what": "*", "action": "forget"}, "action: expected one of ack, confirm, reset, silence"),
        ("shelve", {"condition": "CAB-0002/V", "seconds": "1 h", "note": "x"}, "seconds: expected a number or null"),
        ("shelve", {"condition": "CAB-0002/V", "seconds": 90000, "note": "x"}, "expected more than 0 and up to 12 h"),
        ("shelve", {"condition": "CAB-0002/V", "seconds": 60, "note": " "}, "expected a reason"),
        ("shelve", {"condition": "CAB-0002/Vx", "seconds": 60}, "did you mean 'CAB-0002/V'?"),
        ("unshelve", {"condition": "XYZ/V"}, "no alarm 'XYZ/V'; expected <area>/<equipment>/<alarm>"),
        ("alarm_remove", {"condition": "CAB-0002/V", "work_order": "x"}, "this takes engineer, supervisor"),
        ("alarm_comment", {"condition": "CAB-0002/V"}, "expected a comment"),
        ("ack", {"what": "*", "note": "x" * 501}, "note: expected at most 500 characters, got 501"),
        ("shelve", {"condition": "CAB-0002/V", "seconds": 60, "note": "x" * 501}, "note: expected at most 500"),
        ("alarm_report", {"hours": True}, "hours: expected a whole number"),
    ],
)
def test_a_wrong_request_is_one_sentence(tmp_path: Path, operation: str, arguments: dict[str, Any], error: str) -> None:
    async def tell(post: Post) -> None:
        with pytest.raises(ValueError) as raised:
            await call(post, operation, **arguments)
        assert error in str(raised.value)

    told(tmp_path, tell)


def test_names_and_patterns(tmp_path: Path) -> None:
    name = "21605/CAB-0003/V1_limits"
    for pattern in (
        "",
        "*",
        "CAB-0003",
        "V1_*",
        "CAB-*/V1_limits",
        "21605/*/*",
        "*/V?_limits",
        name,
        "21605/CAB-0003/",
    ):
        assert matcher(pattern)(name), pattern
    for pattern in ("21605", "CAB-0003/V2*", "21606/*/*", "limits"):
        assert not matcher(pattern)(name), pattern

    async def tell(post: Post) -> None:
        book: RuleBook = post.desk.book
        sight = Sight(book.plant, LEA)
        assert resolve(book, "CAB-0001/V", sight) == resolve(book, "21000/CAB-0001/V", sight) == "21000/CAB-0001/V"

    told(tmp_path, tell)


def test_alarms_of_what_a_person_may_not_see_are_not_there(tmp_path: Path) -> None:
    abroad = User("ida", Role.SUPERVISOR, sees=frozenset({"21605"}))

    async def tell(post: Post) -> None:
        event = str(post.seen("CAB-0002/V").event)
        for which in ("active", "all", "suppressed"):
            assert (await call(post, "alarms", abroad, list=which))["total"] == 0
        for what in (event, "*", "CAB-0002/V"):
            with pytest.raises(ValueError, match=r"is no alarm's present one|no alarm matches"):
                await call(post, "ack", abroad, what=what)
        for name in ("CAB-0002/V", "21000/CAB-0002/V", "21000/CAB-0002/W"):
            with pytest.raises(ValueError) as refused:
                await call(post, "shelve", abroad, condition=name, seconds=3600, note="x")
            assert "did you mean" not in str(refused.value) and str(refused.value).startswith("no alarm '")
        assert (await call(post, "alarm_history", abroad))["records"] == []
        report = await call(post, "alarm_report", abroad)
        assert report["top"] == report["stale"] == [] and (await call(post, "alarm_report", LEA))["top"]
        assert post.desk.counts().unacked == 3

    told(tmp_path, tell)


THERE, ABROAD = (User(name, Role.VIEWER, sees=frozenset({area})) for name, area in (("ida", "21605"), ("eva", "21000")))


@pytest.mark.parametrize("user", [ANNE, LEA, THERE, ABROAD], ids=lambda u: u.name)
def test_what_is_there_for_a_person_is_the_same_asked_once_or_for_all(user: User) -> None:
    site = sennecey()
    book = RuleBook(compiled(site), {name: t.alarms for name, t in site.types.items()})
    sight = Sight(book.plant, user)
    seen = seeing(book, sight)
    each = [is_shown(book, c, sight) for c in range(book.count)]
    assert [seen(c) for c in range(book.count)] == each
    assert any(each) is (user is not ABROAD)


def test_in_a_storm_the_first_of_a_list_are_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The list is gone through in parts: whatever the parts, what is shown is the head of the whole."""

    async def tell(post: Post) -> None:
        for i in range(1, 30):
            post.set(f"CAB-{i:04d}/V", (230, 255, 270)[i % 3])
            post.set(f"CAB-{i:04d}/Trip", i % 7 == 0)
            await post.scan()
        whole = [a["name"] for a in (await call(post, "alarms", limit=1000))["alarms"]]
        assert len(whole) > 20
        for step, n in ((1, 5), (2, 1), (7, 10), (1000, 3)):
            monkeypatch.setattr("supervisor.control.alarms._STEP", step)
            answer = await call(post, "alarms", limit=n)
            assert ([a["name"] for a in answer["alarms"]], answer["total"]) == (whole[:n], len(whole))

    story(tmp_path, tell, 30)


def test_below_an_alarm_only_what_is_there_for_them_is_listed(tmp_path: Path) -> None:
    async def tell(post: Post) -> None:
        condition = post.desk.book.find("21000/CAB-0001/Loss")
        assert condition is not None
        entry = post.desk.shown.entries[condition]
        made = [
            document(post.desk, condition, entry, 0, sees)["children"] for sees in (lambda _: True, lambda _: False)
        ]
        assert made[0]["suppressed"] == ["21000/CAB-0001/V"]
        assert made[1] == {"suppressed": [], "unknown": 0, "standing": []}

    told(tmp_path, tell)
