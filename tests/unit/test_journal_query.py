# SPDX-License-Identifier: Apache-2.0
"""Queries find what a plain look at every record finds, newest first, over several segments, in bounded steps."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from historian.base import Entry, JournalUnwritable, Plain, Query, Record, RecordKind, Sheet
from historian.journal.journal import ChainJournal
from historian.journal.reading import ChainReader
from historian.journal.store import ChainStore
from supervisor.offload import Offload

SEGMENT = 65_536
N = 2 * SEGMENT + 5000
SUBJECTS = [
    "21605",
    "21605/CAB-0003",
    "21605/CAB-0003/V1",
    "21605/CAB-0003/V10",
    "21605/CAB-0003-old/V1",
    "21605/CAB-00031/V1",
    "21600/CAB-0003/V1",
    "",
]
KINDS = [RecordKind.COMMAND, RecordKind.NOTE, RecordKind.ALARM]


def made() -> Iterator[Record | Sheet]:
    """Records and sheets in turns; time runs back by 1,000 once, as a clock that was set; one rare tag and person stand
    in the first segment.
    """
    rng = random.Random(4)
    i = 0
    while i < N:
        for j in range(i, i + 200):
            time = j if j < 100_000 else j - 1000
            yield Record(time, rng.choice(KINDS), f"u{rng.randrange(4)}", rng.choice(SUBJECTS), f"text {j}", {"n": j})
        yield (
            Record(i, RecordKind.LOGIN, "rare", "21600/RWS-0001/T_air", "the only one")
            if i == 0
            else Record(i, RecordKind.NOTE, "u1")
        )
        size = rng.choice((3, 63, 64, 2500, 5000))
        numbers = range(i + 201, i + 201 + size)
        common: list[tuple[str, dict[str, Plain]]] = [("one", {"a": 1}), ("two", {"a": 2, "b": "x"})]
        which, subjects = rng.choices((0, 1), k=size), rng.choices(SUBJECTS, k=size)
        yield Sheet(
            i,
            rng.choice(KINDS),
            subjects,
            common,
            which,
            {"n": numbers, "odd": [n if n % 2 else None for n in numbers]},
        )
        i += 201 + size


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChainStore]:
    store = ChainStore(tmp_path_factory.mktemp("journal"), 1, reserve_size=0)
    items = list(made())
    for start in range(0, len(items), 2000):
        store.append(items[start : start + 2000])
    store.checkpoint(0)
    yield store
    store.close()


@pytest.fixture(scope="module")
def records() -> list[Record]:
    """The same one by one."""
    plain: list[Record] = []
    for item in made():
        if isinstance(item, Record):
            plain.append(item)
            continue
        for i, subject in enumerate(item.subjects):
            plain.append(Record(item.time_ns, item.kind, "vigie", subject, item.common[item.which[i]][0], item.data(i)))
    return plain


def fits(query: Query, sequence: int, record: Record) -> bool:
    return (
        (query.before is None or sequence < query.before)
        and (query.from_ns is None or record.time_ns >= query.from_ns)
        and (query.until_ns is None or record.time_ns < query.until_ns)
        and (not query.kinds or record.kind in query.kinds)
        and (not query.person or record.user == query.person)
        and (not query.subject or record.subject == query.subject or record.subject.startswith(f"{query.subject}/"))
    )


def naive(query: Query, records: list[Record]) -> tuple[list[int], bool]:
    found: list[int] = []
    for sequence in range(len(records), 0, -1):
        if fits(query, sequence, records[sequence - 1]):
            found.append(sequence)
            if len(found) > query.limit:
                return found[: query.limit][::-1], True
    return found[::-1], False


def ask(store: ChainStore, query: Query, segments_max: int = 64) -> tuple[list[int], bool]:
    found, more = entries_of(store, query, segments_max)
    return [e.position.sequence for e in found], more


def entries_of(store: ChainStore, query: Query, segments_max: int = 64) -> tuple[list[Entry], bool]:
    """As the journal asks, in steps."""
    reader = ChainReader(store.path, store.post)
    entries: list[Entry] = []
    below: int | None = None
    while True:
        step = reader.find(query, below, query.limit + 1 - len(entries), segments_max)
        entries += step.entries
        below = step.below
        if below is None or len(entries) > query.limit:
            break
    reader.close()
    return entries[: query.limit][::-1], len(entries) > query.limit


times = st.none() | st.integers(-10, N + 10)


@settings(max_examples=60, deadline=None)
@given(
    query=st.builds(
        Query,
        from_ns=times,
        until_ns=times,
        kinds=st.frozensets(st.sampled_from([*KINDS, RecordKind.ROLE])),
        subject=st.sampled_from([*SUBJECTS, "21605/CAB", "21600/RWS-0001/T_air", "2"]),
        person=st.sampled_from(["", "", "u0", "u3", "rare", "nobody", "vigie"]),
        before=st.none() | st.integers(-1, N + 5),
        limit=st.sampled_from([1, 2, 17, 100, 10_000]),
    ),
    segments_max=st.integers(1, 3),
)
def test_a_query_finds_what_a_look_at_every_record_finds(
    query: Query, segments_max: int, store: ChainStore, records: list[Record]
) -> None:
    numbers, more = naive(query, records)
    found, found_more = entries_of(store, query, segments_max)
    assert ([e.position.sequence for e in found], found_more) == (numbers, more)
    assert all(e.record == records[n - 1] for e, n in zip(found[:200], numbers, strict=False))


def test_an_old_rare_record_and_pages(store: ChainStore, records: list[Record]) -> None:
    assert ask(store, Query(person="rare")) == ([201], False)
    assert ask(store, Query(subject="21600/RWS-0001/")) == ([201], False)
    seen: list[int] = []
    query, more = Query(subject="21605/CAB-0003", kinds=frozenset({RecordKind.NOTE}), limit=3000), True
    while more:
        page, more = ask(store, query)
        seen = page + seen
        query = Query(subject=query.subject, kinds=query.kinds, limit=3000, before=page[0])
    assert seen == [n for n, r in enumerate(records, 1) if fits(Query(subject=query.subject, kinds=query.kinds), n, r)]
    assert len(seen) > 6000


@pytest.mark.parametrize("index", ["by_subject", "by_kind", "by_time"])
def test_every_index_is_one_of_the_database(index: str, store: ChainStore) -> None:
    """A tag's last records are found by its index, not by reading all: the plan says so."""
    reader = ChainReader(store.path, store.post)
    sql = {
        "by_subject": "subject >= 'a' AND subject < 'b'",
        "by_kind": "kind IN ('note', 'role') AND person IN (1, 2)",
        "by_time": "time_ns >= 1 AND time_ns < 2",
    }[index]
    rows = reader._rows(f"EXPLAIN QUERY PLAN SELECT * FROM records INDEXED BY {index} WHERE id >> 16 = 5 AND {sql}", ())
    reader.close()
    assert f"SEARCH records USING INDEX {index} (<expr>=? AND" in rows[0][3]


