# SPDX-License-Identifier: Apache-2.0
"""Virtual time over pseudo-terminals: while bytes are under way in one, the clock stands.

The kernel passes a terminal's bytes on from a worker of its own, a little after `write` has returned. So what is
written to each end and read from the other is counted, by watching `os.write` and `os.read`. Bytes that a flush or the
closing of an end has thrown away never arrive: they are waited for a bounded real time, then forgotten.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from tests.sim.loop import VirtualLoop, run

LOST_S = 0.2  # real


class Terminals:
    """What is under way in each direction of each terminal."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self._masters: dict[int, str] = {}
        self._due: dict[tuple[str, bool], int] = {}  # (terminal, to its master) -> bytes
        self._since_s = 0.0
        self._openpty, self._read, self._write = os.openpty, os.read, os.write

    def openpty(self) -> tuple[int, int]:
        master, slave = self._openpty()
        name = os.ttyname(slave)
        self._masters[master] = name
        self._due[name, True] = self._due[name, False] = 0
        return master, slave

    def _end(self, fd: int) -> tuple[str, bool] | None:
        """(terminal, whether `fd` is its master's end)."""
        if not os.isatty(fd):
            return None
        try:
            name = os.ttyname(fd)
        except OSError:
            name = ""
        if (name, True) in self._due and self._masters.get(fd) != name:
            return name, False
        return (self._masters[fd], True) if fd in self._masters else None

    def write(self, fd: int, data: Any) -> int:
        end = self._end(fd)
        n = self._write(fd, data)
        if end is not None:
            self._due[end[0], not end[1]] += n
            self._since_s = time.monotonic()
        return n

    def read(self, fd: int, n: int) -> bytes:
        end = self._end(fd)
        data = self._read(fd, n)
        if end is not None:
            self._due[end] = max(0, self._due[end] - len(data))
        return data

    def due(self) -> bool:
        if not any(self._due.values()):
            return False
        listening = {self._end(fd) for fd in self._loop._selector.get_map()}
        if any(n and end in listening for end, n in self._due.items()):
            if time.monotonic() < self._since_s + LOST_S:
                return True
        self._due = dict.fromkeys(self._due, 0)
        return False


@contextmanager
def watched(loop: VirtualLoop) -> Iterator[None]:
    """Count what passes through pseudo-terminals, and let the loop's clock wait for it."""
    seen = Terminals(loop)
    with (
        mock.patch.object(os, "openpty", seen.openpty),
        mock.patch.object(os, "read", seen.read),
        mock.patch.object(os, "write", seen.write),
    ):
        loop.terminal_due = seen.due
        yield


def run_with_terminals(main: Coroutine[Any, Any, None]) -> None:
    """As `tests.sim.loop.run`, for a loop with pseudo-terminals."""

    async def inside() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        with watched(loop):
            await main

    run(inside(), debug=False)
