# SPDX-License-Identifier: Apache-2.0
"""Files of alarm tests: the notation of series, and every mistake at its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.problems import Problem
from config.testfile import NOTHING, Reading, expand, read_tests

GOOD = """\
equipment: 21605/CAB-0001
cases:
  - name: one
    series: {V1: 230x3}
    expect:
      - {at: 2 s, alarms: []}
"""


@pytest.mark.parametrize(
    ("series", "expected"),
    [
        ("230x3", [Reading(230)] * 3),
        ("230x2 180", [Reading(230)] * 2 + [Reading(180)]),
        ("200+2x3", [Reading(200.0), Reading(202.0), Reading(204.0)]),
        ("10-0.5x2", [Reading(10.0), Reading(9.5)]),
        ("-5+1x2", [Reading(-5.0), Reading(-4.0)]),
        ("0+0.1x4", [Reading(0.0), Reading(0.1), Reading(0.2), Reading(0.3)]),
        ("-5", [Reading(-5)]),
        ("_ bad uncertainx2", [NOTHING, Reading(None, "bad"), *[Reading(None, "uncertain")] * 2]),
        ("truex2 false", [Reading(True), Reading(True), Reading(False)]),
        ("auto", [Reading("auto")]),
        (230, [Reading(230)]),
        (True, [Reading(True)]),
        (12.5, [Reading(12.5)]),
    ],
)
def test_series(series: object, expected: list[Reading]) -> None:
    assert list(expand(series)) == expected


@pytest.mark.parametrize(
    ("series", "says"), [("", "got nothing"), ("~", "expected a value"), ("1x999999", "at most 100,000 steps")]
)
def test_series_that_are_none(series: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        list(expand(series))


def problems_of(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "x.tests.yaml"
    path.write_text(text)
    problems: list[Problem] = []
    assert (read_tests(path, problems) is None) == bool(problems)
    return [str(p).removeprefix(f"{tmp_path}/") for p in problems]


def test_a_good_file_is_read(tmp_path: Path) -> None:
    assert problems_of(tmp_path, GOOD) == []


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("21605/CAB-0001", "CAB-0001", "x.tests.yaml:1:12: equipment: "),
        ("at: 2 s", "at: 2", "x.tests.yaml:6:14: cases.one.expect[0].at: expected a duration"),
        ("at: 2 s", "at: 200000 s", "x.tests.yaml:6:7: cases.one.expect: expected at most 100,000 steps"),
        (
            "alarms: []",
            "alarm: []",
            "x.tests.yaml:6:19: cases.one.expect[0].alarm: unknown key; did you mean 'alarms'?",
        ),
        ("    expect:\n      - {at: 2 s, alarms: []}\n", "", "missing"),
        ("    expect:", "    do: [{at: 1 s}]\n    expect:", "expected exactly one of ack, confirm, reset"),
        ("cases:", "step: 1 min\ncases:", "step"),
        ("cases:", "cases: [", "x.tests.yaml:"),
    ],
)
def test_a_mistake_is_told_at_its_place(tmp_path: Path, old: str, new: str, place: str) -> None:
    (first, *_) = problems_of(tmp_path, GOOD.replace(old, new))
    assert place in first
