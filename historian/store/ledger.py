# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_store_full.py, tests/property/test_store.py
"""The ledger: what became of every sample that was offered to a store.

Law of this file: words and sums; no I/O. Its entries stand in the index, its newest rows in the log.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from historian.store.chunk import Chunk
from historian.store.index import DAMAGED, SEGMENT_ROWS

LOST = "lost: "
DROPPED = "dropped: "


@dataclass(frozen=True, slots=True)
class Ledger:
    """Rows since the store was made.

    offered = accepted + lost; accepted = stored + dropped + damaged.
    """

    offered: int
    accepted: int
    stored: int
    damaged: int
    lost: dict[str, int]
    dropped: dict[str, int]

    @property
    def balanced(self) -> bool:
        kept = self.stored + self.damaged + sum(self.dropped.values())
        return self.accepted == kept and self.offered == self.accepted + sum(self.lost.values())


def ledger_of(
    entries: Mapping[str, int], accepted: int, chunks: Sequence[Chunk], lost: Mapping[str, int] | None = None
) -> Ledger:
    """The ledger of a store.

    Args:
        entries: of the index.
        accepted: sequence of the last row that was accepted.
        chunks: of the log.
        lost: by cause, not in the index yet.
    """
    gone = Counter(_named(entries, LOST))
    gone.update(lost or {})
    return Ledger(
        offered=accepted + sum(gone.values()),
        accepted=accepted,
        stored=entries.get(SEGMENT_ROWS, 0) + sum(c.rows for c in chunks),
        damaged=entries.get(DAMAGED, 0) + sum(c.damaged_rows for c in chunks),
        lost=dict(gone),
        dropped=_named(entries, DROPPED),
    )


def _named(entries: Mapping[str, int], prefix: str) -> dict[str, int]:
    return {name.removeprefix(prefix): rows for name, rows in entries.items() if name.startswith(prefix)}
