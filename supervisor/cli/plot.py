# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_plot.py
"""Curves: in the terminal and as SVG, from nothing but text; as PNG by matplotlib, where that is installed.

Law of this file: pure, but for the file of a PNG. A curve is a band from lowest to highest with the mean in it; where
nothing is known there is nothing, neither zero nor a straight line.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Final

from supervisor.failure import Failure

HEIGHT: Final = 16
_DRAWN: Final = "█░┤└─"
_PLAIN: Final = str.maketrans(_DRAWN, "#:|+-")
_SVG: Final = (960, 360, 70, 40)  # width, height, margins [px]


@dataclass(frozen=True, slots=True)
class Curve:
    """Parallel columns, one entry a bucket; None where nothing is known. `marks`: time of first, middle, last."""

    title: str
    unit: str
    low: Sequence[float | None]
    high: Sequence[float | None]
    mean: Sequence[float | None]
    marks: tuple[str, str, str]

    def span(self) -> tuple[float, float] | None:
        """Lowest and highest value, a little apart; None if nothing is known."""
        lows, highs = [v for v in self.low if v is not None], [v for v in self.high if v is not None]
        if not lows:
            return None
        low, high = min(lows), max(highs)
        room = (high - low) * 0.02 or max(abs(high) * 0.02, 0.5)
        return low - room, high + room


def shows(encoding: str | None) -> bool:
    """Whether a terminal of this encoding has the characters that curves are drawn with."""
    try:
        _DRAWN.encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def terminal(curve: Curve, height: int = HEIGHT, *, plain: bool = False) -> list[str]:
    """Lines for a terminal, one column a bucket; `plain`: drawn with what every terminal has."""
    title, *lines = _drawn(curve, height)
    return [title, *(line.translate(_PLAIN) for line in lines)] if plain else [title, *lines]


def _drawn(curve: Curve, height: int) -> list[str]:
    span = curve.span()
    if span is None:
        return [curve.title, "nothing was recorded"]
    low, high = span
    step = (high - low) / height
    lines = [f"{curve.title}{f' [{curve.unit}]' if curve.unit else ''}"]
    for i in range(height):
        floor = high - (i + 1) * step
        label = f"{floor + step / 2:10.5g}" if i % 5 == 0 or i == height - 1 else " " * 10
        lines.append(f"{label} ┤{''.join(_cell(curve, k, floor, step) for k in range(len(curve.low)))}".rstrip())
    first, middle, last = curve.marks
    width = max(len(curve.low), len(first) + len(middle) + len(last) + 2)
    left = (width - len(middle)) // 2
    lines.append(f"{'':10} └{'─' * width}")
    lines.append(f"{'':12}{first:<{left}}{middle}{last:>{width - left - len(middle)}}")
    return lines


def _cell(curve: Curve, k: int, floor: float, step: float) -> str:
    low, high, mean = curve.low[k], curve.high[k], curve.mean[k]
    if low is None or high is None or high < floor or low >= floor + step:
        return " "
    middle = mean is not None and floor <= mean < floor + step
    return "█" if middle else "░"


def svg(curve: Curve) -> str:
    """A picture of its own, to be read by a browser and kept in a report."""
    width, height, left, bottom = _SVG
    span = curve.span()
    low, high = span if span is not None else (0.0, 1.0)
    n = max(1, len(curve.low) - 1)

    def x(k: int) -> float:
        return left + k * (width - left - 20) / n

    def y(value: float) -> float:
        return 40 + (high - value) / (high - low) * (height - 40 - bottom)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
        'font-size="12">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<text x="{left}" y="24" font-size="15">{escape(curve.title)}</text>',
    ]
    for value in _ticks(low, high):
        parts.append(f'<path d="M{left} {y(value):.1f}H{width - 20}" stroke="#ddd"/>')
        parts.append(f'<text x="{left - 8}" y="{y(value) + 4:.1f}" text-anchor="end">{value:g}</text>')
    parts.append(f'<text x="8" y="24">{escape(curve.unit)}</text>')
    for at, anchor, text in zip((left, (left + width - 20) / 2, width - 20), ("start", "middle", "end"), curve.marks,
                                strict=True):  # fmt: skip
        parts.append(f'<text x="{at:.0f}" y="{height - 12}" text-anchor="{anchor}">{escape(text)}</text>')
    for run in _runs(curve):
        there = " ".join(f"{x(k):.1f},{y(_number(curve.high[k])):.1f}" for k in run)
        back = " ".join(f"{x(k):.1f},{y(_number(curve.low[k])):.1f}" for k in reversed(run))
        parts.append(f'<polygon points="{there} {back}" fill="#9ecae1" stroke="#9ecae1"/>')
        mean = " ".join(f"{x(k):.1f},{y(_number(curve.mean[k])):.1f}" for k in run)
        parts.append(f'<polyline points="{mean}" fill="none" stroke="#08519c" stroke-width="1.5"/>')
    if span is None:
        parts.append(f'<text x="{width / 2}" y="{height / 2}" text-anchor="middle">nothing was recorded</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _runs(curve: Curve) -> Iterator[list[int]]:
    """Stretches of buckets in which something is known."""
    run: list[int] = []
    for k, mean in enumerate(curve.mean):
        if mean is not None:
            run.append(k)
        elif run:
            yield run
            run = []
    if run:
        yield run


def _ticks(low: float, high: float) -> list[float]:
    """About five round values within low..high."""
    rough = (high - low) / 5
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(m * unit for m in (1, 2, 5, 10) if m * unit >= rough)
    return [k * step for k in range(math.ceil(low / step), math.floor(high / step) + 1)]


def png(curve: Curve, path: Path) -> None:
    """A PNG file.

    Raises:
        Failure: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        raise Failure("a PNG needs matplotlib: pip install 'vigie[plot]'; or name a file that ends in .svg") from None
    figure = Figure(figsize=(9.6, 3.6), layout="constrained")
    axes = figure.add_subplot(title=curve.title, ylabel=curve.unit)
    at = list(range(len(curve.low)))
    low, high, mean = ([_number(v) for v in column] for column in (curve.low, curve.high, curve.mean))
    axes.fill_between(at, low, high, color="#9ecae1")
    axes.plot(at, mean, color="#08519c")
    axes.set_xticks([0, max(0, len(at) // 2), max(0, len(at) - 1)], curve.marks)
    figure.savefig(path, format="png")
