# SPDX-License-Identifier: Apache-2.0
"""The first proof: 500,000 rows through apply -> calculate -> limit compare -> changed rows, twice, across a change
of plant that inserts a cabinet. Values, identities and history keys stay right; live state stays under 100 B a tag."""

from __future__ import annotations

import numpy as np
import pytest

from config.words import Batch, Kind, StatusCode
from historian.catalogue import Catalogue
from supervisor.alarms.limits import LimitBank
from supervisor.plant.plant import Plant
from supervisor.tags.carry import carry
from supervisor.tags.freshness import Freshness
from supervisor.tags.inbox import Inbox
from supervisor.tags.pool import StringPool
from supervisor.tags.scan import Scan
from supervisor.tags.table import TagTable
from tests.ground import POLL, cabinets, poll_everything

TAGS, INSTANCES = 50, 10_000
NS = 1_000_000_000


class Doubled:
    """A calculated tag: T1 = 2 x T0 over all instances, as slices."""

    def run(self, table: TagTable, now_ns: int) -> None:
        blocks = table.plant.types["CAB"].blocks
        source, target = blocks["T00"].rows, blocks["T01"].rows
        cells = (table.floats[source] * 2).view(np.int64)
        table.put(target, cells, table.status[source].copy(), table.source_ns[source].copy())


def bank(plant: Plant) -> LimitBank:
    block = plant.types["CAB"].blocks["T02"]
    n = block.count
    limits = np.array([[196.0], [207.0], [253.0], [264.0]]).repeat(n, axis=1)
    return LimitBank(np.arange(block.start, block.start + n), limits, np.full(n, 1.0))


def scan_of(plant: Plant, pool: StringPool) -> Scan:
    table = TagTable(plant, pool, now_ns=0)
    rows = [np.arange(b.start, b.start + b.count) for b in plant.blocks if b.tag != "T01"]
    freshness = Freshness(rows, [POLL] * len(rows), [0] * len(rows), 1, boot_ns=0)
    return Scan(table, Inbox(), freshness, program=Doubled())


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return Catalogue(":memory:", "ground")


def test_two_generations_of_half_a_million_rows(catalogue: Catalogue) -> None:
    names = [f"CAB-{i:05d}" for i in range(INSTANCES)]
    old_plant = cabinets(names, TAGS, catalogue)
    assert old_plant.rows == 500_000
    pool = StringPool()
    old = scan_of(old_plant, pool)
    rng = np.random.default_rng(7)
    value = rng.uniform(0, 300, old_plant.rows)
    poll_everything(old, value, now_ns=5 * NS)
    limits = bank(old_plant)
    changes = old.run(5 * NS, 5 * NS)
    assert len(changes.rows) == 500_000, "every row was waiting and has a value now"
    _check(old.table, value, names)
    changed = limits.compare(old.table)
    assert len(changed) == INSTANCES, "every rule became evaluable"
    _check_levels(old.table, limits)

    # A cabinet is inserted in the middle: almost every row moves, no identity does.
    grown = [*names[:777], "CAB-99999", *names[777:]]
    new_plant = cabinets(grown, TAGS, catalogue)
    assert new_plant.rows == 500_050
    new = scan_of(new_plant, pool)
    assert carry(old.table, new.table) == 500_000
    probe = "21000/CAB-05000/T07"
    was, now = old_plant.row(probe), new_plant.row(probe)
    assert was is not None and now is not None and was != now
    assert old_plant.series[was] == new_plant.series[now]
    assert old_plant.digest != new_plant.digest
    newcomer = new_plant.rows_of("21000/CAB-99999")
    assert newcomer is not None
    assert not np.isin(new_plant.series[newcomer], old_plant.series).any(), "a newcomer's ids were never given before"
    assert (new.table.status[newcomer] == StatusCode.BadWaitingForInitialData).all()
    carried = np.setdiff1d(np.arange(new_plant.rows), newcomer)
    order = np.argsort(new_plant.series[carried])
    was_order = np.argsort(old_plant.series)
    np.testing.assert_array_equal(new.table.cells[carried][order], old.table.cells[was_order])

    value = rng.uniform(0, 300, new_plant.rows)
    poll_everything(new, value, now_ns=6 * NS)
    new.run(6 * NS, 6 * NS)
    _check(new.table, value, grown)
    limits = bank(new_plant)
    limits.compare(new.table)
    _check_levels(new.table, limits)
    assert new.table.bytes_per_row <= 100


def _check(table: TagTable, value: np.ndarray, names: list[str]) -> None:
    plant = table.plant
    for equipment, i in ((names[0], 0), (names[-1], len(names) - 1), (names[1234], 1234)):
        for tag in ("T00", "T07", "T49"):
            row = plant.row(f"21000/{equipment}/{tag}")
            assert row is not None
            assert table.value(row) == pytest.approx(value[plant.types["CAB"].blocks[tag].start + i])
            assert plant.name(row) == f"21000/{equipment}/{tag}"
    blocks = plant.types["CAB"].blocks
    np.testing.assert_array_equal(table.floats[blocks["T01"].rows], 2 * table.floats[blocks["T00"].rows])
    assert (table.status < 0x40000000).all()


def _check_levels(table: TagTable, limits: LimitBank) -> None:
    v = table.floats[limits.rows]
    expected = (v > 253).astype(int) + (v > 264) - (v < 207) - (v < 196)
    np.testing.assert_array_equal(limits.level, expected)


def test_an_unchanged_poll_changes_nothing(catalogue: Catalogue) -> None:
    plant = cabinets(["CAB-00001", "CAB-00002"], TAGS, catalogue)
    scan = scan_of(plant, StringPool())
    value = np.full(plant.rows, 12.5)
    poll_everything(scan, value, now_ns=NS)
    assert len(scan.run(NS, NS).rows) == plant.rows
    poll_everything(scan, value, now_ns=2 * NS)
    assert len(scan.run(2 * NS, 2 * NS).rows) == 0
    row = plant.row("21000/CAB-00001/T05")
    assert scan.table.source_ns[row] == 2 * NS, "the time of an unchanged value still moves on"


def test_a_kind_that_changes_gets_a_new_history(catalogue: Catalogue) -> None:
    first = catalogue.assign(["21000/X-0001/A"], np.array([Kind.Float], np.uint8), {}, 0)
    second = catalogue.assign(["21000/X-0001/A"], np.array([Kind.Int32], np.uint8), {}, 0)
    again = catalogue.assign(["21000/X-0001/A"], np.array([Kind.Float], np.uint8), {}, 0)
    assert first != second
    assert first == again


def test_a_read_back_has_the_last_word(catalogue: Catalogue) -> None:
    plant = cabinets(["CAB-00001"], TAGS, catalogue)
    scan = scan_of(plant, StringPool())
    row = np.array([plant.row("21000/CAB-00001/T05")])

    def answer(request: int, value: float) -> Batch:
        return Batch(request, row, np.array([value]).view(np.int64), np.zeros(1, np.uint32), np.array([NS]))

    for request, value in ((4, 1.0), (-1, 2.0), (4, 3.0), (-1, 4.0)):
        scan.inbox.batch(answer(request, value))
    scan.run(NS, NS)
    assert scan.table.value(int(row[0])) == 4.0
