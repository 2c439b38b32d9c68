# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_hmi_references.py
"""Where the nodes of the plant hang, and what they refer to.

Law of this file: which references there are, in which order; no bytes, no filters. A node's references come as *arms*:
all of one reference type, direction and node class, so that a filter judges an arm and not its ten thousand members.

Areas, equipment and the root are notifiers: events of everything below pass up along HasNotifier to the Server object.
Source: OPC 10000-3, 7.17 and 7.18.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from asyncua import ua

from supervisor.hmi.model import details
from supervisor.hmi.model.live import Live
from supervisor.hmi.model.nodes import Nodes, node_class
from supervisor.hmi.model.pages import Described
from supervisor.hmi.model.place import TYPES, Place, What
from supervisor.hmi.model.space import Space
from supervisor.people import User

_IDS: Final = ua.ObjectIds
ORGANIZES: Final = ua.NodeId(_IDS.Organizes)
HAS_COMPONENT: Final = ua.NodeId(_IDS.HasComponent)
HAS_PROPERTY: Final = ua.NodeId(_IDS.HasProperty)
HAS_TYPE: Final = ua.NodeId(_IDS.HasTypeDefinition)
HAS_SUBTYPE: Final = ua.NodeId(_IDS.HasSubtype)
HAS_NOTIFIER: Final = ua.NodeId(_IDS.HasNotifier)
HAS_RULE: Final = ua.NodeId(_IDS.HasModellingRule)
OBJECTS: Final = ua.NodeId(_IDS.ObjectsFolder)
SERVER: Final = ua.NodeId(_IDS.Server)
BASE_OBJECT_TYPE: Final = ua.NodeId(_IDS.BaseObjectType)
FOLDER_TYPE: Final = ua.NodeId(_IDS.FolderType)
PROPERTY_TYPE: Final = ua.NodeId(_IDS.PropertyType)


def _standard(number: int, name: str, node_class: ua.NodeClass, type_: int | None = None) -> Described:
    of = None if type_ is None else ua.NodeId(type_)
    return Described(ua.NodeId(number), ua.QualifiedName(name, 0), ua.LocalizedText(name), node_class, of)


_OBJECT_TYPE, _OBJECT = ua.NodeClass.ObjectType, ua.NodeClass.Object
_FOLDER: Final = _standard(_IDS.FolderType, "FolderType", _OBJECT_TYPE)
_PROPERTY: Final = _standard(_IDS.PropertyType, "PropertyType", ua.NodeClass.VariableType)
_OBJECTS: Final = _standard(_IDS.ObjectsFolder, "Objects", _OBJECT, _IDS.FolderType)
_SERVER: Final = _standard(_IDS.Server, "Server", _OBJECT, _IDS.ServerType)
_BASE_TYPE: Final = _standard(_IDS.BaseObjectType, "BaseObjectType", _OBJECT_TYPE)
_MANDATORY: Final = _standard(_IDS.ModellingRule_Mandatory, "Mandatory", _OBJECT, _IDS.ModellingRuleType)
_OPTIONAL: Final = _standard(_IDS.ModellingRule_Optional, "Optional", _OBJECT, _IDS.ModellingRuleType)
_VARIABLE_TYPES: Final = {
    number: _standard(number, name, ua.NodeClass.VariableType) for number, name in details.VARIABLE_TYPE_NAMES.items()
}

_LINKS: Final = {
    What.ROOT: (ORGANIZES, HAS_NOTIFIER),
    What.AREA: (ORGANIZES, HAS_NOTIFIER),
    What.EQUIPMENT: (ORGANIZES, HAS_NOTIFIER),
    What.TAG: (HAS_COMPONENT,),
    What.PROPERTY: (HAS_PROPERTY,),
    What.TYPE: (HAS_SUBTYPE,),
    What.DECLARATION: (HAS_COMPONENT,),
    What.DECLARED_PROPERTY: (HAS_PROPERTY,),
}


class Members(NamedTuple):
    """Equipment of an area as the plant lists it: (type, instance) each; thousands, so never made places of."""

    equipment: Sequence[tuple[str, int]]


Targets = Sequence[Described] | Sequence[Place] | Sequence[Live] | Members


class Arm(NamedTuple):
    """References of one node that are alike but for where they lead."""

    link: ua.NodeId
    forward: bool
    node_class: int
    targets: Targets

    def __len__(self) -> int:
        return len(self.targets.equipment if isinstance(self.targets, Members) else self.targets)

    def part(self, start: int, stop: int) -> Targets:
        """Some of the targets."""
        if isinstance(self.targets, Members):
            return Members(self.targets.equipment[start:stop])
        return self.targets[start:stop]


def arm(link: ua.NodeId, forward: bool, target: Described) -> Arm:
    """One reference."""
    return Arm(link, forward, target.node_class, (target,))


class References:
    """Arms of the places of a plant."""

    def __init__(self, space: Space, nodes: Nodes) -> None:
        self._space = space
        self._nodes = nodes

    def type_of(self, place: Place) -> ua.NodeId | None:
        """The node's TypeDefinition; None for types."""
        if place.what is What.TYPE:
            return None
        if place.what is What.EQUIPMENT and place.type is not None:
            return ua.NodeId(f"{TYPES}/{place.type.name}", self._nodes.namespace, ua.NodeIdType.String)
        if place.what.is_property:
            return PROPERTY_TYPE
        return FOLDER_TYPE if place.block is None else ua.NodeId(details.variable_type(place.block.info))

    def described(self, place: Place, locale: str) -> Described:
        """What a reference says of a place."""
        title = ua.LocalizedText(self._nodes.texts.title(place, locale), locale)
        name = self._nodes.browse_name(place)
        return Described(self._nodes.node_id(place), name, title, node_class(place), self.type_of(place))

    def links(self, place: Place) -> tuple[ua.NodeId, ...]:
        """The reference types by which a node hangs under its parent."""
        return _LINKS[place.what]

    def upward(self, place: Place, locale: str) -> list[Arm]:
        """References of a node to its type, its modelling rule and its parents."""
        arms = []
        if (type_ := self._type(place, locale)) is not None:
            arms.append(arm(HAS_TYPE, True, type_))
        if place.what in (What.DECLARATION, What.DECLARED_PROPERTY):
            arms.append(arm(HAS_RULE, True, _OPTIONAL if self._is_optional(place) else _MANDATORY))
        parents = self._parents(place, locale)
        return arms + [arm(link, False, parent) for link, parent in zip(self.links(place), parents, strict=True)]

    def _type(self, place: Place, locale: str) -> Described | None:
        if place.what is What.EQUIPMENT and place.type is not None:
            found = self._space.type(place.type.name)
            return None if found is None else self.described(found, locale)
        if place.what is What.TYPE:
            return None
        if place.what.is_property:
            return _PROPERTY
        return _FOLDER if place.block is None else _VARIABLE_TYPES[details.variable_type(place.block.info)]

    def _parents(self, place: Place, locale: str) -> list[Described]:
        """One for each of `links`."""
        if place.what is What.ROOT:
            return [_OBJECTS, _SERVER]
        parent = self._space.parent(place)
        found = _BASE_TYPE if parent is None else self.described(parent, locale)
        return [found] * len(self.links(place))

    @staticmethod
    def _is_optional(place: Place) -> bool:
        """A tag that not every instance is fitted with."""
        return not place.detail and place.type is not None and place.last in place.type.fitted

    def downward(self, place: Place, user: User) -> list[Arm]:
        """References of a node to what `user` may see below it."""
        if place.what is What.AREA:
            members = Members(self._space.members(place.area, user))
            return [Arm(link, True, _OBJECT, members) for link in _LINKS[What.EQUIPMENT]]
        seen = [child for child in self._space.children(place) if self._space.visible(child, user)]
        if not seen:
            return []
        return [Arm(link, True, node_class(seen[0]), seen) for link in self.links(seen[0])]

    def under_standard(self, node_id: ua.NodeId, locale: str) -> list[Arm]:
        """What the plant adds below nodes of namespace 0."""
        if node_id == BASE_OBJECT_TYPE:
            return [Arm(HAS_SUBTYPE, True, _OBJECT_TYPE, self._space.types())]
        root = self._space.find("Plant")
        if root is None or node_id not in (OBJECTS, SERVER):
            return []
        return [arm(ORGANIZES if node_id == OBJECTS else HAS_NOTIFIER, True, self.described(root, locale))]
