# SPDX-License-Identifier: Apache-2.0
"""The journal through the control door: what a name means, what is refused, what is withheld."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from config.model import Role
from historian.base import Entry, JournalFull, Position, Query, Record, RecordKind
from supervisor.control.logbook import entry_document, meant, note_of, query_of
from supervisor.control.operations import Refused, carry_out
from supervisor.people import User
from supervisor.rights import Sight
from tests.plants import TypeSpec, make_plant, tag
from tests.post import ANNE, EVE, LEA, Post, plant, with_post
from tests.unit.test_control import server_of

SUPERVISOR = User("sam", Role.SUPERVISOR)
SIGHT = Sight(plant(), ANNE)


@pytest.mark.parametrize(
    ("name", "subject"),
    [
        ("", ""),
        ("21605", "21605"),
        ("/21605/", "21605"),
        ("CAB-0001", "21605/CAB-0001"),
        ("CAB-0001/Level", "21605/CAB-0001/Level"),
        ("21605/CAB-0001/Level", "21605/CAB-0001/Level"),
        ("21605/CAB-9999", "21605/CAB-9999"),
        ("CAB-9999", "CAB-9999"),
    ],
)
def test_a_name_means_what_a_person_means(name: str, subject: str) -> None:
    assert meant(SIGHT, name) == subject


def test_a_name_that_means_several_is_refused() -> None:
    made = make_plant({"CAB": TypeSpec({"V1": tag("Float")})}, {"CAB": ["21605/CAB-0001", "21231/CAB-0001"]})
    with pytest.raises(
        ValueError, match=r"'CAB-0001' is one of 2: 2\d+/CAB-0001, 2\d+/CAB-0001; name it with its area"
    ):
        meant(Sight(made, LEA), "CAB-0001/V1")
    here = Sight(made, User("u", Role.OPERATOR, sees=frozenset({"21231"})))
    assert meant(here, "CAB-0001/V1") == "21231/CAB-0001/V1", "of those that are there for who asks it is one"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"kinds": "note"}, "kinds: expected a list of command, verdict"),
        ({"kinds": ["notes"]}, "kinds: expected some of .* got 'notes'"),
        ({"kinds": [7]}, "kinds: expected some of"),
        ({"from_ns": "today"}, "from_ns: expected a whole number or null"),
        ({"until_ns": 1.5}, "until_ns: expected a whole number"),
        ({"before": True}, "before: expected a whole number"),
        ({"from_ns": 2**70}, "from: expected a number within 64 bits"),
        ({"subject": 5}, "subject: expected a text"),
        ({"subject": "x" * 300}, "subject: expected at most 256"),
        ({"person": None}, "person: expected a text"),
        ({"tag": "x"}, "unknown argument 'tag'"),
    ],
)
def test_a_wrong_query_is_one_sentence(arguments: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        query_of(arguments, SIGHT, 10)


def test_a_query_is_taken_as_it_is_meant() -> None:
    arguments = {
        "op": "journal",
        "n": 7,
        "subject": "CAB-0001",
        "kinds": ["note", "alarm"],
        "from_ns": 5,
        "person": "x",
    }
    kinds = frozenset({RecordKind.NOTE, RecordKind.ALARM})
    assert query_of(arguments, SIGHT, 7) == Query(5, None, kinds, "21605/CAB-0001", "x", None, 7)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({}, r"text: expected 1\.\.2,000 characters, got 0"),
        ({"text": "  \n"}, "text: expected"),
        ({"text": "x" * 2001}, "got 2,001"),
        ({"text": ["x"]}, "text: expected a text"),
        (
            {"text": "x", "subject": "21605/CAB-0001/Lvl"},
            "no area, equipment or tag .* did you mean '21605/CAB-0001/Level'",
        ),
        ({"text": "x", "subject": "99999"}, "no area, equipment or tag '99999'"),
    ],
)
def test_a_wrong_note_is_one_sentence(arguments: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        note_of(arguments, SIGHT, "control", 1)


def test_what_is_said_of_a_personal_tag_is_withheld() -> None:
    tags = {"Plate": dataclasses.replace(tag("String"), personal=True), "V1": tag("Float")}
    made = make_plant({"CAM": TypeSpec(tags)}, {"CAM": ["21605/CAM-0001"]})
    for user, subject, text in (
        (ANNE, "21605/CAM-0001/Plate", "(personal data)"),
        (SUPERVISOR, "21605/CAM-0001/Plate", "AB-123-CD"),
        (ANNE, "21605/CAM-0001/V1", "AB-123-CD"),
    ):
        entry = Entry(
            Position(1, 2), Record(5, RecordKind.ALARM, "vigie", subject, "AB-123-CD", {"plate": "AB-123-CD"})
        )
        document = entry_document(entry, made, user)
        assert document["text"] == text
        assert ("AB-123-CD" in str(document["data"])) == (text == "AB-123-CD")


def test_notes_and_queries_through_the_table_of_operations(tmp_path: Path) -> None:
    async def scenario(post: Post) -> None:
        server = server_of(post)

        async def ask(user: User, op: str, **arguments: Any) -> Any:
            return await carry_out(server, user, "control test", {"op": op, **arguments})

        for user in (ANNE, LEA):
            made = await ask(user, "note", text=f"of {user.name}\nsecond line", subject="CAB-0002")
            assert made["subject"] == "21605/CAB-0002"
        with pytest.raises(Refused, match="may not note"):
            await ask(EVE, "note", text="x")
        with pytest.raises(Refused, match="text: expected"):
            await ask(ANNE, "note", text="")
        found = await ask(ANNE, "journal", subject="21605", kinds=["note"])
        assert [e["text"] for e in found["entries"]] == ["of anne\nsecond line", "of lea\nsecond line"]
        assert found["entries"][0]["data"] == {"origin": "control test"}
        assert found["more"] is False
        assert (await ask(ANNE, "journal", n=1))["more"] is True
        assert (await ask(ANNE, "journal", n=0))["entries"] == []
        assert [e["user"] for e in (await ask(ANNE, "journal", person="lea"))["entries"]] == ["lea"]
        assert [e["sequence"] for e in (await ask(ANNE, "journal", before=2))["entries"]] == [1]
        with pytest.raises(Refused, match="kinds: expected"):
            await ask(ANNE, "journal", kinds=["x"])

        async def full(_records: Any) -> Any:
            raise JournalFull("journal /x: no space is left")

        post.journal.append = full  # type: ignore[method-assign]
        with pytest.raises(Refused, match="not noted: journal /x: no space is left"):
            await ask(ANNE, "note", text="x")

    with_post(tmp_path, scenario)
