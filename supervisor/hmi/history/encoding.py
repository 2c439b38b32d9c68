# SPDX-License-Identifier: Apache-2.0
# Tests: tests/property/test_hmi_history_bytes.py
"""Columns of the past -> HistoryData as bytes, with no Python object per value but the texts.

Law of this file: no asyncua, no I/O; what a column cannot tell in its type is null with a Bad status, never cut.
Source: OPC 10000-6, 5.2.2.17 (DataValue); OPC 10000-11, 6.6.2 (HistoryData).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from config.words import BAD, Kind, StatusCode, Statuses, TimesNs
from historian.store.samples import LAG_NS, TEXT, WHOLE, Samples
from supervisor.hmi.values import EPOCH_TICKS, Stamps, wire_type

_FORMS: Final = {
    1: "u1", 2: "i1", 3: "u1", 4: "<i2", 5: "<u2", 6: "<i4", 7: "<u4", 8: "<i8", 9: "<u8", 10: "<f4", 11: "<f8",
    13: "<i8",
}  # fmt: skip
_STRING: Final = 12
_VALUE, _STATUS, _SOURCE, _SERVER = 1, 2, 4, 8
_HISTORY_DATA: Final = struct.pack("<BBH", 1, 0, 658)  # NodeId of its binary encoding


@dataclass(frozen=True, slots=True)
class Column:
    """DataValues of one type, (n,).

    Attributes:
        type: built-in type on the wire.
        value: in the form of that type; texts as a list, None where there is none.
        null: no value: its status is Bad.
        server_ns: None: no server timestamp is known.
    """

    type: int
    value: Any
    null: npt.NDArray[np.bool_]
    status: Statuses
    source_ns: TimesNs
    server_ns: TimesNs | None

    def __len__(self) -> int:
        return len(self.status)


def of_samples(samples: Samples, kind: Kind) -> Column:
    """Stored samples as a tag of this kind tells them. One stored as another kind is null, BadTypeMismatch."""
    server_ns = samples.time_ns + samples.lag_ds * np.int64(LAG_NS)
    status, null = samples.status.copy(), samples.status >= BAD
    if kind is Kind.String:
        texts = samples.text.to_pylist() if samples.text is not None else [None] * len(samples)
        null = _mismatched(status, null, (samples.flags & TEXT) == 0)
        return Column(_STRING, texts, null, status, samples.time_ns, server_ns)
    value: npt.NDArray[Any] = samples.value
    misfit = (samples.flags & TEXT) != 0
    if not kind.is_float:
        value, outside = _whole(samples, kind)
        misfit = misfit | outside
    null = _mismatched(status, null, misfit)
    return _column(kind, value, null, status, samples.time_ns, server_ns)


def _mismatched(status: Statuses, null: npt.NDArray[np.bool_], misfit: npt.NDArray[np.bool_]) -> Any:
    status[misfit & ~null] = StatusCode.BadTypeMismatch
    return null | misfit


def _whole(samples: Samples, kind: Kind) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Whole numbers, exact to 64 bits, and which of them are none of this kind."""
    exact = (samples.flags & WHOLE) != 0
    outside = ~exact & ~np.isfinite(samples.value)
    with np.errstate(invalid="ignore"):
        value = np.where(exact, samples.whole, np.where(outside, 0.0, samples.value).astype(np.int64))
    return value, outside | _outside(value, kind, exact)


