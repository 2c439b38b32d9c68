# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_readback.py, tests/kit (every driver)
"""Single points read outside their poll class, in the order in which they were asked for.

Law of this file: pure. A point that cannot be read is BadNotReadable and is not asked; one that is named twice is asked
once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from config.words import Batch, StatusCode
from drivers.base import Point

Answer = tuple[int, int, str | None]
"""Cell, StatusCode, and the text of a String point."""
NOT_READABLE: Answer = (0, int(StatusCode.BadNotReadable), None)


def readable(points: Sequence[Point], chosen: Sequence[int]) -> list[int]:
    """Which of the positions `chosen` are asked, each once."""
    return [i for i in dict.fromkeys(chosen) if points[i].access.readable]


def in_order(chosen: Sequence[int], found: Mapping[int, Answer]) -> list[Answer]:
    """An answer for each position; `found`: those of the readable ones."""
    return [found.get(i, NOT_READABLE) for i in chosen]


def unpacked(batch: Batch, positions: Sequence[int]) -> dict[int, Answer]:
    """A batch whose cells are those of some positions, by position."""
    texts = batch.texts or {}
    rows = zip(batch.cells.tolist(), batch.statuses.tolist(), strict=True)
    return {position: (*row, texts.get(k)) for k, (position, row) in enumerate(zip(positions, rows, strict=True))}
