# SPDX-License-Identifier: Apache-2.0
"""Fields of standard structures: each as the type library says, and each standard component of namespace 0 found."""

from __future__ import annotations

import pytest
from asyncua import ua

from supervisor.hmi.model.structures import fields_of, spread

# Source: OPC 10000-5, 12 (structures) and NodeIds.csv.
CASES = [
    (ua.ServerStatusDataType, "State", "Int32", -1, ua.ObjectIds.ServerState),
    (ua.ServerStatusDataType, "StartTime", "DateTime", -1, ua.ObjectIds.UtcTime),
    (ua.ServerStatusDataType, "BuildInfo", "ExtensionObject", -1, ua.ObjectIds.BuildInfo),
    (ua.ServerStatusDataType, "ShutdownReason", "LocalizedText", -1, ua.ObjectIds.LocalizedText),
    (ua.SessionDiagnosticsDataType, "LocaleIds", "String", 1, ua.ObjectIds.LocaleId),
    (ua.SessionDiagnosticsDataType, "ActualSessionTimeout", "Double", -1, ua.ObjectIds.Duration),
    (ua.SessionDiagnosticsDataType, "ReadCount", "ExtensionObject", -1, ua.ObjectIds.ServiceCounterDataType),
    (ua.SubscriptionDiagnosticsDataType, "Priority", "Byte", -1, ua.ObjectIds.Byte),
]


@pytest.mark.parametrize(("structure", "name", "variant_type", "rank", "data_type"), CASES)
def test_a_field_has_its_types(structure: type, name: str, variant_type: str, rank: int, data_type: int) -> None:
    (field,) = [f for f in fields_of(structure) if f.name == name]
    assert (field.variant_type.name, field.rank, field.data_type) == (variant_type, rank, ua.NodeId(data_type))


def test_a_standard_variable_and_its_components_are_computed_together() -> None:
    made = ua.BuildInfo(ProductName="p", SoftwareVersion="1")
    values = spread("Server_ServerStatus_BuildInfo", ua.BuildInfo, lambda: made)
    assert len(values) == 7
    assert values[ua.NodeId(ua.ObjectIds.Server_ServerStatus_BuildInfo)]().Value.Value is made
    assert values[ua.NodeId(ua.ObjectIds.Server_ServerStatus_BuildInfo_ProductName)]().Value.Value == "p"
    made.ProductName = "q"
    assert values[ua.NodeId(ua.ObjectIds.Server_ServerStatus_BuildInfo_ProductName)]().Value.Value == "q"
