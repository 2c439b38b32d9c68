# SPDX-License-Identifier: Apache-2.0
# Tests: tests/property/test_hmi_pages.py
"""References of nodes -> bytes of ReferenceDescriptions.

Law of this file: the bytes are exactly those of asyncua's own encoder; no lookup, no rights, no order: those are
`browsing.py`'s matter. Source: OPC 10000-4, 7.29 and OPC 10000-6, 5.2.2.

Theory. A ReferenceDescription is

    reference type | forward | node id | browse name | display name | node class | type definition

and of the thousand references of a page all but the node's names are the same. What repeats is encoded once and kept;
what differs is two or three texts joined in between.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from functools import lru_cache
from typing import Final, NamedTuple

from asyncua import ua
from asyncua.ua.ua_binary import nodeid_to_binary

# BrowseResultMask. Source: OPC 10000-4, 5.9.2.2.
REFERENCE_TYPE: Final = 1
IS_FORWARD: Final = 2
NODE_CLASS: Final = 4
BROWSE_NAME: Final = 8
DISPLAY_NAME: Final = 16
TYPE_DEFINITION: Final = 32
ALL: Final = 63

_NULL_NODE: Final = b"\0\0"
_NULL_NAME: Final = b"\0\0\xff\xff\xff\xff"
_NULL_TEXT: Final = b"\0"
_INT: Final = struct.Struct("<i").pack
_SHORT: Final = struct.Struct("<H").pack
_STRING_ID: Final = struct.Struct("<BH").pack
_LENGTHS: Final = lru_cache(maxsize=1024)(_INT)  # of texts: few different ones
_RESULT_HEAD: Final = struct.Struct("<I").pack


class Described(NamedTuple):
    """What a reference says of the node it leads to."""

    node_id: ua.NodeId
    name: ua.QualifiedName
    title: ua.LocalizedText
    node_class: int
    type: ua.NodeId | None = None


def string(text: str | None) -> bytes:
    """A String: its length in bytes and UTF-8; None has the length -1."""
    if text is None:
        return b"\xff\xff\xff\xff"
    raw = text.encode("utf-8", "surrogateescape")
    return _INT(len(raw)) + raw


@lru_cache(maxsize=4096)  # types and reference types: as many as there are in the address space, not one per tag
def _kept_id(node_id: ua.NodeId) -> bytes:
    return bytes(nodeid_to_binary(node_id))


def _text(text: ua.LocalizedText) -> bytes:
    """Bit 1: it has a locale, bit 2: it has a text."""
    locale, words = text.Locale, text.Text
    parts = [bytes(((locale is not None) | 2 * (words is not None),))]
    return b"".join(parts + [string(part) for part in (locale, words) if part is not None])


def head(link: ua.NodeId, forward: bool, mask: int) -> bytes:
    """What stands before the node: reference type and direction."""
    return (_kept_id(link) if mask & REFERENCE_TYPE else _NULL_NODE) + bytes((forward and bool(mask & IS_FORWARD),))


def tail(node_class: int, type_: ua.NodeId | None, mask: int) -> bytes:
    """What stands behind the names: node class and type definition."""
    known = type_ is not None and bool(mask & TYPE_DEFINITION)
    return _INT(int(node_class) if mask & NODE_CLASS else 0) + (_kept_id(type_) if known else _NULL_NODE)


def reference(before: bytes, node: Described, mask: int) -> bytes:
    """One ReferenceDescription; `before` is made by `head`."""
    return b"".join(
        (
            before,
            nodeid_to_binary(node.node_id),
            _SHORT(node.name.NamespaceIndex) + string(node.name.Name) if mask & BROWSE_NAME else _NULL_NAME,
            _text(node.title) if mask & DISPLAY_NAME else _NULL_TEXT,
            tail(node.node_class, node.type, mask),
        )
    )


class Template:
    """References that differ by the names of their nodes only.

    Args:
        namespace: of NodeIds (strings) and browse names.
    """

    def __init__(self, before: bytes, namespace: int, locale: str, mask: int) -> None:
        self._before = before + _STRING_ID(3, namespace)
        self._name = _SHORT(namespace) if mask & BROWSE_NAME else _NULL_NAME
        self._text = b"\x03" + string(locale) if mask & DISPLAY_NAME else _NULL_TEXT
        self._mask = mask

    def fill(self, nodes: Iterable[tuple[str, str, bytes]]) -> list[bytes]:
        """References of nodes (identifier, title, `tail`) as pieces to be joined; the browse name is what follows the
        identifier's last '/'.
        """
        before, name, text, mask = self._before, self._name, self._text, self._mask
        named, titled = bool(mask & BROWSE_NAME), bool(mask & DISPLAY_NAME)
        made: list[bytes] = []
        add, length = made.extend, _LENGTHS
        for identifier, title, after in nodes:
            raw = identifier.encode()
            add((before, length(len(raw)), raw, name))
            if named:
                last = raw[raw.rfind(b"/") + 1 :]
                add((length(len(last)), last))
            made.append(text)
            if titled:
                words = title.encode()
                add((length(len(words)), words))
            made.append(after)
        return made


def result(count: int, references: list[bytes], token: bytes | None, status: int = 0) -> bytes:
    """One BrowseResult; `references`: `count` of them, in any number of pieces."""
    point = b"\xff\xff\xff\xff" if token is None else _INT(len(token)) + token
    return b"".join((_RESULT_HEAD(status), point, _INT(count), *references))
