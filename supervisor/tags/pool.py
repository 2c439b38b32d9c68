# SPDX-License-Identifier: Apache-2.0
# Tests: tests/property/test_table.py
"""The string pool: texts of String cells, interned, bounded and counted.

Law of this file: an index once given means the same text for as long as the pool lives; index 0 is the empty text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


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
    _texts: list[str] = field(default_factory=lambda: [""])
    _index: dict[str, int] = field(default_factory=lambda: {"": 0})

    def intern(self, text: str) -> int | None:
        """Index of the text; None when the pool is full (counted): the caller's status must then be Bad."""
        if (known := self._index.get(text)) is not None:
            return known
        if len(text) > self.length_max:
            return self.intern(text[: self.length_max])
        if len(self._texts) >= self.size_max:
            self.overflows += 1
            return None
        self._texts.append(text)
        self._index[text] = index = len(self._texts) - 1
        return index

    def __getitem__(self, index: int) -> str:
        return self._texts[index]

    def __len__(self) -> int:
        return len(self._texts)

    @property
    def texts(self) -> Sequence[str]:
        """All texts by index, for a checkpoint."""
        return self._texts
