# SPDX-License-Identifier: Apache-2.0
# Tests: tests/property/test_hmi_pages.py
"""References of nodes -> bytes of ReferenceDescriptions.

Law of this file: the bytes are exactly those of asyncua's own encoder; no lookup, no rights, no order: those are
`browsing.py`'s matter. Source: OPC 10000-4, 7.29 and OPC 10000-6, 5.2.2.

Theory. A ReferenceDescription is

    reference type | forward | node id | browse name | display name | node class | type definition

and of the thousand references of a page all but the node's names are the same. What repeats is encoded once and kept;
what differs is two or three texts joined in between. They are joined as text whose characters are the bytes (Latin-1):
one formatted text a reference is a third quicker than ten pieces of bytes.
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
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
_RESULT_HEAD: Final = struct.Struct("<I").pack
_AS_BYTES: Final = "latin-1"
KEPT_BYTES_MAX: Final = 8_000_000  # of references kept for the next who asks: those of 80,000 nodes


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
        named, titled = bool(mask & BROWSE_NAME), bool(mask & DISPLAY_NAME)
        self._before = (before + _STRING_ID(3, namespace)).decode(_AS_BYTES)
        self._name = (_SHORT(namespace) if named else _NULL_NAME).decode(_AS_BYTES)
        self._text = (b"\x03" + string(locale) if titled else _NULL_TEXT).decode(_AS_BYTES)
        self._named, self._titled, self._mask = named, titled, mask

    def fill(
        self, identifiers: Sequence[str], titles: Sequence[str], node_class: int, type_: ua.NodeId | None
    ) -> bytes:
        """References of nodes of one class and type. The browse name is what follows the identifier's last '/'; it is
        the title of a node whose title is ''.
        """
        identifiers, titles = _bytes_as_text(identifiers), _bytes_as_text(titles)
        names = [identifier[identifier.rfind("/") + 1 :] for identifier in identifiers]
        words = [title or name for title, name in zip(titles, names, strict=True)]
        before, name, text, counted = self._before, self._name, self._text, _COUNTED
        after = tail(node_class, type_, self._mask).decode(_AS_BYTES)
        # What is asked for nearly always is one formatted text; nine tenths of the time of a page are spent here.
        if self._named and self._titled:
            made = [
                f"{before}{counted[len(i)]}{i}{name}{counted[len(n)]}{n}{text}{counted[len(w)]}{w}{after}"
                for i, n, w in zip(identifiers, names, words, strict=True)
            ]
        else:
            names, words = _wanted(names, self._named), _wanted(words, self._titled)
            made = [
                f"{before}{counted[len(i)]}{i}{name}{n}{text}{w}{after}"
                for i, n, w in zip(identifiers, names, words, strict=True)
            ]
        return "".join(made).encode(_AS_BYTES)


def _wanted(texts: Sequence[str], wanted: bool) -> list[str]:
    """Texts behind their lengths, or nothing for each."""
    return [f"{_COUNTED[len(text)]}{text}" if wanted else "" for text in texts]


def _bytes_as_text(texts: Sequence[str]) -> Sequence[str]:
    """Each with a character for each byte it has in UTF-8."""
    if "".join(texts).isascii():
        return texts
    return [text.encode().decode(_AS_BYTES) for text in texts]


class _Counted(dict[int, str]):
    """Lengths of texts as characters; those of long texts are made each time."""

    def __missing__(self, length: int) -> str:
        return _INT(length).decode(_AS_BYTES)


_COUNTED: Final = _Counted({length: _INT(length).decode(_AS_BYTES) for length in range(256)})


class Kept:
    """References that were encoded once and may be asked for again; the ones not asked for longest go first.

    Attributes:
        size: bytes kept, at most `size_max`.
    """

    def __init__(self, size_max: int = KEPT_BYTES_MAX) -> None:
        self.size = 0
        self._size_max = size_max
        self._by_key: OrderedDict[Hashable, bytes] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], bytes]) -> bytes:
        """What is kept under `key`; made if there is nothing."""
        if (known := self._by_key.get(key)) is not None:
            self._by_key.move_to_end(key)
            return known
        made = make()
        if len(made) <= self._size_max:
            self._by_key[key] = made
            self.size += len(made)
        while self.size > self._size_max:
            _, oldest = self._by_key.popitem(last=False)
            self.size -= len(oldest)
        return made


def result(count: int, references: list[bytes], token: bytes | None, status: int = 0) -> bytes:
    """One BrowseResult; `references`: `count` of them, in any number of pieces."""
    point = b"\xff\xff\xff\xff" if token is None else _INT(len(token)) + token
    return b"".join((_RESULT_HEAD(status), point, _INT(count), *references))
