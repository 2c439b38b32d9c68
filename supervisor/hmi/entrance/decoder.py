# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: SLF001 - hooks of the pinned asyncua, held by tests/unit/test_hmi_hooks.py
# Tests: tests/unit/test_hmi_decoder.py, tests/system/test_opcua_fuzz.py
"""What asyncua's decoder can be made to do by bytes: nest so deep, grow no further than them, fail in one way.

Law of this file: the depth is counted where something holds another thing of any type, and nowhere else; what is deeper
is refused before it is decoded, however much of Python's stack is left.

Theory. Two built-in types hold anything: Variant and ExtensionObject (asyncua reads the inner part of a DiagnosticInfo
as one too). It decodes them by calling itself, one function each, found by name in its module and kept in its caches;
each is wrapped here once. Structures in between have a fixed shape: they add a bounded number of calls to a level.
"""

from __future__ import annotations

import functools
import math
import sys
import threading
from collections.abc import Callable
from typing import Any, Final

from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.ua import ua_binary

DEPTH_MAX: Final = 100
"""Levels of nesting. Source: OPC 10000-6, 5.2.2.15 and 5.2.2.16: decoders support at least 100."""

_CALLS_PER_LEVEL: Final = 12  # the longest way from one to the next is an EventFilter's operand: ten calls
_CALLS_AROUND: Final = 500

# What asyncua raises instead of an error of its own: types it knows by name only, numbers out of any range.
_ASTRAY: Final = (AttributeError, AssertionError, LookupError, OverflowError)

Decode = Callable[[Any], Any]


class _Depth(threading.local):
    now = 0


_depth: Final = _Depth()


def _held(decode: Decode) -> Decode:
    """The same decoder; what is too deep is BadEncodingLimitsExceeded, what is nonsense a UaError."""

    @functools.wraps(decode)
    def deeper(data: Any) -> Any:
        if _depth.now >= DEPTH_MAX:
            raise ServiceError(ua.StatusCodes.BadEncodingLimitsExceeded)
        _depth.now += 1
        try:
            return decode(data)
        except _ASTRAY as error:
            raise ua.UaError(f"{type(error).__name__}: {error}") from error
        finally:
            _depth.now -= 1

    return deeper


def _shaped(reshape: Callable[[list[Any], list[int]], list[Any]]) -> Callable[[list[Any], list[int] | None], list[Any]]:
    """The same, for arrays that have as many elements as they say; asyncua would add a million that are missing."""

    @functools.wraps(reshape)
    def exactly(flat: list[Any], dimensions: list[int] | None) -> list[Any]:
        if not dimensions:
            return flat
        if min(dimensions) < 0 or math.prod(dimensions) != len(flat):
            raise ua.UaError(f"ArrayDimensions {dimensions[:8]} do not fit {len(flat)} elements")
        return reshape(flat, dimensions) if flat else flat

    return exactly


@functools.cache
def harden_decoder() -> None:
    """From now on every decoding in this process is bounded, the OPC UA driver's too.

    Source of the rule for dimensions: OPC 10000-6, 5.2.2.16.
    """
    for name in ("variant_from_binary", "extensionobject_from_binary"):
        setattr(ua_binary, name, _held(getattr(ua_binary, name)))
    setattr(ua_binary, "_reshape", _shaped(ua_binary._reshape))  # noqa: B010 - mypy has it as a function
    for kept in (
        ua_binary._create_uatype_deserializer,
        ua_binary._create_uatype_array_deserializer,
        ua_binary._create_list_deserializer,
        ua_binary._create_type_deserializer,
        ua_binary._create_dataclass_deserializer,
    ):
        kept.cache_clear()  # they hold the functions as they were
    sys.setrecursionlimit(max(sys.getrecursionlimit(), DEPTH_MAX * _CALLS_PER_LEVEL + _CALLS_AROUND))
