# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_demo_park.py
"""Equipment of a type that no behaviour was written for: it answers, and nothing ever moves.

Law of this file: arrays in, arrays out; no I/O. What the server writes stays written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from config.model import TagModel
from config.words import Kind
from supervisor.demo.sky import Moment

Values = Mapping[str, npt.NDArray[Any]]


class Resting:
    """All instances of one type at rest: each number in the middle of its range, everything else 0.

    Args:
        tags: the tags with a point.
        count: instances.
    """

    texts: Mapping[str, str] = {}

    def __init__(self, tags: Mapping[str, TagModel], count: int) -> None:
        self._values = {name: _at_rest(tag, count) for name, tag in tags.items() if tag.kind is not Kind.String}

    def step(self, sky: Moment, puts: Values) -> dict[str, npt.NDArray[Any]]:
        """Values at rest; writable tags keep what the registers hold."""
        return {**self._values, **puts}

    def acts(self) -> dict[str, Callable[[int, str], None]]:
        """Nothing can be done to it but `set`."""
        return {}


def _at_rest(tag: TagModel, count: int) -> npt.NDArray[Any]:
    middle = (tag.range[0] + tag.range[1]) / 2 if tag.range is not None else 0.0
    if tag.kind.is_float:
        return np.full(count, float(middle))
    if tag.kind is Kind.Boolean:
        return np.zeros(count, np.bool_)
    return np.full(count, int(middle) if tag.kind.is_integer else 0, np.int64)
