# SPDX-License-Identifier: Apache-2.0
# Tests: tests/system/conformance/test_view.py
"""The View Service Set. Source: OPC 10000-4, 5.9.

Law of this file: fields in, answers out; what there is to see is `browsing.py`'s matter. Long lists go in slices.
"""

from __future__ import annotations

import struct
from typing import Final

from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.ua.ua_binary import nodeid_from_binary, nodeid_to_binary, struct_from_binary, struct_to_binary

from supervisor.hmi.entrance.wire import CarefulBuffer
from supervisor.hmi.publishing.messages import Response
from supervisor.hmi.services.call import Call, Service, request_type

_CODES: Final = ua.StatusCodes
_PAGES: Final = 10  # nodes browsed in one piece; each may have a page of references
_BROWSE: Final = Response(ua.BrowseResponse())
_BROWSE_NEXT: Final = Response(ua.BrowseNextResponse())
_TRANSLATE: Final = Response(ua.TranslateBrowsePathsToNodeIdsResponse())
_REGISTER: Final = Response(ua.RegisterNodesResponse())
_UNREGISTER: Final = Response(ua.UnregisterNodesResponse())


async def browse(call: Call) -> bytes:
    buffer = call.buffer(0)
    view = struct_from_binary(ua.ViewDescription, buffer)
    most, count = struct.unpack("<Ii", buffer.read(8))
    call.check_count(count)
    if not view.ViewId.is_null():
        raise ServiceError(_CODES.BadViewIdUnknown)  # there are no views
    session = call.session
    parts = []
    async for wanted in call.each(ua.BrowseDescription, buffer, count, _PAGES):
        parts.append(call.engine.view.browse(wanted, most, session.asker, session.bookmarks))
    return _BROWSE.listed(call.now_ns, call.head.handle, count, b"".join(parts))


async def browse_next(call: Call) -> bytes:
    release, count = call.fields("<?i")
    call.check_count(count)
    session, buffer = call.session, call.buffer(5)
    parts = []
    async for _ in call.slices(count, _PAGES):
        token = _byte_string(buffer)
        parts.append(call.engine.view.browse_next(token, release, session.asker, session.bookmarks))
    return _BROWSE_NEXT.listed(call.now_ns, call.head.handle, count, b"".join(parts))


async def translate(call: Call) -> bytes:
    (count,) = call.fields("<i")
    call.check_count(count)
    parts = []
    async for path in call.each(ua.BrowsePath, call.buffer(4), count):
        parts.append(struct_to_binary(call.engine.view.translate(path, call.session.asker)))
    return _TRANSLATE.listed(call.now_ns, call.head.handle, count, b"".join(parts))


async def register(call: Call) -> bytes:
    """Numeric aliases for tags: their series ids, equal on both posts and in every generation."""
    nodes, user = call.engine.nodes, call.session.asker.user
    (count,) = call.fields("<i")
    call.check_count(count)
    buffer, parts = call.buffer(4), []
    async for _ in call.slices(count):
        node_id = nodeid_from_binary(buffer)
        place = nodes.find_for(node_id, user)
        if place is not None and place.row >= 0 and not place.detail:
            node_id = ua.NodeId(nodes.series(place.row), node_id.NamespaceIndex, ua.NodeIdType.Numeric)
        parts.append(nodeid_to_binary(node_id))
    return _REGISTER.wrap(call.now_ns, call.head.handle, struct.pack("<i", count), b"".join(parts))


async def unregister(call: Call) -> bytes:
    """An alias costs nothing and stays."""
    (count,) = call.fields("<i")
    call.check_count(count)
    buffer = call.buffer(4)
    async for _ in call.slices(count):
        nodeid_from_binary(buffer)
    return _UNREGISTER.wrap(call.now_ns, call.head.handle)


def _byte_string(buffer: CarefulBuffer) -> bytes:
    (length,) = struct.unpack("<i", buffer.read(4))
    return buffer.read(length) if length > 0 else b""


SERVICES: Final[dict[int, Service]] = {
    request_type("Browse"): browse,
    request_type("BrowseNext"): browse_next,
    request_type("TranslateBrowsePathsToNodeIds"): translate,
    request_type("RegisterNodes"): register,
    request_type("UnregisterNodes"): unregister,
}
