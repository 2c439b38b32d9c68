# SPDX-License-Identifier: Apache-2.0
"""Items as columns behave like items one by one: the same reports, whatever happens in between."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from config.words import BAD, Kind, StatusCode, cell_of
from supervisor.hmi.publishing.columns import Mode, Trigger
from supervisor.hmi.publishing.items import Items
from supervisor.tags.pool import StringPool
from supervisor.tags.table import TagTable
from tests.plants import TypeSpec, make_plant, tag

PLANT = make_plant(
    {"T": TypeSpec({"F": tag("Double"), "I": tag("Int32"), "B": tag("Boolean")})}, {"T": ["1/T-0001", "1/T-0002"]}
)
IS_FLOAT = np.array([b.info.kind.is_float for b in PLANT.blocks])
STATUSES = (StatusCode.Good, StatusCode.Uncertain, StatusCode.Bad, StatusCode.BadNoCommunication)


@dataclass
class Item:
    """One item as the standard describes it: the model."""

    number: int
    row: int
    mode: Mode
    band: float
    trigger: Trigger
    last: tuple[Any, int, int] | None = None

    def due(self, value: float, status: int, source_ns: int) -> bool:
        if self.mode is not Mode.REPORTING:
            return False
        if self.last is None:
            return True
        old, old_status, old_source = self.last
        if status != old_status:
            return True
        moved = status < BAD and value != old and not abs(value - old) <= self.band
        if self.trigger is Trigger.TIMESTAMP:
            return moved or source_ns != old_source
        return moved and self.trigger is Trigger.VALUE


steps = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(0, PLANT.rows - 1), st.integers(-4, 4), st.sampled_from(STATUSES)),
        st.tuples(
            st.just("add"),
            st.integers(0, PLANT.rows - 1),
            st.sampled_from(Mode),
            st.sampled_from([0.0, 0.5, 1.0, 2.0]),
            st.sampled_from(Trigger),
        ),
        st.tuples(st.just("remove"), st.integers(0, 30)),
        st.tuples(st.just("mode"), st.integers(0, 30), st.sampled_from(Mode)),
        st.tuples(st.just("publish"), st.integers(1, 50)),
    ),
    max_size=60,
)


@settings(max_examples=300, deadline=None)
@given(steps)
def test_columns_report_what_items_one_by_one_would(script: list[tuple[Any, ...]]) -> None:
    table = TagTable(PLANT, StringPool(), 0)
    items, model, next_id, now_ns = Items(), list[Item](), 100, 0
    for step in script:
        now_ns += 1
        match step:
            case ("put", row, value, status):
                kind = PLANT.block(row).info.kind
                cell = cell_of(kind, bool(value % 2) if kind is Kind.Boolean else value)
                table.put(np.array([row]), np.array([cell]), np.array([status], np.uint32), now_ns)
            case ("add", row, mode, band, trigger):
                items.insert(new(next_id, [row], [mode], [band], [trigger]))
                model.append(Item(next_id, row, mode, band, trigger))
                next_id += 1
            case ("remove", at) if at < len(model):
                where, found = items.find(np.array([model.pop(at).number], np.uint32))
                assert found.all()
                gone = items.ids[where].tolist()
                assert items.take_out(where)["ids"].tolist() == gone
            case ("mode", at, mode) if at < len(model):
                item = model[at]
                where, _ = items.find(np.array([item.number], np.uint32))
                items.set_mode(where, mode)
                item.mode = mode
                if mode is Mode.DISABLED:
                    item.last = None
            case ("publish", limit):
                publish(items, model, table, limit)
        assert len(items) == len(model)
        assert items.ids.tolist() == [i.number for i in model]
    publish(items, model, table, 1)


def new(first: int, rows: list[int], modes: list[int], bands: list[float], triggers: list[int]) -> dict[str, Any]:
    return {
        "ids": np.arange(first, first + len(rows), dtype=np.uint32),
        "rows": np.array(rows, np.int64),
        "handles": np.array(rows, np.uint32),
        "mode": np.array(modes, np.uint8),
        "band": np.array(bands, np.float64),
        "trigger": np.array(triggers, np.uint8),
        "stamps": 2,
        "fresh": True,
    }


def publish(items: Items, model: list[Item], table: TagTable, limit: int) -> None:
    """Everything due goes out, in pages of `limit`; the same items in the model."""
    reported: list[int] = []
    while len(items.due(table, IS_FLOAT)):
        at, now = items.take(limit, table)
        assert 0 < len(now.cells) <= limit
        assert now.cells.tolist() == table.cells[items.rows[at]].tolist()
        reported += items.ids[at].tolist()
    due = []
    for item in model:
        value = float(table.floats[item.row] if IS_FLOAT[PLANT.block_of_row[item.row]] else table.cells[item.row])
        status, source_ns = int(table.status[item.row]), int(table.source_ns[item.row])
        if item.due(value, status, source_ns):
            due.append(item.number)
            item.last = (value, status, source_ns)
    assert sorted(reported) == due


def test_a_backlog_is_finished_before_anything_is_looked_at_again() -> None:
    """Items at the end are not starved by items at the front that change all the time."""
    table = TagTable(PLANT, StringPool(), 0)
    items = Items()
    items.insert(new(1, [0, 1], [2, 2], [0.0, 0.0], [1, 1]))
    seen = []
    for turn in range(4):
        table.put(np.array([0]), np.array([cell_of(Kind.Double, turn)]), np.zeros(1, np.uint32), turn)
        items.due(table, IS_FLOAT)
        at, _ = items.take(1, table)
        seen += items.ids[at].tolist()
    assert seen[:2] == [1, 2]


@given(st.lists(st.integers(0, 2**32 - 1), max_size=20))
def test_unknown_ids_are_found_nowhere(numbers: list[int]) -> None:
    items = Items()
    wanted = np.array(numbers, np.uint32)
    assert not items.find(wanted)[1].any()
    items.insert(new(5, [0, 1, 2], [2] * 3, [0.0] * 3, [1] * 3))
    assert items.find(wanted)[1].tolist() == [n in (5, 6, 7) for n in numbers]


@given(st.permutations(list(range(1, 12))), st.integers(1, 4))
def test_items_that_come_back_stand_where_their_ids_belong(numbers: list[int], each: int) -> None:
    """An item that changes its kind leaves one set of columns for another: ids ascend in both."""
    items = Items()
    for start in range(0, len(numbers), each):
        batch = sorted(numbers[start : start + each])
        at = items.insert(
            new(0, batch, [2] * len(batch), [0.0] * len(batch), [1] * len(batch)) | {"ids": np.array(batch, np.uint32)}
        )
        assert items.ids[at].tolist() == batch
        assert items.ids.tolist() == sorted(numbers[: start + each]) == items.rows.tolist()


def test_a_triggered_item_reports_once_although_it_only_samples() -> None:
    table = TagTable(PLANT, StringPool(), 0)
    items = Items()
    items.insert(new(1, [0, 1], [Mode.SAMPLING, Mode.SAMPLING], [0.0, 0.0], [1, 1]))
    assert not len(items.due(table, IS_FLOAT))
    items.released[0] = True
    assert items.due(table, IS_FLOAT).tolist() == [0]
    items.take(9, table)
    table.put(np.array([0]), np.array([cell_of(Kind.Double, 3.0)]), np.zeros(1, np.uint32), 1)
    assert not len(items.due(table, IS_FLOAT))


def test_what_a_user_may_not_see_any_more_is_not_even_reported_as_changed() -> None:
    table = TagTable(PLANT, StringPool(), 0)
    items = Items()
    items.insert(new(1, [0, 1], [2, 2], [0.0, 0.0], [1, 1]))
    items.barred[0] = True
    assert items.due(table, IS_FLOAT).tolist() == [1]
