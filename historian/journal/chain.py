# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_journal.py, tests/property/test_chain_property.py
r"""The chain: how a record is sealed over the one before it, and how a person stands in it without a name.

Law of this file: pure; bytes in, digests out; no I/O.

Theory of operation. The seal of a record is SHA-256 over the *canonical encoding*, big-endian, nothing padded:

    previous   32 bytes: the seal of the record before it in the chain of this post; 32 zero bytes for the first
    layout     u8 = 1
    post       u8
    epoch      u64
    sequence   u64: 1 for the first, then one more each time
    time       i64: UTC [ns since 1970]
    lengths    7 x u32: of the seven fields that follow, in bytes
    fields     kind, person, subject, text, data, imported, peer

Records that lie as a sheet (`sheets`) share one seal, over their two texts as they lie in the database:

    previous   as above
    layout     u8 = 2
    post, epoch, sequence of the first record, time: as above
    size       u32: how many records; the next in the chain has the number behind them
    lengths    5 x u32
    fields     kind, person, shared, lines, peer

`kind`, `subject` and `text` are UTF-8; `data` is JSON, byte for byte as it lies in the database;
`imported` is 'epoch/sequence' in the journal of files, or empty; `peer` is the last seen head of the other post (u8
post, u64 epoch, u64 sequence, 32 bytes), or empty. Lengths stand before the fields: no two records share an encoding.

`person` is the 32-byte *subject key*, SHA-256 over 32 random bytes and the name. While random bytes and name are kept
in a table beside the chain anyone can check that a key is that person's, so names cannot be swapped unnoticed. Once
both are erased the key is 32 bytes that lead to nobody, not even to somebody who tries all the names of a city; the
seals stay valid. What people write of others, in notes and reasons, is text like any other and cannot be erased.

What a chain can prove: without a seal kept elsewhere, that nothing was changed, taken out, moved or cut off by anyone
who did not seal everything behind it anew. With a head kept elsewhere (the other post, an archive of `/status`), that
too.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Final

from pydantic_core import to_json

from historian.base import Head, Position

LAYOUT: Final = 1
SHEET_LAYOUT: Final = 2
FIRST: Final = bytes(32)  # what the first record of a chain is sealed over
KEY_LENGTH: Final = 32
SALT_LENGTH: Final = 32
POST_MAX: Final = 255
SEQUENCE_MAX: Final = 2**48 - 1

_FIXED: Final = struct.Struct(">BBQQq7I")
_SHEET: Final = struct.Struct(">BBQQqI5I")
_HEAD: Final = struct.Struct(">BQQ32s")


def seal(
    previous: bytes,
    post: int,
    epoch: int,
    sequence: int,
    time_ns: int,
    kind: bytes,
    person: bytes,
    subject: bytes,
    text: bytes,
    data: bytes,
    imported: bytes,
    peer: bytes,
) -> bytes:
    """The seal of one record (32 bytes).

    Raises:
        struct.error: a number does not fit its field.
    """
    fixed = _FIXED.pack(
        LAYOUT,
        post,
        epoch,
        sequence,
        time_ns,
        len(kind),
        len(person),
        len(subject),
        len(text),
        len(data),
        len(imported),
        len(peer),
    )
    return sha256(b"".join((previous, fixed, kind, person, subject, text, data, imported, peer))).digest()


def seal_sheet(
    previous: bytes,
    post: int,
    epoch: int,
    sequence: int,
    time_ns: int,
    size: int,
    kind: bytes,
    person: bytes,
    shared: bytes,
    lines: bytes,
    peer: bytes,
) -> bytes:
    """The seal of a sheet whose first record has this sequence (32 bytes).

    Raises:
        struct.error: a number does not fit its field.
    """
    lengths = len(kind), len(person), len(shared), len(lines), len(peer)
    fixed = _SHEET.pack(SHEET_LAYOUT, post, epoch, sequence, time_ns, size, *lengths)
    return sha256(b"".join((previous, fixed, kind, person, shared, lines, peer))).digest()


def subject_key(salt: bytes, name: str) -> bytes:
    """The key under which a person stands in the chain (32 bytes)."""
    return sha256(salt + name.encode()).digest()


def shown_as(key: bytes) -> str:
    """How a person without a name is shown."""
    return f"erased person {key.hex()[:8]}"


def clean(text: str) -> str:
    r"""Text that UTF-8 can hold: a lone surrogate (a byte of a broken terminal) becomes its escape '\udc80'."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()
    return text


def clean_all(texts: Sequence[str]) -> Sequence[str]:
    """`clean` for many: one pass where none needs it."""
    try:
        "".join(texts).encode()
    except UnicodeEncodeError:
        return [clean(text) for text in texts]
    return texts


def encode_data(data: object) -> bytes:
    """Data, or one value of it, as JSON in UTF-8; what UTF-8 cannot hold stands as its escape."""
    try:
        return to_json(data)  # four times as fast as `json`, which matters to 34,000 records
    except ValueError:
        plain = dict(data) if isinstance(data, Mapping) else data
        return json.dumps(plain, ensure_ascii=False, allow_nan=False).encode("utf-8", "backslashreplace")


def encode_head(head: Head | None) -> bytes:
    """The `peer` field."""
    return b"" if head is None else _HEAD.pack(*head)


def encode_imported(position: Position | None) -> str:
    """The `imported` field."""
    return "" if position is None else f"{position.epoch}/{position.sequence}"


def decode_imported(text: str) -> Position | None:
    """The old position; None if there is none or the text is no position."""
    epoch, slash, sequence = text.partition("/")
    return Position(int(epoch), int(sequence)) if slash and epoch.isdecimal() and sequence.isdecimal() else None


def parse_head(text: str) -> Head:
    """A head as `Head.__str__` writes it.

    Raises:
        ValueError: it is none; the sentence says what was expected.
    """
    place, _, digest = text.strip().partition(":")
    try:
        post, epoch, sequence = map(int, place.split("/"))
        head = Head(post, epoch, sequence, bytes.fromhex(digest))
    except ValueError:
        head = Head(0, 0, 0, b"")
    if len(head.digest) != len(FIRST):
        raise ValueError(f"head: expected <post>/<epoch>/<sequence>:<64 hex digits>, got '{text[:120]}'")
    return head
