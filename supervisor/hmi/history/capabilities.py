# SPDX-License-Identifier: Apache-2.0
# Tests: tests/system/test_opcua_history_processed.py
"""What the server says of its history: HistoryServerCapabilities, the aggregates it knows, its bounds.

Law of this file: written once, before anybody looks. Source: OPC 10000-11, 5.4; OPC 10000-13, 4.2 and 4.4;
OPC 10000-5, 6.3.11 (OperationLimits).
"""

from __future__ import annotations

from typing import Any, Final

from asyncua import ua

from supervisor.hmi.contract import Limits
from supervisor.hmi.history.details import AGGREGATE_IDS

_IDS: Final = ua.ObjectIds
_CANNOT: Final = (
    "InsertData", "ReplaceData", "UpdateData", "DeleteRaw", "DeleteAtTime", "InsertEvent", "ReplaceEvent",
    "UpdateEvent", "DeleteEvent", "InsertAnnotation",
)  # fmt: skip
_FOLDERS: Final = (_IDS.HistoryServerCapabilities_AggregateFunctions, _IDS.Server_ServerCapabilities_AggregateFunctions)


async def publish(server: Any, limits: Limits, data: bool, events: bool) -> None:
    """Fill in the nodes of namespace 0.

    Args:
        server: asyncua's Server.
        data, events: whether the past of tags, and of events, can be asked.
    """
    for name, value in _capabilities(limits, data, events).items():
        await server.get_node(getattr(_IDS, f"HistoryServerCapabilities_{name}")).write_value(value)
    for name in ("Data", "Events"):
        node = getattr(_IDS, f"Server_ServerCapabilities_OperationLimits_MaxNodesPerHistoryRead{name}")
        await server.get_node(node).write_value(ua.Variant(limits.history_nodes_per_read, ua.VariantType.UInt32))
    for folder in _FOLDERS:
        for number in AGGREGATE_IDS if data else ():
            await server.get_node(folder).add_reference(ua.NodeId(number), _IDS.Organizes, True, False)


def _capabilities(limits: Limits, data: bool, events: bool) -> dict[str, ua.Variant]:
    boolean, whole = ua.VariantType.Boolean, ua.VariantType.UInt32
    return {
        "AccessHistoryDataCapability": ua.Variant(data, boolean),
        "AccessHistoryEventsCapability": ua.Variant(events, boolean),
        "MaxReturnDataValues": ua.Variant(limits.history_values, whole),
        "MaxReturnEventValues": ua.Variant(limits.history_events, whole),
        "ServerTimestampSupported": ua.Variant(data, boolean),
        **{f"{name}Capability": ua.Variant(False, boolean) for name in _CANNOT},
    }
