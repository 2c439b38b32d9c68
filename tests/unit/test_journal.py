# SPDX-License-Identifier: Apache-2.0
"""The journal: durable before returned, all or nothing, persons erasable, changes from outside found."""

import asyncio
import random
import resource
import shutil
import sqlite3
import stat
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from historian.base import Head, JournalError, JournalFull, JournalUnwritable, Position, Query, Record, RecordKind, Row
from historian.journal import chain, schema
from historian.journal import store as store_module
from historian.journal.journal import ChainJournal
from historian.journal.persons import hide, reveal
from historian.journal.reading import ChainReader
from historian.journal.store import ChainStore
from historian.journal.verify import verify
from supervisor.offload import Offload

MIB = 2**20


def record(i: int, text: str = "", user: str = "anne", **fields: Any) -> Record:
    return Record(
        1_766_300_000_000_000_000 + i,
        RecordKind.COMMAND,
        user,
        "21605/CAB-0003/K1_Cmd",
        text or f"n° {i}\nline",
        {"value": i, "level": 0.5, "on": True, "none": None},
    )


def by(text: str = "erased on request") -> Record:
    return Record(5, RecordKind.PERSON, "lea", "", text)


@contextmanager
def opened(folder: Path, epoch: int = 1, **kw: Any) -> Iterator[ChainStore]:
    store = ChainStore(folder, epoch, **({"reserve_size": 0} | kw))
    try:
        yield store
    finally:
        store.close()


def entries(store: ChainStore, n: int = 1000) -> list[Any]:
    reader = ChainReader(store.path, store.post)
    try:
        return reader.tail(n)
    finally:
        reader.close()


def texts(store: ChainStore, n: int = 1000) -> list[str]:
    return [e.record.text for e in entries(store, n)]


def outside(folder: Path, *statements: str) -> None:
    """Somebody with a database tool and the rights to use it."""
    db = sqlite3.connect(folder / schema.FILE, isolation_level=None)
    for trigger in ("records_stay", "records_hold", "sheets_stay", "sheets_hold", "persons_stay"):
        db.execute(f"DROP TRIGGER IF EXISTS {trigger}")
    for statement in statements:
        db.execute(statement)
    db.close()


def with_journal(folder: Path, scenario: Callable[[ChainJournal], Awaitable[None]], **kw: Any) -> None:
    async def main() -> None:
        offload = Offload(2)
        journal = await ChainJournal.open(folder, 3, offload.run, **({"reserve_size": MIB} | kw))
        try:
            await scenario(journal)
        finally:
            await journal.close()
            offload.close()

    asyncio.run(main())


# --- records ----------------------------------------------------------------------------------------------------------


def test_a_record_comes_back_as_it_was(tmp_path: Path) -> None:
    with opened(tmp_path / "j", epoch=7) as store:
        assert store.append([record(1), record(2)]) == [Position(7, 1), Position(7, 2)]
        numbers = {"big": 2**70, "small": 5e-324, "minus": -0.0, "numpy": np.float64(0.1), "large": 1e300}
        odd = Record(-5, RecordKind.NOTE, "é\x00ve", "a\x00b", "nul \x00, tab \t, 𝄞", {"ключ": "\x00\n", **numbers})
        assert store.append([odd]) == [Position(7, 3)]
        assert store.repair == ""
    with opened(tmp_path / "j", epoch=8) as store:
        assert [e.record for e in entries(store, 2)] == [record(2), odd]
        assert store.append([record(3)]) == [Position(8, 4)]
        assert [e.position for e in entries(store)] == [Position(7, 1), Position(7, 2), Position(7, 3), Position(8, 4)]
        assert store.repair == ""
    assert verify(tmp_path / "j").whole


