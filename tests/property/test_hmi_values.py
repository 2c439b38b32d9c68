# SPDX-License-Identifier: Apache-2.0
"""Our bytes are asyncua's bytes: every kind, status and timestamp, mixed at will."""

from __future__ import annotations

import math
import struct
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from asyncua import ua
from asyncua.ua.ua_binary import struct_to_binary
from hypothesis import given, settings
from hypothesis import strategies as st

from config.words import BAD, Kind, StatusCode, cell_of
from supervisor.hmi.publishing.queues import OVERFLOW
from supervisor.hmi.values import EPOCH_TICKS, Stamps, ValueEncoder, wire_type
from supervisor.plant.plant import Plant
from supervisor.tags.pool import StringPool
from supervisor.tags.table import TagTable
from tests.plants import TypeSpec, make_plant, tag

KINDS = tuple(Kind)
PLANT: Plant = make_plant({"T": TypeSpec({k.name: tag(k.name) for k in KINDS})}, {"T": ["1/T-0001"]})
SINCE_1970 = datetime(1970, 1, 1, tzinfo=UTC)

# asyncua knows times to the microsecond and from 1601 on; the table counts nanoseconds since 1970 in 64 bits.
times_ns = st.integers(-9_000_000_000_000_000, 9_000_000_000_000_000).map(lambda us: us * 1000)
statuses = st.sampled_from([int(s) for s in StatusCode])
floats32 = st.floats(width=32, allow_nan=True, allow_infinity=True)


def values_of(kind: Kind) -> st.SearchStrategy[Any]:
    if kind is Kind.Boolean:
        return st.booleans()
    if kind is Kind.Float:
        return floats32
    if kind is Kind.Double:
        return st.floats(allow_nan=True, allow_infinity=True)
    if kind is Kind.String:
        return st.text(max_size=40)
    if kind is Kind.DateTime:
        return times_ns
    bounds = kind.bounds
    assert bounds is not None
    return st.integers(*bounds)


readings = st.sampled_from(KINDS).flatmap(
    lambda kind: st.tuples(st.just(kind), values_of(kind), statuses, times_ns, st.integers(0, 2**32 - 1))
)


def moment(ns: int) -> datetime:
    return SINCE_1970 + timedelta(microseconds=ns // 1000)


def data_value(kind: Kind, value: Any, status: int, source_ns: int, stamps: Stamps, now_ns: int) -> ua.DataValue:
    """What asyncua would be given for this reading."""
    variant = None
    if status < BAD:
        shown = moment(value) if kind is Kind.DateTime else value
        variant = ua.Variant(shown, ua.VariantType(wire_type(kind)))
    made = ua.DataValue(
        variant,
        ua.StatusCode(ua.UInt32(status)),
        moment(source_ns) if stamps.source else None,
        moment(now_ns) if stamps.server else None,
    )
    if variant is None:
        object.__setattr__(made, "Value", None)
    return made


def table_of(readings: list[tuple[Kind, Any, int, int, int]]) -> tuple[TagTable, Plant, np.ndarray]:
    """A plant with one row per reading; rows are laid out by kind, so the order is a true permutation."""
    tags = {f"t{i}": tag(kind.name) for i, (kind, *_) in enumerate(readings)}
    plant = make_plant({"T": TypeSpec(tags)}, {"T": ["1/T-0001"]})
    table = TagTable(plant, StringPool(length_max=10_000), 0)
    for row, (kind, value, status, source_ns, _) in enumerate(readings):
        table.cells[row] = table.pool.intern(value) if kind is Kind.String else cell_of(kind, value)
        table.status[row] = status
        table.source_ns[row] = source_ns
    return table, plant, np.random.default_rng(len(readings)).permutation(len(readings))


@settings(max_examples=150, deadline=None)
@given(st.lists(readings, min_size=1, max_size=30), st.sampled_from(Stamps), times_ns)
def test_read_results_are_asyncuas_bytes(
    readings: list[tuple[Kind, Any, int, int, int]], stamps: Stamps, now_ns: int
) -> None:
    table, plant, rows = table_of(readings)
    ours = ValueEncoder(plant, table).encode(rows, table.status[rows], stamps, now_ns)
    theirs = [data_value(*readings[row][:4], stamps, now_ns) for row in rows]
    assert ours == b"".join(map(struct_to_binary, theirs))


@settings(max_examples=100, deadline=None)
@given(st.lists(readings, min_size=1, max_size=30), st.sampled_from(Stamps), times_ns)
def test_notifications_are_asyncuas_bytes(
    readings: list[tuple[Kind, Any, int, int, int]], stamps: Stamps, now_ns: int
) -> None:
    table, plant, rows = table_of(readings)
    handles = np.array([readings[row][4] for row in rows], np.uint32)
    ours = ValueEncoder(plant, table).encode(rows, table.status[rows], stamps, now_ns, handles)
    theirs = [
        ua.MonitoredItemNotification(readings[row][4], data_value(*readings[row][:4], stamps, now_ns)) for row in rows
    ]
    assert ours == b"".join(map(struct_to_binary, theirs))


queued = st.lists(st.tuples(readings, st.booleans(), times_ns), min_size=1, max_size=30)


@settings(max_examples=100, deadline=None)
@given(queued, st.sampled_from(Stamps))
def test_values_taken_earlier_keep_their_status_times_and_overflow_bit(
    given: list[tuple[tuple[Kind, Any, int, int, int], bool, int]], stamps: Stamps
) -> None:
    """As they leave a queue: each with its own server time, whatever the table has by now."""
    table, plant, rows = table_of([reading for reading, _, _ in given])
    status = np.array([s | (OVERFLOW if lost else 0) for (_, _, s, _, _), lost, _ in given], np.uint32)
    server_ns = np.array([when for _, _, when in given])
    handles = np.array([handle for (*_, handle), _, _ in given], np.uint32)
    cells, source_ns = table.cells.copy(), table.source_ns.copy()
    table.cells[:] = table.status[:] = 0
    ours = ValueEncoder(plant, table).encode_values(
        rows, cells[rows], status[rows], source_ns[rows], server_ns[rows], stamps, handles[rows]
    )
    theirs = []
    for row in rows:
        kind, value, _, source, handle = given[row][0]
        made = data_value(kind, value, int(status[row]), source, stamps, int(server_ns[row]))
        theirs.append(ua.MonitoredItemNotification(handle, made))
    assert ours == b"".join(map(struct_to_binary, theirs))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(readings, st.booleans()), min_size=1, max_size=20), st.sampled_from(Stamps))
