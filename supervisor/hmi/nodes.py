# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_hmi_space.py, tests/system/test_opcua_client.py
"""Places of the plant as OPC UA nodes: attributes and references, made when someone asks.

Law of this file: objects of asyncua live here for the length of one request; nothing is kept per tag.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from asyncua import ua

from config.words import BAD, Kind, StatusCode
from supervisor.hmi.space import ENGINEERING_UNITS, ENUM_STRINGS, EU_RANGE, ROOT, Place, Space, What
from supervisor.hmi.values import ticks, wire_type
from supervisor.people import User
from supervisor.tags.table import TagTable

_ID: Final = ua.AttributeIds
_ORGANIZES: Final = ua.NodeId(ua.ObjectIds.Organizes)
_HAS_COMPONENT: Final = ua.NodeId(ua.ObjectIds.HasComponent)
_HAS_PROPERTY: Final = ua.NodeId(ua.ObjectIds.HasProperty)
_HAS_TYPE: Final = ua.NodeId(ua.ObjectIds.HasTypeDefinition)
OBJECTS: Final = ua.NodeId(ua.ObjectIds.ObjectsFolder)
_FOLDER: Final = ua.NodeId(ua.ObjectIds.FolderType)
_OBJECT: Final = ua.NodeId(ua.ObjectIds.BaseObjectType)
_VARIABLE: Final = ua.NodeId(ua.ObjectIds.BaseDataVariableType)
_ANALOG: Final = ua.NodeId(ua.ObjectIds.AnalogItemType)
_PROPERTY: Final = ua.NodeId(ua.ObjectIds.PropertyType)

_LINKS: Final = {What.TAG: _HAS_COMPONENT, What.PROPERTY: _HAS_PROPERTY}

# UNECE recommendation 20 codes of the units a city uses. Source: OPC 10000-8, 5.6.4.3 and UNECE rec. 20, annex I.
UNECE: Final = {
    "%": "P1", "A": "AMP", "V": "VLT", "W": "WTT", "kW": "KWT", "kWh": "KWH", "Wh": "WHR", "VA": "D46", "kVA": "KVA",
    "var": "D44", "kvar": "KVR", "Hz": "HTZ", "°C": "CEL", "K": "KEL", "lx": "LUX", "s": "SEC", "ms": "C26",
    "min": "MIN", "h": "HUR", "d": "DAY", "m": "MTR", "mm": "MMT", "cm": "CMT", "km": "KMT", "m/s": "MTS",
    "km/h": "KMH", "Pa": "PAL", "hPa": "A97", "bar": "BAR", "m3": "MTQ", "m³": "MTQ", "m3/h": "MQH", "m³/h": "MQH",
    "l": "LTR", "kg": "KGM", "t": "TNE", "g/m2": "GM", "°": "DD", "deg": "DD", "W/m2": "D54", "MWh": "MWH",
    "kvarh": "K3", "mm/h": "H67", "1/s": "C97",
}  # fmt: skip
_UNECE_URI: Final = "http://www.opcfoundation.org/UA/units/un/cefact"
_NODE_SHAPE: Final = {
    What.ROOT: (ua.NodeClass.Object, _FOLDER),
    What.AREA: (ua.NodeClass.Object, _FOLDER),
    What.EQUIPMENT: (ua.NodeClass.Object, _OBJECT),
    What.TAG: (ua.NodeClass.Variable, _VARIABLE),
    What.PROPERTY: (ua.NodeClass.Variable, _PROPERTY),
}


@dataclass(frozen=True, slots=True)
class Asker:
    """On whose behalf a service runs: rights, and 'fr' or 'en' for texts."""

    user: User
    locale: str = "fr"


def status(code: StatusCode | int) -> ua.StatusCode:
    return ua.StatusCode(ua.UInt32(int(code)))


def data_value(value: ua.Variant | None, code: StatusCode | int = StatusCode.Good, **times: Any) -> ua.DataValue:
    """A DataValue; without a value it really has none on the wire (asyncua would send a null Variant)."""
    made = ua.DataValue(value, status(code), **times)
    if value is None:
        object.__setattr__(made, "Value", None)
    return made


def filetime(ns: int) -> Any:
    """UTC ns -> the datetime that asyncua encodes [whole µs]."""
    return ua.win_epoch_to_datetime(ticks(ns))


class Nodes:
    """Attributes and references of places.

    Args:
        namespace: index of 'urn:vigie:<site>'.
    """

    def __init__(self, space: Space, table: TagTable, namespace: int) -> None:
        self._space = space
        self._table = table
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
        if isinstance(identifier, int) and (row := self._row_of_alias(identifier)) is not None:
            return self._space.of_row(row)
        return None

    def find_for(self, node_id: ua.NodeId, user: User) -> Place | None:
        """The same, for this user: what they may not see is not there."""
        place = self.find(node_id)
        return place if place is not None and self._space.visible(place, user) else None

    def series(self, row: int) -> int:
        """Series id of a row: its alias."""
        return int(self._space.plant.series[row])

    def _row_of_alias(self, series: int) -> int | None:
        rows = self._space.rows_of_series(np.array([series], np.uint32)) if 0 <= series < 2**32 else None
        return None if rows is None else int(rows[0])

    # -- attributes ---------------------------------------------------------------------------------------------

    def read(self, place: Place, attribute: int, asker: Asker, now_ns: int) -> ua.DataValue:
        """One attribute of one node, for `asker`; what they may not see is not there."""
        if not self._space.visible(place, asker.user):
            return data_value(None, StatusCode.BadNodeIdUnknown)
        if attribute == _ID.Value and place.what in (What.TAG, What.PROPERTY):
            return self._value(place, now_ns)
        variant = self._common(place, attribute, asker.locale)
        if variant is None:
            is_variable = place.what in (What.TAG, What.PROPERTY)
            variant = self._variable(place, attribute, asker) if is_variable else self._object(attribute)
        if variant is None:
            return data_value(None, ua.StatusCodes.BadAttributeIdInvalid)
        return data_value(variant)

    def _common(self, place: Place, attribute: int, locale: str) -> ua.Variant | None:
        if attribute == _ID.NodeId:
            return ua.Variant(self.node_id(place), ua.VariantType.NodeId)
        if attribute == _ID.NodeClass:
            return ua.Variant(int(_NODE_SHAPE[place.what][0]), ua.VariantType.Int32)
        if attribute == _ID.BrowseName:
            return ua.Variant(self.browse_name(place), ua.VariantType.QualifiedName)
        if attribute == _ID.DisplayName:
            return ua.Variant(ua.LocalizedText(self._title(place, locale), locale), ua.VariantType.LocalizedText)
        if attribute == _ID.Description:
            return ua.Variant(ua.LocalizedText(self._description(place, locale), locale), ua.VariantType.LocalizedText)
        if attribute in (_ID.WriteMask, _ID.UserWriteMask):
            return ua.Variant(0, ua.VariantType.UInt32)
        return None

    @staticmethod
    def _object(attribute: int) -> ua.Variant | None:
        return ua.Variant(0, ua.VariantType.Byte) if attribute == _ID.EventNotifier else None

    def _variable(self, place: Place, attribute: int, asker: Asker) -> ua.Variant | None:
        if attribute == _ID.DataType:
            return ua.Variant(self._data_type(place), ua.VariantType.NodeId)
        if attribute == _ID.ValueRank:
            return ua.Variant(1 if place.detail == ENUM_STRINGS else -1, ua.VariantType.Int32)
        if attribute in (_ID.AccessLevel, _ID.UserAccessLevel):
            return ua.Variant(
                self._access(place, asker if attribute == _ID.UserAccessLevel else None), ua.VariantType.Byte
            )
        if attribute == _ID.AccessLevelEx:
            return ua.Variant(self._access(place, None), ua.VariantType.UInt32)
        if attribute == _ID.MinimumSamplingInterval:
            return ua.Variant(-1.0, ua.VariantType.Double)
        if attribute == _ID.Historizing:
            return ua.Variant(place.what is What.TAG and _recorded(place), ua.VariantType.Boolean)
        return None

    def _access(self, place: Place, asker: Asker | None) -> int:
        """Bits CurrentRead 1, CurrentWrite 2, HistoryRead 4; with `asker`, what that user may do.

        Source: OPC 10000-3, 8.57.
        """
        if place.what is What.PROPERTY or place.block is None:
            return 1
        info = place.block.info
        bits = (1 if info.access.readable else 0) | (2 if info.access.writable else 0) | (4 if _recorded(place) else 0)
        if asker is not None and not self._space.rights.of(asker.user).may_write_row(place.row):
            bits &= ~2
        return bits

    def _data_type(self, place: Place) -> ua.NodeId:
        if place.detail == EU_RANGE:
            return ua.NodeId(ua.ObjectIds.Range)
        if place.detail == ENGINEERING_UNITS:
            return ua.NodeId(ua.ObjectIds.EUInformation)
        if place.detail == ENUM_STRINGS:
            return ua.NodeId(ua.ObjectIds.LocalizedText)
        return ua.NodeId(wire_type(_block(place).info.kind))

    def browse_name(self, place: Place) -> ua.QualifiedName:
        if place.what is What.PROPERTY:
            return ua.QualifiedName(place.detail, 0)
        return ua.QualifiedName(place.name.rpartition("/")[2], self.namespace)

    def _title(self, place: Place, locale: str) -> str:
        if place.what is What.ROOT:
            return "Installation" if locale == "fr" else "Plant"
        if place.what is What.AREA:
            return self._space.plant.areas[place.area].title
        if place.what is What.EQUIPMENT and place.type is not None:
            return place.type.titles[place.instance] or place.name.rpartition("/")[2]
        if place.what is What.PROPERTY:
            return place.detail
        info = _block(place).info
        return info.title_en if locale == "en" else info.title_fr

    def _description(self, place: Place, locale: str) -> str:
        """Type and instance, so that a tag seen alone in a list can be placed."""
        if place.type is None:
            return self._title(place, locale)
        type_title = place.type.title_en if locale == "en" else place.type.title_fr
        equipment = place.type.titles[place.instance] or place.type.equipment[place.instance]
        if place.what is What.EQUIPMENT:
            return f"{type_title} - {equipment}"
        return f"{type_title} - {equipment} - {self._title(place, locale)}"

    # -- values -------------------------------------------------------------------------------------------------

    def _value(self, place: Place, now_ns: int) -> ua.DataValue:
        if place.what is What.PROPERTY:
            return data_value(self._property(place), ServerTimestamp=filetime(now_ns))
        info = _block(place).info
        if not info.access.readable:
            return data_value(None, StatusCode.BadNotReadable)
        return self.tag_value(place, now_ns)

    def tag_value(self, place: Place, now_ns: int) -> ua.DataValue:
        """The present value of a tag, rights apart; null while its status is Bad."""
        row = place.row
        code = int(self._table.status[row])
        variant = None if code >= BAD else self._variant(_block(place).info.kind, row)
        source_ns = int(self._table.source_ns[row])
        return data_value(variant, code, SourceTimestamp=filetime(source_ns), ServerTimestamp=filetime(now_ns))

    def _variant(self, kind: Kind, row: int) -> ua.Variant:
        value: Any = self._table.last_value(row)
        if kind is Kind.DateTime:
            value = filetime(value)
        return ua.Variant(value, ua.VariantType(wire_type(kind)))

    @staticmethod
    def _property(place: Place) -> ua.Variant:
        info = _block(place).info
        if place.detail == EU_RANGE:
            return ua.Variant(ua.Range(Low=float(info.low), High=float(info.high)), ua.VariantType.ExtensionObject)
        if place.detail == ENUM_STRINGS:
            return ua.Variant([ua.LocalizedText(text) for text in info.values], ua.VariantType.LocalizedText)
        unit = info.unit or ""
        code = UNECE.get(unit)
        made = ua.EUInformation(
            NamespaceUri=_UNECE_URI if code else "urn:vigie:units",
            UnitId=int.from_bytes(code.encode(), "big") if code else -1,
            DisplayName=ua.LocalizedText(unit),
            Description=ua.LocalizedText(unit),
        )
        return ua.Variant(made, ua.VariantType.ExtensionObject)

    # -- references ---------------------------------------------------------------------------------------------

    def upward(self, place: Place, locale: str) -> list[ua.ReferenceDescription]:
        """References of a node to its type and to its parent."""
        node_class, type_ = self._class_and_type(place)
        type_class = ua.NodeClass.ObjectType if node_class == ua.NodeClass.Object else ua.NodeClass.VariableType
        name = _TYPE_NAMES[type_]
        to_type = _reference(_HAS_TYPE, True, type_, name, ua.LocalizedText(name.Name), type_class)
        parent = self._space.parent(place)
        if parent is not None:
            return [to_type, self.reference(parent, self.link(place), locale, forward=False)]
        name, text = ua.QualifiedName("Objects", 0), ua.LocalizedText("Objects")
        return [to_type, _reference(_ORGANIZES, False, OBJECTS, name, text, ua.NodeClass.Object, _FOLDER)]

    def children(self, place: Place, user: User) -> list[Place]:
        """Nodes one step below that `user` may see."""
        return [child for child in self._space.children(place) if self._space.visible(child, user)]

    @staticmethod
    def link(place: Place) -> ua.NodeId:
        """The reference type by which a node hangs under its parent."""
        return _LINKS.get(place.what, _ORGANIZES)

    @staticmethod
    def node_class(place: Place) -> ua.NodeClass:
        return _NODE_SHAPE[place.what][0]

    def reference_to_child(self, child: Place, locale: str) -> ua.ReferenceDescription:
        """The reference by which a node's parent points at it."""
        return self.reference(child, self.link(child), locale)

    def reference(self, place: Place, link: ua.NodeId, locale: str, *, forward: bool = True) -> ua.ReferenceDescription:
        """A reference to `place`."""
        node_class, type_ = self._class_and_type(place)
        title = ua.LocalizedText(self._title(place, locale), locale)
        return _reference(link, forward, self.node_id(place), self.browse_name(place), title, node_class, type_)

    def root_reference(self, locale: str) -> ua.ReferenceDescription:
        """What is hung under Objects."""
        return self.reference(Place(What.ROOT, ROOT), _ORGANIZES, locale)

    @staticmethod
    def _class_and_type(place: Place) -> tuple[ua.NodeClass, ua.NodeId]:
        node_class, type_ = _NODE_SHAPE[place.what]
        if place.what is What.TAG and EU_RANGE in Space.details(place):
            type_ = _ANALOG
        return node_class, type_


_TYPE_NAMES: Final = {
    _FOLDER: ua.QualifiedName("FolderType"),
    _OBJECT: ua.QualifiedName("BaseObjectType"),
    _VARIABLE: ua.QualifiedName("BaseDataVariableType"),
    _ANALOG: ua.QualifiedName("AnalogItemType"),
    _PROPERTY: ua.QualifiedName("PropertyType"),
}


def _block(place: Place) -> Any:
    return place.block


def _recorded(place: Place) -> bool:
    """Whether the tag has a past that can be asked for: a history class other than N (none)."""
    info = _block(place).info
    return info.history_class != "N" and bool(info.access.readable)


def _reference(
    link: ua.NodeId,
    forward: bool,
    target: ua.NodeId,
    name: ua.QualifiedName,
    title: ua.LocalizedText,
    node_class: ua.NodeClass,
    type_: ua.NodeId | None = None,
) -> ua.ReferenceDescription:
    return ua.ReferenceDescription(
        ReferenceTypeId=link,
        IsForward=forward,
        NodeId=target,
        BrowseName=name,
        DisplayName=title,
        NodeClass=node_class,
        TypeDefinition=type_ or ua.NodeId(),
    )
