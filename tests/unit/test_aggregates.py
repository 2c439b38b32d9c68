# SPDX-License-Identifier: Apache-2.0
"""The worked examples of OPC 10000-13, annex A (release 1.04): four historians, a table for each aggregate.

Two figures of DurationGood on Historian 1 are those of the text of 1.05 (5.4.3.31: the status of the first region is
that of the sample before), which the annex of 1.04 contradicts; the OPC Foundation has it as Mantis 6165.
"""

from __future__ import annotations

import numpy as np
import pytest

from config.words import StatusCode
from historian.aggregates.functions import AGGREGATES, aggregate, in_order
from historian.aggregates.spans import Request
from historian.aggregates.trace import CALCULATED, INTERPOLATED, MULTIPLE, PARTIAL, Configuration, Trace, at_times

S = 1_000_000_000
NOON = 43_200 * S
GOOD, DOUBTFUL, NO_DATA = StatusCode.Good, StatusCode.UncertainDataSubNormal, StatusCode.BadNoData
G, U, B = int(StatusCode.Good), int(StatusCode.Uncertain), int(StatusCode.Bad)

PERIODIC = [
    (0, np.nan, int(NO_DATA)), (10, 10, G), (20, 20, G), (30, 30, G), (40, 40, B), (50, 50, G), (60, 60, G),
    (70, 70, U), (80, 80, G), (90, 90, G),
]  # fmt: skip
IRREGULAR = [
    (0, np.nan, int(NO_DATA)), (2, 10, G), (25, 20, G), (28, 25, G), (39, 30, G), (42, np.nan, B), (48, 40, G),
    (52, 50, G), (72, 60, G), (77, 70, U), (83, 70, G), (86, 80, G), (90, 90, G),
]  # fmt: skip
HISTORIANS = {
    1: (PERIODIC, Configuration(stepped=False, treat_uncertain_as_bad=False)),
    2: (IRREGULAR, Configuration(stepped=False)),
    3: (IRREGULAR, Configuration(stepped=True, percent_bad=50, percent_good=50)),
}


def trace_of(historian: int) -> Trace:
    rows, config = HISTORIANS[historian]
    time, value, status = zip(*rows, strict=True)
    return Trace(np.array(time, np.int64) * S + NOON, np.array(value, np.float64), np.array(status, np.uint32), config)


def results(name: str, historian: int, width_s: int, start_s: int = 0, end_s: int = 100) -> list[str]:
    """'12:00:16.000 20 Good, Calculated' and so on, as the annex prints them."""
    request = Request(NOON + start_s * S, NOON + end_s * S, width_s * S)
    intervals = request.intervals(0, len(request))
    found = in_order(aggregate(name, trace_of(historian), intervals), intervals)
    return [shown(*row) for row in zip(found.time_ns, found.value, found.status, strict=True)]


def shown(time_ns: int, value: float, status: int) -> str:
    seconds = (int(time_ns) - NOON) / S
    bits = [
        name
        for bit, name in (
            (CALCULATED, "Calculated"), (INTERPOLATED, "Interpolated"), (PARTIAL, "Partial"), (MULTIPLE, "Multiple"),
        )
        if status & bit & 0x1F
    ]  # fmt: skip
    text = {int(GOOD): "Good", int(DOUBTFUL): "Uncertain", int(NO_DATA): "BadNoData", U: "RawUncertain", B: "Bad"}
    told = ", ".join([text[int(status) & 0xFFFF0000], *bits])
    number = "" if np.isnan(value) else f"{round(value, 3):g}"
    return f"{seconds:g} {number} {told}".replace("  ", " ")


