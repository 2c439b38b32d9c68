# SPDX-License-Identifier: Apache-2.0
"""HistoryData as bytes is what asyncua's own encoder makes of it; details are read as asyncua writes them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from asyncua import ua
from asyncua.ua.ua_binary import extensionobject_to_binary, struct_to_binary
from hypothesis import given, settings
from hypothesis import strategies as st

from config.words import BAD, Kind, StatusCode, cell_of
from historian.store.samples import LAG_NS, Samples, from_cells
from supervisor.hmi.history.details import (
    AT_TIME_DETAILS,
    PROCESSED_DETAILS,
    RAW_DETAILS,
    AtTimeQuestion,
    ProcessedQuestion,
    RawQuestion,
    Refused,
    question,
)
from supervisor.hmi.history.encoding import history_data, of_results, of_samples
from supervisor.hmi.values import Stamps
from tests.property.test_hmi_values import data_value, moment, statuses, times_ns, values_of

lags = st.integers(-(2**31), 2**31 - 1)
asked_times = st.integers(-4_600_000_000_000_000, 4_600_000_000_000_000).map(lambda us: us * 1000)
STAMPS = [Stamps.SOURCE, Stamps.SERVER, Stamps.BOTH]


def stored(kind: Kind, rows: list[tuple[Any, int, int, int]]) -> Samples:
    """Samples as the recorder makes them of live cells."""
    n = len(rows)
    texts = [r[0] for r in rows if r[1] < BAD] if kind is Kind.String else []
    cells = np.array([0 if kind is Kind.String else cell_of(kind, r[0]) for r in rows], np.int64)
    made = from_cells(
        np.zeros(n, np.uint32), np.full(n, kind, np.uint8), cells, np.array([r[1] for r in rows], np.uint32),
        np.array([r[2] for r in rows], np.int64), 0, np.zeros(n, np.uint8), np.zeros(n, np.uint8), texts,
    )  # fmt: skip
    made.lag_ds[:] = [r[3] for r in rows]
    return made


readings = st.sampled_from(list(Kind)).flatmap(
    lambda kind: st.tuples(
        st.just(kind),
        st.lists(st.tuples(values_of(kind), statuses, times_ns, st.integers(-(10**6), 10**6)), max_size=8),
    )
)


@settings(max_examples=150, deadline=None)
@given(readings, st.sampled_from(STAMPS))
def test_stored_values_are_asyncuas_bytes(
    reading: tuple[Kind, list[tuple[Any, int, int, int]]], stamps: Stamps
) -> None:
    kind, rows = reading
    values = [
        data_value(kind, v, status, at, stamps, at + lag * LAG_NS)
        for v, status, at, lag in rows
    ]  # fmt: skip
    ours = history_data(of_samples(stored(kind, rows), kind), stamps)
    assert ours == extensionobject_to_binary(ua.HistoryData(values))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.floats(-1e5, 1e5), st.sampled_from([0, 0x402, 0x40A40401, 0x809B0000]), times_ns), max_size=8)
)
def test_results_are_asyncuas_bytes(rows: list[tuple[float, int, int]]) -> None:
    value, status, at = (np.array([r[k] for r in rows], t) for k, t in enumerate((np.float64, np.uint32, np.int64)))
    ours = history_data(of_results(Kind.Double, value, status, at), Stamps.BOTH)
    assert ours == extensionobject_to_binary(
        ua.HistoryData([data_value(Kind.Double, v, s, t, Stamps.SOURCE, 0) for v, s, t in rows])
    )


@pytest.mark.parametrize(
    ("kind", "value", "told"),
    [(Kind.Byte, 255.4, 255), (Kind.Byte, 300.0, None), (Kind.Boolean, 1.0, True), (Kind.Int16, -3.5, -4)],
)
def test_a_result_that_its_type_cannot_hold_is_null(kind: Kind, value: float, told: Any) -> None:
    column = of_results(kind, np.array([value]), np.zeros(1, np.uint32), np.zeros(1, np.int64))
    if told is None:
        assert column.null.all() and column.status.tolist() == [StatusCode.BadOutOfRange]
    else:
        assert column.value.tolist() == [told] and not column.null.any()


def test_a_sample_stored_as_another_kind_is_null() -> None:
    """The tag was a text once; now it is a number."""
    old = stored(Kind.String, [("on", 0, 0, 0)])
    column = of_samples(old, Kind.Int32)
    assert column.null.all() and column.status.tolist() == [StatusCode.BadTypeMismatch]
    new = stored(Kind.Double, [(2.5, 0, 0, 0)])
    column = of_samples(new, Kind.String)
    assert column.null.all() and column.status.tolist() == [StatusCode.BadTypeMismatch]


def body(details: Any) -> bytes:
    return struct_to_binary(details)


@settings(max_examples=60, deadline=None)
@given(asked_times, asked_times, st.integers(0, 2**32 - 1), st.booleans())
def test_raw_details_are_read_as_written(start: int, end: int, most: int, bounds: bool) -> None:
    details = ua.ReadRawModifiedDetails(False, moment(start), moment(end), most, bounds)
    assert question(RAW_DETAILS, body(details), 10) == RawQuestion(start, end, most, bounds)


@settings(max_examples=60, deadline=None)
@given(
    asked_times, st.integers(1, 10**9), st.integers(0, 10**9), st.booleans(), st.integers(0, 100), st.integers(0, 100)
)
def test_processed_details_are_read_as_written(
    start: int, range_s: int, width_ms: int, uncertain: bool, bad: int, good: int
) -> None:
    ids = [ua.NodeId(2342), ua.NodeId(11285), ua.NodeId(9999999), ua.NodeId("x", 2)]
    config = ua.AggregateConfiguration(False, uncertain, bad, good, True)
    details = ua.ReadProcessedDetails(moment(start), moment(start + range_s * 10**9), float(width_ms), ids, config)
    if good < 100 - bad:
        with pytest.raises(Refused, match="BadAggregateConfigurationRejected"):
            question(PROCESSED_DETAILS, body(details), 10)
        return
    asked = question(PROCESSED_DETAILS, body(details), 10)
    assert isinstance(asked, ProcessedQuestion) and asked.configuration is not None
    assert (asked.request.start_ns, asked.request.width_ns) == (start, width_ms * 10**6)
    assert asked.names == ("Average", "TimeAverage2", None, None)
    assert (asked.configuration.treat_uncertain_as_bad, asked.configuration.percent_bad) == (uncertain, bad)


@settings(max_examples=60, deadline=None)
@given(st.lists(asked_times, min_size=1, max_size=20), st.booleans())
def test_times_are_read_as_written(times: list[int], simple: bool) -> None:
    asked = question(AT_TIME_DETAILS, body(ua.ReadAtTimeDetails([moment(t) for t in times], simple)), 20)
    assert isinstance(asked, AtTimeQuestion)
    assert (asked.times_ns.tolist(), asked.simple_bounds) == (times, simple)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([RAW_DETAILS, PROCESSED_DETAILS, AT_TIME_DETAILS, 0]), st.binary(max_size=60))
def test_any_other_bytes_are_a_question_or_refused(type_id: int, bytes_: bytes) -> None:
    try:
        question(type_id, bytes_, 10)
    except Refused as refusal:
        assert refusal.code >= BAD
