# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_hmi_space.py, tests/system/test_opcua_client.py
"""Places of the plant as OPC UA nodes: their attributes, made when someone asks.

Law of this file: objects of asyncua live here for the length of one request; nothing is kept per tag. References are
`references.py`'s matter. Source: OPC 10000-3, 5 (attributes of each node class).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from asyncua import ua

from config.words import BAD, StatusCode
from supervisor.hmi.model import details, properties
from supervisor.hmi.model.permissions import ATTRIBUTES, Permissions
from supervisor.hmi.model.place import Place, What
from supervisor.hmi.model.properties import data_value, filetime, status
from supervisor.hmi.model.space import Space
from supervisor.hmi.model.texts import Texts
from supervisor.hmi.values import wire_type
from supervisor.people import User
from supervisor.tags.table import TagTable

__all__ = ["Asker", "Nodes", "data_value", "filetime", "status"]

_ID: Final = ua.AttributeIds
_SUBSCRIBE_TO_EVENTS: Final = 1


@dataclass(frozen=True, slots=True)
class Asker:
    """On whose behalf a service runs: rights, and 'fr' or 'en' for texts."""

    user: User
    locale: str = "fr"


class Nodes:
    """Attributes of places.

    Args:
        namespace: index of 'urn:vigie:<site>'.
    """

    def __init__(self, space: Space, table: TagTable, namespace: int) -> None:
        self._space = space
        self._table = table
        self.texts = Texts(space.plant)
        self._permissions = Permissions(space)
        self.namespace = namespace

    def node_id(self, place: Place) -> ua.NodeId:
        return ua.NodeId(place.name, self.namespace, ua.NodeIdType.String)

    def find(self, node_id: ua.NodeId) -> Place | None:
        """The place of a NodeId of our namespace (string or alias); None if there is none."""
        if node_id.NamespaceIndex != self.namespace:
            return None
        identifier = node_id.Identifier
        if isinstance(identifier, str):
            return self._space.find(identifier)
        if isinstance(identifier, int) and (row := self._space.row_of_series(identifier)) is not None:
            return self._space.of_row(row)
        return None

    def find_for(self, node_id: ua.NodeId, user: User) -> Place | None:
        """The same, for this user: what they may not see is not there."""
        place = self.find(node_id)
        return place if place is not None and self._space.visible(place, user) else None

    def series(self, row: int) -> int:
        """Series id of a row: its alias."""
        return int(self._space.plant.series[row])

    # -- attributes ---------------------------------------------------------------------------------------------

    def read(self, place: Place, attribute: int, asker: Asker, now_ns: int) -> ua.DataValue:
        """One attribute of one node, for `asker`; what they may not see is not there."""
        if not self._space.visible(place, asker.user):
            return data_value(None, StatusCode.BadNodeIdUnknown)
        if attribute == _ID.Value and place.what.is_variable:
            return self._value(place, asker, now_ns)
        if attribute in ATTRIBUTES:
            return self._permissions.read(place, attribute, asker.user)
        variant = self._common(place, attribute, asker.locale)
        if variant is None:
            variant = self._variable(place, attribute, asker) if place.what.is_variable else _object(place, attribute)
        if variant is None:
            return data_value(None, ua.StatusCodes.BadAttributeIdInvalid)
        return data_value(variant)

    def _common(self, place: Place, attribute: int, locale: str) -> ua.Variant | None:
        if attribute == _ID.NodeId:
            return ua.Variant(self.node_id(place), ua.VariantType.NodeId)
        if attribute == _ID.NodeClass:
            return ua.Variant(int(node_class(place)), ua.VariantType.Int32)
        if attribute == _ID.BrowseName:
            return ua.Variant(self.browse_name(place), ua.VariantType.QualifiedName)
        if attribute == _ID.DisplayName:
            return _text(self.texts.title(place, locale), locale)
        if attribute == _ID.Description:
            return _text(self.texts.description(place, locale), locale)
        if attribute in (_ID.WriteMask, _ID.UserWriteMask):
            return ua.Variant(0, ua.VariantType.UInt32)
        return None

    def _variable(self, place: Place, attribute: int, asker: Asker) -> ua.Variant | None:
        if attribute == _ID.DataType:
            return ua.Variant(ua.NodeId(data_type(place)), ua.VariantType.NodeId)
        if attribute == _ID.ValueRank:
            return ua.Variant(1 if place.detail in details.ARRAYS else -1, ua.VariantType.Int32)
        if attribute == _ID.ArrayDimensions and place.detail in details.ARRAYS:
            return ua.Variant([0], ua.VariantType.UInt32)
        if attribute == _ID.AccessLevel:
            return ua.Variant(_access(place), ua.VariantType.Byte)
        if attribute == _ID.UserAccessLevel:
            return ua.Variant(self._user_access(place, asker.user), ua.VariantType.Byte)
        if attribute == _ID.AccessLevelEx:
            return ua.Variant(_access(place), ua.VariantType.UInt32)
        if attribute == _ID.MinimumSamplingInterval:
            return ua.Variant(-1.0, ua.VariantType.Double)
        if attribute == _ID.Historizing:
            return ua.Variant(place.what is What.TAG and _recorded(place), ua.VariantType.Boolean)
        return None

    def _user_access(self, place: Place, user: User) -> int:
        """Bits of AccessLevel that this user has."""
        may_write = place.row >= 0 and self._space.rights.of(user).may_write_row(place.row)
        return _access(place) if may_write else _access(place) & ~2

    def browse_name(self, place: Place) -> ua.QualifiedName:
        standard = place.what.is_property and place.detail not in details.OWN
        return ua.QualifiedName(place.last, 0 if standard else self.namespace)

    # -- values -------------------------------------------------------------------------------------------------

    def _value(self, place: Place, asker: Asker, now_ns: int) -> ua.DataValue:
        info = block_info(place)
        if place.what.is_property:
            made = properties.declared(info, place.detail, asker.locale)
            if made is not None:
                return data_value(made, ServerTimestamp=filetime(now_ns))
        if place.row < 0:
            return data_value(None, StatusCode.BadWaitingForInitialData)  # a declaration has no value of its own
        if not info.access.readable:
            return data_value(None, StatusCode.BadNotReadable)
        if place.what is What.PROPERTY:
            return properties.live(self._table, place, info, now_ns)
        return self.tag_value(place, now_ns)

    def tag_value(self, place: Place, now_ns: int) -> ua.DataValue:
        """The present value of a tag, rights apart; null while its status is Bad."""
        row = place.row
        code = int(self._table.status[row])
        variant = None if code >= BAD else properties.variant(self._table, block_info(place).kind, row)
        source_ns = int(self._table.source_ns[row])
        return data_value(variant, code, SourceTimestamp=filetime(source_ns), ServerTimestamp=filetime(now_ns))


def node_class(place: Place) -> ua.NodeClass:
    """Object, Variable or ObjectType."""
    if place.what is What.TYPE:
        return ua.NodeClass.ObjectType
    return ua.NodeClass.Variable if place.what.is_variable else ua.NodeClass.Object


def data_type(place: Place) -> int:
    """Numeric NodeId of a variable's DataType, in namespace 0."""
    info = block_info(place)
    return properties.data_type(info, place.detail) if place.what.is_property else wire_type(info.kind)


def block_info(place: Place) -> Any:
    """The TagInfo of a variable."""
    return place.block.info if place.block is not None else None


def _text(text: str, locale: str) -> ua.Variant:
    return ua.Variant(ua.LocalizedText(text, locale), ua.VariantType.LocalizedText)


def _object(place: Place, attribute: int) -> ua.Variant | None:
    """Attributes that only objects or object types have."""
    if place.what is What.TYPE:
        return ua.Variant(False, ua.VariantType.Boolean) if attribute == _ID.IsAbstract else None
    if attribute != _ID.EventNotifier:
        return None
    return ua.Variant(_SUBSCRIBE_TO_EVENTS if place.what.is_notifier else 0, ua.VariantType.Byte)


def _access(place: Place) -> int:
    """Bits CurrentRead 1, CurrentWrite 2, HistoryRead 4. Source: OPC 10000-3, 8.57."""
    if place.what.is_property:
        return 1
    access = block_info(place).access
    return (1 if access.readable else 0) | (2 if access.writable else 0) | (4 if _recorded(place) else 0)


def _recorded(place: Place) -> bool:
    """Whether the tag has a past that can be asked for: a history class other than N (none)."""
    info = block_info(place)
    return info.history_class != "N" and bool(info.access.readable)
