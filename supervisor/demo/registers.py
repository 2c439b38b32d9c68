# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_demo_registers.py
"""Engineering values of simulated equipment -> the registers its type declares, and back.

Law of this file: the register map is the type's own YAML and nothing else: simulator and server share one truth.
No I/O, no clock, no behaviour.

Theory. All instances of a type have the same map, hence a **bank** holds each Modbus table once as an array of shape
(instances, addresses). A tag of all instances is encoded in a few numpy calls; one device of the simulator is one row
of each array, a view without a copy. The scalar `drivers.modbus.codec` says what is right; this file is its fast twin
and is held equal to it by test.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from config.model import TagModel
from config.words import Kind
from drivers.modbus import codec
from drivers.modbus.place import BIT_TABLES, ModbusPoint, wire_bounds

Values = npt.NDArray[Any]

_DTYPES: Final[dict[str, str]] = {
    "int16": ">i2",
    "uint16": ">u2",
    "bcd16": ">u2",
    "int32": ">i4",
    "uint32": ">u4",
    "bcd32": ">u4",
    "unix32": ">u4",
    "int64": ">i8",
    "uint64": ">u8",
    "unix64": ">u8",
    "unix64_ms": ">u8",
    "float32": ">f4",
    "float64": ">f8",
}
_NS_PER_UNIT: Final = {"unix32": 10**9, "unix64": 10**9, "unix64_ms": 10**6}
_BCD_DIGITS: Final = {"bcd16": 4, "bcd32": 8}
# Largest integers that float64 arithmetic leaves inside their type.
_FLOAT_MAX: Final = {2**63 - 1: 2**63 - 1024, 2**64 - 1: 2**64 - 2048}


class Bank:
    """Registers of all instances of one device role of a type.

    Args:
        tags: the type's tags that have a point on this role's device.
        points: address of each of them.
        count: instances.

    Attributes:
        tables: table name -> (count, addresses) uint16, bit tables bool. Simulated devices hold rows of them.

    Raises:
        ValueError: a point that is written elsewhere than it is read; the simulated devices have no such thing.
    """

    def __init__(self, tags: Mapping[str, TagModel], points: Mapping[str, ModbusPoint], count: int) -> None:
        self._tags = dict(tags)
        self._points = {name: points[name] for name in tags}
        self.count = count
        sizes: dict[str, int] = {}
        for name, point in self._points.items():
            if point.write_table is not None or point.write_address is not None:
                raise ValueError(f"tag {name}: the simulated devices know no write_table and no write_address")
            sizes[point.table] = max(sizes.get(point.table, 0), point.last + 1)
        self.tables: dict[str, npt.NDArray[Any]] = {
            table: np.zeros((count, size), np.bool_ if table in BIT_TABLES else np.uint16)
            for table, size in sizes.items()
        }

    @property
    def names(self) -> tuple[str, ...]:
        """Tags that lie in this bank."""
        return tuple(self._points)

    def put(self, tag: str, values: Values) -> None:
        """Write engineering values of one tag into all instances; what the wire type cannot carry saturates.

        Args:
            values: (count,) in the tag's unit; bool; enumeration numbers; UTC ns; not for String, see `put_text`.
        """
        point = self._points[tag]
        table = self.tables[point.table]
        if point.type == "bit":
            self._put_bit(table, point, values)
            return
        data = np.ascontiguousarray(_to_wire(point.type, self._raw(tag, values))).view(np.uint8)
        data = data.reshape(self.count, -1)[:, _byte_order(point)]
        table[:, point.address : point.last + 1] = np.ascontiguousarray(data).view(">u2")

    def get(self, tag: str) -> Values:
        """Engineering values of one tag as the registers now say them, (count,)."""
        point = self._points[tag]
        table = self.tables[point.table]
        if point.type == "bit":
            column = table[:, point.address]
            return column.copy() if point.bit is None else (column >> point.bit & 1).astype(np.bool_)
        words = np.ascontiguousarray(table[:, point.address : point.last + 1], dtype=">u2")
        data = np.ascontiguousarray(words.view(np.uint8)[:, _byte_order(point)])
        raw = _from_wire(point.type, data.view(_DTYPES[point.type])[:, 0])
        model = self._tags[tag]
        return raw * model.scale + model.offset if model.kind.is_float else raw

    def put_text(self, tag: str, instance: int, text: str) -> None:
        """Write the text of a String tag of one instance."""
        point = self._points[tag]
        words = np.frombuffer(codec.encode(point, text), ">u2")
        self.tables[point.table][instance, point.address : point.last + 1] = words

    def value(self, tag: str, instance: int) -> bool | int | float | str:
        """What a server must read for one tag of one instance: registers through the scalar codec, then scaled."""
        point, model = self._points[tag], self._tags[tag]
        row = self.tables[point.table][instance]
        if point.type == "bit":
            return bool(int(row[point.address]) >> (point.bit or 0) & 1)
        raw = codec.decode(point, row[point.address : point.last + 1].astype(">u2").tobytes())
        if isinstance(raw, str):
            return raw
        return float(raw) * model.scale + model.offset if model.kind.is_float else raw

    def _raw(self, tag: str, values: Values) -> Values:
        model = self._tags[tag]
        if model.kind.is_float and (model.scale != 1 or model.offset != 0):
            return (values - model.offset) / model.scale
        return values

    @staticmethod
    def _put_bit(table: npt.NDArray[Any], point: ModbusPoint, values: Values) -> None:
        on = values.astype(table.dtype)
        if point.bit is None:
            table[:, point.address] = on
        else:
            kept = table[:, point.address] & np.uint16(0xFFFF ^ (1 << point.bit))
            table[:, point.address] = kept | (on << point.bit)


def parse(model: TagModel, text: str) -> bool | int | float | str:
    """A value as a person types it for a tag: 'true', 'ice', '180', '2.5', a text.

    Raises:
        ValueError: no value of the tag's kind.
    """
    if model.kind is Kind.String:
        return text
    if model.kind is Kind.Boolean:
        if text in ("true", "false", "1", "0"):
            return text in ("true", "1")
        raise ValueError(f"expected true or false, got {text!r}")
    if model.values is not None and text in model.values:
        return model.values.index(text)
    try:
        return float(text) if model.kind.is_float else int(text)
    except ValueError:
        known = f"one of {', '.join(model.values)}" if model.values else f"a number ({model.kind.name})"
        raise ValueError(f"expected {known}, got {text!r}") from None


def _byte_order(point: ModbusPoint) -> npt.NDArray[np.intp]:
    """Where each byte on the wire stands in the big-endian value; its own inverse."""
    straight = np.arange(point.width * 2).reshape(-1, 2)
    if point.order in ("CDAB", "DCBA"):
        straight = straight[::-1]
    if point.order in ("BADC", "DCBA"):
        straight = straight[:, ::-1]
    return straight.reshape(-1)


def _to_wire(type_: str, raw: Values) -> Values:
    if type_ in ("float32", "float64"):
        return raw.astype(_DTYPES[type_])
    if type_ in _NS_PER_UNIT:
        return (raw.astype(np.int64) // _NS_PER_UNIT[type_]).astype(_DTYPES[type_])
    low, high = wire_bounds(type_) or (0, 0)
    if raw.dtype.kind == "f":
        low_f, high_f = float(max(low, -(2**63))), float(_FLOAT_MAX.get(high, high))
        raw = np.clip(np.rint(raw), low_f, high_f)
    elif raw.dtype.kind != "u":
        raw = np.clip(raw.astype(np.int64), low, min(high, 2**63 - 1))
    if type_ in _BCD_DIGITS:
        return _to_bcd(raw.astype(np.int64), _BCD_DIGITS[type_]).astype(_DTYPES[type_])
    return raw.astype(_DTYPES[type_])


def _from_wire(type_: str, wire: Values) -> Values:
    if type_ in ("float32", "float64"):
        return wire.astype(np.float64)
    if type_ == "uint64":
        return wire.astype(np.uint64)
    number = wire.astype(np.int64)
    if type_ in _NS_PER_UNIT:
        return number * _NS_PER_UNIT[type_]
    if type_ in _BCD_DIGITS:
        shifts = 4 * np.arange(_BCD_DIGITS[type_])
        digits: Values = number[:, None] >> shifts & 0xF
        decimal: Values = (digits * 10 ** np.arange(_BCD_DIGITS[type_])).sum(axis=1)
        return decimal
    return number


def _to_bcd(number: Values, digits: int) -> Values:
    places = np.arange(digits)
    figures: Values = number[:, None] // 10**places % 10
    packed: Values = (figures << (4 * places)).sum(axis=1)
    return packed
