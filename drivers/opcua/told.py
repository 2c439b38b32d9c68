# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_opcua_simulator.py, tests/kit/test_opcua.py
"""One subscription of a simulated server: what it watches, what has changed, when it speaks.

Law of this file: no messages; `serving` makes them. Time is `loop.time()`.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable

from drivers.opcua.nodes import Node


class Told:
    """One subscription: items, what changed, and when it speaks."""

    def __init__(self, number: int, publishing_s: float, keep_alive: int, tell: Callable[[Told], None]) -> None:
        self.number, self.publishing_s, self.keep_alive = number, publishing_s, keep_alive
        self.items: dict[int, tuple[Node, int, str | None, Callable[[Node], None]]] = {}
        self.pending: dict[int, bytes] = {}
        self.sequence = 1
        self.quiet = keep_alive  # the first message comes at once
        self._tell = tell
        self._timer = asyncio.get_running_loop().call_later(publishing_s, self._tick)

    def add(self, item: int, node: Node, handle: int, index: str | None, deadband: float) -> None:
        """Watch a node; its present value is the first change."""
        last = node.value

        def changed(node: Node) -> None:
            nonlocal last
            numbers = isinstance(node.value, int | float) and isinstance(last, int | float)
            if deadband and numbers and abs(node.value - last) <= deadband:
                return
            last = node.value
            self.pending[item] = struct.pack("<I", handle) + node.data_value(index)

        self.items[item] = (node, handle, index, changed)
        node.watchers[changed] = None
        self.pending[item] = struct.pack("<I", handle) + node.data_value(index)

    def drop(self, item: int) -> bool:
        """Watch it no more."""
        found = self.items.pop(item, None)
        self.pending.pop(item, None)
        if found is not None:
            found[0].watchers.pop(found[3], None)
        return found is not None

    def close(self) -> None:
        """Tell nothing any more."""
        self._timer.cancel()
        for item in list(self.items):
            self.drop(item)

    def _tick(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self.publishing_s, self._tick)
        self.quiet += 1
        if self.pending or self.quiet >= self.keep_alive:
            self._tell(self)
