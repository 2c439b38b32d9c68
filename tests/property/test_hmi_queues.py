# SPDX-License-Identifier: Apache-2.0
"""Queues as columns behave like queues one by one: the same samples, the same losses, the same marks.

Source: OPC 10000-4, 5.13.1.5 (queue parameters, figure 17) and 7.21 (sampling interval).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.words import BAD, Kind, StatusCode, cell_of
from supervisor.hmi.publishing.columns import Mode, Trigger
from supervisor.hmi.publishing.queues import OVERFLOW, QueuedItems
from supervisor.tags.pool import StringPool
from supervisor.tags.table import TagTable
from tests.plants import TypeSpec, make_plant, tag

PLANT = make_plant({"T": TypeSpec({"F": tag("Double"), "I": tag("Int32")})}, {"T": ["1/T-0001", "1/T-0002"]})
IS_FLOAT = np.array([b.info.kind.is_float for b in PLANT.blocks])
STATUSES = (StatusCode.Good, StatusCode.Uncertain, StatusCode.BadNoCommunication)
SCAN_NS = 100

Sample = tuple[float, int, int]  # value, status, time of the scan


@dataclass
class Item:
    """One item with a queue, as the standard describes it: the model."""

    number: int
    row: int
    mode: Mode
    size: int
    oldest: bool
    band: float
    trigger: Trigger
    period_ns: int
    due_ns: int
    dirty: bool = False
    last: tuple[float, int, int] | None = None
    queue: list[Sample] = field(default_factory=list)

    def sample(self, value: float, status: int, source_ns: int, now_ns: int, hit: bool) -> None:
        self.dirty |= hit or self.trigger is Trigger.TIMESTAMP
        passed = self.due_ns <= now_ns
        if passed and self.period_ns:
            while self.due_ns <= now_ns:
                self.due_ns += self.period_ns
        looks = self.last is None or (self.dirty and passed)
        if self.mode is Mode.DISABLED or not looks:
            return
        self.dirty = False
        if not self.news(value, status, source_ns):
            return
        self.last = (value, status, source_ns)
        full = len(self.queue) == self.size
        if full and (self.oldest or self.size == 1):
            self.queue.pop(0)
        elif full:
            self.queue.pop()
        marked = OVERFLOW if full and self.size > 1 else 0
        if marked and self.oldest:
            first = self.queue[0] if self.queue else None
            assert first is not None
            self.queue[0] = (first[0], first[1] | marked, first[2])
            marked = 0
        self.queue.append((value, status | marked, now_ns))

    def news(self, value: float, status: int, source_ns: int) -> bool:
        if self.last is None or status != self.last[1]:
            return True
        moved = status < BAD and value != self.last[0] and not abs(value - self.last[0]) <= self.band
        if self.trigger is Trigger.TIMESTAMP:
            return moved or source_ns != self.last[2]
        return moved and self.trigger is Trigger.VALUE

    def set_mode(self, mode: Mode) -> None:
        if mode is Mode.DISABLED:
            self.queue, self.last = [], None
        self.mode = mode

    def resize(self, size: int) -> None:
        lost = len(self.queue) - size
        if lost > 0:
            self.queue = self.queue[lost:] if self.oldest else self.queue[:size]
            if size > 1:
                at = 0 if self.oldest else -1
                value, status, now_ns = self.queue[at]
                self.queue[at] = (value, status | OVERFLOW, now_ns)
        self.size = size


settings_ = st.tuples(
    st.integers(0, PLANT.rows - 1),
    st.sampled_from(Mode),
    st.integers(1, 4),
    st.booleans(),
    st.sampled_from([0.0, 1.0]),
    st.sampled_from(Trigger),
    st.sampled_from([0, 150, 300]),
)
steps = st.lists(
    st.one_of(
        st.tuples(
            st.just("scan"),
            st.dictionaries(
                st.integers(0, PLANT.rows - 1), st.tuples(st.integers(-3, 3), st.sampled_from(STATUSES)), max_size=4
            ),
        ),
        st.tuples(st.just("add"), st.lists(settings_, min_size=1, max_size=3)),
        st.tuples(st.just("remove"), st.integers(0, 9)),
        st.tuples(st.just("mode"), st.integers(0, 9), st.sampled_from(Mode)),
        st.tuples(st.just("resize"), st.integers(0, 9), st.integers(1, 5)),
        st.tuples(st.just("take"), st.integers(1, 9)),
    ),
    max_size=60,
)


@settings(max_examples=300, deadline=None)
@given(steps)
def test_columns_queue_what_queues_one_by_one_would(script: list[tuple[Any, ...]]) -> None:
    table = TagTable(PLANT, StringPool(), 0)
    items, model, next_id, now_ns = QueuedItems(), list[Item](), 100, 0
    for step in script:
        match step:
            case ("scan", changes):
                now_ns += SCAN_NS
                scan(items, model, table, now_ns, changes)
            case ("add", wanted):
                insert(items, next_id, wanted, now_ns)
                for row, mode, size, oldest, band, trigger, period_ns in wanted:
                    due_ns = now_ns + period_ns
                    model.append(Item(next_id, row, mode, size, oldest, band, trigger, period_ns, due_ns))
                    next_id += 1
                scan(items, model, table, now_ns, {})
            case ("remove", at) if at < len(model):
                items.take_out(items.find(np.array([model.pop(at).number], np.uint32))[0])
            case ("mode", at, mode) if at < len(model):
                items.set_mode(items.find(np.array([model[at].number], np.uint32))[0], mode)
                model[at].set_mode(mode)
                scan(items, model, table, now_ns, {})
            case ("resize", at, size) if at < len(model):
                (where,) = items.find(np.array([model[at].number], np.uint32))[0].tolist()
                taken = items.resize(where, size)
                kept = taken.pop("kept")
                (where,) = items.insert(taken).tolist()
                items.restore(where, kept)
                model[at].resize(size)
            case ("take", limit):
                take(items, model, limit)
        assert items.ids.tolist() == [i.number for i in model]
        assert items.count.tolist() == [len(i.queue) for i in model]
        assert items.slots == sum(i.size for i in model)
    while any(i.queue and i.mode is Mode.REPORTING for i in model):
        take(items, model, 3)


def insert(items: QueuedItems, first: int, wanted: list[tuple[Any, ...]], now_ns: int) -> None:
    rows, modes, sizes, oldest, bands, triggers, periods = (np.array(column) for column in zip(*wanted, strict=True))
    n = len(rows)
    columns = {"ids": np.arange(first, first + n, dtype=np.uint32), "rows": rows, "mode": modes, "size": sizes}
    columns |= {"oldest": oldest, "band": bands, "trigger": triggers, "period_ns": periods}
    items.insert(columns | {"due_ns": now_ns + periods, "fresh": np.ones(n, np.bool_)})


def scan(
    items: QueuedItems, model: list[Item], table: TagTable, now_ns: int, changes: dict[int, tuple[int, StatusCode]]
) -> None:
    for row, (value, status) in changes.items():
        cell = cell_of(PLANT.block(row).info.kind, value)
        table.put(np.array([row]), np.array([cell]), np.array([status], np.uint32), now_ns)
    hit = np.zeros(PLANT.rows, np.bool_)
    hit[table.changed_rows()] = True
    items.sample(table, IS_FLOAT, now_ns, hit)
    for item in model:
        is_float = IS_FLOAT[PLANT.block_of_row[item.row]]
        value = float(table.floats[item.row] if is_float else table.cells[item.row])
        item.sample(value, int(table.status[item.row]), int(table.source_ns[item.row]), now_ns, bool(hit[item.row]))


def take(items: QueuedItems, model: list[Item], limit: int) -> None:
    """Samples of reporting items leave in order, as many as there are or as fit."""
    by_number = {item.number: item for item in model}
    there = sum(len(i.queue) for i in model if i.mode is Mode.REPORTING)
    samples = items.take(limit)
    assert len(samples.at) == min(limit, there)
    for at, cell, status, now_ns in zip(
        samples.at.tolist(), samples.cells, samples.status.tolist(), samples.server_ns.tolist(), strict=True
    ):
        item = by_number[int(items.ids[at])]
        value, expected, when = item.queue.pop(0)
        assert item.mode is Mode.REPORTING and (status, now_ns) == (expected, when)
        if status < BAD:
            is_float = IS_FLOAT[PLANT.block_of_row[item.row]]
            assert (float(cell.view(np.float64)) if is_float else float(cell)) == value


def queue_of(size: int, oldest: bool, values: list[int]) -> list[tuple[float, int]]:
    """What an item with this queue reports after these values, one a scan."""
    table = TagTable(PLANT, StringPool(), 0)
    table.put(np.array([0]), np.array([cell_of(Kind.Double, 0)]), np.zeros(1, np.uint32), 0)
    table.changed_rows()
    items = QueuedItems()
    insert(items, 1, [(0, Mode.REPORTING, size, oldest, 0.0, Trigger.VALUE, 0)], 0)
    for now_ns, value in enumerate(values):
        scan(items, [], table, now_ns, {0: (value, StatusCode.Good)})
    samples = items.take(99)
    return [(float(c.view(np.float64)), s) for c, s in zip(samples.cells, samples.status.tolist(), strict=True)]


@pytest.mark.parametrize(
    ("size", "oldest", "expected"),
    [
        (3, True, [(3.0, OVERFLOW), (4.0, 0), (5.0, 0)]),
        (3, False, [(1.0, 0), (2.0, 0), (5.0, OVERFLOW)]),
        (5, True, [(1.0, 0), (2.0, 0), (3.0, 0), (4.0, 0), (5.0, 0)]),
        (1, True, [(5.0, 0)]),
        (1, False, [(5.0, 0)]),
    ],
)
def test_figure_17_queue_overflow(size: int, oldest: bool, expected: list[tuple[float, int]]) -> None:
    """A queue of one is a buffer of the newest value: no policy, no mark."""
    assert queue_of(size, oldest, [1, 2, 3, 4, 5]) == expected


def test_a_busy_queue_does_not_starve_the_others() -> None:
    table = TagTable(PLANT, StringPool(), 0)
    items = QueuedItems()
    insert(items, 1, [(row, Mode.REPORTING, 4, True, 0.0, Trigger.VALUE, 0) for row in (0, 1, 2)], 0)
    scan(items, [], table, 0, {})
    seen = []
    for now_ns in range(1, 7):
        scan(items, [], table, now_ns, {0: (now_ns, StatusCode.Good)})
        seen += items.ids[items.take(1).at].tolist()
    assert set(seen) == {1, 2, 3}


def test_room_of_removed_items_is_used_again() -> None:
    table = TagTable(PLANT, StringPool(), 0)
    items = QueuedItems()
    for turn in range(50):
        insert(items, 10 * turn, [(0, Mode.REPORTING, 100, True, 0.0, Trigger.VALUE, 0)] * 3, turn)
        scan(items, [], table, turn, {0: (turn, StatusCode.Good)})
        items.take_out(np.arange(len(items) - 1))
        assert items.slots == 100
    assert len(items._slots["cells"]) < 2_000


@pytest.mark.parametrize("step_ns", [-(10**9), -150, 10**9])
def test_a_clock_that_is_set_silences_no_item(step_ns: int) -> None:
    """An item that is sampled every 100 ns goes on as before, wherever the clock stands now."""
    table, items = TagTable(PLANT, StringPool(), 0), QueuedItems()
    start_ns = 10**10
    insert(items, 1, [(0, Mode.REPORTING, 9, True, 0.0, Trigger.VALUE, 100)], start_ns)
    scan(items, [], table, start_ns, {0: (1, StatusCode.Good)})
    for elapsed_ns in range(10, 310, 10):
        scan(items, [], table, start_ns + step_ns + elapsed_ns, {0: (elapsed_ns, StatusCode.Good)})
    assert 3 <= len(items.take(9).at) <= 5