C, IN, P = ", Calculated", ", Interpolated", ", Partial"
ANNEX = {
    # A.2
    ("Interpolative", 1, 5): [
        "BadNoData", "BadNoData", "10 Good", f"15 Good{IN}", "20 Good", f"25 Good{IN}", "30 Good", f"35 Uncertain{IN}",
        f"40 Uncertain{IN}", f"45 Uncertain{IN}", "50 Good", f"55 Good{IN}", "60 Good", f"65 Uncertain{IN}",
        "70 RawUncertain", f"75 Uncertain{IN}", "80 Good", f"85 Good{IN}", "90 Good", f"90 Uncertain{IN}",
    ],
    ("Interpolative", 2, 5): [
        "BadNoData", f"11.304 Good{IN}", f"13.478 Good{IN}", f"15.652 Good{IN}", f"17.826 Good{IN}", "20 Good",
        f"25.909 Good{IN}", f"28.182 Good{IN}", f"31.111 Uncertain{IN}", f"36.667 Uncertain{IN}", f"45 Good{IN}",
        f"51.5 Good{IN}", f"54 Good{IN}", f"56.5 Good{IN}", f"59 Good{IN}", f"62.727 Uncertain{IN}",
        f"67.273 Uncertain{IN}",
        f"76.667 Good{IN}", "90 Good", f"90 Uncertain{IN}",
    ],
    ("Interpolative", 3, 5): [
        "BadNoData", f"10 Good{IN}", f"10 Good{IN}", f"10 Good{IN}", f"10 Good{IN}", "20 Good", f"25 Good{IN}",
        f"25 Good{IN}", f"30 Good{IN}", f"30 Uncertain{IN}", f"40 Good{IN}", f"50 Good{IN}", f"50 Good{IN}",
        f"50 Good{IN}",
        f"50 Good{IN}", f"60 Good{IN}", f"60 Uncertain{IN}", f"70 Good{IN}", "90 Good", f"90 Uncertain{IN}",
    ],
    # A.3
    ("Average", 1, 5): [
        "BadNoData", "BadNoData", f"10 Good{C}", "BadNoData", f"20 Good{C}", "BadNoData", f"30 Good{C}", "BadNoData",
        "BadNoData", "BadNoData", f"50 Good{C}", "BadNoData", f"60 Good{C}", "BadNoData", "BadNoData", "BadNoData",
        f"80 Good{C}", "BadNoData", f"90 Good{C}", "BadNoData",
    ],
    # A.4
    ("TimeAverage", 1, 5): [
        "BadNoData", "BadNoData", f"12.5 Good{C}", f"17.5 Good{C}", f"22.5 Good{C}", f"27.5 Good{C}",
        f"32.5 Uncertain{C}", f"37.5 Uncertain{C}", f"42.5 Uncertain{C}", f"47.5 Uncertain{C}", f"52.5 Good{C}",
        f"57.5 Good{C}", f"62.5 Uncertain{C}", f"67.5 Uncertain{C}", f"72.5 Uncertain{C}", f"77.5 Uncertain{C}",
        f"82.5 Good{C}", f"87.5 Good{C}", f"90 Uncertain{C}", f"90 Uncertain{C}",
    ],
    # A.5
    ("TimeAverage2", 1, 5): [
        "BadNoData", "BadNoData", f"12.5 Good{C}", f"17.5 Good{C}", f"22.5 Good{C}", f"27.5 Good{C}",
        f"30 Uncertain{C}", f"30 Uncertain{C}", "BadNoData", "BadNoData", f"52.5 Good{C}", f"57.5 Good{C}",
        f"62.5 Uncertain{C}", f"67.5 Uncertain{C}", f"72.5 Uncertain{C}", f"77.5 Uncertain{C}", f"82.5 Good{C}",
        f"87.5 Good{C}", f"90 Uncertain{C}{P}", "BadNoData",
    ],
    # A.8, A.9
    ("Minimum", 1, 16): [
        f"10 Good{C}{P}", f"20 Good{C}", "BadNoData", f"50 Good{C}", "BadNoData", f"80 Good{P}", "BadNoData",
    ],
    ("Minimum", 2, 16): [
        f"10 Good{C}{P}", f"20 Good{C}", f"30 Uncertain{C}", "40 Good", f"60 Uncertain{C}", f"70 Good{C}{P}",
        "BadNoData",
    ],
    ("Maximum", 1, 16): [
        f"10 Good{C}{P}", f"30 Good{C}", "BadNoData", f"60 Good{C}", "BadNoData", f"90 Good{C}{P}", "BadNoData",
    ],
    ("Maximum", 2, 16): [
        f"10 Good{C}{P}", f"25 Good{C}", f"30 Uncertain{C}", f"50 Good{C}", f"60 Uncertain{C}", f"90 Good{C}{P}",
        "BadNoData",
    ],
    # A.13
    ("Minimum2", 1, 16): [
        f"10 Uncertain{C}{P}", f"16 Uncertain{IN}", f"30 Uncertain{IN}", f"50 Uncertain{C}", f"64 Uncertain{IN}",
        f"80 Uncertain{P}", "BadNoData",
    ],
    ("Minimum2", 2, 16): [
        f"10 Uncertain{C}{P}", f"16.087 Good{IN}", f"26.818 Uncertain{IN}", "40 Good", f"56 Uncertain{IN}",
        f"70 Uncertain{C}{P}", "BadNoData",
    ],
    ("Minimum2", 3, 16): [
        f"10 Good{C}{P}", f"10 Good{IN}", f"25 Good{IN}", "40 Good", f"50 Good{IN}", f"70 Good{C}{P}", "BadNoData",
    ],
    # A.19
    ("Count", 1, 16): [
        f"1 Good{C}{P}", f"2 Good{C}", "Bad", f"2 Good{C}", f"0 Uncertain{C}", f"2 Good{C}{P}", "BadNoData",
    ],
    ("Count", 2, 16): [
        f"1 Good{C}{P}", f"2 Good{C}", f"1 Uncertain{C}", f"2 Good{C}", f"1 Uncertain{C}", f"3 Good{C}{P}",
        "BadNoData",
    ],
    # A.25
    ("StartBound", 1, 16): [
        "BadNoData", f"16 Good{IN}", f"30 Uncertain{IN}", "BadNoData", f"64 Uncertain{IN}", f"80 Good{P}", "BadNoData",
    ],
    ("StartBound", 2, 16): [
        "BadNoData", f"16.087 Good{IN}", f"26.818 Good{IN}", "40 Good", f"56 Good{IN}", "BadNoData", "BadNoData",
    ],
    ("StartBound", 3, 16): [
        "BadNoData", f"10 Good{IN}", f"25 Good{IN}", "40 Good", f"50 Good{IN}", "BadNoData", "BadNoData",
    ],
    # A.29 to A.32
    ("DurationGood", 1, 16): [
        f"6000 Good{C}{P}", f"16000 Good{C}", f"8000 Good{C}", f"14000 Good{C}", f"6000 Good{C}",
        f"10001 Good{C}{P}", "BadNoData",
    ],
    ("DurationGood", 2, 16): [
        f"14000 Good{C}{P}", f"16000 Good{C}", f"10000 Good{C}", f"16000 Good{C}", f"13000 Good{C}",
        f"7001 Good{C}{P}", "BadNoData",
    ],
    ("DurationBad", 2, 16): [
        f"2000 Good{C}{P}", f"0 Good{C}", f"6000 Good{C}", f"0 Good{C}", f"3000 Good{C}", f"3000 Good{C}{P}",
        "BadNoData",
    ],
    ("PercentGood", 2, 16): [
        f"87.5 Good{C}{P}", f"100 Good{C}", f"62.5 Good{C}", f"100 Good{C}", f"81.25 Good{C}", f"70.003 Good{C}{P}",
        "BadNoData",
    ],
    ("PercentBad", 2, 16): [
        f"12.5 Good{C}{P}", f"0 Good{C}", f"37.5 Good{C}", f"0 Good{C}", f"18.75 Good{C}", f"29.997 Good{C}{P}",
        "BadNoData",
    ],
}  # fmt: skip