def _outside(value: npt.NDArray[np.int64], kind: Kind, exact: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    bounds = (0, 1) if kind is Kind.Boolean else kind.bounds
    if bounds is None or kind is Kind.Int64:
        return np.zeros(len(value), np.bool_)
    if kind is Kind.UInt64:
        return ~exact & (value < 0)  # with the flag, the cell holds the 64 bits
    return (value < bounds[0]) | (value > bounds[1])


def of_results(kind: Kind, value: npt.NDArray[np.float64], status: Statuses, source_ns: TimesNs) -> Column:
    """Aggregates and interpolated values as a kind tells them; what does not fit is null, BadOutOfRange."""
    status, null = status.copy(), status >= BAD
    made: npt.NDArray[Any] = value
    if not kind.is_float:
        limits = (0, 1) if kind is Kind.Boolean else kind.bounds or (-(2**63), 2**63 - 1)
        made = np.rint(np.where(null, 0.0, value))
        outside = ((made < limits[0]) | (made > limits[1])) & ~null
        status[outside], null = StatusCode.BadOutOfRange, null | outside
        made = np.where(null, 0.0, made)
        made = made.astype(np.uint64).view(np.int64) if kind is Kind.UInt64 else made.astype(np.int64)
    return _column(kind, made, null, status, source_ns, None)


def _column(kind: Kind, value: Any, null: Any, status: Statuses, source_ns: TimesNs, server_ns: Any) -> Column:
    type_ = wire_type(kind)
    if kind is Kind.DateTime:
        value = value // 100 + EPOCH_TICKS
    with np.errstate(over="ignore", invalid="ignore"):
        return Column(type_, value.astype(_FORMS[type_]), null, status, source_ns, server_ns)


def joined(columns: list[Column]) -> Column:
    """One after the other; all of one type."""
    if len(columns) == 1:
        return columns[0]
    first = columns[0]
    texts = first.type == _STRING
    value = [v for c in columns for v in c.value] if texts else np.concatenate([c.value for c in columns])
    null, status, source = (
        np.concatenate([getattr(c, name) for c in columns]) for name in ("null", "status", "source_ns")
    )
    server = [c.source_ns if c.server_ns is None else c.server_ns for c in columns]
    return Column(first.type, value, null, status, source, np.concatenate(server))


def reversed_column(column: Column) -> Column:
    """The last first."""
    server = None if column.server_ns is None else column.server_ns[::-1]
    return Column(
        column.type, column.value[::-1], column.null[::-1], column.status[::-1], column.source_ns[::-1], server
    )


def history_data(column: Column, stamps: Stamps) -> bytes:
    """An ExtensionObject that holds HistoryData."""
    body = struct.pack("<i", len(column)) + _data_values(column, stamps)
    return _HISTORY_DATA + struct.pack("<Bi", 1, len(body)) + body


def _data_values(column: Column, stamps: Stamps) -> bytes:
    n = len(column)
    if not n:
        return b""
    server = column.server_ns if stamps.server else None
    is_text = column.type == _STRING
    fields: list[Any] = [("mask", "u1"), ("type", "u1")]
    fields += [] if is_text else [("value", _FORMS[column.type])]
    fields += [("status", "<u4")]
    fields += [("source", "<i8")] if stamps.source else []
    fields += [("server", "<i8")] if server is not None else []
    out = np.zeros(n, np.dtype(fields))
    mask = _STATUS | (_SOURCE if stamps.source else 0) | (_SERVER if server is not None else 0)
    out["mask"] = np.where(column.null, mask, mask | _VALUE)
    out["type"] = column.type
    out["status"] = column.status
    if not is_text:
        out["value"] = column.value
    if stamps.source:
        out["source"] = column.source_ns // 100 + EPOCH_TICKS
    if server is not None:
        out["server"] = server // 100 + EPOCH_TICKS
    return _with_texts(out, column) if is_text else _without_nulls(out, column)


def _without_nulls(out: npt.NDArray[Any], column: Column) -> bytes:
    """The records; of those that have no value, without the bytes of type and value."""
    if not column.null.any():
        return out.tobytes()
    matrix = out.view(np.uint8).reshape(len(out), out.itemsize)
    keep = np.ones(matrix.shape, np.bool_)
    keep[column.null, 1 : 2 + out.dtype["value"].itemsize] = False
    return matrix[keep].tobytes()


def _with_texts(out: npt.NDArray[Any], column: Column) -> bytes:
    """The records with each text behind its type byte."""
    raw, width = out.tobytes(), out.itemsize
    pieces: list[bytes] = []
    for k, (text, null) in enumerate(zip(column.value, column.null.tolist(), strict=True)):
        record = raw[k * width : (k + 1) * width]
        if null:
            pieces += (record[:1], record[2:])
        else:
            said = text.encode("utf-8", "replace")
            pieces += (record[:2], struct.pack("<i", len(said)), said, record[2:])
    return b"".join(pieces)
