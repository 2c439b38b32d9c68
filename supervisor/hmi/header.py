# SPDX-License-Identifier: Apache-2.0
# Tests: tests/property/test_hmi_request.py
"""The header of a request as bytes: what it is, who says it, where its parameters begin.

Law of this file: no asyncua, no I/O; nothing is decoded but what decides who may go on. AdditionalHeader, which
may hold any structure, is only stepped over. What is malformed gives None.

Source: OPC 10000-4, 7.33 (RequestHeader); OPC 10000-6, 5.2.2.9 (NodeId).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

_FIXED_NODE_ID: Final = {0: 2, 1: 4, 2: 7, 4: 19}  # bytes of a NodeId by encoding; 3 and 5 carry a length
_INT: Final = struct.Struct("<i")


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