@pytest.mark.parametrize(("name", "historian", "width_s"), list(ANNEX))
def test_annex_a(name: str, historian: int, width_s: int) -> None:
    expected = [f"{k * width_s} {told}" for k, told in enumerate(ANNEX[(name, historian, width_s)])]
    assert results(name, historian, width_s) == expected


def test_time_average_2_of_historian_2_as_far_as_a_5_prints_it() -> None:
    expected = [
        f"10.652 Uncertain{C}{P}", f"12.391 Good{C}", f"14.565 Good{C}", f"16.739 Good{C}", f"18.913 Good{C}",
        f"23.682 Good{C}", f"27.045 Good{C}", f"29.273 Uncertain{C}", f"30 Uncertain{C}", f"42.5 Uncertain{C}",
        f"49.45 Good{C}", f"52.75 Good{C}", f"55.25 Good{C}", f"57.75 Good{C}", f"59.8 Uncertain{C}",
    ]  # fmt: skip
    assert results("TimeAverage2", 2, 5)[:15] == [f"{k * 5} {told}" for k, told in enumerate(expected)]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "MinimumActualTime",  # A.10
            [f"2 10 Good{P}", "25 20 Good", "39 30 Uncertain", "48 40 Good", "72 60 Uncertain", f"83 70 Good{P}"],
        ),
        (
            "MaximumActualTime",  # A.11
            [f"2 10 Good{P}", "28 25 Good", "39 30 Uncertain", "52 50 Good", "72 60 Uncertain", f"90 90 Good{P}"],
        ),
        ("Start", [f"2 10 Good{P}", "25 20 Good", "39 30 Good", "48 40 Good", "72 60 Good", f"83 70 Good{P}"]),
        ("End", [f"2 10 Good{P}", "28 25 Good", "42 Bad", "52 50 Good", "77 70 RawUncertain", f"90 90 Good{P}"]),
    ],
)
def test_results_that_stand_at_the_time_of_a_sample(name: str, expected: list[str]) -> None:
    for historian in (2, 3):
        assert results(name, historian, 16) == [*expected, "96 BadNoData"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "Delta",
            [f"0 Good{C}{P}", f"5 Good{C}", f"0 Uncertain{C}", f"10 Good{C}", f"0 Uncertain{C}", f"20 Good{C}{P}"],
        ),
        (
            "Range",
            [f"0 Good{C}{P}", f"5 Good{C}", f"0 Uncertain{C}", f"10 Good{C}", f"0 Uncertain{C}", f"20 Good{C}{P}"],
        ),
        (
            "StandardDeviationPopulation",
            [f"0 Good{C}", f"2.5 Good{C}", f"0 Uncertain{C}", f"5 Good{C}", f"0 Uncertain{C}", f"8.165 Good{C}"],
        ),
    ],
)  # fmt: skip
def test_results_by_the_text_of_5_4_3(name: str, expected: list[str]) -> None:
    assert results(name, 2, 16) == [*(f"{k * 16} {told}" for k, told in enumerate(expected)), "96 BadNoData"]