def test_where_there_is_no_value_to_speak_of_only_the_status_is_told(
    given: list[tuple[tuple[Kind, Any, int, int, int], bool]], stamps: Stamps
) -> None:
    table, plant, rows = table_of([reading for reading, _ in given])
    known = np.array([given[row][1] for row in rows])
    status = np.where(known, table.status[rows], np.uint32(StatusCode.BadNodeIdUnknown))
    ours = ValueEncoder(plant, table).encode(np.where(known, rows, -1), status, stamps, 5000)
    bare = ua.DataValue(None, ua.StatusCode(ua.UInt32(StatusCode.BadNodeIdUnknown)))
    object.__setattr__(bare, "Value", None)
    theirs = [data_value(*given[row][0][:4], stamps, 5000) if given[row][1] else bare for row in rows]
    assert ours == b"".join(map(struct_to_binary, theirs))


@pytest.mark.parametrize("kind", [k for k in KINDS if k is not Kind.String])
def test_a_list_of_one_kind_is_encoded_alike(kind: Kind) -> None:
    """The way without a mask, which a mixed list never takes."""
    tags = {"t": tag(kind.name)}
    plant = make_plant({"T": TypeSpec(tags)}, {"T": ["1/T-0001", "1/T-0002"]})
    table = TagTable(plant, StringPool(), 0)
    value = True if kind is Kind.Boolean else 1_000_000 if kind is Kind.DateTime else 77
    table.cells[:] = cell_of(kind, value)
    table.status[:] = StatusCode.Good
    rows = np.array([1, 0, 1])
    for stamps in Stamps:
        ours = ValueEncoder(plant, table).encode(rows, table.status[rows], stamps, 5000)
        assert ours == struct_to_binary(data_value(kind, value, 0, 0, stamps, 5000)) * 3


@given(st.integers(-(2**63), 2**63 - 1), st.integers(-(2**63), 2**63 - 1))
def test_times_are_exact_to_100_ns(source_ns: int, now_ns: int) -> None:
    """Finer than asyncua's datetime: the tick is the wire's, and no time of 64 bits lies before 1601."""
    table = TagTable(PLANT, StringPool(), 0)
    table.source_ns[0] = source_ns
    raw = ValueEncoder(PLANT, table).encode(np.array([0]), np.zeros(1, np.uint32), Stamps.BOTH, now_ns)
    ticks = struct.unpack_from("<qq", raw, len(raw) - 16)
    assert ticks == (source_ns // 100 + EPOCH_TICKS, now_ns // 100 + EPOCH_TICKS)
    assert min(ticks) > 0


def test_a_double_too_large_for_float_is_infinite_not_an_error() -> None:
    table = TagTable(PLANT, StringPool(), 0)
    row = PLANT.row("1/T-0001/Float")
    assert row is not None
    table.floats[row], table.status[row] = 1e300, StatusCode.Good
    raw = ValueEncoder(PLANT, table).encode(np.array([row]), table.status[[row]], Stamps.NEITHER, 0)
    assert struct.unpack_from("<f", raw, 2)[0] == math.inf


def test_a_text_that_is_no_unicode_is_shown_all_the_same() -> None:
    table = TagTable(PLANT, StringPool(), 0)
    row = PLANT.row("1/T-0001/String")
    assert row is not None
    index = table.pool.intern("a\ud800b")
    assert index is not None
    table.cells[row], table.status[row] = index, StatusCode.Good
    raw = ValueEncoder(PLANT, table).encode(np.array([row]), table.status[[row]], Stamps.NEITHER, 0)
    assert raw[2:9] == struct.pack("<i", 3) + b"a?b"


def test_nothing_to_encode_is_no_bytes() -> None:
    table = TagTable(PLANT, StringPool(), 0)
    none = np.zeros(0, np.int64)
    assert ValueEncoder(PLANT, table).encode(none, table.status[none], Stamps.BOTH, 0) == b""
