# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_event_hierarchy.py
"""Types of events: which is a subtype of which, and what fields they have.

Law of this file: read once from an address space, then never changed; no I/O.

A *field* is named by its browse path: 'Severity', 'EnabledState/Id'; a browse name of another namespace carries its
number: '2:ProcessActive'. The empty path with the attribute NodeId is the ConditionId. Source: OPC 10000-9, 5.5.2.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from asyncua import ua

from supervisor.hmi.events.value import Id

BASE_EVENT: Final[Id] = (0, ua.ObjectIds.BaseEventType)
CONDITION: Final[Id] = (0, ua.ObjectIds.ConditionType)
CONDITION_ID: Final = ""
"""Name of the field that has no path."""

_TYPE: Final = ua.NodeId(ua.ObjectIds.HasTypeDefinition)
_SUBTYPE: Final = ua.NodeId(ua.ObjectIds.HasSubtype)
_MEMBERS: Final = frozenset({ua.NodeId(ua.ObjectIds.HasProperty), ua.NodeId(ua.ObjectIds.HasComponent)})
_DEPTH_MAX: Final = 4  # EnabledState/Id is 2; a type that contains itself must not go on for ever
_SCALAR: Final = -1


@dataclass(frozen=True, slots=True)
class Field:
    """An instance declaration of a type.

    Attributes:
        is_variable: it has a value; objects (ShelvingState) have none.
        may_be_array: its value rank allows arrays.
        is_text: a String or ByteString, of which an index range takes a part.
    """

    is_variable: bool
    may_be_array: bool
    is_text: bool


@dataclass(frozen=True, slots=True)
class EventTypes:
    """All event types of a server.

    Attributes:
        ancestors: of each type, itself included.
        fields: of each type, inherited ones included.
        every: fields of all types together, and those a server adds.
    """

    ancestors: Mapping[Id, frozenset[Id]]
    fields: Mapping[Id, Mapping[str, Field]]
    every: Mapping[str, Field]

    def is_a(self, type_: Id, ancestor: Id) -> bool:
        """Whether a type is the other one or a subtype of it."""
        return ancestor in self.ancestors.get(type_, frozenset())


def read_types(aspace: Any, added: Mapping[str, Field] | None = None) -> EventTypes:
    """The event types of an address space of asyncua.

    Args:
        added: fields that events have beyond their type (OPC 10000-3, 4.6.2: an instance may have more).
    """
    ancestors: dict[Id, frozenset[Id]] = {}
    fields: dict[Id, dict[str, Field]] = {}
    every: dict[str, Field] = dict(added or {})
    todo: list[tuple[ua.NodeId, Id | None]] = [(ua.NodeId(ua.ObjectIds.BaseEventType), None)]
    while todo:
        node_id, parent = todo.pop()
        key = (node_id.NamespaceIndex, node_id.Identifier)
        ancestors[key] = frozenset({key}) | (ancestors[parent] if parent else frozenset())
        fields[key] = {**(fields[parent] if parent else {}), **dict(_members(aspace, node_id, "", 1))}
        every.update(fields[key])
        todo += [(r.NodeId, key) for r in aspace[node_id].references if r.IsForward and r.ReferenceTypeId == _SUBTYPE]
    return EventTypes(ancestors, fields, every)


def _members(aspace: Any, node_id: ua.NodeId, prefix: str, depth: int) -> Iterable[tuple[str, Field]]:
    """Properties and components below a node, by path, and what its type adds to them; methods are none."""
    for type_id in _types_of(aspace, node_id):
        yield from _members(aspace, type_id, prefix, depth)
    for r in aspace[node_id].references:
        if not r.IsForward or r.ReferenceTypeId not in _MEMBERS or (node := aspace.get(r.NodeId)) is None:
            continue
        node_class = _attribute(node, ua.AttributeIds.NodeClass)
        if node_class not in (ua.NodeClass.Variable, ua.NodeClass.Object):
            continue
        path = prefix + step(r.BrowseName.NamespaceIndex, r.BrowseName.Name)
        yield path, _field(node, node_class == ua.NodeClass.Variable)
        if depth < _DEPTH_MAX:
            yield from _members(aspace, r.NodeId, path + "/", depth + 1)


def _types_of(aspace: Any, node_id: ua.NodeId) -> list[ua.NodeId]:
    """The type of an instance and that type's supertypes, the most general first; of a type: none."""
    found: list[ua.NodeId] = []
    link, forward = _TYPE, True
    while up := [r.NodeId for r in aspace[node_id].references if r.ReferenceTypeId == link and r.IsForward is forward]:
        node_id, link, forward = up[0], _SUBTYPE, False
        found.insert(0, node_id)
    return found


def _field(node: Any, is_variable: bool) -> Field:
    if not is_variable:
        return Field(False, False, False)
    data_type = _attribute(node, ua.AttributeIds.DataType)
    is_text = data_type in (ua.NodeId(ua.ObjectIds.String), ua.NodeId(ua.ObjectIds.ByteString))
    return Field(True, _attribute(node, ua.AttributeIds.ValueRank) != _SCALAR, is_text)


def _attribute(node: Any, attribute: ua.AttributeIds) -> Any:
    value = node.attributes[attribute].value
    return None if value is None or value.Value is None else value.Value.Value


def step(namespace: int, name: str) -> str:
    """One browse name of a path. A name with a '/' in it cannot be told from two; no standard one has it."""
    return f"{namespace}:{name}" if namespace else name
