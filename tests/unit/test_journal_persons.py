# SPDX-License-Identifier: Apache-2.0
"""Persons in the journal: by key in the chain, by name where it can be erased; nothing of an erased name is left."""

from dataclasses import replace
from pathlib import Path

import pytest

from historian.base import JournalUnwritable, Position, Query, Row
from historian.journal.journal import ChainJournal
from historian.journal.persons import hide, reveal
from historian.journal.verify import verify
from tests.journals import by, entries, opened, outside, record, with_journal


def test_an_erased_name_is_in_no_file_and_the_chain_is_whole(tmp_path: Path) -> None:
    name = "Anne-Élisabeth Quelconque"

    async def scenario(journal: ChainJournal) -> None:
        told = f"refused: {name} (operator) may not command; \x1a"
        third = replace(record(3, told, user=name), data={"note": f"ask {name}", "n": 5})
        await journal.append([record(1, user=name), record(2, user="bob"), third])
        entry = (await journal.tail(1))[0].record
        assert entry.data == third.data
        assert entry.text == told.replace("\x1a", "␚")
        with pytest.raises(KeyError):
            await journal.erase("nobody", by())
        with pytest.raises(KeyError):
            await journal.erase("vigie", by())
        with pytest.raises(ValueError, match="must not hold the name"):
            await journal.erase(name, by(f"erased {name}"))
        assert len(await journal.tail(10)) == 3, "what was refused left no record"
        erasure = await journal.erase(name, by())
        assert erasure.originals == ()
        shown = erasure.shown
        assert shown.startswith("erased person ") and len(shown) == len("erased person ") + 8
        assert [e.record.user for e in await journal.tail(10)] == [shown, "bob", shown, "lea"]
        entry = (await journal.tail(2))[0].record
        assert entry.text == f"refused: {shown} (operator) may not command; ␚"
        assert entry.data == {"note": f"ask {shown}", "n": 5}
        found = await journal.query(Query(person=shown))
        assert [e.position.sequence for e in found.entries] == [1, 3]
        assert (await journal.query(Query(person=name))).entries == []
        await journal.append([record(9, user=name)])
        again = await journal.query(Query(person=name))
        assert [e.position.sequence for e in again.entries] == [5], "who comes back is somebody new"
        await journal.erase(name, by())
        for path in tmp_path.iterdir():
            assert name.encode() not in path.read_bytes(), path

    with_journal(tmp_path, scenario)
    found = verify(tmp_path)
    assert (found.whole, found.persons, found.erased) == (True, 2, 2)


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("anne did it, Anne", "\x1a did it, Anne"),
        ("anne", "\x1a"),
        ("jeanne, annette, anne2", "jeanne, annette, anne2"),
        ("control anne/anne", "control \x1a/\x1a"),
        ("\x1a anne", "␚ \x1a"),
        ("", ""),
    ],
)
def test_a_name_is_hidden_where_it_is_a_word(text: str, hidden: str) -> None:
    assert hide(text, "anne") == hidden
    assert reveal(hidden, "anne", 2000) == text.replace("\x1a", "␚")
    assert reveal("\x1a" * 300, "erased person 12345678", 2000) == ("erased person 12345678" * 300)[:2000]
    assert hide("any (text", "") == "any (text"
    assert hide("a (b", "a (b") == "\x1a"


def test_names_that_were_exchanged_are_found(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.append([record(1, user="anne"), record(2, user="bob")])
    outside(
        tmp_path,
        "UPDATE persons SET name = 'x' WHERE id = 1",
        "UPDATE persons SET name = 'anne' WHERE id = 2",
        "UPDATE persons SET name = 'bob' WHERE id = 1",
    )
    assert "is not that of its records" in verify(tmp_path).reason


def test_a_person_nobody_knows_breaks_the_record(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.append([record(1), record(2, user="bob"), record(3)])
    outside(tmp_path, "DELETE FROM persons WHERE name = 'bob'")
    assert verify(tmp_path).broken == Position(1, 2)
    with opened(tmp_path, epoch=2) as store:
        assert entries(store)[1].record.user == "unknown person"


def test_more_names_than_are_remembered_stay_the_same_persons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("historian.journal.persons.REMEMBERED_MAX", 3)
    users = [f"u{i % 10}" for i in range(100)]
    with opened(tmp_path) as store:
        store.append([record(i, user=user) for i, user in enumerate(users)])
        assert [e.record.user for e in entries(store)] == users
    assert verify(tmp_path).persons == 10


def test_who_first_came_with_a_record_that_was_refused_is_known_by_the_next(tmp_path: Path) -> None:
    """Number and key went with the transaction; nobody may be told by a number that is not there."""
    with opened(tmp_path) as store:
        store.append([record(1)])
        with pytest.raises(JournalUnwritable):
            store.append([record(2, user="bob")], [Row("t", b"k", object())])  # type: ignore[arg-type]
        store.append([record(3, user="bob")])
        assert [e.record.user for e in entries(store)] == ["anne", "bob"]
    assert (verify(tmp_path).whole, verify(tmp_path).persons) == (True, 2)
