# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_opcua_simulator.py, tests/kit/test_opcua.py
"""What a simulated server holds: nodes with a value, a type, a status and the time of the value.

Law of this file: memory only. Who watches a node is told of each change; sessions and messages are `serving`'s.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Any, Final

from asyncua import ua
from asyncua.ua.ua_binary import variant_to_binary

from config.words import Clock
from drivers.opcua.cells import EPOCH_TICKS, WIRE_TYPE

MASK: Final = 0x01 | 0x02 | 0x04 | 0x08
UNKNOWN: Final = 0x80340000
NOT_WRITABLE: Final = 0x803B0000
TYPE_MISMATCH: Final = 0x80740000
RANGE_INVALID: Final = 0x80360000
RANGE_NO_DATA: Final = 0x80370000
BAD_ATTRIBUTE: Final = 0x80350000
VALUE: Final = 13

Watcher = Callable[["Node"], None]


class Node:
    """One variable.

    Attributes:
        type: 'Double' and so on.
        value: of that type; a list for an array; a DateTime in ticks.
        status: StatusCode.
        source_ns: when the value came about [ns].
        put_by: told of each value that a client writes.
    """

    def __init__(self, type_: str, value: Any, writable: bool, source_ns: int) -> None:
        self.type, self.value, self.writable = type_, value, writable
        self.status = 0
        self.source_ns = source_ns
        self.watchers: dict[Watcher, None] = {}
        self.put_by: Callable[[Any], None] | None = None

    @property
    def built_in(self) -> int:
        """Its type on the wire."""
        return WIRE_TYPE[self.type]

    def set(self, value: Any, source_ns: int, status: int = 0) -> None:
        """A new value; whoever watches is told if it is another one."""
        if value == self.value and status == self.status and not value != value:
            return
        self.value, self.source_ns, self.status = value, source_ns, status
        for watcher in list(self.watchers):
            watcher(self)

    def data_value(self, index: str | None = None) -> bytes:
        """As it travels; `index`: an IndexRange of one element."""
        value = self.value
        if index is not None:
            if not isinstance(value, list) or not index.isdecimal():
                return bare(RANGE_INVALID)
            if int(index) >= len(value):
                return bare(RANGE_NO_DATA)
            value = [value[int(index)]]
        if self.status >= 0x80000000:
            return bare(self.status)
        ticks = self.source_ns // 100 + EPOCH_TICKS
        return bytes((MASK,)) + self._variant(value) + struct.pack("<Iqq", self.status, ticks, ticks)

    def _variant(self, value: Any) -> bytes:
        if self.type == "DateTime":
            return struct.pack("<Bq", self.built_in, value)
        data: bytes = variant_to_binary(ua.Variant(value, ua.VariantType(self.built_in)))
        return data

    def write(self, value: Any, type_: int, index: str | None, now_ns: int) -> int:
        """A client writes. Returns the StatusCode."""
        if not self.writable:
            return NOT_WRITABLE
        if type_ != self.built_in:
            return TYPE_MISMATCH
        if index is not None:
            if not isinstance(self.value, list) or not isinstance(value, list) or len(value) != 1:
                return RANGE_INVALID
            if int(index) >= len(self.value):
                return RANGE_NO_DATA
            value = [value[0] if i == int(index) else old for i, old in enumerate(self.value)]
        elif isinstance(value, list) != isinstance(self.value, list):
            return TYPE_MISMATCH
        self.set(value, now_ns)
        if self.put_by is not None:
            self.put_by(value)
        return 0


def bare(status: int) -> bytes:
    """A DataValue of nothing but a status."""
    return struct.pack("<BI", 0x02, status)


class Nodes:
    """All nodes of a server.

    Attributes:
        rejected: nodes that are unknown at present.
    """

    def __init__(self, clock: Clock, uri: str, namespaces: list[str], limits: dict[str, int] | None = None) -> None:
        self._clock = clock
        self._nodes: dict[ua.NodeId, Node] = {}
        self.rejected: set[ua.NodeId] = set()
        limits = limits or {}
        self.add("i=2259", "Int32", 0)
        self.add("i=2267", "Byte", 255)
        self.add("i=2254", "String", [uri])
        self.add("i=2255", "String", ["http://opcfoundation.org/UA/", uri])
        for namespace in namespaces:
            self.namespace(namespace)
        for node, name in (("i=11705", "read"), ("i=11707", "write"), ("i=11714", "items")):
            self.add(node, "UInt32", limits.get(name, 0))

    def add(self, node: str, type_: str, value: Any, writable: bool = False) -> Node:
        """A new variable.

        Raises:
            ValueError: there is one.
        """
        made = Node(type_, value, writable, self.now_ns())
        self.place(node, made)
        return made

    def namespace(self, uri: str) -> int:
        """Index of a namespace; a new one is put at the end."""
        known: list[str] = self["i=2255"].value
        if uri not in known:
            known.append(uri)
        return known.index(uri)

    def place(self, node: str, made: Node) -> None:
        """Hold a variable that was made elsewhere.

        Raises:
            ValueError: there is one.
        """
        node_id = ua.NodeId.from_string(node)
        if node_id in self._nodes:
            raise ValueError(f"expected a new node, {node} exists already")
        self._nodes[node_id] = made

    def __getitem__(self, node: str) -> Node:
        return self._nodes[ua.NodeId.from_string(node)]

    def __iter__(self) -> Iterator[str]:
        return (node_id.to_string() for node_id in self._nodes)

    def get(self, node_id: ua.NodeId) -> Node | None:
        """None: unknown, or rejected."""
        return None if node_id in self.rejected else self._nodes.get(node_id)

    def read(self, node_id: ua.NodeId, attribute: int, index: str | None) -> bytes:
        """A DataValue as it travels."""
        if (node := self.get(node_id)) is None:
            return bare(UNKNOWN)
        return node.data_value(index) if attribute == VALUE else bare(BAD_ATTRIBUTE)

    def now_ns(self) -> int:
        """UTC [ns]."""
        return self._clock.wall_ns()
