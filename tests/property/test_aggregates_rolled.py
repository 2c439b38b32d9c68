# SPDX-License-Identifier: Apache-2.0
"""Roll-ups or samples: each aggregate says the same, to the last bit of its status."""

import tempfile
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings

from config.words import NS_PER_S
from historian.aggregates import reading
from historian.aggregates.functions import AGGREGATES, in_order
from historian.aggregates.spans import Request
from historian.aggregates.trace import Configuration
from historian.store.samples import CLASSES
from historian.store.segments import DAY_NS
from historian.store.store import open_store
from tests.property.test_store_query import BEGIN, QUICK, Row, column, histories

STATUSES = [0, 0x00960000, 0x40900000, 0x80000000, 0x80310000, 0x809B0000]
SHARES = [0.6, 0.1, 0.1, 0.05, 0.1, 0.05]
CONFIGURATIONS = [
    Configuration(),
    Configuration(treat_uncertain_as_bad=False),
    Configuration(percent_bad=40, percent_good=70),
    Configuration(percent_bad=50, percent_good=50),
]


@st.composite
def crowded(draw: st.DrawFn) -> tuple[list[Row], int]:
    """Bursts and lone samples on and beside the edges of minutes and quarters, of many statuses."""
    step_s = draw(st.sampled_from([7, 60, 300, 900, 3600]))
    starts = draw(st.lists(st.integers(0, 3 * 86_400 // step_s), min_size=1, max_size=8, unique=True))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    beside = rng.integers(-1, 2, 200) * int(rng.choice([0, 1, NS_PER_S]))
    sizes = rng.integers(1, 25, len(starts)) if draw(st.booleans()) else np.ones(len(starts), int)
    times = {
        BEGIN + (start + k) * step_s * NS_PER_S + int(beside[k])
        for start, size in zip(starts, sizes, strict=True)
        for k in range(size)
    }
    statuses = rng.choice(STATUSES, len(times), p=SHARES)
    rows = [(t, float(rng.integers(-3, 4)), int(s)) for t, s in zip(sorted(times), statuses, strict=True)]
    return rows, draw(st.sampled_from([CLASSES.index(c) for c in ("E", "A1", "A2", "C", "D", "P")]))


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
# The last interval, read alone, sees no sample within its look back.
@example(([(BEGIN + 23 * 3600 * NS_PER_S, -3.0, 0)], 0), 5400, 49, CONFIGURATIONS[0], 0, [], False)
@given(
    histories() | crowded(),
    st.sampled_from([60, 900, 3600, 5400, 86_400, 777, 4_321, 15_768]),
    st.integers(0, 3 * 24),
    st.sampled_from(CONFIGURATIONS),
    st.integers(-1, 3),
    st.lists(st.integers(0, 4 * 1440 * 60), max_size=2),
    st.booleans(),
)
def test_roll_ups_say_what_the_samples_say(
    history: tuple[list[Row], int],
    width_s: int,
    first_hour: int,
    config: Configuration,
    sealed: int,
    gap_seconds: list[int],
    reverse: bool,
) -> None:
    rows, class_id = history
    with tempfile.TemporaryDirectory(dir=QUICK) as folder:
        store = open_store(Path(folder), "test", BEGIN)
        for gap in sorted(BEGIN + s * NS_PER_S + 1 for s in gap_seconds):
            store.record_gap(gap, gap + NS_PER_S, "test")
        store.append(column(rows, class_id), rows[-1][0])
        if sealed >= 0:
            store.maintain(BEGIN + (sealed + 2) * DAY_NS)
        now_ns = BEGIN + 4 * DAY_NS
        start_ns = BEGIN + first_hour * 3600 * NS_PER_S
        end_ns = start_ns + min(40, 86_400 * 2 // width_s) * width_s * NS_PER_S
        ends = (end_ns, start_ns) if reverse else (start_ns, end_ns)
        request = Request(*ends, width_s * NS_PER_S)
        part = (0, len(request))
        intervals = request.intervals(*part)
        swift = {n: reading.read_processed(store.reader, 5, n, request, part, config, now_ns) for n in AGGREGATES}
        store.reader._lean_day = store.reader._day  # type: ignore[method-assign]
        for name, quick in swift.items():
            slow = in_order(reading._of_samples(store.reader, 5, name, intervals, config, now_ns), intervals)
            np.testing.assert_array_equal(quick.time_ns, slow.time_ns, name)
            np.testing.assert_array_equal(quick.status, slow.status, name)
            np.testing.assert_allclose(quick.value, slow.value, rtol=1e-9, atol=1e-9, err_msg=name)
        store.close()


def test_too_many_samples_are_read_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store(tmp_path, "test", BEGIN)
    rows = [(BEGIN + k * 10 * NS_PER_S, float(k % 17), 0) for k in range(2000)]
    store.append(column(rows, CLASSES.index("A1")), rows[-1][0])
    request = Request(BEGIN, BEGIN + 20_000 * NS_PER_S, 333 * NS_PER_S)
    part, now_ns = (0, len(request)), BEGIN + 20_000 * NS_PER_S
    ask = {
        name: reading.read_processed(store.reader, 5, name, request, part, Configuration(), now_ns)
        for name in AGGREGATES
    }
    around = store.reader.around
    monkeypatch.setattr(store.reader, "around", lambda s, a, b, n, most=100, lean=False: around(s, a, b, n, most, lean))
    for name, whole in ask.items():
        pieces = reading.read_processed(store.reader, 5, name, request, part, Configuration(), now_ns)
        np.testing.assert_array_equal(pieces.status, whole.status, name)
        np.testing.assert_allclose(pieces.value, whole.value, err_msg=name)
    with pytest.raises(reading.TooManySamples, match="one interval"):
        reading.read_processed(
            store.reader, 5, "Average", Request(BEGIN, BEGIN + DAY_NS, 0), (0, 1), Configuration(), now_ns
        )
    store.close()
