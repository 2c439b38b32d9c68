# SPDX-License-Identifier: Apache-2.0
"""The aggregates equal a plain loop over whole seconds, sample by sample, for every series, direction and setting."""

import math

import hypothesis.strategies as st
import numpy as np
from hypothesis import given, settings

from config.words import StatusCode
from historian.aggregates.functions import AGGREGATES, aggregate
from historian.aggregates.spans import Request
from historian.aggregates.trace import Configuration, Trace

S = 1_000_000_000
GOOD, UNCERTAIN, BAD = 0, 0x40000000, 0x80000000
Row = tuple[int, float, int]


@st.composite
def series(draw: st.DrawFn) -> list[Row]:
    times = sorted(draw(st.sets(st.integers(0, 60), min_size=1, max_size=25)))
    status = st.sampled_from([GOOD, GOOD, GOOD, UNCERTAIN, BAD])
    return [(t, float(draw(st.integers(-9, 9))), draw(status)) for t in times]


class Plain:
    """What the standard says, slowly."""

    def __init__(self, rows: list[Row], config: Configuration, known: int) -> None:
        self.rows, self.config, self.known = rows, config, known

    def usable(self, row: Row) -> bool:
        return row[2] < (UNCERTAIN if self.config.treat_uncertain_as_bad else BAD)

    def good(self, a: int, b: int) -> list[float]:
        return [v for t, v, s in self.rows if a <= t < b and s == GOOD]

    def held(self, t: float) -> Row | None:
        return next((r for r in reversed(self.rows) if r[0] <= t), None)

    def simple(self, second: int, t: float) -> float:
        """Value at t on the stretch that begins with this second; NaN where it is Bad."""
        row = self.held(second)
        if row is None or not self.usable(row) or second >= self.known:
            return math.nan
        following = next((r for r in self.rows if r[0] > second), None)
        if self.config.stepped or following is None or not self.usable(following):
            return row[1]
        return row[1] + (following[1] - row[1]) * (t - row[0]) / (following[0] - row[0])

    def sloped(self, second: int, t: float) -> float:
        usable = [r for r in self.rows if self.usable(r)]
        before = [r for r in usable if r[0] <= second]
        after = [r for r in usable if r[0] > second]
        if not before:
            return math.nan
        if not after:
            return before[-1][1]
        (t0, v0, _), (t1, v1, _) = before[-1], after[0]
        return v0 + (v1 - v0) * (t - t0) / (t1 - t0)

    def mean(self, way: str, a: int, b: int) -> float:
        parts = [(getattr(self, way)(k, k) + getattr(self, way)(k, k + 1)) / 2 for k in range(a, b)]
        known = [p for p in parts if not math.isnan(p)]
        return sum(known) / len(known) if known else math.nan

    def good_seconds(self, a: int, b: int) -> int:
        return sum(1 for k in range(a, min(b, self.known)) if (row := self.held(k)) is not None and row[2] == GOOD)


settings_of = st.builds(Configuration, stepped=st.booleans(), treat_uncertain_as_bad=st.booleans())


@settings(max_examples=80, deadline=None)
@given(series(), settings_of, st.integers(0, 40), st.integers(1, 15), st.integers(0, 20))
def test_values_are_what_a_plain_loop_makes(
    rows: list[Row], config: Configuration, start: int, width: int, beyond: int
) -> None:
    known = rows[-1][0] + beyond
    time, value, status = zip(*rows, strict=True)
    trace = Trace(np.array(time) * S, np.array(value), np.array(status, np.uint32), config, known * S)
    request = Request(start * S, 60 * S, width * S)
    intervals = request.intervals(0, len(request))
    plain = Plain(rows, config, known)
    found = {name: aggregate(name, trace, intervals) for name in AGGREGATES}
    for name in AGGREGATES:
        bad = found[name].status >= BAD
        assert np.isnan(found[name].value[bad]).all() and not np.isnan(found[name].value[~bad]).any(), name
    for k, (a, b) in enumerate(zip(intervals.low_ns // S, intervals.high_ns // S, strict=True)):
        a, b = int(a), int(b)
        inside = plain.good(a, b)
        expected = {
            "Average": sum(inside) / len(inside) if inside else math.nan,
            "Minimum": min(inside, default=math.nan),
            "Maximum": max(inside, default=math.nan),
            "Count": len(inside),
            "Delta": inside[-1] - inside[0] if inside else math.nan,
            "TimeAverage": plain.mean("sloped", a, b),
            "TimeAverage2": plain.mean("simple", a, b),
            "DurationGood": plain.good_seconds(a, b) * 1000.0,
            "StartBound": plain.simple(a, a),
        }
        for name, wanted in expected.items():
            if found[name].status[k] < BAD:
                np.testing.assert_allclose(found[name].value[k], wanted, rtol=1e-9, atol=1e-9, err_msg=name)
            elif name in ("Average", "Minimum", "Maximum", "Delta", "TimeAverage"):
                assert math.isnan(wanted) or a >= known or found[name].status[k] == StatusCode.Bad, name


@settings(max_examples=60, deadline=None)
@given(series(), settings_of, st.integers(1, 30))
def test_backward_reads_tell_the_same_areas_in_reverse(rows: list[Row], config: Configuration, width: int) -> None:
    time, value, status = zip(*rows, strict=True)
    trace = Trace(np.array(time) * S, np.array(value), np.array(status, np.uint32), config)
    range_s = 60 // width * width
    forth, back = Request(0, range_s * S, width * S), Request(range_s * S, 0, width * S)
    for name in ("TimeAverage", "TimeAverage2", "DurationGood"):
        ahead = aggregate(name, trace, forth.intervals(0, len(forth)))
        behind = aggregate(name, trace, back.intervals(0, len(back)))
        there = (ahead.status < BAD) & (behind.status < BAD)
        np.testing.assert_allclose(ahead.value[there], behind.value[there], atol=1e-9, err_msg=name)
