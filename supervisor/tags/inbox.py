# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_scan.py
"""Where the field's readings wait for the next scan. The driver host writes, the scan drains; same loop, no lock.

Law of this file: bounded. When more values wait than `values_max`, the newest batch is not taken: it is counted and its
request counts as missed, so that its rows fall to Uncertain instead of staying silently old.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from config.words import Batch, LinkState, StatusCode


@dataclass(frozen=True, slots=True)
class Post:
    """What came since the last scan, in order of arrival."""

    batches: list[Batch]
    missed: list[int]


@dataclass(slots=True)
class Inbox:
    """The sink of `drivers.host.Host`.

    Attributes:
        values_max: most values that may wait; a scan every 100 ms at a million values a second leaves 100,000.
        refused: values not taken since start, for want of room.
        links: last word on each device: (state, reason, since UTC ns).
    """

    values_max: int = 4_000_000
    refused: int = 0
    values: int = 0
    links: dict[int, tuple[LinkState, str, int]] = field(default_factory=dict)
    _batches: list[Batch] = field(default_factory=list)
    _missed: dict[int, None] = field(default_factory=dict)

    def batch(self, batch: Batch) -> None:
        """A request was answered (request -1: a value read beside the plan, such as a read-back)."""
        if self.values + len(batch.rows) > self.values_max:
            self.refused += len(batch.rows)
            if batch.request >= 0:
                self._missed[batch.request] = None
            return
        self.values += len(batch.rows)
        self._batches.append(batch)
        self._missed.pop(batch.request, None)

    def missed(self, request_ids: Sequence[int], status: StatusCode, reason: str, now_ns: int) -> None:
        """Requests were not answered. Reason and status belong to the device's report; the scan judges the rows."""
        self._missed.update(dict.fromkeys(request_ids))

    def link(self, device: int, state: LinkState, reason: str, now_ns: int) -> None:
        """The link of a device changed state."""
        self.links[device] = (state, reason, now_ns)

    def drain(self) -> Post:
        """Take everything."""
        post = Post(self._batches, list(self._missed))
        self._batches, self._missed, self.values = [], {}, 0
        return post
