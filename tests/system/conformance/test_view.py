# SPDX-License-Identifier: Apache-2.0
"""Browse, BrowseNext, TranslateBrowsePathsToNodeIds, RegisterNodes, UnregisterNodes. Source: OPC 10000-4, 5.9."""

from __future__ import annotations

from typing import Any

import pytest
from asyncua import ua

from tests.system.conformance.conftest import LIMITS
from tests.system.conformance.raw import CAB, RawClient, codes, value_id
from tests.system.opcua_kit import node_id

CODES = ua.StatusCodes
OBJECTS, ORGANIZES, HIERARCHICAL, HAS_COMPONENT = (ua.NodeId(i) for i in (85, 35, 33, 47))


def browse(client: RawClient, *wanted: Any, most: int = 0) -> list[Any]:
    request = ua.BrowseRequest()
    request.Parameters.RequestedMaxReferencesPerNode = most
    request.Parameters.NodesToBrowse = list(wanted)
    results: list[Any] = client.call(request).Results
    return results


def what(node: Any, **fields: Any) -> ua.BrowseDescription:
    defaults = {"BrowseDirection": ua.BrowseDirection.Forward, "IncludeSubtypes": True, "ResultMask": 63}
    return ua.BrowseDescription(NodeId=node, **{**defaults, **fields})


def browse_next(client: RawClient, *tokens: bytes, release: bool = False) -> list[Any]:
    request = ua.BrowseNextRequest()
    request.Parameters.ReleaseContinuationPoints, request.Parameters.ContinuationPoints = release, list(tokens)
    results: list[Any] = client.call(request).Parameters.Results
    return results


def test_browse_refuses_one_by_one(client: RawClient) -> None:
    results = browse(
        client,
        what(OBJECTS),
        what(ua.NodeId(999_999)),
        what(node_id("Nowhere")),
        what(OBJECTS, ReferenceTypeId=ua.NodeId(999_999)),
        what(OBJECTS, ReferenceTypeId=ua.NodeId(58)),
        what(node_id("Plant")),
    )
    assert codes(results) == [
        0,
        CODES.BadNodeIdUnknown,
        CODES.BadNodeIdUnknown,
        CODES.BadReferenceTypeIdInvalid,
        CODES.BadReferenceTypeIdInvalid,
        0,
    ]


def test_a_direction_that_does_not_exist(client: RawClient) -> None:
    request = ua.BrowseRequest()
    request.Parameters.NodesToBrowse = [what(OBJECTS)]
    body = bytearray(client.encode(request))
    at = body.rindex(bytes(4) + b"\0\0\1")  # Forward, any reference type, subtypes
    body[at] = 3
    assert codes(client.say(bytes(body)).Results) == [CODES.BadBrowseDirectionInvalid]


def test_there_are_no_views(client: RawClient) -> None:
    request = ua.BrowseRequest()
    request.Parameters.View.ViewId = ua.NodeId(87)
    request.Parameters.NodesToBrowse = [what(OBJECTS)]
    assert client.refused(request) == CODES.BadViewIdUnknown


def test_pages_hold_what_was_asked_for_and_together_everything(client: RawClient) -> None:
    (whole,) = browse(client, what(node_id("21605/CAB-0001"), ReferenceTypeId=HIERARCHICAL))
    (page,) = browse(client, what(node_id("21605/CAB-0001"), ReferenceTypeId=HIERARCHICAL), most=4)
    names = [r.BrowseName.Name for r in page.References]
    assert len(names) == 4
    while page.ContinuationPoint:
        (page,) = browse_next(client, page.ContinuationPoint)
        assert page.StatusCode.is_good() and 0 < len(page.References) <= 4
        names += [r.BrowseName.Name for r in page.References]
    assert names == [r.BrowseName.Name for r in whole.References] and len(set(names)) == len(names) > 8


