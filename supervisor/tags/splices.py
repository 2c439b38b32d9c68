# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_splices.py
"""Counters of replaced meters: what the new one reads is joined to where the old one ended.

Law of this file: columns; no I/O. A splice is a number that is added to what the meter says, so that the tag's series,
its consumption and every counter calculated from it go on as if nothing had happened. Where the counter is known to
roll over, the sum does too.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from config.expression import parse
from config.tree import Name
from config.words import Rows
from supervisor.plant.plant import Plant


class Splices:
    """What is added to the readings of some rows of one plant.

    Attributes:
        offsets: row -> what is added [unit of the tag]; few, hence a dict beside the mask.
        untold: row -> when it was joined [UTC ns], until the history has a sample of it that says so.
    """

    def __init__(self, rows: int) -> None:
        self.offsets: dict[int, float] = {}
        self.untold: dict[int, int] = {}
        self._moduli: dict[int, float] = {}
        self._mask: npt.NDArray[np.bool_] | None = None
        self._rows = rows

    def put(self, row: int, offset: float, modulus: float | None, joined_ns: int | None = None) -> None:
        """Join a row. Replaces an earlier splice of it.

        Args:
            modulus: readings are 0 up to below this; None: it is not known to roll over.
            joined_ns: when it was joined [UTC ns]; None: the history knows.
        """
        if self._mask is None:
            self._mask = np.zeros(self._rows, np.bool_)
        self._mask[row] = True
        self.offsets[row] = offset
        if joined_ns is not None:
            self.untold[row] = joined_ns
        if modulus is not None:
            self._moduli[row] = modulus

    def join(self, rows: Rows, floats: npt.NDArray[np.float64]) -> None:
        """Add to the readings (n,) of those rows that are spliced, in place; the others are not touched."""
        if self._mask is None:
            return
        for i in np.flatnonzero(self._mask[rows]).tolist():
            row = int(rows[i])
            floats[i] = spliced(float(floats[i]), self.offsets[row], self._moduli.get(row))


def spliced(reading: float, offset: float, modulus: float | None) -> float:
    """What is shown for a reading."""
    total = reading + offset
    return total % modulus if modulus is not None else total


def modulus_of(plant: Plant, row: int) -> float | None:
    """Where the counter of a row rolls over, as the calculations of its type say; None: none of them does."""
    block = plant.block(row)
    for other in plant.types[block.type].blocks.values():
        if other.info.calc is None:
            continue
        for call in parse(other.info.calc).blocks:
            if call.block == "counter" and isinstance(call.argument, Name) and call.argument.name == block.tag:
                return float(call.literals[0])
    return None
