# SPDX-License-Identifier: Apache-2.0
# Tests: tests/property/test_hmi_values.py
"""Table rows -> bytes of DataValues and MonitoredItemNotifications, in numpy.

Law of this file: the bytes are exactly those of asyncua's own encoder; no Python object per value but for strings.

Theory. A DataValue with a fixed-width value is a record whose fields have fixed places but for the width of the value:

    handle 4 | mask 1 | type 1 | value 0..8 | status 4 | source time 8 | server time 8

(`handle` only in notifications.) Little-endian integers of 1, 2 and 4 bytes are the *first* bytes of their 8-byte
cell. So all rows are laid into one array of equal records, and bytes that a kind, a null or the client's
TimestampsToReturn does not want are dropped by a mask. Strings, rare, are spliced in afterwards.
A Bad status has no value at all: the value bit of `mask` is clear. Source: OPC 10000-6, 5.2.2.16 and 5.2.2.17.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import Final

import numpy as np
import numpy.typing as npt

from config.words import BAD, Cells, Kind, Rows, Statuses, TimesNs
from supervisor.plant.plant import Plant
from supervisor.tags.table import TagTable

Handles = npt.NDArray[np.uint32]

# 100 ns ticks from 1601-01-01 to 1970-01-01. Source: OPC 10000-6, 5.2.2.5.
EPOCH_TICKS: Final = 116_444_736_000_000_000


class Stamps(IntEnum):
    """TimestampsToReturn. Source: OPC 10000-4, 7.40."""

    SOURCE = 0
    SERVER = 1
    BOTH = 2
    NEITHER = 3

    @property
    def source(self) -> bool:
        return self in (Stamps.SOURCE, Stamps.BOTH)

    @property
    def server(self) -> bool:
        return self in (Stamps.SERVER, Stamps.BOTH)


_DATA_VALUE: Final = [
    ("mask", "u1"),
    ("type", "u1"),
    ("value", "<i8"),
    ("status", "<u4"),
    ("source", "<i8"),
    ("server", "<i8"),
]
_RECORD: Final = np.dtype(_DATA_VALUE)
_RECORD_WITH_HANDLE: Final = np.dtype([("handle", "<u4"), *_DATA_VALUE])
_HANDLE_BYTES: Final = 4
_NULL: Final = 0
_BARE: Final = 14  # no such node, or not for this user: nothing but a status
_FLOAT: Final = int(Kind.Float)
_STRING: Final = int(Kind.String)
_DATETIME: Final = int(Kind.DateTime)
_WIDTH: Final = {0: 0, 1: 1, 2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 4, 8: 8, 9: 8, 10: 4, 11: 8, 12: 0, 13: 8}


def wire_type(kind: Kind) -> int:
    """Built-in type of a kind on the wire: an Enumeration travels as Int32. Source: OPC 10000-6, 5.2.4."""
    return int(Kind.Int32 if kind is Kind.Enumeration else kind)


def ticks(ns: int) -> int:
    """UTC ns since 1970 -> DateTime of the wire [100 ns since 1601]; 64 bits of ns begin in 1677, so never negative."""
    return ns // 100 + EPOCH_TICKS


def _kept_bytes(head: int) -> npt.NDArray[np.bool_]:
    """Which bytes of a record remain: [stamps, wire type or null] -> (head + 30,); `head` bytes stand before it."""
    kept = np.zeros((4, _BARE + 1, head + _RECORD.itemsize), np.bool_)
    kept[..., : head + 1] = True
    for stamps in Stamps:
        for type_, width in _WIDTH.items():
            record = kept[stamps, type_, head:]
            record[1] = type_ != _NULL
            record[2 : 2 + width] = True
            record[10:14] = True
            record[14:22] = stamps.source
            record[22:30] = stamps.server
    kept[:, _BARE, head + 10 : head + 14] = True
    return kept


_KEPT: Final = _kept_bytes(0)
_KEPT_WITH_HANDLE: Final = _kept_bytes(_HANDLE_BYTES)


class ValueEncoder:
    """Encodes rows of one table.

    Attributes:
        wire: built-in type on the wire of each block, (blocks,) u1.
    """

    def __init__(self, plant: Plant, table: TagTable) -> None:
        self._plant = plant
        self._table = table
        self.wire = np.array([wire_type(b.info.kind) for b in plant.blocks], np.uint8)

    def encode(
        self, rows: Rows, status: Statuses, stamps: Stamps, now_ns: int, handles: Handles | None = None
    ) -> bytes:
        """DataValues of `rows` as the table has them, or MonitoredItemNotifications when `handles` are given.

        Args:
            rows: (n,); may repeat. -1: there is no value to speak of; only the (Bad) status is told.
            status: StatusCode of each, (n,), normally `table.status[rows]`.
            now_ns: server timestamp [ns].
            handles: ClientHandle of each, (n,).
        """
        table = self._table
        source_ns = table.source_ns[rows] if stamps.source else None
        return self.encode_values(rows, table.cells[rows], status, source_ns, now_ns, stamps, handles)

    def encode_values(
        self,
        rows: Rows,
        cells: Cells,
        status: Statuses,
        source_ns: TimesNs | None,
        server_ns: TimesNs | int,
        stamps: Stamps,
        handles: Handles | None = None,
    ) -> bytes:
        """As `encode`, with values that were taken earlier. All arrays (n,).

        Args:
            cells: changed in place; hand over a copy.
            source_ns: may be None where `stamps` do not want it.
        """
        n = len(rows)
        if n == 0:
            return b""
        shape = np.where(status < BAD, self.wire[self._plant.block_of_row[rows]], np.uint8(_NULL))
        if rows.min() < 0:
            shape[rows < 0] = _BARE
        present = np.flatnonzero(np.bincount(shape, minlength=_BARE + 1))
        if handles is None:
            out, kept, head = np.empty(n, _RECORD), _KEPT[stamps], 0
        else:
            out, kept, head = np.empty(n, _RECORD_WITH_HANDLE), _KEPT_WITH_HANDLE[stamps], _HANDLE_BYTES
            out["handle"] = handles
        out["mask"] = _masks(shape, present, stamps)
        out["type"] = shape
        out["value"] = _wire_cells(cells, shape, present)
        out["status"] = status
        if stamps.source and source_ns is not None:
            out["source"] = source_ns // 100 + EPOCH_TICKS
        if stamps.server:
            out["server"] = server_ns // 100 + EPOCH_TICKS
        matrix = out.view(np.uint8).reshape(n, out.itemsize)
        if len(present) == 1:
            columns = kept[present[0]]
            body = matrix.tobytes() if columns.all() else matrix[:, columns].tobytes()
        else:
            body = matrix[kept[shape]].tobytes()
        if _STRING in present:
            return self._splice(body, shape, cells, kept.sum(1), head + 2)
        return body

    def _splice(
        self,
        body: bytes,
        shape: npt.NDArray[np.uint8],
        cells: npt.NDArray[np.int64],
        widths: npt.NDArray[np.int64],
        head: int,
    ) -> bytes:
        """Put each text behind the type byte of its record; `head`: bytes of a record up to there."""
        lengths = widths[shape]
        places = np.cumsum(lengths) - lengths + head
        at = np.flatnonzero(shape == _STRING)
        pieces: list[bytes] = []
        done = 0
        for place, index in zip(places[at].tolist(), cells[at].tolist(), strict=True):
            pieces += (body[done:place], _text_bytes(self._table.pool[index]))
            done = place
        pieces.append(body[done:])
        return b"".join(pieces)


def _masks(
    shape: npt.NDArray[np.uint8], present: npt.NDArray[np.int64], stamps: Stamps
) -> npt.NDArray[np.uint8] | np.uint8:
    """Encoding mask of each DataValue: which of its fields follow."""
    mask = np.uint8(2 | (4 if stamps.source else 0) | (8 if stamps.server else 0))
    if present[-1] == _BARE:
        return np.where(shape == _BARE, np.uint8(2), (shape != _NULL) | mask)
    return mask | np.uint8(1) if present[0] != _NULL else (shape != _NULL) | mask


def _wire_cells(
    cells: npt.NDArray[np.int64], shape: npt.NDArray[np.uint8], present: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Cells as their first bytes must stand on the wire; only Float and DateTime differ from the table's form."""
    for type_ in present.tolist():
        if type_ == _FLOAT:
            at = shape == _FLOAT
            with np.errstate(over="ignore", invalid="ignore"):
                cells[at] = cells[at].view(np.float64).astype(np.float32).view(np.uint32)
        elif type_ == _DATETIME:
            at = shape == _DATETIME
            cells[at] = cells[at] // 100 + EPOCH_TICKS
    return cells


def _text_bytes(text: str) -> bytes:
    """Int32 length and UTF-8. A text that cannot be UTF-8 is shown with '?', never dropped."""
    try:
        raw = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raw = text.encode("utf-8", "replace")
    return struct.pack("<i", len(raw)) + raw
