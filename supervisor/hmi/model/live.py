# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_hmi_attributes.py
"""Nodes that are computed: devices, sessions, subscriptions; made when someone asks, like the places of the plant.

Law of this file: words only. A *room* knows a family of such nodes by their NodeIds; what hangs under a node of another
family it tells by that node's NodeId. So a thousand sessions cost nothing until someone looks at them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from asyncua import ua

from supervisor.hmi.model.pages import Described
from supervisor.hmi.model.properties import data_value
from supervisor.hmi.model.texts import chosen
from supervisor.people import User

_ID: Final = ua.AttributeIds


@dataclass(frozen=True, slots=True)
class Value:
    """What makes a live node a variable.

    Attributes:
        read: its present value.
        rank: -1 scalar, 1 array.
    """

    data_type: ua.NodeId
    read: Callable[[], ua.DataValue]
    rank: int = -1


@dataclass(frozen=True, slots=True)
class Live:
    """One computed node.

    Attributes:
        parent, link: where it hangs, and by which reference type.
        titles: (fr, en).
        value: None: it is an object.
        children: what hangs under it.
        open_to: who may see it; all others are told that there is no such node.
    """

    node_id: ua.NodeId
    name: ua.QualifiedName
    type: ua.NodeId
    parent: ua.NodeId
    link: ua.NodeId
    titles: tuple[str, str]
    value: Value | None = None
    children: Callable[[], Sequence[Live]] = tuple
    open_to: Callable[[User], bool] = lambda _user: True

    @property
    def node_class(self) -> ua.NodeClass:
        return ua.NodeClass.Object if self.value is None else ua.NodeClass.Variable

    def described(self, locale: str) -> Described:
        title = ua.LocalizedText(chosen(self.titles, locale), locale)
        return Described(self.node_id, self.name, title, self.node_class, self.type)

    def attribute(self, number: int, locale: str) -> ua.DataValue:
        """One attribute; BadAttributeIdInvalid for one that its node class has not."""
        if number == _ID.Value and self.value is not None:
            return self.value.read()
        made = self._common(number, locale)
        if made is None:
            made = _object(number) if self.value is None else _variable(self.value, number)
        return data_value(None, ua.StatusCodes.BadAttributeIdInvalid) if made is None else data_value(made)

    def _common(self, number: int, locale: str) -> ua.Variant | None:
        if number == _ID.NodeId:
            return ua.Variant(self.node_id, ua.VariantType.NodeId)
        if number == _ID.NodeClass:
            return ua.Variant(int(self.node_class), ua.VariantType.Int32)
        if number == _ID.BrowseName:
            return ua.Variant(self.name, ua.VariantType.QualifiedName)
        if number in (_ID.DisplayName, _ID.Description):
            return ua.Variant(ua.LocalizedText(chosen(self.titles, locale), locale), ua.VariantType.LocalizedText)
        if number in (_ID.WriteMask, _ID.UserWriteMask):
            return ua.Variant(0, ua.VariantType.UInt32)
        return None


def _object(number: int) -> ua.Variant | None:
    return ua.Variant(0, ua.VariantType.Byte) if number == _ID.EventNotifier else None


def _variable(value: Value, number: int) -> ua.Variant | None:
    fixed: dict[int, tuple[Any, ua.VariantType]] = {
        _ID.DataType: (value.data_type, ua.VariantType.NodeId),
        _ID.ValueRank: (value.rank, ua.VariantType.Int32),
        _ID.AccessLevel: (1, ua.VariantType.Byte),
        _ID.UserAccessLevel: (1, ua.VariantType.Byte),
        _ID.AccessLevelEx: (1, ua.VariantType.UInt32),
        _ID.MinimumSamplingInterval: (-1.0, ua.VariantType.Double),
        _ID.Historizing: (False, ua.VariantType.Boolean),
    }
    if value.rank > 0:
        fixed[_ID.ArrayDimensions] = ([0] * value.rank, ua.VariantType.UInt32)
    return ua.Variant(*fixed[number]) if number in fixed else None


class Room(Protocol):
    """A family of live nodes."""

    def find(self, node_id: ua.NodeId) -> Live | None:
        """The live node of this NodeId, None if it is none of this family's."""
        ...

    def under(self, node_id: ua.NodeId) -> Sequence[Live]:
        """Live nodes that hang under a node of another family."""
        ...
