# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_store_frames.py
"""Frames: how record batches lie in a file so that each can be trusted, or be found damaged, on its own.

Law of this file: bytes in, frames out; no I/O, no clock. Never raises for hostile bytes, never believes them either.

    magic "VGF1" | body length u32 | rows u32 | CRC of body u32 | first u64 | epoch u64 | written_ns i64
    | plant digest 16 bytes | CRC of this header u32 || body

The body is one Arrow IPC stream with one record batch, its buffers under LZ4 in a hurry: 14 bytes a row, where LZ4
takes 1.5 times as long for 10 and zstd 2.8 times for 6; and the log lives an hour. For roll-up files, see there.

Little endian; both checksums are CRC-32 as of zlib (in the standard library and faster than any disk here; CRC-32C
would need a dependency and finds the same errors). The header has its own, so that a frame whose body is damaged still
says how many rows were lost and where the next frame begins. Frames decode alone: schema included, no dictionaries.

`first` is the sequence of the first row in the write-ahead log, the first series in a roll-up file.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import pyarrow as pa  # type: ignore[import-untyped]

MAGIC: Final = b"VGF1"
_HEADER: Final = struct.Struct("<4sIIIQQq16s")
_CRC: Final = struct.Struct("<I")
HEADER_LENGTH: Final = _HEADER.size + _CRC.size
BODY_LENGTH_MAX: Final = 1 << 28
"""Longest body written or believed [B]. 4 million rows of noise stay below."""
ROWS_MAX: Final = 1 << 22
DIGEST_LENGTH: Final = 16
NO_DIGEST: Final = bytes(DIGEST_LENGTH)
_READ: Final = pa.ipc.IpcReadOptions(use_threads=False)
_HURRY: Final = -20
"""LZ4's acceleration, as a negative level: what costs time in a sample are a time's low bytes, which hardly shrink."""
_WRITE: Final = pa.ipc.IpcWriteOptions(compression=pa.Codec("lz4", compression_level=_HURRY), use_threads=False)


class FrameDamaged(Exception):
    """The bytes are not what was written."""


class Header(NamedTuple):
    """What a frame says about itself."""

    body_length: int
    rows: int
    body_crc: int
    first: int
    epoch: int
    written_ns: int
    digest: bytes

    @property
    def length(self) -> int:
        """Whole frame [B]."""
        return HEADER_LENGTH + self.body_length


def encode(batch: Any, first: int, epoch: int, written_ns: int, digest: bytes) -> list[Any]:
    """One frame with an Arrow record batch, as [header, body] for `os.writev`.

    Args:
        batch: a record batch without dictionaries; 1..ROWS_MAX rows.
        digest: of the plant, 16 bytes.
    Raises:
        ValueError: a bound is exceeded.
    """
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema, options=_WRITE) as writer:
        writer.write_batch(batch)
    return pack(sink.getvalue(), batch.num_rows, first, epoch, written_ns, digest)


def pack(body: Any, rows: int, first: int, epoch: int, written_ns: int, digest: bytes) -> list[Any]:
    """One frame around any body, as [header, body].

    Raises:
        ValueError: a bound is exceeded.
    """
    content = memoryview(body)
    if not 0 < rows <= ROWS_MAX or len(digest) != DIGEST_LENGTH:
        raise ValueError(f"frame: expected 1..{ROWS_MAX} rows and a digest of {DIGEST_LENGTH} bytes")
    if len(content) > BODY_LENGTH_MAX:
        raise ValueError(f"frame: expected a body of at most {BODY_LENGTH_MAX} bytes, got {len(content)}")
    fixed = _HEADER.pack(MAGIC, len(content), rows, zlib.crc32(content), first, epoch, written_ns, digest)
    return [fixed + _CRC.pack(zlib.crc32(fixed)), content]


def header_at(data: memoryview, offset: int) -> Header | None:
    """The header that begins there; None if there is none to be believed."""
    if offset + HEADER_LENGTH > len(data) or bytes(data[offset : offset + 4]) != MAGIC:
        return None
    fixed = data[offset : offset + _HEADER.size]
    if _CRC.unpack_from(data, offset + _HEADER.size)[0] != zlib.crc32(fixed):
        return None
    header = Header(*_HEADER.unpack(fixed)[1:])
    return header if header.body_length <= BODY_LENGTH_MAX and 0 < header.rows <= ROWS_MAX else None


def decode(data: memoryview, offset: int, header: Header) -> Any:
    """The record batch of the frame at `offset`.

    Raises:
        FrameDamaged: the checksum, or what Arrow makes of the bytes, says so.
    """
    body = body_of(data, offset, header)
    try:
        with pa.ipc.open_stream(pa.py_buffer(body), options=_READ) as stream:
            batch = stream.read_next_batch()
    except (pa.ArrowException, OSError, ValueError, StopIteration) as error:
        raise FrameDamaged(f"frame at byte {offset}: {error}") from error
    if batch.num_rows != header.rows:
        raise FrameDamaged(f"frame at byte {offset}: expected {header.rows} rows, got {batch.num_rows}")
    return batch


def body_of(data: memoryview, offset: int, header: Header) -> memoryview:
    """The body of the frame at `offset`.

    Raises:
        FrameDamaged: it does not fit its checksum.
    """
    body = data[offset + HEADER_LENGTH : offset + header.length]
    if len(body) != header.body_length or zlib.crc32(body) != header.body_crc:
        raise FrameDamaged(f"frame at byte {offset}: the content does not fit its checksum")
    return body


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes that cannot be read, with whole frames behind them or a whole length of their own.

    Attributes:
        start, end: bytes in the file.
        header: what the frame says of itself, None if not even that can be believed.
    """

    start: int
    end: int
    header: Header | None


@dataclass(frozen=True, slots=True)
class Scan:
    """What a file holds.

    Attributes:
        headers: of readable frames, in file order.
        damaged: what lies between or behind them and cannot be read.
        length: bytes up to the end of the last frame, readable or not; what follows is a torn tail, never acknowledged.
    """

    headers: list[Header]
    damaged: list[Damage]
    length: int


def scan(data: memoryview, use: Callable[[Header, Any], None]) -> Scan:
    """Read a whole file frame by frame, handing each readable one to `use`."""
    headers: list[Header] = []
    damaged: list[Damage] = []
    offset = 0
    while offset < len(data):
        header = header_at(data, offset)
        if header is not None and offset + header.length <= len(data):
            try:
                batch = decode(data, offset, header)
            except FrameDamaged:
                damaged.append(Damage(offset, offset + header.length, header))
            else:
                headers.append(header)
                use(header, batch)
            offset += header.length
            continue
        found = _next_frame(data, offset + 1)
        if found is None:
            break
        damaged.append(Damage(offset, found, None))
        offset = found
    return Scan(headers, damaged, offset)


def _next_frame(data: memoryview, offset: int) -> int | None:
    """Where the next frame with a believable header and its whole length begins."""
    content = data.obj if isinstance(data.obj, bytes) and data.nbytes == len(data.obj) else bytes(data)
    while (offset := content.find(MAGIC, offset)) >= 0:
        header = header_at(data, offset)
        if header is not None and offset + header.length <= len(data):
            return offset
        offset += 1
    return None