def test_what_utf_8_cannot_hold_is_written_as_its_escape(tmp_path: Path) -> None:
    broken = Record(5, RecordKind.NOTE, "a\udc80", "b\udc80", "lone \udc80", {"d": "\udc80"})
    with opened(tmp_path) as store:
        store.append([broken, broken])
        (_, e) = entries(store)
        assert (e.record.user, e.record.subject, e.record.text) == ("a\\udc80", "b\\udc80", "lone \\udc80")
        assert e.record.data == {"d": "\udc80"}
    found = verify(tmp_path)
    assert (found.whole, found.persons) == (True, 1)


def test_nobody_else_may_read_or_write_it(tmp_path: Path) -> None:
    with opened(tmp_path / "j", reserve_size=MIB) as store:
        store.append([record(1)])
        assert stat.S_IMODE((tmp_path / "j").stat().st_mode) == 0o700
        for path in (tmp_path / "j").iterdir():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
        with pytest.raises(JournalUnwritable, match="another process writes it"):
            ChainStore(tmp_path / "j", epoch=1)


def test_a_mistaken_hand_is_stopped(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.append([record(1)])
    db = sqlite3.connect(tmp_path / schema.FILE)
    for statement in ("DELETE FROM records", "UPDATE records SET text = ''", "DELETE FROM persons"):
        with pytest.raises(sqlite3.IntegrityError):
            db.execute(statement)
    db.close()


def test_a_folder_that_cannot_be_used_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalUnwritable, match="check the folder's rights"):
        ChainStore(tmp_path / "file", epoch=1)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / schema.FILE).write_bytes(b"hello" * 1000)
    with pytest.raises(JournalUnwritable, match=r"is damaged .* keep a copy as evidence"):
        ChainStore(tmp_path / "a", epoch=1)
    with opened(tmp_path / "b"):
        pass
    outside(tmp_path / "b", "PRAGMA user_version = 9")
    with pytest.raises(JournalUnwritable, match="expected a journal of layout 2, got layout 9"):
        ChainStore(tmp_path / "b", epoch=1)
    with pytest.raises(JournalUnwritable, match="run the version of Vigie that wrote it, or move the file away"):
        verify(tmp_path / "b")
    with pytest.raises(JournalUnwritable, match="No such file"):
        verify(tmp_path / "none")


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"text": "x" * 2001}, "text: expected at most 2000 characters"),
        ({"user": "x" * 257}, "user: expected at most 256"),
        ({"data": {str(i): i for i in range(25)}}, "data: expected at most 24 keys"),
        ({"data": {"a": "x" * 513}}, "data.a: expected at most 512"),
        ({"data": {"a": float("nan")}}, "data.a: expected a finite number"),
        ({"data": {"x" * 65: 1}}, "keys of at most 64"),
        ({"data": {"a": [1]}}, "data.a: expected a plain value, got a list"),
        ({"data": {"a": np.int64(1)}}, "data.a: expected a plain value, got a int64"),
        ({"time_ns": 2**63}, "within 64 bits"),
    ],
)
def test_a_record_is_bounded(fields: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Record(**({"time_ns": 1, "kind": RecordKind.NOTE, "user": "u"} | fields))


def test_the_canonical_encoding_is_what_the_page_says() -> None:
    """Computed here from the words of the docstring, by other means: a chain must be checkable without our code."""
    import hashlib

    fields = [b"note", bytes(range(32)), b"21605", "é".encode(), b"{}", b"", b""]
    raw = b"\x07" * 32 + bytes([1, 2]) + (3).to_bytes(8, "big") + (4).to_bytes(8, "big")
    raw += (-5).to_bytes(8, "big", signed=True) + b"".join(len(f).to_bytes(4, "big") for f in fields) + b"".join(fields)
    assert chain.seal(b"\x07" * 32, 2, 3, 4, -5, *fields) == hashlib.sha256(raw).digest()


def test_the_peers_head_is_sealed_into_the_first_record_of_an_append(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.peer = Head(2, 9, 77, b"p" * 32)
        store.append([record(1), record(2)])
        store.peer = None
        store.append([record(3)])
    db = sqlite3.connect(tmp_path / schema.FILE)
    peers = [bytes(p) for (p,) in db.execute("SELECT peer FROM records ORDER BY id")]
    db.close()
    assert peers == [b"\x02" + (9).to_bytes(8, "big") + (77).to_bytes(8, "big") + b"p" * 32, b"", b""]
    assert verify(tmp_path).whole


# --- rows -------------------------------------------------------------------------------------------------------------


def test_rows_and_records_are_there_together_or_not_at_all(tmp_path: Path) -> None:
    async def scenario(journal: ChainJournal) -> None:
        positions = await journal.append_with(
            [record(1)], [Row("alarms", b"k2", b"v2"), Row("alarms", b"k1", b"v1"), Row("shelf", b"k1", b"s")]
        )
        assert positions == [Position(3, 1)]
        assert await journal.rows("alarms") == [(b"k1", b"v1"), (b"k2", b"v2")]
        assert await journal.append_with([], [Row("alarms", b"k1", None), Row("alarms", b"k2", b"new")]) == []
        assert await journal.rows("alarms") == [(b"k2", b"new")]
        assert await journal.rows("shelf") == [(b"k1", b"s")]
        with pytest.raises(JournalUnwritable):
            await journal.append_with([record(2)], [Row("alarms", b"k3", b"v"), Row("alarms", b"k4", object())])  # type: ignore[arg-type]
        assert await journal.rows("alarms") == [(b"k2", b"new")]
        assert len(await journal.tail(10)) == 1
        await journal.append_with([record(3)], [Row("a", b"k", b"1"), Row("a", b"k", None), Row("a", b"k", b"3")])
        assert await journal.rows("a") == [(b"k", b"3")]
        assert (await journal.tail(1))[0].position == Position(3, 2)

    with_journal(tmp_path, scenario)
    assert verify(tmp_path).whole


def test_rows_may_tell_where_their_records_stand(tmp_path: Path) -> None:
    """Each append of a shared flush is asked with its own position; what fails takes its records with it."""

    def row(key: bytes, first: Position) -> list[Row]:
        return [Row("t", key, b"%d/%d" % first)]

    def fails(first: Position) -> list[Row]:
        raise ValueError("no")

    async def scenario(journal: ChainJournal) -> None:
        appends = [
            journal.append_with([record(i)] * 3, [], lambda first, key=key: row(key, first))  # type: ignore[misc]
            for i, key in enumerate((b"a", b"b"))
        ]
        await asyncio.gather(*appends, journal.append([record(9)]))
        assert await journal.rows("t") == [(b"a", b"3/1"), (b"b", b"3/4")]
        with pytest.raises(JournalUnwritable, match="no"):
            await journal.append_with([record(5)], [], fails)
        assert len(await journal.tail(100)) == 7
        assert await journal.append_with([], [], lambda first: row(b"a", first)) == []
        assert (await journal.rows("t"))[0] == (b"a", b"3/8")

    with_journal(tmp_path, scenario)
    assert verify(tmp_path).whole


# --- persons ----------------------------------------------------------------------------------------------------------


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


# --- from outside -----------------------------------------------------------------------------------------------------


def test_numbers_are_never_given_twice_after_somebody_cut_the_end(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.append([record(i) for i in range(10)])
    outside(tmp_path, "DELETE FROM records WHERE id & 0xffff > 8")
    with opened(tmp_path, epoch=2) as store:
        assert "changed from outside; run 'vigie verify journal'" in store.repair
        assert store.append([record(99)]) == [Position(2, 11)]
    found = verify(tmp_path)
    assert (found.broken, found.records) == (Position(1, 9), 8)
    assert "record 9 to 10 is missing" in found.reason


def test_a_journal_sealed_anew_is_found_by_a_head_noted_before(tmp_path: Path) -> None:
    with opened(tmp_path / "true") as store:
        store.append([record(i) for i in range(5)])
        noted = store.head
    with opened(tmp_path / "forged") as store:
        store.append([record(0), record(1), record(2, "nothing happened"), record(3), record(4)])
    assert verify(tmp_path / "forged").whole
    assert noted is not None
    assert chain.parse_head(str(noted)) == noted
    assert verify(tmp_path / "true", [noted]).whole
    assert "is not the one noted" in verify(tmp_path / "forged", [noted]).reason
    with opened(tmp_path / "short") as store:
        store.append([record(0)])
    assert verify(tmp_path / "short", [noted]).broken == Position(1, 2)
    for text in ("", "1/2/3", "1/2/3:abcd", "a/2/3:" + "00" * 32, "1/2/3:" + "zz" * 32):
        with pytest.raises(ValueError, match="expected <post>/<epoch>/<sequence>"):
            chain.parse_head(text)


def test_damaged_pages_are_a_finding_not_a_crash(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.append([record(i) for i in range(2000)])
        path = store.path
    content = path.read_bytes()
    rng = random.Random(1)
    for page in range(len(content) // 4096):
        at = page * 4096 + 5
        path.write_bytes(content[:at] + b"\xff" * 64 + content[at + 64 :])
        assert not verify(path).whole, page
        at = page * 4096 + rng.randrange(4000)
        path.write_bytes(content[:at] + rng.randbytes(rng.choice((1, 8, 90))) + content[at + 90 :])
        verify(path)  # whatever it finds, it does not raise
    path.write_bytes(b"\x00" * 8192)
    assert not verify(path).whole


def test_an_index_that_hides_a_record_is_found(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.append([record(i) for i in range(5)])
    outside(
        tmp_path,
        "PRAGMA writable_schema = 1",
        "UPDATE sqlite_schema SET sql = replace(sql, 'kind, ', 'epoch, ') WHERE name = 'by_kind'",
    )
    assert "index" in verify(tmp_path).reason


# --- many at once -----------------------------------------------------------------------------------------------------


def test_concurrent_appends_stand_in_order_and_share_flushes(tmp_path: Path) -> None:
    async def main() -> None:
        offload = Offload(2)
        jobs = 0

        async def run(job):  # type: ignore[no-untyped-def]
            nonlocal jobs
            jobs += 1
            return await offload.run(job)

        journal = await ChainJournal.open(tmp_path, 3, run, reserve_size=MIB)
        positions = await asyncio.gather(*(journal.append([record(2 * i), record(2 * i + 1)]) for i in range(500)))
        sequence = [p.sequence for pair in positions for p in pair]
        assert sequence == list(range(1, 1001))
        assert [e.record.data["value"] for e in await journal.tail(5000)] == list(range(1000))
        assert jobs < 10
        status = journal.status()
        assert (status.records, status.waiting, status.error, status.reserve) == (1000, 0, None, None)
        assert status.head.startswith("1/3/1000:")
        assert status.size > 100_000
        await journal.close()
        await journal.close()
        with pytest.raises(JournalUnwritable, match="closed"):
            await journal.append([record(1)])
        offload.close()

    asyncio.run(main())


def test_a_shared_flush_that_fails_refuses_everyone_in_it_and_the_next_one_heals(tmp_path: Path) -> None:
    async def scenario(journal: ChainJournal) -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
        try:
            results = await asyncio.gather(*(journal.append([record(i)]) for i in range(25)), return_exceptions=True)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert sum(isinstance(r, JournalFull) for r in results) == 20
        assert sum("20 records wait for the disk" in str(r) for r in results) == 5
        status = journal.status()
        assert status.error is not None
        assert "no space is left" in status.error
        assert status.refused == 25
        assert await journal.append([record(1)]) == [Position(3, 1)]
        assert journal.status().error is None

    with_journal(tmp_path, scenario, waiting_max=20)


def test_groups_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("historian.journal.journal.GROUP_MAX", 10)
    sizes: list[int] = []

    async def scenario(journal: ChainJournal) -> None:
        append = journal._store.append

        def counted(records: Any, rows: Any, *more: Any) -> Any:
            sizes.append(len(records) + len(rows))
            return append(records, rows, *more)

        monkeypatch.setattr(journal._store, "append", counted)
        appends = [journal.append_with([record(i)] * 3, [Row("t", b"k", b"v")]) for i in range(10)]
        await asyncio.gather(*appends, journal.append([record(1)] * 25))
        assert len(await journal.tail(100)) == 55

    with_journal(tmp_path, scenario)
    assert sizes == [8, 8, 8, 8, 8, 25]


def test_a_cancelled_caller_does_not_harm_its_neighbours(tmp_path: Path) -> None:
    async def scenario(journal: ChainJournal) -> None:
        first = asyncio.create_task(journal.append([record(1)]))
        second = asyncio.create_task(journal.append([record(2)]))
        await asyncio.sleep(0)
        first.cancel()
        assert await second == [Position(3, 2)]
        assert first.cancelled()

    with_journal(tmp_path, scenario)


def test_a_log_that_a_crash_left_is_copied_at_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who dies before any quiet moment, again and again, must not read an ever longer log at each start."""
    monkeypatch.setattr(store_module, "CHECKPOINT_PAGES", 16)
    with opened(tmp_path / "a") as store:
        for i in range(20):
            store.append([record(i)])
        shutil.copytree(tmp_path / "a", tmp_path / "b")  # as it would lie there after a kill
    log = tmp_path / "b" / f"{schema.FILE}-wal"
    assert log.stat().st_size > 16 * schema.PAGE_SIZE
    with opened(tmp_path / "b", epoch=2) as store:
        assert log.stat().st_size == 0
        assert store.append([record(20)]) == [Position(2, 21)]
    assert verify(tmp_path / "b").records == 21


def test_the_log_is_copied_at_quiet_moments_and_does_not_grow_for_ever(tmp_path: Path) -> None:
    async def scenario(journal: ChainJournal) -> None:
        sizes = []
        for _ in range(12):
            await asyncio.gather(*(journal.append([record(i)] * 500) for i in range(20)))
            sizes.append((tmp_path / f"{schema.FILE}-wal").stat().st_size)
        assert max(sizes) < 3 * sizes[0] < 40 * MIB

    with_journal(tmp_path, scenario)


def test_bytes_changed_anywhere_are_found_or_change_nothing(tmp_path: Path) -> None:
    """Either the journal is not whole, or every record reads as it was; nothing raises but in one sentence."""
    with opened(tmp_path / "true") as store:
        rows = [Row("conditions", b"%d" % i, b"p" * 50) for i in range(50)]
        store.append([record(i, user=f"u{i % 5}") for i in range(600)], rows)
        true = entries(store)
    content = (tmp_path / "true" / schema.FILE).read_bytes()
    rng = random.Random(11)
    for k in range(120):
        folder = tmp_path / str(k)
        folder.mkdir()
        at, n = rng.randrange(len(content)), rng.choice((1, 1, 2, 16, 200))
        changed = content[:at] if rng.random() < 0.1 else content[:at] + rng.randbytes(n) + content[at + n :]
        (folder / schema.FILE).write_bytes(changed)
        found = verify(folder)
        try:
            reader = ChainReader(folder / schema.FILE, 1)
            read = reader.tail(1000)
            reader.rows("conditions")
            for query in (Query(subject="21605/CAB-0003"), Query(person="u1"), Query(from_ns=5)):
                reader.find(query, None, 100)
            reader.close()
        except JournalError:
            assert not found.whole, k
        else:
            assert read == true or not found.whole, k
        try:
            with opened(folder, epoch=2) as store:
                store.append([record(1)])
        except JournalError:
            assert not found.whole, k
