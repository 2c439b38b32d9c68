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
from historian.aggregates.functions import AGGREGATES
from historian.aggregates.spans import Request
from historian.aggregates.trace import Configuration
from historian.store.samples import CLASSES
from historian.store.segments import DAY_NS
from historian.store.store import open_store
from tests.property.test_store_query import BEGIN, QUICK, Row, column, histories

CONFIGURATIONS = [
    Configuration(),
    Configuration(treat_uncertain_as_bad=False),
    Configuration(percent_bad=40, percent_good=70),
    Configuration(percent_bad=50, percent_good=50),
]


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
# The last interval, read alone, sees no sample within its look back.
@example(([(BEGIN + 23 * 3600 * NS_PER_S, -3.0, 0)], 0), 5400, 49, CONFIGURATIONS[0], 0)
@given(
    histories(),
    st.sampled_from([60, 900, 3600, 5400, 86_400, 777, 4_321, 15_768]),
    st.integers(0, 3 * 24),
    st.sampled_from(CONFIGURATIONS),
    st.integers(-1, 3),
)
def test_roll_ups_say_what_the_samples_say(
    history: tuple[list[Row], int], width_s: int, first_hour: int, config: Configuration, sealed: int
) -> None:
    rows, class_id = history
    with tempfile.TemporaryDirectory(dir=QUICK) as folder:
        store = open_store(Path(folder), "test", BEGIN)
        store.append(column(rows, class_id), rows[-1][0])
        if sealed >= 0:
            store.maintain(BEGIN + (sealed + 2) * DAY_NS)
        now_ns = BEGIN + 4 * DAY_NS
        start_ns = BEGIN + first_hour * 3600 * NS_PER_S
        request = Request(start_ns, start_ns + min(40, 86_400 * 2 // width_s) * width_s * NS_PER_S, width_s * NS_PER_S)
        part = (0, len(request))
        intervals = request.intervals(*part)
        swift = {n: reading.read_processed(store.reader, 5, n, request, part, config, now_ns) for n in AGGREGATES}
        store.reader._lean_day = store.reader._day  # type: ignore[method-assign]
        for name, quick in swift.items():
            slow = reading._of_samples(store.reader, 5, name, intervals, config, now_ns)
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
