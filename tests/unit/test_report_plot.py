# SPDX-License-Identifier: Apache-2.0
"""The alarm report drawn: every measure is on the page, the flood is red above its limit, nothing is said so."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from historian.base import Record, RecordKind
from supervisor.alarms.load import TEN_MINUTES_NS
from supervisor.alarms.report import Tally
from supervisor.cli.report_plot import BARS_MAX, draw, rate, svg
from supervisor.failure import Failure

S = 1_000_000_000
T0 = 1_749_945_600 * S  # 2025-06-15T00:00Z


def report(*seconds: int, days: int = 1) -> dict[str, Any]:
    made = Tally(T0, T0 + days * 86_400 * S)
    data = {"announced": True, "priority": "P3", "what": "alarm"}
    made.add(Record(T0 + s * S, RecordKind.ALARM, "vigie", f"a/<b>/{s % 7}", "alarm: x", data) for s in seconds)
    stale = [{"name": "a/b/Old", "raised": "2025-06-13T00:00:00Z"}]
    until = f"2025-06-{15 + days}T00:00:00Z"
    return made.document() | {"from": "2025-06-15T00:00:00Z", "until": until, "stale": stale, "stale_total": 1}


def test_the_page_holds_every_measure_and_is_sound_xml() -> None:
    page = svg(report(*range(3600, 3660, 2)))
    ElementTree.fromstring(page)
    for words in ("a/&lt;b&gt;/1", "a/b/Old", "announced by priority", "top ten", "chattering", "in flood"):
        assert words in page
    assert page.count("#cb181d") == 2, "one window above the limit, and the limit"


def test_a_day_without_alarms_is_drawn_too() -> None:
    page = svg(report() | {"stale": [], "stale_total": 0})
    ElementTree.fromstring(page)
    assert page.count(">none<") == 4 and page.count("#cb181d") == 1


def test_a_long_time_shows_the_highest_of_several_windows() -> None:
    day = rate(report(5, 6, 7, 700))
    assert day[:3] == [3, 1, 0] and len(day) == 144
    month = rate(report(5, 6, 7, 700, days=14))
    assert len(month) <= BARS_MAX and month[0] == 3 and sum(month) == 3
    assert TEN_MINUTES_NS == 600 * S


def test_a_png_is_matplotlib_s(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed: pip install 'vigie[plot]'")
    draw(report(*range(0, 9000, 30)), str(tmp_path / "page.png"))
    assert (tmp_path / "page.png").read_bytes().startswith(b"\x89PNG")


def test_another_ending_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Failure, match=r"expected FILE.svg or FILE.png, got 'x.gif'"):
        draw(report(), "x.gif")
    draw(report(1), str(tmp_path / "page.svg"))
    assert (tmp_path / "page.svg").read_text().startswith("<svg")
