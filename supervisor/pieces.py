# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_pieces.py
"""Long answers in pieces, so that nobody who asks holds up the scan: the loop turns between them.

Law of this file: no more than PIECE things at a time, and no knowledge of what they are. What is told in pieces is told
over a few turns of the loop: each piece is true when it is made.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Final, TypeVar

PIECE: Final = 64
"""Things at a time. 64 devices of a status document: 3 ms on a slow core, asked, told and encoded."""
_LEVELS: Final = 3  # an answer, its document, the lists in that

T = TypeVar("T")


async def in_pieces(things: Sequence[T]) -> AsyncIterator[Sequence[T]]:
    """`things`, at most PIECE at a time, with a turn of the loop after each piece."""
    for start in range(0, len(things), PIECE):
        yield things[start : start + PIECE]
        await asyncio.sleep(0)


async def encode(document: object) -> bytes:
    """A document as JSON in UTF-8, as `json.dumps` would have it; lone surrogates become '?'.

    Raises:
        ValueError, TypeError: there is no JSON for it, NaN among them.
    """
    parts: list[bytes] = []
    for is_piece, text in _parts(document, _LEVELS):
        parts.append(text.encode("utf-8", "replace"))
        if is_piece:
            await asyncio.sleep(0)
    return b"".join(parts)


def _parts(value: object, levels: int) -> Iterator[tuple[bool, str]]:
    """Texts that make the whole, and which of them are pieces of a long list."""
    if isinstance(value, dict) and levels:
        for n, (key, inner) in enumerate(value.items()):
            yield False, f"{', ' if n else '{'}{_json(str(key))}: "
            yield from _parts(inner, levels - 1)
        yield False, "}" if value else "{}"
    elif isinstance(value, list) and len(value) > PIECE:
        for start in range(0, len(value), PIECE):
            yield True, f"{', ' if start else '['}{_json(value[start : start + PIECE])[1:-1]}"
        yield False, "]"
    else:
        yield False, _json(value)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
