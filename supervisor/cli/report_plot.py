# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_report_plot.py
"""The alarm report as a page of bars: rate with the limit of a flood, priorities, top ten, chattering, stale.

Law of this file: pure, but for the file it writes. SVG from nothing but text; PNG by matplotlib, where installed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any, Final

from supervisor.alarms.load import FLOOD, TEN_MINUTES_NS
from supervisor.cli.alarms import SIGNS
from supervisor.failure import Failure

BARS_MAX: Final = 480
"""Bars of the rate; a longer time shows the highest of several windows in each."""
_WIDTH: Final = 960  # of the page [px]
_LEFT: Final = 330  # margins of the bars [px]
_RIGHT: Final = 70
_RATE: Final = 170  # heights [px]
_LINE: Final = 18
_BLUE: Final = "#08519c"
_RED: Final = "#cb181d"


@dataclass(frozen=True, slots=True)
class Panel:
    """Bars lying one below the other; `names` may be empty."""

    title: str
    names: Sequence[str]
    values: Sequence[float]


def draw(report: dict[str, Any], target: str) -> None:
    """Write the page.

    Raises:
        Failure: another ending than .svg and .png; matplotlib is not installed.
    """
    if target.endswith(".svg"):
        Path(target).write_text(svg(report))
    elif target.endswith(".png"):
        png(report, Path(target))
    else:
        raise Failure(f"--plot: expected FILE.svg or FILE.png, got '{target[:60]}'")


def rate(report: dict[str, Any]) -> list[int]:
    """Annunciations of each ten minutes of the time, or the highest of several."""
    begin, end = (round(datetime.fromisoformat(report[k]).timestamp() * 1e9) for k in ("from", "until"))
    windows = max(1, -(-(end - begin) // TEN_MINUTES_NS))
    each = -(-windows // BARS_MAX)
    made = [0] * -(-windows // each)
    for ns, n in report["tens"]:
        at = min(max(0, (ns - begin) // TEN_MINUTES_NS // each), len(made) - 1)
        made[at] = max(made[at], n)
    return made


def panels(report: dict[str, Any]) -> list[Panel]:
    """What is drawn below the rate."""
    priorities, top, beats = report["priorities"], report["top"], report["chattering"][:10]
    old = report["stale"][:10]
    until = datetime.fromisoformat(report["until"])
    days = [(until - datetime.fromisoformat(a["raised"])).total_seconds() / 86400 for a in old]
    return [
        Panel("announced by priority", [SIGNS.get(p, p) for p in priorities], list(priorities.values())),
        Panel("top ten, times announced", [a["name"] for a in top], [a["count"] for a in top]),
        Panel("chattering, most in a minute", [a["name"] for a in beats], [a["per_minute_max"] for a in beats]),
        Panel(f"standing for more than a day ({report['stale_total']:,}) [d]", [a["name"] for a in old], days),
    ]


def svg(report: dict[str, Any]) -> str:
    """A picture of its own, to be read by a browser and kept in a report."""
    body, y = _rate_svg(rate(report), report), _RATE + 60.0
    for panel in panels(report):
        body.append(f'<text x="10" y="{y:.0f}" font-size="14">{escape(panel.title)}</text>')
        if not panel.values:
            body.append(f'<text x="{_LEFT}" y="{y:.0f}">none</text>')
        y += 8
        most = max(panel.values, default=1) or 1
        for name, value in zip(panel.names, panel.values, strict=True):
            width = (_WIDTH - _LEFT - _RIGHT) * value / most
            middle = y + _LINE - 5
            body.append(f'<text x="{_LEFT - 8}" y="{middle:.0f}" text-anchor="end">{escape(name[:48])}</text>')
            body.append(f'<rect x="{_LEFT}" y="{y + 2:.0f}" width="{width:.1f}" height="{_LINE - 4}" fill="{_BLUE}"/>')
            body.append(f'<text x="{_LEFT + width + 6:.1f}" y="{middle:.0f}">{value:,.4g}</text>')
            y += _LINE
        y += 28
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {y:.0f}" font-family="sans-serif"'
    return "\n".join([f'{head} font-size="12">', f'<rect width="{_WIDTH}" height="{y:.0f}" fill="white"/>',
                      *body, "</svg>"]) + "\n"  # fmt: skip


def _rate_svg(counts: list[int], report: dict[str, Any]) -> list[str]:
    left, right, floor = 60, _WIDTH - 20, _RATE + 10
    most, step = max(*counts, FLOOD + 2), (right - left) / len(counts)

    def height(n: float) -> float:
        return n / most * (_RATE - 30)

    made = [f'<text x="10" y="24" font-size="14">{escape(_title(report))}</text>']
    made += [
        f'<rect x="{left + i * step:.1f}" y="{floor - height(n):.1f}" width="{max(step * 0.9, 0.8):.1f}" '
        f'height="{height(n):.1f}" fill="{_RED if n > FLOOD else _BLUE}"/>'
        for i, n in enumerate(counts) if n
    ]  # fmt: skip
    limit = floor - height(FLOOD)
    made.append(f'<path d="M{left} {limit:.1f}H{right}" stroke="{_RED}" stroke-dasharray="6 3"/>')
    made.append(f'<path d="M{left} {floor}H{right}" stroke="#888"/>')
    made.append(f'<text x="{left - 6}" y="{limit + 4:.1f}" text-anchor="end">{FLOOD}</text>')
    for anchor, x, at in (("start", left, "from"), ("end", right, "until")):
        made.append(f'<text x="{x}" y="{floor + 16}" text-anchor="{anchor}">{escape(_local(report[at]))}</text>')
    return made


def _title(report: dict[str, Any]) -> str:
    return f"alarms announced per 10 min; in flood {report['in_flood']:.1%} of the time"


def _local(iso: str) -> str:
    return f"{datetime.fromisoformat(iso).replace(tzinfo=UTC).astimezone():%Y-%m-%d %H:%M}"


def png(report: dict[str, Any], path: Path) -> None:
    """A PNG file.

    Raises:
        Failure: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        raise Failure("a PNG needs matplotlib: pip install 'vigie[plot]'; or name a file that ends in .svg") from None
    counts, below = rate(report), panels(report)
    heights = [4.0, *(1.0 + 0.45 * len(p.values) for p in below)]
    figure = Figure(figsize=(9.6, sum(heights) * 0.55), layout="constrained")
    axes = figure.subplots(len(heights), 1, height_ratios=heights)
    axes[0].set_title(_title(report), loc="left")
    axes[0].bar(range(len(counts)), counts, width=0.9, color=[_RED if n > FLOOD else _BLUE for n in counts])
    axes[0].axhline(FLOOD, color=_RED, linestyle="--")
    axes[0].set_xticks([0, max(0, len(counts) - 1)], [_local(report[k]) for k in ("from", "until")])
    for each, panel in zip(axes[1:], below, strict=True):
        each.set_title(panel.title if panel.values else f"{panel.title}: none", loc="left")
        bars = each.barh([n[:48] for n in panel.names], panel.values, color=_BLUE)
        each.bar_label(bars, fmt="%.4g", padding=3)
        each.invert_yaxis()
    figure.savefig(path, format="png")
