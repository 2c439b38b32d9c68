# SPDX-License-Identifier: Apache-2.0
# Tests: tests/system/test_opcua_client.py
"""Browse, BrowseNext and TranslateBrowsePaths over asyncua's own nodes and ours.

Law of this file: results and status codes of OPC 10000-4, 5.9; a node that the asker may not see is not there.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any, Final

from asyncua import ua

from supervisor.hmi.contract import Limits
from supervisor.hmi.nodes import OBJECTS, Asker, Nodes
from supervisor.hmi.space import Place, Space

_SUBTYPE: Final = ua.NodeId(ua.ObjectIds.HasSubtype)
_ALL_TARGETS: Final = ua.Index(0xFFFFFFFF)


# A node of asyncua's brings its references along; a child of ours becomes one when its page is asked for.
Target = ua.ReferenceDescription | Place


@dataclass(slots=True)
class Bookmarks:
    """Continuation points of one session: what is left of an answer, by a token that cannot be guessed."""

    left: dict[bytes, list[Target]] = field(default_factory=dict)


class View:
    """The address space as people walk through it.

    Args:
        stock: asyncua's AddressSpace, for namespace 0 and 1.
    """

    def __init__(self, stock: Any, space: Space, nodes: Nodes, limits: Limits) -> None:
        self._stock = stock
        self._space = space
        self._nodes = nodes
        self._limits = limits
        self._subtypes: dict[tuple[ua.NodeId, bool], frozenset[ua.NodeId]] = {}

    def browse(self, wanted: ua.BrowseDescription, most: int, asker: Asker, marks: Bookmarks) -> ua.BrowseResult:
        """References of one node. `most`: RequestedMaxReferencesPerNode, 0 no wish."""
        result = ua.BrowseResult()
        if (targets := self.targets(wanted.NodeId, asker)) is None:
            result.StatusCode = ua.StatusCode(ua.StatusCodes.BadNodeIdUnknown)
            return result
        types = self._types(wanted.ReferenceTypeId, bool(wanted.IncludeSubtypes))
        if types is None:
            result.StatusCode = ua.StatusCode(ua.StatusCodes.BadReferenceTypeIdInvalid)
            return result
        direction, mask = int(wanted.BrowseDirection), int(wanted.NodeClassMask)
        if direction > ua.BrowseDirection.Both:
            result.StatusCode = ua.StatusCode(ua.StatusCodes.BadBrowseDirectionInvalid)
            return result
        chosen = [t for t in targets if self._fits(t, direction, types, mask)]
        return self._page(chosen, most, asker, marks)

    def browse_next(self, token: bytes, release: bool, asker: Asker, marks: Bookmarks) -> ua.BrowseResult:
        """The next page, or nothing when the continuation point is released."""
        left = marks.left.pop(token or b"", None)
        if left is None:
            return ua.BrowseResult(StatusCode=ua.StatusCode(ua.StatusCodes.BadContinuationPointInvalid))
        return ua.BrowseResult() if release else self._page(left, 0, asker, marks)

    def _fits(self, target: Target, direction: int, types: frozenset[ua.NodeId], mask: int) -> bool:
        if isinstance(target, Place):
            forward, link, node_class = True, self._nodes.link(target), self._nodes.node_class(target)
        else:
            forward, link, node_class = target.IsForward, target.ReferenceTypeId, target.NodeClass
        if direction != ua.BrowseDirection.Both and forward != (direction == ua.BrowseDirection.Forward):
            return False
        return (not types or link in types) and (not mask or bool(mask & int(node_class)))

    def _page(self, targets: list[Target], most: int, asker: Asker, marks: Bookmarks) -> ua.BrowseResult:
        cap = self._limits.references_per_browse
        most = min(most, cap) if most else cap
        result = ua.BrowseResult(References=[self._reference(t, asker.locale) for t in targets[:most]])
        if len(targets) > most:
            if len(marks.left) >= self._limits.continuation_points:
                return ua.BrowseResult(StatusCode=ua.StatusCode(ua.StatusCodes.BadNoContinuationPoints))
            result.ContinuationPoint = secrets.token_bytes(16)
            marks.left[result.ContinuationPoint] = targets[most:]
        return result

    def _reference(self, target: Target, locale: str) -> ua.ReferenceDescription:
        return self._nodes.reference_to_child(target, locale) if isinstance(target, Place) else target

    def targets(self, node_id: ua.NodeId, asker: Asker) -> list[Target] | None:
        """Whatever a node refers to and `asker` may see; None if there is no such node."""
        if (node := self._stock.get(node_id)) is not None:
            found: list[Target] = node.references
            return [*found, self._nodes.root_reference(asker.locale)] if node_id == OBJECTS else found
        place = self._place(node_id, asker)
        if place is None:
            return None
        return [*self._nodes.upward(place, asker.locale), *self._nodes.children(place, asker.user)]

    def _place(self, node_id: ua.NodeId, asker: Asker) -> Place | None:
        return self._nodes.find_for(node_id, asker.user)

    def _types(self, reference: ua.NodeId, subtypes: bool) -> frozenset[ua.NodeId] | None:
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
                if r.IsForward and r.ReferenceTypeId == _SUBTYPE and r.NodeId not in found:
                    found.add(r.NodeId)
                    todo.append(r.NodeId)
        made = frozenset(found)
        self._subtypes[(reference, subtypes)] = made
        return made

    # -- paths ----------------------------------------------------------------------------------------------------

    def translate(self, path: ua.BrowsePath, asker: Asker) -> ua.BrowsePathResult:
        """NodeIds at the end of a path of browse names."""
        elements = path.RelativePath.Elements
        if not elements:
            return _no_path(ua.StatusCodes.BadNothingToDo)
        if any(e.TargetName is None or not e.TargetName.Name for e in elements):
            return _no_path(ua.StatusCodes.BadBrowseNameInvalid)
        if self._stock.get(path.StartingNode) is None and self._place(path.StartingNode, asker) is None:
            return _no_path(ua.StatusCodes.BadNodeIdUnknown)
        here = [path.StartingNode]
        for element in elements:
            here = [target for node_id in here for target in self._step(node_id, element, asker)]
        if not here:
            return _no_path(ua.StatusCodes.BadNoMatch)
        return ua.BrowsePathResult(Targets=[ua.BrowsePathTarget(node_id, _ALL_TARGETS) for node_id in here])

    def _step(self, node_id: ua.NodeId, element: ua.RelativePathElement, asker: Asker) -> list[ua.NodeId]:
        types = self._types(element.ReferenceTypeId, bool(element.IncludeSubtypes))
        references = self._named(node_id, element, asker)
        if types is None or references is None:
            return []
        return [
            r.NodeId
            for r in references
            if r.BrowseName == element.TargetName
            and r.IsForward != bool(element.IsInverse)
            and (not types or r.ReferenceTypeId in types)
        ]

    def _named(
        self, node_id: ua.NodeId, element: ua.RelativePathElement, asker: Asker
    ) -> list[ua.ReferenceDescription] | None:
        """References that may fit a step; below our nodes only the child of that name, not all of them."""
        place = self._place(node_id, asker)
        if place is None:
            found = self.targets(node_id, asker)
            return None if found is None else [self._reference(t, asker.locale) for t in found]
        if element.IsInverse:
            return self._nodes.upward(place, asker.locale)
        child = self._space.child(place, element.TargetName.Name)
        if child is None or not self._space.visible(child, asker.user):
            return []
        return [self._nodes.reference_to_child(child, asker.locale)]


def _no_path(code: int) -> ua.BrowsePathResult:
    return ua.BrowsePathResult(StatusCode=ua.StatusCode(ua.UInt32(code)))