def with_journal(folder: Path, scenario: Callable[[ChainJournal], Awaitable[None]]) -> None:
    async def main() -> None:
        offload = Offload(2)
        journal = await ChainJournal.open(folder, 3, offload.run, reserve_size=0)
        try:
            await scenario(journal)
        finally:
            await journal.close()
            offload.close()

    asyncio.run(main())


def test_an_empty_journal_answers(tmp_path: Path) -> None:
    async def scenario(journal: ChainJournal) -> None:
        assert await journal.tail(10) == []
        found = await journal.query(Query(subject="21605", from_ns=0))
        assert (found.entries, found.more) == ([], False)
        assert journal.status().head == ""

    with_journal(tmp_path, scenario)


def test_queries_and_appends_at_the_same_time(tmp_path: Path) -> None:
    async def scenario(journal: ChainJournal) -> None:
        async def write() -> None:
            for i in range(50):
                await journal.append([Record(i, RecordKind.NOTE, "anne", "21605", str(i))] * 20)

        async def look() -> None:
            for _ in range(20):
                found = await journal.query(Query(subject="21605", limit=50))
                numbers = [e.position.sequence for e in found.entries]
                assert numbers == list(range(numbers[0], numbers[0] + len(numbers))) if numbers else True

        await asyncio.gather(write(), look(), look(), look())
        assert len((await journal.query(Query(limit=10_000))).entries) == 1000

    with_journal(tmp_path, scenario)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"limit": 0}, "limit: expected 1..10000, got 0"),
        ({"limit": 10_001}, "limit: expected 1..10000"),
        ({"subject": "x" * 257}, "subject: expected at most 256 characters"),
        ({"person": "x" * 257}, "person: expected at most 256"),
        ({"from_ns": 2**63}, "from: expected a number within 64 bits"),
        ({"before": -(2**64)}, "before: expected a number within 64 bits"),
    ],
)
def test_a_query_is_bounded(fields: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Query(**fields)


def test_what_somebody_damaged_is_shown_as_damaged(tmp_path: Path) -> None:
    from tests.journals import opened, outside, record

    with opened(tmp_path) as store:
        store.append([record(i) for i in range(5)])
    outside(
        tmp_path,
        "UPDATE records SET kind = 'ghost' WHERE id & 0xffff = 1",
        "UPDATE records SET data = '[[[' WHERE id & 0xffff = 2",
        "UPDATE records SET text = printf('%.5000c', 'x') WHERE id & 0xffff = 3",
        "UPDATE records SET data = '[1]' WHERE id & 0xffff = 4",
    )
    reader = ChainReader(tmp_path / "journal.sqlite", 1)
    entries = reader.tail(10)
    reader.close()
    assert [e.record.text.startswith("damaged: ") for e in entries] == [True, True, True, True, False]


def test_a_reader_without_a_journal_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(JournalUnwritable, match="unable to open"):
        ChainReader(tmp_path / "none.sqlite", 1)
