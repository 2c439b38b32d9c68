# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_backoff.py
"""How long somebody who failed to log in must wait.

Law of this file: a bounded table; no I/O; time is handed in.

Failures are counted for a name at an address, for an address, and for a name wherever it is tried from. The last one
holds back strangers only: where a person has logged in before they are known, so that nobody can lock an operator out
of their own desk by guessing from somewhere else.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

ENTRIES_MAX: Final = 4_096
FORGOTTEN_AFTER_S: Final = 900.0
FIRST_S: Final = 1.0
MOST_S: Final = 60.0
# Failures without consequence: a person mistypes, a desk is shared, a name is common.
FREE_PAIR: Final = 3
FREE_ADDRESS: Final = 10
FREE_NAME: Final = 10

_Key = tuple[str, str]  # (name, address); '' stands for any


@dataclass(slots=True)
class _Entry:
    failures: int = 0
    last_s: float = 0.0


def delay_s(failures: int, free: int) -> float:
    """Wait after so many failures [s]: none for the first `free`, then 1, 2, 4 ... 60."""
    if failures < free:
        return 0.0
    return min(FIRST_S * 2.0 ** min(failures - free, 16), MOST_S)


class BackOff:
    """Failures and known places, at most `ENTRIES_MAX` of each; the ones not heard of longest go first."""

    def __init__(self) -> None:
        self._failures: OrderedDict[_Key, _Entry] = OrderedDict()
        self._known: OrderedDict[_Key, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._failures) + len(self._known)

    def wait_s(self, name: str, address: str, now_s: float) -> float:
        """How long this name must not be tried from this address any more [s]; 0: now."""
        waits = [self._wait_s((name, address), FREE_PAIR, now_s), self._wait_s(("", address), FREE_ADDRESS, now_s)]
        if (name, address) not in self._known:
            waits.append(self._wait_s((name, ""), FREE_NAME, now_s))
        return max(waits)

    def _wait_s(self, key: _Key, free: int, now_s: float) -> float:
        entry = self._failures.get(key)
        if entry is None or now_s - entry.last_s >= FORGOTTEN_AFTER_S:
            return 0.0
        return max(entry.last_s + delay_s(entry.failures, free) - now_s, 0.0)

    def failed(self, name: str, address: str, now_s: float) -> None:
        """A wrong password, or no such name."""
        for key in ((name, address), ("", address), (name, "")):
            entry = self._failures.setdefault(key, _Entry())
            if now_s - entry.last_s >= FORGOTTEN_AFTER_S:
                entry.failures = 0
            entry.failures, entry.last_s = entry.failures + 1, now_s
            self._failures.move_to_end(key)
        while len(self._failures) > ENTRIES_MAX:
            self._failures.popitem(last=False)

    def succeeded(self, name: str, address: str) -> None:
        """They have shown who they are: nothing is held against them here."""
        self._failures.pop((name, address), None)
        self._known[(name, address)] = None
        self._known.move_to_end((name, address))
        while len(self._known) > ENTRIES_MAX:
            self._known.popitem(last=False)
