# SPDX-License-Identifier: Apache-2.0
"""Problems are sorted, counted and say what was not done."""

from __future__ import annotations

import pytest

from config.problems import LINES_MAX, Problem, SiteProblems, guess, report, shown, unknown


def test_sorted_by_place_and_told_once() -> None:
    problems = SiteProblems(
        [Problem("b", 1, 1, "", "t"), Problem("a", 10, 2, "p.q", "t"), Problem("a", 9, 30, "", "t")] * 2
    )
    assert str(problems).splitlines() == ["a:9:30: t", "a:10:2: p.q: t", "b:1:1: t", "3 problems; nothing was started."]


def test_one_problem_is_singular_and_a_whole_file_has_no_line() -> None:
    assert report([Problem("f", 0, 0, "", "t")], "nothing was applied") == "f: t\n1 problem; nothing was applied."


def test_lines_are_bounded_and_the_count_is_not() -> None:
    lines = report([Problem("f", i, 1, "", "t") for i in range(1, LINES_MAX + 6)]).splitlines()
    assert len(lines) == LINES_MAX + 2
    assert lines[-2] == "(and 5 more that are not shown)"
    assert lines[-1] == f"{LINES_MAX + 5} problems; nothing was started."


def test_guesses() -> None:
    assert guess("adress", ["type", "address"]) == "address"
    assert guess("RUN", ["Run", "Stop"]) == "Run"
    assert guess("em", ["fr", "en"]) == "en"
    assert guess("nothing alike", ["type"]) is None
    assert guess(5, ["5"]) is None
    assert guess("x" * 10_000, ["x" * 9_999]) is None


@pytest.mark.parametrize(
    "slip", ["21003/cab-0017", "21003/CAB-00017", "21003/CAB-017", "21003/CBA-0017", "21003/CAB-OO17", "21003/CAB-0O17"]
)
def test_among_thousands_a_slip_is_found_without_looking_at_each(slip: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Likeness of a word to 4,900 names takes 80 ms: a file of 5,000 wrong names was read for minutes."""
    monkeypatch.setattr("difflib.get_close_matches", None)
    names = [f"{21000 + i // 200}/CAB-{i % 200:04d}" for i in range(4_900)]
    assert guess(slip, names) == (None if slip.count("O") == 2 else "21003/CAB-0017")
    assert guess("x" * 500, names) is None


def test_what_was_found_is_cut() -> None:
    assert shown("x" * 200) == "'" + "x" * 56 + "..."
    assert shown(True) == "true"
    assert shown(None) == "nothing"
    assert shown({}) == "an empty mapping"


def test_unknown_names_show_what_there_is() -> None:
    assert unknown("a desk", "watter", ["water"]) == "expected a desk, got 'watter'; did you mean 'water'?"
    assert unknown("a desk", "x", ["water", "light"]) == "expected a desk, got 'x'; there is water or light"
    assert unknown("a desk", "x", []) == "expected a desk, got 'x'; there are none"


def test_a_line_is_one_line_and_no_terminal_obeys_it() -> None:
    problem = Problem("f", 1, 1, "a\nb", "got '\x1b[2J' and é")
    assert str(problem) == "f:1:1: a\\nb: got '\\x1b[2J' and é"