def test_an_uncertain_value_beyond_the_extreme_makes_it_uncertain() -> None:
    """5.4.3.10, 5.4.3.11: the maximum of 12:01:00..12:01:20 is 60, and an Uncertain 70 lies above it."""
    assert results("Maximum", 1, 20, 60, 80) == ["60 60 Uncertain"]
    assert results("Minimum", 1, 20, 60, 80) == ["60 60 Good"]


class TestIntervals:
    """OPC 10000-13, 5.4.2.2, table 12."""

    def test_no_width_or_one_as_wide_as_the_range_is_one_interval(self) -> None:
        for width_s in (0, 100, 500):
            assert results("Average", 2, width_s) == [f"0 47.5 Uncertain{C}"]

    def test_the_last_interval_holds_the_rest_and_is_partial(self) -> None:
        assert results("Count", 2, 40, 48, 90)[0] == f"48 5 Uncertain{C}"
        assert results("Count", 2, 40, 48, 90)[1] == f"88 0 Good{C}{P}"

    def test_time_may_flow_backward(self) -> None:
        """(Start - Int, Start]: the later edge belongs to an interval and is its time stamp."""
        assert results("Count", 2, 16, 96, 16) == [
            f"96 3 Good{C}{P}", f"80 1 Uncertain{C}", f"64 1 Good{C}", f"48 2 Uncertain{C}", f"32 2 Good{C}",
        ]  # fmt: skip
        assert results("Minimum", 2, 16, 48, 32) == [f"48 30 Uncertain{C}"]
        assert results("Maximum", 2, 16, 48, 32) == ["48 40 Uncertain"]
        assert results("Start", 2, 16, 48, 32) == ["48 40 Good"]
        assert results("TimeAverage2", 2, 40, 80, 0)[1] == results("TimeAverage2", 2, 40, 0, 80)[0].replace(
            "0 ", "40 ", 1
        )

    def test_start_and_end_must_differ(self) -> None:
        with pytest.raises(ValueError, match="two times"):
            Request(5, 5, 1)


