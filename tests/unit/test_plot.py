# SPDX-License-Identifier: Apache-2.0
"""Curves: a gap is a gap, a constant is a line, nothing is said so."""

from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from supervisor.cli.plot import Curve, png, shows, svg, terminal
from supervisor.failure import Failure

MARKS = ("18:00", "18:30", "19:00")


def curve(*values: float | None, title: str = "V1") -> Curve:
    return Curve(title, "V", values, values, values, MARKS)


def columns(lines: list[str]) -> list[str]:
    """What stands in each column of the drawing, top to bottom."""
    body = [line.partition("┤")[2] for line in lines if "┤" in line]
    width = max(map(len, body))
    return ["".join(line.ljust(width)[k] for line in body) for k in range(width)]


def test_a_ramp_rises_and_a_gap_stays_empty() -> None:
    lines = terminal(curve(0.0, 1.0, None, None, 4.0), height=5)
    assert lines[0] == "V1 [V]"
    at = [column.find("█") for column in columns(lines)]
    assert at[2:4] == [-1, -1]
    assert at[0] > at[1] > at[4] == 0
    assert lines[-1].split() == list(MARKS)


def test_a_constant_is_one_line_and_nothing_is_said() -> None:
    assert {column.strip() for column in columns(terminal(curve(5.0, 5.0, 5.0)))} == {"█"}
    assert terminal(curve(None, None)) == ["V1", "nothing was recorded"]


def test_a_band_from_lowest_to_highest_holds_the_mean() -> None:
    lines = terminal(Curve("V1", "", [0.0, 0.0], [10.0, 10.0], [5.0, 5.0], MARKS), height=9)
    assert columns(lines)[0].strip() == "░░░░█░░░░"


def test_a_terminal_without_blocks_is_drawn_in_what_it_has() -> None:
    assert shows("utf-8") and not shows("ascii") and not shows("latin-1") and not shows(None) and not shows("x")
    title, *lines = terminal(curve(1.0, 2.0, title="É"), plain=True)
    assert title.startswith("É") and all(line.isascii() for line in lines)
    assert sum(line.count("#") for line in lines) == 2


def test_an_svg_is_xml_draws_each_stretch_apart_and_quotes_names() -> None:
    text = svg(curve(0.0, 1.0, None, 3.0, 4.0, title="P <total> & more"))
    root = ElementTree.fromstring(text)
    space = "{http://www.w3.org/2000/svg}"
    assert len(root.findall(f"{space}polyline")) == 2
    assert "P <total> & more" in [node.text for node in root.iter(f"{space}text")]
    assert "nan" not in text
    empty = svg(curve(None, None))
    assert "nothing was recorded" in empty and "nan" not in empty


def test_a_png_without_matplotlib_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(Failure, match=r"pip install 'vigie\[plot\]'; or name a file that ends in \.svg"):
        png(curve(1.0), tmp_path / "a.png")
