# SPDX-License-Identifier: Apache-2.0
# Tests: tests/system/test_opcua_client.py, tests/unit/test_hmi_browsing.py
"""Browse, BrowseNext and TranslateBrowsePaths over asyncua's own nodes, the plant's and the live ones.

Law of this file: results and status codes of OPC 10000-4, 5.9; a node that the asker may not see is not there. What is
left of an answer is kept as a place to go on from, never as a list.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, NamedTuple

from asyncua import ua

from supervisor.hmi.contract import Limits
from supervisor.hmi.model import pages
from supervisor.hmi.model.attributes import Attributes
from supervisor.hmi.model.live import Live
from supervisor.hmi.model.nodes import Asker, Nodes
from supervisor.hmi.model.pages import Described
from supervisor.hmi.model.place import Place, What
from supervisor.hmi.model.references import HAS_SUBTYPE, HAS_TYPE, Arm, Members, References, Targets, arm
from supervisor.hmi.model.space import Space

_ALL_TARGETS: Final = ua.Index(0xFFFFFFFF)
_Types = frozenset[ua.NodeId]


class Wish(NamedTuple):
    """What a Browse asks of one node, and how far it was answered.

    Attributes:
        types: reference types wanted; empty: all.
        mask: node classes wanted, 0: all; `fields`: BrowseResultMask.
        most: references in one answer.
        done: references answered already.
    """

    node_id: ua.NodeId
    direction: int
    types: _Types
    mask: int
    fields: int
    most: int
    done: int = 0


@dataclass(slots=True)
class Bookmarks:
    """Continuation points of one session: where to go on, by a token that cannot be guessed."""

    left: dict[bytes, Wish] = field(default_factory=dict)


class View:
    """The address space as people walk through it.

    Args:
        stock: asyncua's AddressSpace, for namespace 0 and 1.
    """

    def __init__(self, stock: Any, space: Space, nodes: Nodes, attributes: Attributes, limits: Limits) -> None:
        self._stock = stock
        self._space = space
        self._nodes = nodes
        self._attributes = attributes
        self._limits = limits
        self._references = References(space, nodes)
        self._kept = pages.Kept()
        self._subtypes: dict[tuple[ua.NodeId, bool], _Types] = {}

    # -- Browse ---------------------------------------------------------------------------------------------------

    def browse(self, wanted: ua.BrowseDescription, most: int, asker: Asker, marks: Bookmarks) -> bytes:
        """The BrowseResult of one node. `most`: RequestedMaxReferencesPerNode, 0: no wish."""
        if not self._exists(wanted.NodeId, asker):
            return _refused(ua.StatusCodes.BadNodeIdUnknown)
        types = self._types(wanted.ReferenceTypeId, bool(wanted.IncludeSubtypes))
        if types is None:
            return _refused(ua.StatusCodes.BadReferenceTypeIdInvalid)
        direction = int(wanted.BrowseDirection)
        if direction > ua.BrowseDirection.Both:
            return _refused(ua.StatusCodes.BadBrowseDirectionInvalid)
        cap = self._limits.references_per_browse
        most = min(most, cap) if most else cap
        fields = int(wanted.ResultMask)
        return self._page(Wish(wanted.NodeId, direction, types, int(wanted.NodeClassMask), fields, most), asker, marks)

    def forget(self) -> None:
        """Encode anew whatever is asked for next."""
        self._kept = pages.Kept()

    def browse_next(self, token: bytes | None, release: bool, asker: Asker, marks: Bookmarks) -> bytes:
        """The next page, or nothing when the continuation point is released."""
        left = marks.left.pop(token or b"", None)
        if left is None:
            return _refused(ua.StatusCodes.BadContinuationPointInvalid)
        return pages.result(0, [], None) if release else self._page(left, asker, marks)

    def _page(self, wish: Wish, asker: Asker, marks: Bookmarks) -> bytes:
        made: list[bytes] = []
        total = skipped = count = 0
        for each in self._chosen(wish, asker):
            total += len(each)
            start = max(wish.done - skipped, 0)
            skipped += min(len(each), max(wish.done - skipped, 0))
            room = min(wish.most - count, len(each) - start)
            if room > 0:
                made += self._encoded(each, start, start + room, wish, asker)
                count += room
        done = wish.done + count
        if done >= total:
            return pages.result(count, made, None)
        if len(marks.left) >= self._limits.continuation_points:
            return _refused(ua.StatusCodes.BadNoContinuationPoints)
        token = secrets.token_bytes(16)
        marks.left[token] = wish._replace(done=done)
        return pages.result(count, made, token)

    def _chosen(self, wish: Wish, asker: Asker) -> Iterator[Arm]:
        for each in self._arms(wish.node_id, asker):
            if wish.direction != ua.BrowseDirection.Both:
                if each.forward != (wish.direction == ua.BrowseDirection.Forward):
                    continue
            if (not wish.types or each.link in wish.types) and (not wish.mask or wish.mask & int(each.node_class)):
                yield each

    def _encoded(self, each: Arm, start: int, stop: int, wish: Wish, asker: Asker) -> list[bytes]:
        before, targets = pages.head(each.link, each.forward, wish.fields), each.part(start, stop)
        if not isinstance(targets, Members):
            return [pages.reference(before, self._described(t, asker.locale), wish.fields) for t in targets]
        # Members of an area are the same for all who may see it, but for those bound to what their organisation keeps.
        whose = asker.user.organisation if asker.user.limited else None
        key = (wish.node_id, before, start, stop, wish.fields, asker.locale, asker.user.limited, whose)
        return [self._kept.get(key, lambda: self._members(before, targets, asker.locale, wish.fields))]

    def _members(self, before: bytes, members: Members, locale: str, mask: int) -> bytes:
        """Equipment of an area; thousands at once."""
        template = pages.Template(before, self._nodes.namespace, locale, mask)
        made = []
        for name, some in groupby(members.equipment, itemgetter(0)):
            type_, instances = self._space.plant.types[name], [instance for _, instance in some]
            equipment, titles = type_.equipment, type_.titles
            kind = self._references.type_of(Place(What.EQUIPMENT, "", type=type_))
            made.append(
                template.fill(
                    [equipment[i] for i in instances], [titles[i] for i in instances], ua.NodeClass.Object, kind
                )
            )
        return b"".join(made)

    def _described(self, target: Described | Place | Live, locale: str) -> Described:
        if isinstance(target, Place):
            return self._references.described(target, locale)
        return target.described(locale) if isinstance(target, Live) else target

    # -- what a node refers to ------------------------------------------------------------------------------------

    def _exists(self, node_id: ua.NodeId, asker: Asker) -> bool:
        if self._stock.get(node_id) is not None or self._place(node_id, asker) is not None:
            return True
        return self._attributes.live(node_id, asker.user) is not None

    def _place(self, node_id: ua.NodeId, asker: Asker) -> Place | None:
        return self._nodes.find_for(node_id, asker.user)

    def _arms(self, node_id: ua.NodeId, asker: Asker) -> list[Arm]:
        """Whatever a node refers to and `asker` may see; nothing if there is no such node."""
        if (place := self._place(node_id, asker)) is not None:
            arms = self._references.upward(place, asker.locale) + self._references.downward(place, asker.user)
            return arms + self._hung(self._nodes.node_id(place), asker)
        if (node := self._stock.get(node_id)) is not None:
            arms = [_stock_arm(r) for r in node.references]
            return arms + self._references.under_standard(node_id, asker.locale) + self._hung(node_id, asker)
        if (live := self._attributes.live(node_id, asker.user)) is not None:
            return self._of_live(live, asker)
        return []

    def _hung(self, node_id: ua.NodeId, asker: Asker) -> list[Arm]:
        """Live nodes under a node that is none."""
        return [Arm(live.link, True, live.node_class, [live]) for live in self._attributes.under(node_id, asker.user)]

    def _of_live(self, live: Live, asker: Asker) -> list[Arm]:
        arms = [
            arm(link, forward, target)
            for link, forward, node_id in ((HAS_TYPE, True, live.type), (live.link, False, live.parent))
            if (target := self.describe(node_id, asker)) is not None
        ]
        return arms + [
            Arm(child.link, True, child.node_class, [child]) for child in live.children() if child.open_to(asker.user)
        ]

    def describe(self, node_id: ua.NodeId, asker: Asker) -> Described | None:
        """What a reference to this node would say; None if there is no such node."""
        if (place := self._place(node_id, asker)) is not None:
            return self._references.described(place, asker.locale)
        if (live := self._attributes.live(node_id, asker.user)) is not None:
            return live.described(asker.locale)
        if (node := self._stock.get(node_id)) is None:
            return None
        name, title, node_class = (
            node.attributes[a].value.Value.Value
            for a in (ua.AttributeIds.BrowseName, ua.AttributeIds.DisplayName, ua.AttributeIds.NodeClass)
        )
        type_ = next((r.NodeId for r in node.references if r.IsForward and r.ReferenceTypeId == HAS_TYPE), None)
        return Described(node_id, name, title, int(node_class), type_)

    def _types(self, reference: ua.NodeId, subtypes: bool) -> _Types | None:
        """Reference types a Browse asks for; empty: all; None: not a reference type. Kept: they never change."""
        if reference.is_null():
            return frozenset()
        if (known := self._subtypes.get((reference, subtypes))) is not None:
            return known
        node = self._stock.get(reference)
        if node is None or node.attributes[ua.AttributeIds.NodeClass].value.Value.Value != ua.NodeClass.ReferenceType:
            return None
        found, todo = {reference}, [reference] if subtypes else []
        while todo:
            for r in self._stock[todo.pop()].references:
                if r.IsForward and r.ReferenceTypeId == HAS_SUBTYPE and r.NodeId not in found:
                    found.add(r.NodeId)
                    todo.append(r.NodeId)
        made = frozenset(found)
        self._subtypes[(reference, subtypes)] = made
        return made

    # -- TranslateBrowsePathsToNodeIds ----------------------------------------------------------------------------

    def translate(self, path: ua.BrowsePath, asker: Asker) -> ua.BrowsePathResult:
        """NodeIds at the end of a path of browse names."""
        elements = path.RelativePath.Elements
        if not elements:
            return _no_path(ua.StatusCodes.BadNothingToDo)
        if any(e.TargetName is None or not e.TargetName.Name for e in elements):
            return _no_path(ua.StatusCodes.BadBrowseNameInvalid)
        if not self._exists(path.StartingNode, asker):
            return _no_path(ua.StatusCodes.BadNodeIdUnknown)
        here = [path.StartingNode]
        for element in elements:
            # A child that hangs by two references is one node; order is kept.
            here = list(dict.fromkeys(target for node_id in here for target in self._step(node_id, element, asker)))
        if not here:
            return _no_path(ua.StatusCodes.BadNoMatch)
        return ua.BrowsePathResult(Targets=[ua.BrowsePathTarget(node_id, _ALL_TARGETS) for node_id in here])

    def _step(self, node_id: ua.NodeId, element: ua.RelativePathElement, asker: Asker) -> Iterator[ua.NodeId]:
        types = self._types(element.ReferenceTypeId, bool(element.IncludeSubtypes))
        if types is None:
            return
        for each in self._candidates(node_id, element, asker):
            if each.forward == bool(element.IsInverse) or (types and each.link not in types):
                continue
            for target in _plain(each.targets):
                described = self._described(target, asker.locale)
                if described.name == element.TargetName:
                    yield described.node_id

    def _candidates(self, node_id: ua.NodeId, element: ua.RelativePathElement, asker: Asker) -> list[Arm]:
        """References that may fit a step; below our nodes only the child of that name, not all of them."""
        place = self._place(node_id, asker)
        if place is None:
            return self._arms(node_id, asker)
        if element.IsInverse:
            return self._references.upward(place, asker.locale)
        child = self._space.child(place, element.TargetName.Name)
        if child is None or not self._space.visible(child, asker.user):
            return self._references.upward(place, asker.locale) + self._hung(self._nodes.node_id(place), asker)
        described = self._references.described(child, asker.locale)
        return [arm(link, True, described) for link in self._references.links(child)]


def _plain(targets: Targets) -> Iterable[Described | Place | Live]:
    return () if isinstance(targets, Members) else targets


def _stock_arm(r: ua.ReferenceDescription) -> Arm:
    target = Described(r.NodeId, r.BrowseName, r.DisplayName, int(r.NodeClass), r.TypeDefinition)
    return arm(r.ReferenceTypeId, r.IsForward, target)


def _refused(code: int) -> bytes:
    return pages.result(0, [], None, code)


def _no_path(code: int) -> ua.BrowsePathResult:
    return ua.BrowsePathResult(StatusCode=ua.StatusCode(ua.UInt32(code)))
