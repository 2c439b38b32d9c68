# SPDX-License-Identifier: Apache-2.0
# Tests: tests/property/test_hmi_request.py
"""Reading requests as bytes: the header of every request, and the long lists of Read and CreateMonitoredItems.

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
from supervisor.hmi.space import Space

VALUE_ATTRIBUTE: Final = 13

_FIXED_NODE_ID: Final = {0: 2, 1: 4, 2: 7, 4: 19}  # bytes of a NodeId by encoding; 3 and 5 carry a length
_NAME_HEAD: Final = struct.Struct("<BHi")
_INT: Final = struct.Struct("<i")

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
class Header:
    """What stands before the parameters of a request. Source: OPC 10000-4, 7.33.

    Attributes:
        type_id: numeric NodeId of the request's binary encoding, in namespace 0.
        token: bytes of the AuthenticationToken's NodeId.
        handle: RequestHandle, to be echoed.
        timeout_ms: TimeoutHint, 0: none.
        at: where the parameters begin.
        additional_at: where AdditionalHeader begins; it is never decoded.
    """

    type_id: int
    token: bytes
    handle: int
    timeout_ms: int
    at: int
    additional_at: int


def header(data: bytes, at: int) -> Header | None:
    """The header of a request that begins at `at`; None if it is not one."""
    try:
        if data[at] == 1 and data[at + 1] == 0:
            type_id, at = struct.unpack_from("<H", data, at + 2)[0], at + 4
        elif data[at] == 2 and data[at + 1 : at + 3] == b"\0\0":
            type_id, at = struct.unpack_from("<I", data, at + 3)[0], at + 7
        else:
            return None
        token_at = at
        at += _node_id_length(data, at)
        handle = struct.unpack_from("<I", data, at + 8)[0]
        token = data[token_at:at]
        at += 16 + 4 + max(_INT.unpack_from(data, at + 16)[0], 0)
        timeout_ms = struct.unpack_from("<I", data, at)[0]
        additional_at = at = at + 4
        at += _node_id_length(data, at)
        has_body, at = data[at], at + 1
        if has_body:
            at += 4 + max(_INT.unpack_from(data, at)[0], 0)
        return Header(type_id, token, handle, timeout_ms, at, additional_at) if at <= len(data) else None
    except (struct.error, IndexError, KeyError):
        return None


def _node_id_length(data: bytes, at: int) -> int:
    """Bytes of the NodeId at `at`; KeyError for an encoding that no NodeId has."""
    kind = data[at]
    if kind in (3, 5):
        return 7 + max(int(_INT.unpack_from(data, at + 3)[0]), 0)
    return _FIXED_NODE_ID[kind]


def token_type(data: bytes, at: int) -> int | None:
    """Type of the UserIdentityToken of an ActivateSession whose parameters begin at `at`.

    It is looked at before anything is decoded, so that a stranger can make the server decode nothing but a token.
    Returns: numeric NodeId of the token's encoding (0: null), None if malformed.
    """
    try:
        at = _skip_string(data, _skip_string(data, at))
        count = _INT.unpack_from(data, at)[0]
        at += 4
        for _ in range(2 * max(count, 0)):
            at = _skip_string(data, at)
        count = _INT.unpack_from(data, at)[0]
        at += 4
        for _ in range(max(count, 0)):
            at = _skip_string(data, at)
        if data[at] == 0:
            return data[at + 1]
        if data[at] == 1 and data[at + 1] == 0:
            return int(struct.unpack_from("<H", data, at + 2)[0])
        if data[at] == 2 and data[at + 1 : at + 3] == b"\0\0":
            return int(struct.unpack_from("<I", data, at + 3)[0])
        return None
    except (struct.error, IndexError):
        return None


def _skip_string(data: bytes, at: int) -> int:
    at += 4 + max(_INT.unpack_from(data, at)[0], 0)
    if at > len(data):
        raise IndexError(at)
    return at


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
