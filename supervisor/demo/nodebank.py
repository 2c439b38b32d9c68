# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_demo_collector.py
"""Engineering values of simulated equipment -> the nodes its type declares, and back: `registers.Bank` for OPC UA.

Law of this file: the node map is the type's own YAML and nothing else. No I/O, no behaviour. A node is touched only
when its value has changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from config.model import TagModel
from config.words import Kind
from drivers.opcua.address import ROOT, OpcuaPoint
from drivers.opcua.cells import EPOCH_TICKS
from drivers.opcua.nodes import Node, Nodes

Values = npt.NDArray[Any]

SERVICE_LEVEL: Final = "i=2267"
"""The one node of a type that every server has by itself. Source: OPC 10000-6 annex A (NodeIds.csv)."""


class NodeBank:
    """Nodes of all instances of one device role of a type.

    Args:
        tags: the type's tags that have a point on this role's device.
        points: address of each of them.
        count: instances.
        now_ns: UTC of a value [ns].

    Raises:
        ValueError: a point that the simulated collector cannot hold.
    """

    def __init__(
        self, tags: Mapping[str, TagModel], points: Mapping[str, OpcuaPoint], count: int, now_ns: Callable[[], int]
    ) -> None:
        self._tags, self._now_ns, self.count = dict(tags), now_ns, count
        self._points = {name: points[name] for name in tags}
        self._nodes: dict[str, list[Node]] = {}
        self._last: dict[str, Values] = {}
        for name, tag in self._tags.items():
            point = self._points[name]
            known = point.node.startswith("nsu=") or point.node == SERVICE_LEVEL
            if point.index is not None or tag.scale != 1 or tag.offset != 0 or not known:
                raise ValueError(f"tag {name}: the simulated collector knows scalars by namespace URI, without scale")
            type_ = point.type or ("Int32" if tag.kind is Kind.Enumeration else tag.kind.name)
            start: Any = "" if tag.kind is Kind.String else False if tag.kind is Kind.Boolean else 0
            writable = tag.access_mode.writable
            self._nodes[name] = [Node(type_, start, writable, now_ns()) for _ in range(count)]

    @property
    def names(self) -> tuple[str, ...]:
        """Tags that lie in this bank."""
        return tuple(self._points)

    def place(self, instance: int, nodes: Nodes, root: str) -> None:
        """Have a server hold the nodes of one instance.

        Raises:
            ValueError: it holds one of this name already.
        """
        for name, point in self._points.items():
            if point.node == SERVICE_LEVEL:
                self._nodes[name][instance] = nodes[SERVICE_LEVEL]
                continue
            uri, _, rest = point.node.removeprefix("nsu=").partition(";")
            node = f"ns={nodes.namespace(uri)};{rest.replace(ROOT, root)}"
            nodes.place(node, self._nodes[name][instance])

    def put(self, tag: str, values: Values) -> None:
        """Engineering values of one tag of all instances, (count,); not for String, see `put_text`."""
        now_ns, kind, nodes = self._now_ns(), self._tags[tag].kind, self._nodes[tag]
        wanted = _on_the_wire(kind, values)
        last, self._last[tag] = self._last.get(tag), wanted
        # What a client may write may differ from what was put last.
        free = last is None or self._tags[tag].access_mode.writable
        changed = np.arange(self.count) if free else np.flatnonzero(wanted != last)
        for i, value in zip(changed.tolist(), wanted[changed].tolist(), strict=True):
            nodes[i].set(value, now_ns)

    def get(self, tag: str) -> Values:
        """Engineering values of one tag as the nodes now say them, (count,)."""
        return np.array([self.value(tag, i) for i in range(self.count)])

    def put_text(self, tag: str, instance: int, text: str) -> None:
        """The text of a String tag of one instance."""
        self._nodes[tag][instance].set(text, self._now_ns())

    def value(self, tag: str, instance: int) -> bool | int | float | str:
        """What a server must read for one tag of one instance."""
        value: bool | int | float | str = self._nodes[tag][instance].value
        return (int(value) - EPOCH_TICKS) * 100 if self._tags[tag].kind is Kind.DateTime else value


def _on_the_wire(kind: Kind, values: Values) -> Values:
    """As the nodes hold them: a copy; DateTime in ticks."""
    if kind is Kind.Boolean:
        return values.astype(np.bool_)
    if kind is Kind.DateTime:
        return values.astype(np.int64) // 100 + EPOCH_TICKS
    if kind.is_float:
        return values.astype(np.float32 if kind is Kind.Float else np.float64)
    return values.astype(np.int64)
