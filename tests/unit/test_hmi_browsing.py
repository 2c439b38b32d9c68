# SPDX-License-Identifier: Apache-2.0
"""Browse answered from places: filters, pages, and continuation points that hold a position and no list."""

from __future__ import annotations

from dataclasses import replace

import pytest
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.server.address_space import AddressSpace
from asyncua.ua.ua_binary import struct_from_binary

from config.model import Role
from supervisor.hmi.contract import Limits
from supervisor.hmi.model.attributes import Attributes
from supervisor.hmi.model.nodes import Asker, Nodes
from supervisor.hmi.model.space import Space
from supervisor.hmi.model.standard import load
from supervisor.hmi.services.browsing import Bookmarks, View
from supervisor.people import User
from supervisor.tags.pool import StringPool
from supervisor.tags.table import TagTable
from tests.plants import TypeSpec, make_plant, tag

CABINETS = 2_500
PLANT = make_plant(
    {"CAB": TypeSpec({"V1": tag("Double", span=(0, 5)), "Secret": replace(tag("String"), personal=True)})},
    {"CAB": [f"21605/CAB-{i:05d}" for i in range(CABINETS)]},
)
IDS = ua.ObjectIds
OBJECTS = ua.NodeId(IDS.ObjectsFolder)
ORGANIZES, NOTIFIER = ua.NodeId(IDS.Organizes), ua.NodeId(IDS.HasNotifier)
ASKER = Asker(User("op", Role.OPERATOR))


@pytest.fixture(scope="module")
def view() -> View:
    stock = AddressSpace()
    load(stock)
    space = Space(PLANT)
    nodes = Nodes(space, TagTable(PLANT, StringPool(), 0), 2)
    return View(stock, space, nodes, Attributes(stock, nodes), Limits())


def node(name: str) -> ua.NodeId:
    return ua.NodeId(name, 2, ua.NodeIdType.String)


def wanted(node_id: ua.NodeId, **fields: object) -> ua.BrowseDescription:
    made = ua.BrowseDescription(
        NodeId=node_id,
        BrowseDirection=ua.BrowseDirection.Forward,
        ReferenceTypeId=ua.NodeId(IDS.HierarchicalReferences),
        IncludeSubtypes=True,
        NodeClassMask=0,
        ResultMask=63,
    )
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def decoded(raw: bytes) -> ua.BrowseResult:
    return struct_from_binary(ua.BrowseResult, Buffer(raw))


def pages(view: View, wish: ua.BrowseDescription, most: int, marks: Bookmarks) -> list[ua.BrowseResult]:
    found = [decoded(view.browse(wish, most, ASKER, marks))]
    while found[-1].ContinuationPoint:
        found.append(decoded(view.browse_next(found[-1].ContinuationPoint, False, ASKER, marks)))
    return found


@pytest.mark.parametrize("most", [0, 7, 300, CABINETS, 2 * CABINETS])
def test_pages_hold_every_reference_once_and_in_order(view: View, most: int) -> None:
    """Source: OPC 10000-4, 5.9.2: requestedMaxReferencesPerNode holds for every page."""
    marks = Bookmarks()
    answers = pages(view, wanted(node("21605")), most, marks)
    cap = min(most or 10**9, Limits().references_per_browse)
    assert [len(a.References) for a in answers[:-1]] == [cap] * (len(answers) - 1)
    seen = [(r.ReferenceTypeId, r.BrowseName.Name) for a in answers for r in a.References]
    names = [path.partition("/")[2] for path in PLANT.types["CAB"].equipment]
    assert seen == [(link, name) for link in (ORGANIZES, NOTIFIER) for name in names]
    assert not marks.left


def test_what_is_kept_for_the_next_asker_is_not_for_other_eyes_or_languages(view: View) -> None:
    def names(user: User, locale: str) -> set[tuple[str, str]]:
        answers = decoded(view.browse(wanted(node("21605")), 3, Asker(user, locale), Bookmarks()))
        return {(r.BrowseName.Name, r.DisplayName.Locale) for r in answers.References}

    first = {f"CAB-{i:05d}" for i in range(3)}
    assert names(ASKER.user, "fr") == {(name, "fr") for name in first}
    assert names(User("guest", Role.VIEWER), "en") == {(name, "en") for name in first}
    assert names(User("worker", Role.OPERATOR, None, "Elec", limited=True), "fr") == set(), (
        "Elec maintains nothing here"
    )
    assert names(User("far", Role.OPERATOR, sees=frozenset({"21999"})), "fr") == set()


