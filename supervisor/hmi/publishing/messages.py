# SPDX-License-Identifier: Apache-2.0
# Tests: tests/property/test_hmi_messages.py
"""Responses as bytes: a header, and parameters that are already encoded.

Law of this file: no I/O; the bytes are exactly those of asyncua's own encoder, which gives the constant parts once.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import Any, Final

from asyncua import ua
from asyncua.ua.ua_binary import struct_to_binary

from supervisor.hmi.publishing.notices import DATA_CHANGE, STATUS_CHANGE, Notice
from supervisor.hmi.values import ticks

_EMPTY: Final = struct.pack("<i", 0)
_STATUS: Final = struct.Struct("<I")


class Response:
    """The header of one kind of response, taken from asyncua's encoder."""

    def __init__(self, response: Any) -> None:
        raw = struct_to_binary(response)
        # type id 4, timestamp 8, handle 4, result 4, diagnostics and strings and additional header 8
        self._head, self._rest = raw[:4], raw[20:28]

    def wrap(self, now_ns: int, handle: int, *parameters: bytes, result: int = 0) -> bytes:
        """A whole response. `handle`: the RequestHandle; `result`: the ServiceResult."""
        return b"".join((self._head, struct.pack("<qII", ticks(now_ns), handle, result), self._rest, *parameters))

    def listed(self, now_ns: int, handle: int, count: int, results: bytes) -> bytes:
        """A response whose parameters are `count` results, encoded, and no diagnostics."""
        return self.wrap(now_ns, handle, struct.pack("<i", count), results, _EMPTY)


_FAULT: Final = Response(ua.ServiceFault())
_PUBLISH: Final = Response(ua.PublishResponse())
_REPUBLISH: Final = Response(ua.RepublishResponse())


def fault(now_ns: int, handle: int, code: int) -> bytes:
    """A ServiceFault."""
    return _FAULT.wrap(now_ns, handle, result=code)


def notification_message(sequence: int, now_ns: int, notices: Sequence[Notice]) -> bytes:
    """A NotificationMessage; without notices it is a keep-alive. Source: OPC 10000-4, 7.26."""
    parts = [struct.pack("<Iqi", sequence, ticks(now_ns), len(notices))]
    for notice in notices:
        parts.append(struct.pack("<BBHBi", 1, 0, notice.type_id, 1, len(notice.body)))
        parts.append(notice.body)
    return b"".join(parts)


def publish_response(
    now_ns: int, handle: int, subscription: int, available: Sequence[int], more: bool, message: bytes, results: bytes
) -> bytes:
    """Answer to a Publish. `results`: the encoded list of results of its acknowledgements."""
    numbers = struct.pack(f"<Ii{len(available)}I?", subscription, len(available), *available, more)
    return _PUBLISH.wrap(now_ns, handle, numbers, message, results, _EMPTY)


def republish_response(now_ns: int, handle: int, message: bytes) -> bytes:
    return _REPUBLISH.wrap(now_ns, handle, message)


def statuses(codes: Iterable[int]) -> bytes:
    """An encoded list of StatusCodes."""
    packed = [_STATUS.pack(code) for code in codes]
    return struct.pack("<i", len(packed)) + b"".join(packed)


def data_change(count: int, items: bytes) -> Notice:
    """A DataChangeNotification of `count` encoded MonitoredItemNotifications."""
    return Notice(DATA_CHANGE, b"".join((struct.pack("<i", count), items, _EMPTY)), count)


def status_change(code: int) -> Notice:
    """A StatusChangeNotification."""
    return Notice(STATUS_CHANGE, _STATUS.pack(code) + b"\0", 1)
