# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_demo_buildings.py
"""Engineering values of simulated equipment -> the BACnet objects its type declares, and back.

Law of this file: the object map is the type's own YAML and nothing else. No I/O, no behaviour. An object is touched
only when its value has changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from config.model import TagModel
from config.words import Kind
from drivers.bacnet.address import BacnetPoint
from drivers.bacnet.objects import Object, Objects
from drivers.bacnet.tags import DOUBLE, ENUMERATED, REAL, SIGNED, TEXT, UNSIGNED

Values = npt.NDArray[Any]

_TAGS: Final = {
    "analog-input": REAL, "analog-output": REAL, "analog-value": REAL, "binary-input": ENUMERATED,
    "binary-output": ENUMERATED, "binary-value": ENUMERATED, "multi-state-input": UNSIGNED,
    "multi-state-output": UNSIGNED, "multi-state-value": UNSIGNED, "accumulator": UNSIGNED,
    "large-analog-value": DOUBLE, "integer-value": SIGNED, "positive-integer-value": UNSIGNED,
    "characterstring-value": TEXT,
}  # fmt: skip


class ObjectBank:
    """Objects of all instances of one device role of a type.

    Args:
        tags: the type's tags that have a point on this role's device.
        points: address of each of them.
        count: instances.

    Attributes:
        devices: the objects of each instance; who serves them gives them their instance number and name.

    Raises:
        ValueError: a point that the simulated devices cannot hold.
    """

    def __init__(self, tags: Mapping[str, TagModel], points: Mapping[str, BacnetPoint], count: int) -> None:
        self._tags, self.count = dict(tags), count
        self._points = {name: points[name] for name in tags}
        self.devices = [Objects(0, "") for _ in range(count)]
        self._objects: dict[str, list[Object]] = {}
        self._last: dict[str, Values] = {}
        for name, tag in self._tags.items():
            point = self._points[name]
            kind = point.object.partition(" ")[0]
            if not point.is_present_value or kind not in _TAGS:
                raise ValueError(f"tag {name}: the simulated building knows present-values only, got {point}")
            wire = _TAGS[kind]
            start = "" if wire == TEXT else 0.0 if wire in (REAL, DOUBLE) else point.first(tag.kind)
            commanded = tag.access_mode.writable and point.has_priority
            self._objects[name] = [
                each.add(point.object, wire, start, tag.access_mode.writable, commanded) for each in self.devices
            ]

    @property
    def names(self) -> tuple[str, ...]:
        """Tags that lie in this bank."""
        return tuple(self._points)

    def put(self, tag: str, values: Values) -> None:
        """Engineering values of one tag of all instances, (count,); not for String, see `put_text`."""
        wanted = self._wire(tag, values)
        last, self._last[tag] = self._last.get(tag), wanted
        # What a client may write may differ from what was put last.
        free = last is None or self._tags[tag].access_mode.writable
        changed = np.arange(self.count) if free else np.flatnonzero(wanted != last)
        objects = self._objects[tag]
        for i, new in zip(changed.tolist(), wanted[changed].tolist(), strict=True):
            each = objects[i]
            if new != each.value:
                if each.priorities is not None:
                    each.priorities = [None] * len(each.priorities)
                self.devices[i].hold(each, new)

    def _wire(self, tag: str, values: Values) -> Values:
        """As the objects hold them: a copy."""
        model, wire = self._tags[tag], self._objects[tag][0].tag if self.count else REAL
        raw = (values - model.offset) / model.scale if model.kind.is_float else values
        if wire in (REAL, DOUBLE):
            return raw.astype(np.float32 if wire == REAL else np.float64)
        return np.rint(raw.astype(np.float64)).astype(np.int64) + self._points[tag].first(model.kind)

    def get(self, tag: str) -> Values:
        """Engineering values of one tag as the objects now say them, (count,)."""
        return np.array([self.value(tag, i) for i in range(self.count)])

    def put_text(self, tag: str, instance: int, text: str) -> None:
        """The text of a String tag of one instance."""
        self.devices[instance].hold(self._objects[tag][instance], text)

    def value(self, tag: str, instance: int) -> bool | int | float | str:
        """What a server must read for one tag of one instance."""
        model, value = self._tags[tag], self._objects[tag][instance].value
        if isinstance(value, str):
            return value
        number: Any = value
        if model.kind.is_float:
            return float(number * model.scale + model.offset)
        code = int(number) - self._points[tag].first(model.kind)
        return bool(code) if model.kind is Kind.Boolean else code
