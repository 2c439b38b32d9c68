# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_hmi_links.py
"""Triggering links of one subscription: which items may report when another one has something.

Law of this file: numbers only, bounded. Source: OPC 10000-4, 5.13.1.6 and 5.13.5.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable


class Links:
    """Links from triggering items to items that report with them.

    Args:
        most: links in all.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._linked: dict[int, set[int]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, triggering: int, number: int) -> bool:
        """Link an item; False if there is no room for another link."""
        linked = self._linked.setdefault(triggering, set())
        if number in linked:
            return True
        if self._count >= self._most:
            return False
        linked.add(number)
        self._count += 1
        return True

    def remove(self, triggering: int, number: int) -> bool:
        """Unlink an item; False if it was not linked."""
        linked = self._linked.get(triggering, set())
        if number not in linked:
            return False
        linked.remove(number)
        self._count -= 1
        if not linked:
            del self._linked[triggering]
        return True

    def has(self, triggering: int) -> bool:
        return triggering in self._linked

    def linked(self, triggering: Iterable[int]) -> list[int]:
        """All items linked to any of these."""
        found: set[int] = set()
        return list(found.union(*(self._linked.get(number, ()) for number in triggering)))

    def forget(self, numbers: Collection[int]) -> None:
        """These items are deleted: links from and to them go."""
        if not self._count:
            return
        gone = set(numbers)
        self._linked = {t: left for t, linked in self._linked.items() if t not in gone and (left := linked - gone)}
        self._count = sum(map(len, self._linked.values()))
