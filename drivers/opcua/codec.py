# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_opcua_driver.py, tests/kit/test_opcua.py
"""Requests as bytes and the heads of responses: what is asked again and again is encoded once.

Law of this file: bytes only; asyncua only for the encoding of a NodeId. Anything that does not have the expected form
is `Garbled`. Source: OPC 10000-4, 5.11.2 (Read), 5.11.4 (Write), 5.13.2, 5.14.2, 5.14.5; OPC 10000-6, 5.2.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from asyncua import ua
from asyncua.ua.ua_binary import nodeid_to_binary
from asyncua.ua.uaerrors import UaError

from drivers.opcua.address import ROOT
from drivers.opcua.cells import EPOCH_TICKS
from drivers.opcua.layout import Garbled, skip_node_id

READ, READ_ANSWER = 631, 634
WRITE, WRITE_ANSWER = 673, 676
CREATE_ITEMS, CREATE_ITEMS_ANSWER = 751, 754
CREATE_SUBSCRIPTION, CREATE_SUBSCRIPTION_ANSWER = 787, 790
PUBLISH, PUBLISH_ANSWER = 826, 829
SERVICE_FAULT = 397
DATA_CHANGE, STATUS_CHANGE = 811, 820

STATE: Final = "i=2259"  # Server_ServerStatus_State
SERVER_ARRAY: Final = "i=2254"
NAMESPACES: Final = "i=2255"
MAX_READ: Final = "i=11705"
MAX_WRITE: Final = "i=11707"
MAX_ITEMS: Final = "i=11714"

CODE_BITS: Final = 0xFFFF0000
"""Of a StatusCode; below them are info bits that change nothing of its meaning. Source: OPC 10000-4, 7.38.1."""
VALUE: Final = 13
NEWEST: Final = 0.0
BOTH_TIMES: Final = 2
REPORTING: Final = 2
STATUS_AND_VALUE: Final = 1
TOO_MANY_ITEMS: Final = 0x80DB0000
ABSOLUTE: Final = 1


class ServiceFault(Exception):
    """The server refused a whole request. `code`: its StatusCode."""

    def __init__(self, code: int) -> None:
        super().__init__(status_name(code))
        self.code = code


class NoSuchNamespace(Exception):
    """A node is named by a namespace URI that the server does not have."""


def status_name(code: int) -> str:
    """'BadNodeIdUnknown'; a code that no table knows as a number."""
    name: str = ua.status_codes.get_name_and_doc(code & CODE_BITS)[0]
    return name if name and name != "UnknownUaError" else f"{code:#010x}"


def node_id(text: str, root: str, namespaces: Sequence[str]) -> bytes:
    """A node as it travels.

    Raises:
        NoSuchNamespace: its namespace URI is none of the server's.
        ValueError: it is no NodeId.
    """
    text = text.replace(ROOT, root)
    if text.startswith("nsu="):
        uri, _, rest = text[4:].partition(";")
        if uri not in namespaces:
            raise NoSuchNamespace(f"expected a namespace of the server, got {uri!r}")
        text = f"ns={namespaces.index(uri)};{rest}"
    try:
        data: bytes = nodeid_to_binary(ua.NodeId.from_string(text))
    except (UaError, ValueError, TypeError, struct.error) as error:
        raise ValueError(f"expected a NodeId, got {text!r} ({error})") from error
    return data


def _text(value: str | None) -> bytes:
    if value is None:
        return b"\xff\xff\xff\xff"
    data = value.encode()
    return struct.pack("<i", len(data)) + data


def read_id(node: bytes, index: int) -> bytes:
    """A ReadValueId: the Value of a node, or one element of it."""
    return node + struct.pack("<I", VALUE) + _text(str(index) if index >= 0 else None) + b"\0\0\xff\xff\xff\xff"


def read_parameters(ids: Sequence[bytes]) -> bytes:
    """Parameters of a Read of the newest values with both times."""
    return struct.pack("<dii", NEWEST, BOTH_TIMES, len(ids)) + b"".join(ids)


def write_parameters(node: bytes, index: int, value: bytes) -> bytes:
    """Parameters of a Write of one Variant, without status and times, which many servers refuse to take."""
    where = node + struct.pack("<I", VALUE) + _text(str(index) if index >= 0 else None)
    return struct.pack("<i", 1) + where + b"\x01" + value


def subscription_parameters(publishing_s: float, keep_alive_s: float) -> bytes:
    """Parameters of CreateSubscription: a message at least every `keep_alive_s`, life for ten of them."""
    count = max(1, round(keep_alive_s / publishing_s))
    return struct.pack("<dIIIBB", publishing_s * 1000, 10 * count, count, 0, 1, 0)


def item(read: bytes, handle: int, sampling_s: float, queue: int, deadband: float) -> bytes:
    """A MonitoredItemCreateRequest that reports status and value."""
    wanted = read + struct.pack("<IId", REPORTING, handle, sampling_s * 1000)
    if deadband > 0:
        body = struct.pack("<IId", STATUS_AND_VALUE, ABSOLUTE, deadband)
        wanted += b"\x01\x00" + struct.pack("<HBi", 724, 1, len(body)) + body
    else:
        wanted += b"\0\0\0"
    return wanted + struct.pack("<IB", queue, 1)


def items_parameters(subscription: int, items: Sequence[bytes]) -> bytes:
    """Parameters of CreateMonitoredItems."""
    return struct.pack("<Iii", subscription, BOTH_TIMES, len(items)) + b"".join(items)


def publish_parameters(received: Sequence[tuple[int, int]]) -> bytes:
    """Parameters of a Publish that acknowledges (subscription, sequence number)."""
    return struct.pack("<i", len(received)) + b"".join(struct.pack("<II", *each) for each in received)


def request(type_id: int, token: bytes, handle: int, now_ns: int, timeout_s: float, parameters: bytes) -> bytes:
    """A whole request. Where the time is up before it leaves, because the loop was late, a millisecond is told."""
    hint_ms = min(max(round(timeout_s * 1000), 1), 2**31)
    head = struct.pack("<BBH", 1, 0, type_id) + token
    times = struct.pack("<qIIiI", now_ns // 100 + EPOCH_TICKS, handle, 0, -1, hint_ms)
    return head + times + b"\0\0\0" + parameters


def answer(data: bytes, type_id: int) -> int:
    """Where the parameters of a response begin.

    Raises:
        ServiceFault: the server refused the request.
        Garbled: it is no such response.
    """
    try:
        if data[0] != 1 or data[1] != 0:
            raise Garbled(f"a response of type {data[:4].hex(' ')}")
        got, _, _, code, diagnostics = struct.unpack_from("<2xHqIIB", data)
        if got not in (type_id, SERVICE_FAULT) or diagnostics:
            raise Garbled(f"a response of type {got}, expected {type_id}")
        at = _skip_texts(data, 21)
        at = skip_node_id(data, at)
        if data[at]:
            raise Garbled("a response with an additional header")
    except (struct.error, IndexError) as error:
        raise Garbled(f"a response of {len(data)} bytes") from error
    if got == SERVICE_FAULT or code >= 0x80000000:
        raise ServiceFault(code & CODE_BITS)
    return at + 1


def _skip_texts(data: bytes, at: int) -> int:
    (n,) = struct.unpack_from("<i", data, at)
    at += 4
    for _ in range(min(max(n, 0), len(data))):
        at += 4 + max(struct.unpack_from("<i", data, at)[0], 0)
    return at


def count(data: bytes, at: int, expected: int) -> int:
    """Step over the length of an array of results.

    Raises:
        Garbled: another number of results than was asked for.
    """
    try:
        (n,) = struct.unpack_from("<i", data, at)
    except struct.error as error:
        raise Garbled("a response without results") from error
    if n != expected:
        raise Garbled(f"{n} results, expected {expected}")
    return at + 4


def ended(data: bytes, at: int) -> None:
    """Nothing but (unused) diagnostics may follow.

    Raises:
        Garbled: something else follows.
    """
    if len(data) - at < 4 or (len(data) - at == 4 and struct.unpack_from("<i", data, at)[0] > 0):
        raise Garbled(f"{len(data) - at} bytes behind the results")


def statuses(data: bytes, at: int, n: int) -> list[int]:
    """An array of n StatusCodes.

    Raises:
        Garbled: it is none.
    """
    at = count(data, at, n)
    if len(data) < at + 4 * n:
        raise Garbled(f"{n} results in {len(data) - at} bytes")
    return [int(code) for code in np.frombuffer(data, "<u4", n, at)]


def first_text(data: bytes, at: int) -> str:
    """Of a Read of one array of texts: the first; '' if there is none."""
    try:
        n, mask, encoding, length, size = struct.unpack_from("<iBBii", data, at)
        if n != 1 or not mask & 1 or encoding != 0x80 | 12 or length < 1 or size < 1:
            return ""
        return data[at + 14 : at + 14 + size].decode()
    except (struct.error, UnicodeDecodeError):
        return ""


def item_results(data: bytes, at: int, n: int) -> list[int]:
    """StatusCodes of a CreateMonitoredItems response, without their info bits.

    Raises:
        Garbled: it is none.
    """
    at = count(data, at, n)
    codes = []
    try:
        for _ in range(n):
            codes.append(int(struct.unpack_from("<I", data, at)[0]) & CODE_BITS)
            at = skip_node_id(data, at + 20)
            at += 1 + (4 + max(struct.unpack_from("<i", data, at + 1)[0], 0) if data[at] else 0)
    except (struct.error, IndexError) as error:
        raise Garbled(f"ends within item {len(codes)} of {n}") from error
    return codes


@dataclass(frozen=True, slots=True)
class Published:
    """A Publish response.

    Attributes:
        subscription, sequence: whose message, and its number.
        more: further messages are waiting at the server.
        changes: (offset of the first notification, their number) of each DataChangeNotification.
        ended: StatusCode with which the subscription has ended; 0: it has not.
        is_keep_alive: it has nothing to tell; its number is the next message's, and is not acknowledged.
    """

    subscription: int
    sequence: int
    more: bool
    changes: tuple[tuple[int, int], ...]
    ended: int
    is_keep_alive: bool


def published(data: bytes, at: int) -> Published:
    """Read the head of a Publish response whose parameters begin at `at`.

    Raises:
        Garbled: it is none.
    """
    try:
        subscription, numbers = struct.unpack_from("<Ii", data, at)
        at += 8 + 4 * max(numbers, 0)
        more, sequence, _, parts = struct.unpack_from("<?Iqi", data, at)
        at += 17
        changes, end = [], 0
        for _ in range(min(max(parts, 0), len(data))):
            kind = struct.unpack_from("<H", data, at + 2)[0] if data[at] == 1 else 0
            at = skip_node_id(data, at)
            has_body, length = struct.unpack_from("<Bi", data, at)
            at += 5
            if has_body != 1 or length < 4 or at + length > len(data):
                raise Garbled(f"a notification of {length} bytes")
            if kind == DATA_CHANGE:
                changes.append((at + 4, int(struct.unpack_from("<i", data, at)[0])))
            elif kind == STATUS_CHANGE:
                end = int(struct.unpack_from("<I", data, at)[0])
            at += length
    except (struct.error, IndexError) as error:
        raise Garbled("a message that ends too early") from error
    return Published(subscription, sequence, bool(more), tuple(changes), end, parts <= 0)