def test_a_continuation_point_is_a_position_and_no_list(view: View) -> None:
    marks = Bookmarks()
    decoded(view.browse(wanted(node("21605")), 10, ASKER, marks))
    (left,) = marks.left.values()
    assert left.done == 10
    assert not [part for part in left if isinstance(part, list | tuple | bytes)]


def test_continuation_points_are_bounded_and_released(view: View) -> None:
    """Source: OPC 10000-4, 5.9.2.4 (BadNoContinuationPoints) and 5.9.3.2 (releaseContinuationPoints)."""
    marks = Bookmarks()
    for _ in range(Limits().continuation_points):
        assert decoded(view.browse(wanted(node("21605")), 10, ASKER, marks)).StatusCode.is_good()
    refused = decoded(view.browse(wanted(node("21605")), 10, ASKER, marks))
    assert (refused.StatusCode.value, refused.References) == (ua.StatusCodes.BadNoContinuationPoints, [])
    token = next(iter(marks.left))
    assert decoded(view.browse_next(token, True, ASKER, marks)).StatusCode.is_good()
    again = decoded(view.browse_next(token, False, ASKER, marks))
    assert again.StatusCode.value == ua.StatusCodes.BadContinuationPointInvalid


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({}, {"V1"}),
        ({"NodeClassMask": int(ua.NodeClass.Object)}, set()),
        ({"ReferenceTypeId": ua.NodeId(IDS.HasProperty)}, set()),
        ({"ReferenceTypeId": ua.NodeId(IDS.Aggregates), "IncludeSubtypes": False}, set()),
        ({"ReferenceTypeId": ua.NodeId(IDS.Aggregates)}, {"V1"}),
        ({"BrowseDirection": ua.BrowseDirection.Inverse}, {"21605"}),
        ({"BrowseDirection": ua.BrowseDirection.Both, "ReferenceTypeId": ua.NodeId()}, {"V1", "21605", "CAB"}),
    ],
)
def test_filters_are_those_of_the_request(view: View, fields: dict[str, object], names: set[str]) -> None:
    """Source: OPC 10000-4, 5.9.2.2. What the user may not see is not there either."""
    answer = decoded(view.browse(wanted(node("21605/CAB-00001"), **fields), 0, ASKER, Bookmarks()))
    assert {r.BrowseName.Name for r in answer.References} == names


@pytest.mark.parametrize(
    ("wish", "code"),
    [
        (wanted(node("nothing")), ua.StatusCodes.BadNodeIdUnknown),
        (wanted(node("21605/CAB-00001/Secret")), ua.StatusCodes.BadNodeIdUnknown),
        (wanted(node("21605"), ReferenceTypeId=ua.NodeId(IDS.Server)), ua.StatusCodes.BadReferenceTypeIdInvalid),
        (wanted(node("21605"), BrowseDirection=7), ua.StatusCodes.BadBrowseDirectionInvalid),
    ],
)
def test_what_cannot_be_browsed_is_told(view: View, wish: ua.BrowseDescription, code: int) -> None:
    assert decoded(view.browse(wish, 0, ASKER, Bookmarks())).StatusCode.value == code


def path(*names: str, start: ua.NodeId = OBJECTS, inverse: bool = False) -> ua.BrowsePath:
    steps = [
        ua.RelativePathElement(
            ua.NodeId(IDS.HierarchicalReferences), inverse, True, ua.QualifiedName(n.partition(":")[2], int(n[0]))
        )
        for n in names
    ]
    return ua.BrowsePath(start, ua.RelativePath(steps))


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        (path("2:Plant", "2:21605", "2:CAB-00001", "2:V1", "0:EURange"), node("21605/CAB-00001/V1/EURange")),
        (path("0:Server", "2:Plant"), node("Plant")),
        (path("2:CAB", "2:V1", start=ua.NodeId(IDS.BaseObjectType)), node("type/CAB/V1")),
        (path("2:21605", start=node("21605/CAB-00001"), inverse=True), node("21605")),
    ],
)
def test_a_path_leads_to_one_node_even_if_it_hangs_by_two_references(
    view: View, wish: ua.BrowsePath, expected: ua.NodeId
) -> None:
    assert [t.TargetId for t in view.translate(wish, ASKER).Targets] == [expected]


@pytest.mark.parametrize("name", ["2:V2", "0:V1", "2:Secret"])
def test_a_path_to_nothing_is_no_match(view: View, name: str) -> None:
    answer = view.translate(path(name, start=node("21605/CAB-00001")), ASKER)
    assert answer.StatusCode.value == ua.StatusCodes.BadNoMatch
