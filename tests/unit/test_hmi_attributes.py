# SPDX-License-Identifier: Apache-2.0
"""The one door for attributes: whose node it is, and who may know of it."""

from __future__ import annotations

from collections.abc import Sequence

from asyncua import ua
from asyncua.server.address_space import AddressSpace

from config.model import Role
from config.words import StatusCode
from supervisor.hmi.model.attributes import Attributes
from supervisor.hmi.model.live import Live, Value
from supervisor.hmi.model.nodes import Asker, Nodes, data_value
from supervisor.hmi.model.references import HAS_COMPONENT
from supervisor.hmi.model.space import Space
from supervisor.people import User
from supervisor.tags.pool import StringPool
from supervisor.tags.table import TagTable
from tests.plants import TypeSpec, make_plant, tag

PLANT = make_plant({"CAB": TypeSpec({"V1": tag("Double")})}, {"CAB": ["21605/CAB-0001"]})
NODES = Nodes(Space(PLANT), TagTable(PLANT, StringPool(), 0), 2)
OPERATOR, OFFICER = Asker(User("op", Role.OPERATOR)), Asker(User("sec", Role.SECURITY), "en")
ID = ua.AttributeIds
CODES = ua.StatusCodes
WHERE = ua.NodeId("21605/CAB-0001", 2, ua.NodeIdType.String)
ROOM_ID = ua.NodeId("room/1", 2, ua.NodeIdType.String)


class Room:
    """One counter that counts how often it is read, for the security officer only."""

    def __init__(self) -> None:
        self.reads = 0

    def _read(self) -> ua.DataValue:
        self.reads += 1
        return data_value(ua.Variant(self.reads, ua.VariantType.UInt32))

    def find(self, node_id: ua.NodeId) -> Live | None:
        if node_id != ROOM_ID:
            return None
        return Live(
            ROOM_ID,
            ua.QualifiedName("Counter", 2),
            ua.NodeId(ua.ObjectIds.BaseDataVariableType),
            WHERE,
            HAS_COMPONENT,
            ("Compteur", "Counter"),
            Value(ua.NodeId(ua.ObjectIds.UInt32), self._read),
            open_to=lambda user: user.role is Role.SECURITY,
        )

    def under(self, node_id: ua.NodeId) -> Sequence[Live]:
        found = self.find(ROOM_ID)
        return [found] if node_id == WHERE and found is not None else []


def test_a_live_node_is_computed_when_read_and_is_nothing_to_others() -> None:
    room = Room()
    attributes = Attributes(AddressSpace(), NODES, [room])
    for expected in (1, 2):
        assert attributes.read(ROOM_ID, ID.Value, OFFICER, 0).Value.Value == expected
    assert attributes.read(ROOM_ID, ID.Value, OPERATOR, 0).StatusCode.value == CODES.BadNodeIdUnknown
    assert attributes.under(WHERE, OPERATOR.user) == []
    assert [live.name.Name for live in attributes.under(WHERE, OFFICER.user)] == ["Counter"]
    assert room.reads == 2


def test_a_live_node_has_the_attributes_of_its_class() -> None:
    """Source: OPC 10000-3, 5.5.1 and 5.6.2."""
    attributes = Attributes(AddressSpace(), NODES, [Room()])
    expected = {
        ID.NodeClass: ua.NodeClass.Variable,
        ID.DisplayName: ua.LocalizedText("Counter", "en"),
        ID.DataType: ua.NodeId(ua.ObjectIds.UInt32),
        ID.ValueRank: -1,
        ID.AccessLevel: 1,
        ID.Historizing: False,
    }
    for attribute, value in expected.items():
        assert attributes.read(ROOM_ID, attribute, OFFICER, 0).Value.Value == value
    for attribute in (ID.EventNotifier, ID.Executable, ID.IsAbstract):
        assert attributes.read(ROOM_ID, attribute, OFFICER, 0).StatusCode.value == CODES.BadAttributeIdInvalid


def test_a_live_node_tells_who_may_look_at_it() -> None:
    """Source: OPC 10000-3, 5.2.9 and 5.2.10; roles that may do nothing are not listed."""
    attributes, may = Attributes(AddressSpace(), NODES, [Room()]), ua.PermissionType
    for attribute in (ID.RolePermissions, ID.UserRolePermissions):
        (told,) = attributes.read(ROOM_ID, attribute, OFFICER, 0).Value.Value
        assert told.RoleId == ua.NodeId(ua.ObjectIds.WellKnownRole_SecurityAdmin)
        assert told.Permissions == may.Browse | may.Read | may.ReadRolePermissions
        assert attributes.read(ROOM_ID, attribute, OPERATOR, 0).StatusCode.value == CODES.BadNodeIdUnknown


def test_nodes_of_the_plant_and_of_nobody_are_told_as_such() -> None:
    attributes = Attributes(AddressSpace(), NODES)
    tag_id = ua.NodeId("21605/CAB-0001/V1", 2, ua.NodeIdType.String)
    assert attributes.read(tag_id, ID.BrowseName, OPERATOR, 0).Value.Value == ua.QualifiedName("V1", 2)
    for node_id in (ua.NodeId("nothing", 2, ua.NodeIdType.String), ua.NodeId(1), ua.NodeId(7, 1)):
        assert attributes.read(node_id, ID.Value, OPERATOR, 0).StatusCode.value == CODES.BadNodeIdUnknown


def test_a_computed_value_of_namespace_0_is_read_by_whom_it_concerns() -> None:
    node_id = ua.NodeId(ua.ObjectIds.Server_ServiceLevel)
    computed = {node_id: lambda: data_value(ua.Variant(255, ua.VariantType.Byte))}
    guarded = {node_id: lambda user: user.role is Role.SECURITY}
    attributes = Attributes(AddressSpace(), NODES, (), computed, guarded)
    assert attributes.read(node_id, ID.Value, OFFICER, 0).Value.Value == 255
    denied = attributes.read(node_id, ID.Value, OPERATOR, 0)
    assert (denied.Value, denied.StatusCode.value) == (None, StatusCode.BadUserAccessDenied)
