# SPDX-License-Identifier: Apache-2.0
"""The order of the scan, and what it makes of readings: scaled, ranged, stale, null when Bad."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.words import Batch, Kind, StatusCode, cell_of
from historian.catalogue import Catalogue
from supervisor.plant.plant import Plant
from supervisor.tags.freshness import Freshness
from supervisor.tags.inbox import Inbox
from supervisor.tags.pool import StringPool
from supervisor.tags.scan import Scan, _turns
from supervisor.tags.table import TagTable
from tests.ground import POLL, cabinets
from tests.plants import TypeSpec, make_plant, tag

S = 1_000_000_000


@pytest.fixture(scope="module")
def plant() -> Plant:
    return cabinets(["CAB-0001", "CAB-0002"], 4, Catalogue(":memory:", "ground"))


def scan_of(plant: Plant) -> Scan:
    table = TagTable(plant, StringPool(), now_ns=0)
    return Scan(table, Inbox(), Freshness([np.arange(plant.rows)], [POLL], [0], 1, boot_ns=0))


def reading(plant: Plant, value: float, status: int = 0, at: int = S, request: int = 0) -> Batch:
    n = plant.rows
    return Batch(
        request,
        np.arange(n),
        np.full(n, value).view(np.int64),
        np.full(n, status, np.uint32),
        np.full(n, at, np.int64),
    )


def test_a_dead_request_is_uncertain_then_null_then_good_again(plant: Plant) -> None:
    scan = scan_of(plant)
    table = scan.table
    scan.inbox.batch(reading(plant, 230.0))
    scan.run(S, S)
    assert (table.status == StatusCode.Good).all() and table.value(0) == 230.0
    scan.inbox.missed([0], StatusCode.UncertainNoCommunicationLastUsableValue, "no reply", 2 * S)
    scan.run(2 * S, 2 * S)
    assert (table.status == StatusCode.UncertainNoCommunicationLastUsableValue).all()
    assert table.value(0) == 230.0, "an uncertain value is still shown"
    assert table.source_ns[0] == S, "and is as old as the reading"
    changes = scan.run(5 * S, 5 * S)
    assert (table.status == StatusCode.BadNoCommunication).all()
    assert len(changes.rows) == plant.rows
    assert table.value(0) is None, "never an old number as true"
    assert table.last_value(0) == 230.0 and table.last_usable_ns[0] == S
    scan.inbox.batch(reading(plant, 231.0, at=6 * S))
    scan.run(6 * S, 6 * S)
    assert (table.status == StatusCode.Good).all() and table.value(0) == 231.0


def test_an_answer_after_a_miss_in_the_same_scan_wins(plant: Plant) -> None:
    scan = scan_of(plant)
    scan.inbox.batch(reading(plant, 1.0))
    scan.run(S, S)
    scan.inbox.missed([0], StatusCode.UncertainNoCommunicationLastUsableValue, "no reply", 2 * S)
    scan.inbox.batch(reading(plant, 2.0, at=2 * S))
    scan.run(2 * S, 2 * S)
    assert (scan.table.status == StatusCode.Good).all()


def test_a_full_inbox_counts_and_makes_the_request_uncertain(plant: Plant) -> None:
    scan = scan_of(plant)
    scan.inbox.batch(reading(plant, 1.0))
    scan.run(S, S)
    scan.inbox.values_max = 3
    scan.inbox.batch(reading(plant, 2.0, at=2 * S))
    scan.run(2 * S, 2 * S)
    assert scan.inbox.refused == plant.rows
    assert (scan.table.status == StatusCode.UncertainNoCommunicationLastUsableValue).all()


def test_a_value_that_is_not_a_number_is_a_failed_sensor(plant: Plant) -> None:
    scan = scan_of(plant)
    scan.inbox.batch(reading(plant, 7.0))
    scan.run(S, S)
    scan.inbox.batch(reading(plant, float("nan"), at=2 * S))
    scan.run(2 * S, 2 * S)
    assert (scan.table.status == StatusCode.BadSensorFailure).all()
    assert scan.table.value(0) is None and scan.table.last_value(0) == 7.0


def test_a_bad_point_keeps_its_own_status_when_the_link_dies(plant: Plant) -> None:
    scan = scan_of(plant)
    batch = reading(plant, 7.0)
    batch.statuses[1] = StatusCode.BadConfigurationError
    scan.inbox.batch(batch)
    scan.run(S, S)
    scan.inbox.missed([0], StatusCode.UncertainNoCommunicationLastUsableValue, "no reply", 2 * S)
    scan.run(2 * S, 2 * S)
    assert scan.table.status[1] == StatusCode.BadConfigurationError
    scan.run(9 * S, 9 * S)
    assert scan.table.status[1] == StatusCode.BadConfigurationError, "the address is still wrong when the link is dead"
    assert scan.table.status[0] == StatusCode.BadNoCommunication


def test_steps_run_in_their_order_and_server_made_tags_show_one_scan_later(plant: Plant) -> None:
    order: list[str] = []

    class Calculated:
        def run(self, table: TagTable, now_ns: int) -> None:
            order.append(f"calculate {table.value(0)}")

    class Own:
        def sample(self, table: TagTable, freshness: Freshness, now_ns: int) -> Batch:
            order.append("server-made")
            return Batch(-1, np.array([0]), np.array([5.0]).view(np.int64), np.zeros(1, np.uint32), np.array([now_ns]))

    scan = scan_of(plant)
    scan.program, scan.server_made = Calculated(), Own()
    scan.watchers = [lambda table, now: order.append("watch")]
    scan.numberers = [lambda now: order.append("number")]
    scan.consumers.append(lambda changes: order.append(f"consume {len(changes.rows)}"))
    scan.inbox.batch(reading(plant, 4.0))
    scan.run(S, S)
    scan.run(2 * S, 2 * S)
    assert order == [
        "calculate 4.0", "watch", "server-made", "number", f"consume {plant.rows}",
        "calculate 5.0", "watch", "server-made", "number", "consume 1",
    ]  # fmt: skip


def test_scaling_and_range_are_of_the_type() -> None:
    from dataclasses import replace

    plant = cabinets(["CAB-0001"], 2, Catalogue(":memory:", "ground"))
    info = replace(plant.blocks[0].info, scale=0.1, offset=-40.0, low=-30.0, high=80.0)
    plant = replace(plant, blocks=(replace(plant.blocks[0], info=info), plant.blocks[1]))
    table = TagTable(plant, StringPool(), now_ns=0)

    def apply(raw: float) -> tuple[float, int]:
        table.apply(np.array([0]), np.array([raw]).view(np.int64), np.zeros(1, np.uint32), np.array([1]))
        return float(table.floats[0]), int(table.status[0])

    assert apply(615.0) == (pytest.approx(21.5), StatusCode.Good)
    assert apply(2000.0) == (pytest.approx(160.0), StatusCode.UncertainEngineeringUnitsExceeded)
    assert apply(float("inf"))[1] == StatusCode.UncertainEngineeringUnitsExceeded


def test_a_value_read_back_from_a_dead_request_does_not_stay_good(plant: Plant) -> None:
    """The read-back of a command is the last thing that is heard of a device."""
    scan = scan_of(plant)
    scan.run(4 * S, 4 * S)
    assert scan.table.status[0] == StatusCode.BadNoCommunication
    scan.inbox.batch(reading(plant, 230.0, at=5 * S, request=-1))
    scan.run(5 * S, 5 * S)
    assert scan.table.value(0) == 230.0
    scan.run(8 * S, 8 * S)
    scan.run(9 * S, 9 * S)
    assert scan.table.status[0] == StatusCode.BadNoCommunication and scan.table.value(0) is None


def test_of_several_readings_of_a_row_in_one_scan_the_last_counts(plant: Plant) -> None:
    """In the order in which they came, be they answers or values told beside the plan."""
    scan = scan_of(plant)
    beside = Batch(-1, np.array([1]), np.array([7.0]).view(np.int64), np.zeros(1, np.uint32), np.array([3 * S]))
    for batch in (reading(plant, 230.0), beside, reading(plant, 231.0, StatusCode.BadSensorFailure), beside):
        scan.inbox.batch(batch)
    scan.run(S, S)
    table = scan.table
    assert table.value(1) == 7.0 and table.value(0) is None
    assert table.last_value(0) == 230.0, "what was usable before it went bad is not lost"
    assert scan.values_applied == 2 * plant.rows + 2


def test_a_thousand_values_told_one_by_one_are_put_at_once(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    """A subscription tells each change by itself: what that costs must not grow with how many do."""
    scan, calls = scan_of(plant), []
    apply = scan.table.apply
    monkeypatch.setattr(scan.table, "apply", lambda *a: calls.append(len(a[0])) or apply(*a))
    for row in range(plant.rows):
        scan.inbox.batch(Batch(-1, np.array([row]), np.array([row]), np.zeros(1, np.uint32), np.array([S])))
    scan.run(S, S)
    assert calls == [plant.rows]


@given(st.lists(st.integers(0, 9), min_size=1, max_size=40))
def test_turns_hold_each_reading_once_in_order_and_no_row_twice(rows: list[int]) -> None:
    turns = [list(range(len(rows)))[at] if isinstance(at, slice) else at.tolist() for at in _turns(np.array(rows))]
    assert sorted(place for turn in turns for place in turn) == list(range(len(rows)))
    for n, turn in enumerate(turns):
        for place in turn:
            assert rows[:place].count(rows[place]) == n, "the n-th reading of its row"


def test_a_text_that_had_to_be_cut_is_uncertain() -> None:
    made = make_plant({"CAB": TypeSpec({"Text": tag("String")})}, {"CAB": ["1/A", "1/B"]})
    scan = Scan(TagTable(made, StringPool(length_max=5), 0), Inbox(), Freshness([np.arange(2)], [POLL], [0], 1, 0))
    texts = {0: "short", 1: "too long"}
    scan.inbox.batch(Batch(0, np.arange(2), np.zeros(2, np.int64), np.zeros(2, np.uint32), np.full(2, S), texts))
    scan.run(S, S)
    assert [scan.table.value(row) for row in (0, 1)] == ["short", "too l"]
    assert scan.table.status.tolist() == [StatusCode.Good, StatusCode.Uncertain]


def test_the_range_of_a_large_count_is_looked_at_too() -> None:
    kinds = ("UInt64", "Int64", "Byte")
    made = make_plant({"T": TypeSpec({kind: tag(kind, span=(1, 100)) for kind in kinds})}, {"T": ["1/A"]})
    table = TagTable(made, StringPool(), now_ns=0)
    for number, inside in ((100, True), (101, False), (0, False), (2**63 + 5, False)):
        row = table.plant.row("1/A/UInt64")
        cells = np.array([cell_of(Kind.UInt64, number)])
        table.apply(np.array([row]), cells, np.zeros(1, np.uint32), np.full(1, S))
        expected = StatusCode.Good if inside else StatusCode.UncertainEngineeringUnitsExceeded
        assert (table.value(row or 0), table.status[row or 0]) == (number, expected)


def test_a_number_without_a_name_is_outside_its_enumeration() -> None:
    made = make_plant({"T": TypeSpec({"Mode": tag("Enumeration", values=("off", "on"))})}, {"T": ["1/A"]})
    table = TagTable(made, StringPool(), now_ns=0)
    for number, expected in ((1, StatusCode.Good), (2, StatusCode.UncertainEngineeringUnitsExceeded)):
        table.apply(np.zeros(1, np.int64), np.array([number]), np.zeros(1, np.uint32), np.full(1, S))
        assert (table.value(0), table.status[0]) == (number, expected)
