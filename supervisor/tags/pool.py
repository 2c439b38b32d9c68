# SPDX-License-Identifier: Apache-2.0
# Tests: tests/property/test_pool.py, tests/unit/test_texts.py
"""The string pool: texts of String cells, interned, bounded, counted, and forgotten when nobody holds them any more.

Law of this file: an index once given means this text for ever, or nothing: it is never given to another text. So a
cell that was kept somewhere by mistake can be without a text, but cannot show a wrong one. Index 0 is the empty text.

A sweep (`keep`) costs as much as there are texts, 5 ms for 10,000. It is due (`crowded`) when as many texts came as
were held after the last one, or half of the room is used: so each text pays for a bounded share of one sweep.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from config.arrays import distinct
from config.words import Cells

LEAST_NEW: Final = 1_000
"""So many new texts at least between two sweeps, where there is room: a small plant is not swept all the time."""


@dataclass(slots=True)
class StringPool:
    """Bounded interning of texts.

    Attributes:
        size_max: number of different texts held; the next one finds no place and is counted.
        length_max: longest text [characters]; longer ones are cut, and who interns them says so.
        overflows: texts that found no place since start; `/status` shows it.
    """

    size_max: int = 100_000
    length_max: int = 4096
    overflows: int = 0
    _texts: dict[int, str] = field(default_factory=lambda: {0: ""})
    _index: dict[str, int] = field(default_factory=lambda: {"": 0})
    _next: int = 1
    _swept: int = 1

    def intern(self, text: str) -> int | None:
        """Index of the text; None when the pool is full (counted): the caller's status must then be Bad."""
        if (known := self._index.get(text)) is not None:
            return known
        if len(text) > self.length_max:
            return self.intern(text[: self.length_max])
        if len(self._texts) >= self.size_max:
            self.overflows += 1
            return None
        index = self._next
        self._next += 1
        self._texts[index] = text
        self._index[text] = index
        return index

    def __getitem__(self, index: int) -> str:
        """The text; KeyError if it was forgotten, which no cell of the table ever is."""
        return self._texts[index]

    def __contains__(self, index: int) -> bool:
        return index in self._texts

    def __len__(self) -> int:
        return len(self._texts)

    @property
    def crowded(self) -> bool:
        """Whether a sweep is due."""
        half = (self._swept + self.size_max) // 2
        return len(self._texts) >= min(half, max(2 * self._swept, self._swept + LEAST_NEW))

    def keep(self, held: Cells, waiting: Cells) -> None:
        """Forget every text but these.

        Args:
            held: cells that need their text, (n,); numbers that are no index do not matter.
            waiting: cells of those who come second, (m,): they keep theirs while it takes no more than half of the
                room that is left, or else lose all of them.
        """
        texts = {0: ""} | self._known(held)
        beside = {i: text for i, text in self._known(waiting).items() if i not in texts}
        if len(beside) <= (self.size_max - len(texts)) // 2:
            texts |= beside
        self._texts = texts
        self._index = {text: i for i, text in texts.items()}
        self._swept = len(texts)

    def _known(self, cells: Cells) -> dict[int, str]:
        texts = self._texts
        return {i: texts[i] for i in distinct(cells).tolist() if i in texts}
