# SPDX-License-Identifier: Apache-2.0
"""Read and Write. Source: OPC 10000-4, 5.11.2, 5.11.4; mandatory attributes: OPC 10000-3, 5.2 to 5.9."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from asyncua import ua

from config.words import StatusCode
from tests.system.conformance.conftest import LIMITS
from tests.system.conformance.raw import CAB, RawClient, codes, value_id
from tests.system.opcua_kit import Site

CODES, TYPE, ID = ua.StatusCodes, ua.VariantType, ua.AttributeIds
V1, STRING = CAB + "V1", CAB + "String"
NAMESPACES, SERVER_STATUS = 2255, 2256


def read(client: RawClient, *wanted: Any, stamps: int = 2, age: float = 0.0) -> list[ua.DataValue]:
    request = ua.ReadRequest()
    request.Parameters = ua.ReadParameters(age, ua.TimestampsToReturn(stamps), list(wanted))
    results: list[ua.DataValue] = client.call(request).Results
    return results


KINDS = [
    ("Boolean", TYPE.Boolean, True, True),
    ("SByte", TYPE.SByte, -128, -128),
    ("Byte", TYPE.Byte, 255, 255),
    ("Int16", TYPE.Int16, -32_768, -32_768),
    ("UInt16", TYPE.UInt16, 65_535, 65_535),
    ("Int32", TYPE.Int32, -(2**31), -(2**31)),
    ("UInt32", TYPE.UInt32, 2**32 - 1, 2**32 - 1),
    ("Int64", TYPE.Int64, 2**63 - 1, 2**63 - 1),
    ("UInt64", TYPE.UInt64, 2**64 - 1, 2**64 - 1),
    ("Float", TYPE.Float, 0.1, 0.10000000149011612),
    ("Double", TYPE.Double, 0.1, 0.1),
    ("String", TYPE.String, "Éclairage № 5", "Éclairage № 5"),
    ("DateTime", TYPE.DateTime, 1_774_749_599_123_456_000, datetime(2026, 3, 29, 1, 59, 59, 123456, tzinfo=UTC)),
    ("Mode", TYPE.Int32, 2, 2),
]


@pytest.mark.parametrize(("name", "type_", "put", "shown"), KINDS)
@pytest.mark.parametrize("way", ["columns", "node by node"])
def test_every_kind_is_exact_and_null_when_bad(
    client: RawClient, site: Site, way: str, name: str, type_: ua.VariantType, put: Any, shown: Any
) -> None:
    wanted = [value_id(CAB + name)] + [value_id(SERVER_STATUS)] * (way != "columns")
    site.set(CAB + name, put)
    value = read(client, *wanted)[0]
    assert (value.Value.VariantType, value.Value.Value, value.StatusCode.value) == (type_, shown, 0)
    assert value.SourceTimestamp is not None and value.ServerTimestamp is not None
    site.set(CAB + name, put, StatusCode.BadNoCommunication)
    value = read(client, *wanted)[0]
    assert value.Value.Value is None and value.StatusCode.value == StatusCode.BadNoCommunication
    site.set(CAB + name, put)


@pytest.mark.parametrize("age", [0.0, 1.0, 1e9, float("inf")])
def test_any_max_age_gets_the_newest_value(client: RawClient, site: Site, age: float) -> None:
    site.set(V1, 4.0)
    assert [v.Value.Value for v in read(client, value_id(V1), age=age)] == [4.0]


@pytest.mark.parametrize("age", [-1.0, -0.001, float("nan")])
def test_a_max_age_that_is_none(client: RawClient, age: float) -> None:
    request = ua.ReadRequest()
    request.Parameters = ua.ReadParameters(age, ua.TimestampsToReturn.Both, [value_id(V1)])
    assert client.refused(request) == CODES.BadMaxAgeInvalid


@pytest.mark.parametrize("stamps", range(4))
@pytest.mark.parametrize("wanted", [value_id(V1), value_id(NAMESPACES), value_id(STRING, range_="0")])
def test_timestamps_to_return(client: RawClient, site: Site, stamps: int, wanted: Any) -> None:
    site.set(STRING, "x")
    (value,) = read(client, wanted, stamps=stamps)
    assert value.StatusCode.is_good() and (value.ServerTimestamp is not None) == (stamps in (1, 2))
    if wanted.NodeId.NamespaceIndex:
        assert (value.SourceTimestamp is not None) == (stamps in (0, 2))


REFUSED = [
    (value_id(999_999), CODES.BadNodeIdUnknown),
    (value_id(CAB + "Nothing"), CODES.BadNodeIdUnknown),
    (value_id("21605/CAM-0001/Plate"), CODES.BadNodeIdUnknown),
    (value_id(CAB + "Pulse"), CODES.BadNotReadable),
    (value_id(V1, 0), CODES.BadAttributeIdInvalid),
    (value_id(V1, 28), CODES.BadAttributeIdInvalid),
    (value_id(V1, 2**32 - 1), CODES.BadAttributeIdInvalid),
    (value_id(V1, ID.EventNotifier), CODES.BadAttributeIdInvalid),
    (value_id("21605", ID.Value), CODES.BadAttributeIdInvalid),
    (value_id(2253, ID.Value), CODES.BadAttributeIdInvalid),
    (value_id(2253, 0), CODES.BadAttributeIdInvalid),
    (value_id(V1, range_="0"), CODES.BadIndexRangeNoData),
    (value_id(V1, range_="1:0"), CODES.BadIndexRangeInvalid),
    (value_id(STRING, range_="99"), CODES.BadIndexRangeNoData),
    (value_id(NAMESPACES, range_="7:9"), CODES.BadIndexRangeNoData),
    (value_id(NAMESPACES, range_="a"), CODES.BadIndexRangeInvalid),
    (value_id(V1, encoding="Default Binary"), CODES.BadDataEncodingInvalid),
    (value_id(V1, ID.DisplayName, encoding="Default Binary"), CODES.BadDataEncodingInvalid),
    (value_id(SERVER_STATUS, encoding="Default XML"), CODES.BadDataEncodingUnsupported),
    (value_id(SERVER_STATUS, encoding="Whatever"), CODES.BadDataEncodingInvalid),
]


@pytest.mark.parametrize(("wanted", "code"), REFUSED, ids=range(len(REFUSED)))
def test_one_value_is_refused_without_a_value_and_the_others_are_read(
    client: RawClient, site: Site, wanted: Any, code: int
) -> None:
    site.put([site.row(STRING), site.row(V1)], ["text", 1.0])
    first, refused, last = read(client, value_id(V1, ID.NodeId), wanted, value_id(NAMESPACES))
    assert first.StatusCode.is_good() and last.StatusCode.is_good()
    assert refused.StatusCode.value == code and refused.Value.Value is None


def test_parts_of_values(client: RawClient, site: Site) -> None:
    site.set(STRING, "Sennecey")
    wanted = [(STRING, "0:2"), (STRING, "3"), (NAMESPACES, "0"), (NAMESPACES, "0,0:3"), (CAB + "Mode/EnumStrings", "1")]
    values = [v.Value.Value for v in read(client, *[value_id(name, range_=part) for name, part in wanted])]
    assert values[:4] == ["Sen", "n", ["http://opcfoundation.org/UA/"], ["http"]]
    assert [text.Text for text in values[4]] == ["Marche"]
    (status,) = read(client, value_id(SERVER_STATUS, encoding="Default Binary"))
    assert isinstance(status.Value.Value, ua.ServerStatusDataType)


# -- every attribute of every node class ------------------------------------------------------------------------------

ALWAYS = {ID.NodeId, ID.NodeClass, ID.BrowseName, ID.DisplayName}
MANDATORY = {
    ua.NodeClass.Object: {ID.EventNotifier},
    ua.NodeClass.Variable: {ID.Value, ID.DataType, ID.ValueRank, ID.AccessLevel, ID.UserAccessLevel, ID.Historizing},
    ua.NodeClass.Method: {ID.Executable, ID.UserExecutable},
    ua.NodeClass.ObjectType: {ID.IsAbstract},
    ua.NodeClass.VariableType: {ID.DataType, ID.ValueRank, ID.IsAbstract},
    ua.NodeClass.ReferenceType: {ID.IsAbstract, ID.Symmetric},
    ua.NodeClass.DataType: {ID.IsAbstract},
}
NODES = [84, 2253, 2255, 2267, 11492, 58, 2004, 62, 63, 31, 35, 1, 12, 22, "Plant", "21605", "21605/CAB-0001", V1,
         CAB + "Mode", CAB + "V1/EURange"]  # fmt: skip


@pytest.mark.parametrize("name", NODES)
def test_a_node_has_the_attributes_of_its_class_and_no_others(client: RawClient, name: Any) -> None:
    every = read(client, *[value_id(name, attribute) for attribute in range(1, 28)])
    absent = CODES.BadAttributeIdInvalid
    there = {a for a, value in zip(range(1, 28), every, strict=True) if value.StatusCode.value != absent}
    node_class = ua.NodeClass(every[ID.NodeClass - 1].Value.Value)
    optional = {ID.Description, ID.WriteMask, ID.UserWriteMask, ID.RolePermissions, ID.UserRolePermissions,
                ID.AccessRestrictions}  # fmt: skip
    optional |= {ID.ArrayDimensions, ID.MinimumSamplingInterval, ID.AccessLevelEx, ID.InverseName, ID.Value,
                 ID.DataTypeDefinition}  # fmt: skip
    assert ALWAYS | MANDATORY[node_class] <= there <= ALWAYS | MANDATORY[node_class] | optional
    for attribute, value in zip(range(1, 28), every, strict=True):
        assert attribute == ID.Value or value.SourceTimestamp is None


def test_access_levels_tell_what_read_and_write_will_say(client: RawClient) -> None:
    names = [V1, CAB + "Double", CAB + "Pulse"]
    for attribute, expected in ((ID.AccessLevel, [1, 3, 2]), (ID.UserAccessLevel, [1, 1, 0])):
        levels = [v.Value.Value & 3 for v in read(client, *[value_id(name, attribute) for name in names])]
        assert levels == expected, attribute


def test_what_the_role_of_a_session_may_do_is_told(client: RawClient) -> None:
    """An anonymous session is an Observer here. Source: OPC 10000-3, 5.2.10 and 5.7."""
    acknowledge, refresh = ua.ObjectIds.AcknowledgeableConditionType_Acknowledge, 3875
    executable = [value_id(m, a) for m in (acknowledge, refresh) for a in (ID.Executable, ID.UserExecutable)]
    assert [v.Value.Value for v in read(client, *executable)] == [True, False, True, True]
    own, every = read(client, value_id(V1, ID.UserRolePermissions), value_id(V1, ID.RolePermissions))
    (told,) = own.Value.Value
    assert told.RoleId == ua.NodeId(ua.ObjectIds.WellKnownRole_Observer)
    assert told.Permissions & ua.PermissionType.Read and not told.Permissions & ua.PermissionType.Write
    assert every.StatusCode.value == CODES.BadUserAccessDenied


def test_a_value_that_nobody_may_read(client: RawClient, site: Site) -> None:
    """A node of the server whose AccessLevel lacks CurrentRead."""
    running = site.server._running
    assert running is not None
    attributes = running.engine.aspace._nodes[ua.NodeId(2267)].attributes
    for attribute, code in ((ID.AccessLevel, CODES.BadNotReadable), (ID.UserAccessLevel, CODES.BadUserAccessDenied)):
        kept = attributes[attribute].value
        attributes[attribute].value = ua.DataValue(ua.Variant(0, TYPE.Byte))
        try:
            assert codes(read(client, value_id(2267), value_id(2267, ID.DisplayName))) == [code, 0]
        finally:
            attributes[attribute].value = kept


def test_every_variable_of_the_server_can_be_read(client: RawClient, site: Site) -> None:
    """Reading namespace 0 from end to end finds no node that cannot be answered for."""
    running = site.server._running
    assert running is not None
    nodes = [node_id for node_id in list(running.engine.aspace._nodes) if node_id.NamespaceIndex == 0]
    allowed = {0, CODES.BadAttributeIdInvalid, CODES.BadNotReadable, CODES.BadUserAccessDenied}
    for start in range(0, len(nodes), LIMITS.nodes_per_call):
        part = nodes[start : start + LIMITS.nodes_per_call]
        answers = codes(read(client, *[ua.ReadValueId(node_id, ID.Value) for node_id in part]))
        assert set(answers) <= allowed | {int(c) for c in StatusCode if c < 2**31}


# -- Write ------------------------------------------------------------------------------------------------------------


def write(client: RawClient, *values: Any) -> list[int]:
    request = ua.WriteRequest()
    request.Parameters.NodesToWrite = list(values)
    return codes(client.call(request).Results)


def to(name: str | int, value: Any, attribute: int = ID.Value, range_: str | None = None) -> ua.WriteValue:
    wanted = value_id(name)
    data = value if isinstance(value, ua.DataValue) else ua.DataValue(value)
    return ua.WriteValue(wanted.NodeId, attribute, range_, data)


ONE = ua.Variant(1.0, TYPE.Double)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
DOUBLE = CAB + "Double"
WRITES = [
    (to(999_999, ONE), CODES.BadNodeIdUnknown),
    (to(CAB + "Nothing", ONE), CODES.BadNodeIdUnknown),
    (to(DOUBLE, ONE, 99), CODES.BadAttributeIdInvalid),
    (to(DOUBLE, ONE, ID.EventNotifier), CODES.BadAttributeIdInvalid),
    (to(DOUBLE, ONE, ID.DisplayName), CODES.BadNotWritable),
    (to(2267, ua.Variant(1, TYPE.Byte)), CODES.BadNotWritable),
    (to(2253, ONE), CODES.BadAttributeIdInvalid),
    (to("21605/CAB-0001", ONE), CODES.BadAttributeIdInvalid),
    (to(V1, ONE), CODES.BadNotWritable),
    (to(DOUBLE, ONE, range_="0"), CODES.BadWriteNotSupported),
    (to(DOUBLE, ONE, range_="3:1"), CODES.BadIndexRangeInvalid),
    (to(DOUBLE, ua.DataValue(ONE, ua.StatusCode(ua.UInt32(CODES.Bad)))), CODES.BadWriteNotSupported),
    (to(DOUBLE, ua.DataValue(ONE, ua.StatusCode(ua.UInt32(CODES.GoodClamped)))), CODES.BadWriteNotSupported),
    (to(DOUBLE, ua.Variant(1, TYPE.Int32)), CODES.BadTypeMismatch),
    (to(DOUBLE, ua.Variant([1.0], TYPE.Double)), CODES.BadTypeMismatch),
    (to(DOUBLE, ua.DataValue(ua.Variant())), CODES.BadTypeMismatch),
    (to(DOUBLE, ua.DataValue(ONE, SourceTimestamp=NOW)), CODES.BadUserAccessDenied),  # a time is not taken, nor refused
    (to(DOUBLE, ONE), CODES.BadUserAccessDenied),  # all is well with it, but the user is a viewer
]


@pytest.mark.parametrize(("value", "code"), WRITES, ids=range(len(WRITES)))
def test_one_write_is_refused(client: RawClient, value: Any, code: int) -> None:
    """What is written is tests/system/test_opcua_write.py's matter."""
    assert write(client, value, to(V1, ONE)) == [code, CODES.BadNotWritable]
