# SPDX-License-Identifier: Apache-2.0
# Tests: tests/property/test_hmi_request.py
"""Reading requests as bytes: the long lists of Read and CreateMonitoredItems, behind their header (`header.py`).

Law of this file: no asyncua, no I/O. Whatever is unusual (another namespace, an index range, a filter, bytes too many
or too few) gives None, and the caller takes the slow way through asyncua's decoder; nothing is ever guessed.

Theory. HMIs ask for the same thousand nodes again and again. Numeric NodeIds of one encoding make records of equal
length, which are one numpy view; string NodeIds need one step per item, once: the rows of a whole list are kept under
its bytes in a bounded cache.
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from config.words import Rows
from supervisor.hmi.model.space import Space

VALUE_ATTRIBUTE: Final = 13

_NAME_HEAD: Final = struct.Struct("<BHi")

# Attribute Value, no index range, no data encoding: what stands between one NodeId and the next.
_USUAL_TAIL: Final = struct.pack("<IiHi", VALUE_ATTRIBUTE, -1, 0, -1)

_READ_TAIL: Final[list[Any]] = [("attribute", "<u4"), ("range", "<i4"), ("encoding_ns", "<u2"), ("encoding", "<i4")]
_ITEM_TAIL: Final[list[Any]] = [
    *_READ_TAIL,
    ("mode", "<u4"),
    ("handle", "<u4"),
    ("sampling", "<f8"),
    ("filter", "u1", (3,)),
    ("queue", "<u4"),
    ("discard", "u1"),
]
_SHORT_ID: Final[list[Any]] = [("kind", "u1"), ("ns", "u1"), ("id", "<u2")]
_LONG_ID: Final[list[Any]] = [("kind", "u1"), ("ns", "<u2"), ("id", "<u4")]


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """A Read of values of tags only; row -1: a name that stands for nothing. `stamps`: as sent, 0..3."""

    rows: Rows
    stamps: int


@dataclass(frozen=True, slots=True)
class ItemsRequest:
    """CreateMonitoredItems for values of tags only, without filters. Arrays (n,).

    Attributes:
        sampling_ms, queue, oldest: as requested.
    """

    subscription: int
    stamps: int
    rows: Rows
    handles: npt.NDArray[np.uint32]
    modes: npt.NDArray[np.uint8]
    sampling_ms: npt.NDArray[np.float64]
    queue: npt.NDArray[np.uint32]
    oldest: npt.NDArray[np.bool_]


class ListDecoder:
    """Lists of tags in requests -> rows.

    Attributes:
        cache_bytes_max: bound of the request bytes kept; the least recently used go first.
    """

    def __init__(self, space: Space, namespace: int, cache_bytes_max: int = 16 * 2**20) -> None:
        self._space = space
        self._namespace = namespace
        self._cache: OrderedDict[bytes, Rows] = OrderedDict()
        self._cache_bytes = 0
        self.cache_bytes_max = cache_bytes_max

    def read(self, data: bytes, at: int, nodes_max: int) -> ReadRequest | None:
        """Parameters of a Read that begin at `at`; None: take the slow way."""
        if len(data) - at < 16:
            return None
        age, stamps, n = struct.unpack_from("<dii", data, at)
        if not (age >= 0 and 0 <= stamps <= 3 and 0 < n <= nodes_max):
            return None
        key = data[at + 12 :]  # the count belongs to the key
        if (rows := self._cache.get(key)) is not None:
            self._cache.move_to_end(key)
            return ReadRequest(rows, stamps)
        rows = self._alike(data, at + 16, n)
        if rows is None:
            if (found := self._list(data, at + 16, n, _READ_TAIL)) is None:
                return None
            rows = found[0]
        self._keep(key, rows)
        return ReadRequest(rows, stamps)

    def items(self, data: bytes, at: int, nodes_max: int) -> ItemsRequest | None:
        """Parameters of a CreateMonitoredItems that begin at `at`; None: take the slow way."""
        if len(data) - at < 12:
            return None
        subscription, stamps, n = struct.unpack_from("<Iii", data, at)
        if not (0 <= stamps <= 3 and 0 < n <= nodes_max):
            return None
        if (found := self._list(data, at + 12, n, _ITEM_TAIL)) is None:
            return None
        rows, tails = found
        if tails["filter"].any() or int(tails["mode"].max()) > 2:
            return None
        return ItemsRequest(
            subscription,
            stamps,
            rows,
            tails["handle"].copy(),
            tails["mode"].astype(np.uint8),
            tails["sampling"].copy(),
            tails["queue"].copy(),
            tails["discard"] != 0,
        )

    def _keep(self, key: bytes, rows: Rows) -> None:
        if len(key) > self.cache_bytes_max // 16:
            return  # one huge list must not push out everything else
        self._cache[key] = rows
        self._cache_bytes += len(key)
        while self._cache_bytes > self.cache_bytes_max:
            old, _ = self._cache.popitem(last=False)
            self._cache_bytes -= len(old)

    def _list(self, data: bytes, at: int, n: int, tail: list[Any]) -> tuple[Rows, np.ndarray] | None:
        """Records of NodeId and tail that fill the rest of `data`."""
        if at >= len(data):
            return None
        kind = data[at]
        if kind == 3:
            return self._named(data, at, n, np.dtype(tail))
        if kind not in (1, 2):
            return None
        record = np.dtype([*(_SHORT_ID if kind == 1 else _LONG_ID), *tail])
        if len(data) - at != n * record.itemsize:
            return None
        records = np.frombuffer(data, record, n, at)
        if not ((records["kind"] == kind).all() and (records["ns"] == self._namespace).all() and _plain(records)):
            return None
        rows = self._space.rows_of_series(records["id"].astype(np.uint32))
        return None if rows is None else (rows, records)

    def _alike(self, data: bytes, at: int, n: int) -> Rows | None:
        """String NodeIds between which all bytes are the same, as most clients send them: one split finds them all."""
        head = struct.pack("<BH", 3, self._namespace)
        if not data.startswith(head, at) or not data.endswith(_USUAL_TAIL):
            return None
        parts = data[at + 3 : -len(_USUAL_TAIL)].split(_USUAL_TAIL + head)
        if len(parts) != n:
            return None
        lengths = np.fromiter(map(len, parts), np.int64, n)
        told = np.frombuffer(b"".join([part[:4] for part in parts]), np.uint8)
        if len(told) != 4 * n or (told.view("<i4") != lengths - 4).any():
            return None
        return self._space.rows_of_names([part[4:] for part in parts], unknown_ok=True)

    def _named(self, data: bytes, at: int, n: int, tail: np.dtype) -> tuple[Rows, np.ndarray] | None:
        """String NodeIds: one step per item."""
        names: list[bytes] = []
        ends: list[int] = []
        namespace, width, unpack = self._namespace, tail.itemsize, _NAME_HEAD.unpack_from
        try:
            for _ in range(n):
                kind, ns, length = unpack(data, at)
                if kind != 3 or ns != namespace or length <= 0:
                    return None
                end = at + 7 + length
                names.append(data[at + 7 : end])
                ends.append(end)
                at = end + width
        except struct.error:
            return None
        if at != len(data):
            return None
        places = np.array(ends, np.int64)[:, None] + np.arange(width)
        tails = np.frombuffer(data, np.uint8)[places].view(tail)[:, 0]
        if not _plain(tails) or (rows := self._space.rows_of_names(names)) is None:
            return None
        return rows, tails


def _plain(records: np.ndarray) -> bool:
    """True when all ask for the whole Value in the default encoding."""
    return bool(
        (records["attribute"] == VALUE_ATTRIBUTE).all()
        and (records["range"] <= 0).all()
        and (records["encoding"] <= 0).all()
        and (records["encoding_ns"] == 0).all()
    )