def test_continuation_points_end_once_used_or_released(client: RawClient) -> None:
    (page,) = browse(client, what(ua.NodeId(2253)), most=1)
    first = page.ContinuationPoint
    (following,) = browse_next(client, first)
    assert codes(browse_next(client, first, b"", b"x" * 16)) == [CODES.BadContinuationPointInvalid] * 3
    (released,) = browse_next(client, following.ContinuationPoint, release=True)
    assert released.StatusCode.is_good() and not released.References and not released.ContinuationPoint
    assert codes(browse_next(client, following.ContinuationPoint)) == [CODES.BadContinuationPointInvalid]


def test_continuation_points_are_bounded_and_of_one_session(connect: Any) -> None:
    mine, other = connect(), connect()
    pages = browse(mine, *[what(ua.NodeId(2253))] * (LIMITS.continuation_points + 1), most=1)
    assert codes(pages) == [0] * LIMITS.continuation_points + [CODES.BadNoContinuationPoints]
    assert codes(browse_next(other, pages[0].ContinuationPoint)) == [CODES.BadContinuationPointInvalid]
    assert codes(browse_next(mine, *[p.ContinuationPoint for p in pages[:-1]], release=True)) == [0, 0]


def path(*names: str, start: ua.NodeId = OBJECTS, namespace: int = 2, **fields: Any) -> ua.BrowsePath:
    fields = {"IsInverse": False, "IncludeSubtypes": True, **fields}
    elements = [ua.RelativePathElement(TargetName=ua.QualifiedName(n, namespace), **fields) for n in names]
    return ua.BrowsePath(start, ua.RelativePath(elements))


TRANSLATED = [
    (path("Plant"), 0),
    (path("Plant", "21605", "CAB-0001", "V1"), 0),
    (path("CAB-0001", start=node_id("21605"), ReferenceTypeId=HIERARCHICAL), 0),
    (path("21605", start=node_id("21605/CAB-0001"), IsInverse=True), 0),
    (path("Plant", "Nowhere"), CODES.BadNoMatch),
    (path("Plant", namespace=1), CODES.BadNoMatch),
    (path("Plant", ReferenceTypeId=HAS_COMPONENT), CODES.BadNoMatch),
    (path("Plant", start=ua.NodeId(999_999)), CODES.BadNodeIdUnknown),
    (path("V1", start=node_id("Nowhere")), CODES.BadNodeIdUnknown),
    (path(""), CODES.BadBrowseNameInvalid),
    (path(), CODES.BadNothingToDo),
]


def test_paths_are_translated_one_by_one(client: RawClient) -> None:
    request = ua.TranslateBrowsePathsToNodeIdsRequest()
    request.Parameters.BrowsePaths = [wanted for wanted, _ in TRANSLATED]
    results = client.call(request).Results
    assert codes(results) == [code for _, code in TRANSLATED]
    assert results[1].Targets[0].TargetId == node_id(CAB + "V1")
    assert results[3].Targets[0].TargetId == node_id("21605")


@pytest.mark.parametrize("name", [CAB + "V1", "21999/CAB-0001/V1"])
def test_registered_nodes_are_read_by_their_aliases(client: RawClient, name: str) -> None:
    request = ua.RegisterNodesRequest()
    request.Parameters.NodesToRegister = [node_id(name), ua.NodeId(2267), node_id("Nowhere"), node_id("21605")]
    alias, *others = client.call(request).Parameters.RegisteredNodeIds
    assert others == request.Parameters.NodesToRegister[1:]
    assert alias.NamespaceIndex == 2 and isinstance(alias.Identifier, int)
    read = ua.ReadRequest()
    read.Parameters.NodesToRead = [ua.ReadValueId(alias, ua.AttributeIds.BrowseName), value_id(CAB + "V1", 3)]
    first, second = client.call(read).Results
    assert first.Value.Value == second.Value.Value
    unregister = ua.UnregisterNodesRequest()
    unregister.Parameters.NodesToUnregister = [alias, ua.NodeId(999_999)]
    assert client.call(unregister).ResponseHeader.ServiceResult.is_good()