class TestReadAtTime:
    """OPC 10000-11, 6.5.5.2: a stored value as it is, else the bound of the kind asked for."""

    def at(self, historian: int, seconds: float, simple: bool) -> str:
        times = np.array([NOON + int(seconds * S)])
        found = at_times(trace_of(historian), times, simple)
        return shown(int(times[0]), found.value[0], int(found.status[0])).partition(" ")[2]

    def test_a_stored_value_is_told_as_it_is(self) -> None:
        assert self.at(1, 20, False) == "20 Good"
        assert self.at(1, 70, False) == "70 RawUncertain"
        assert self.at(1, 40, False) == self.at(1, 40, True) == "Bad"

    def test_between_values_the_kind_of_bound_decides(self) -> None:
        assert self.at(1, 45, False) == f"45 Uncertain{IN}"
        assert self.at(1, 45, True) == "BadNoData"
        assert self.at(3, 45, False) == f"30 Uncertain{IN}"
        assert self.at(3, 30, True) == f"25 Good{IN}"
        assert self.at(1, 95, False) == f"90 Uncertain{IN}"
        assert self.at(1, 95, True) == self.at(1, -1, False) == "BadNoData"


def test_sloped_extrapolation_goes_on_along_the_last_line() -> None:
    rows, config = PERIODIC, Configuration(stepped=False, treat_uncertain_as_bad=False, sloped_extrapolation=True)
    time, value, status = zip(*rows, strict=True)
    trace = Trace(np.array(time) * S, np.array(value, np.float64), np.array(status, np.uint32), config)
    found = at_times(trace, np.array([95 * S]), simple_bounds=False)
    assert found.value.tolist() == [95.0] and found.status.tolist() == [int(DOUBTFUL) | INTERPOLATED]


def test_nothing_stored_is_no_data_for_every_aggregate() -> None:
    void = Trace(np.empty(0, np.int64), np.empty(0), np.empty(0, np.uint32), Configuration())
    request = Request(NOON, NOON + 10 * S, 3 * S)
    for name in AGGREGATES:
        found = aggregate(name, void, request.intervals(0, 10))
        assert found.status.tolist() == [int(NO_DATA)] * 4 and np.isnan(found.value).all(), name


@pytest.mark.parametrize(
    ("bad", "good", "valid"), [(100, 100, True), (50, 50, True), (0, 100, True), (10, 80, False), (101, 100, False)]
)
def test_percent_good_is_at_least_what_percent_bad_leaves(bad: int, good: int, valid: bool) -> None:
    """4.2.1.2"""
    assert Configuration(percent_bad=bad, percent_good=good).valid is valid
