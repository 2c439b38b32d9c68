# SPDX-License-Identifier: Apache-2.0
"""What the tests of monitored items ask with: nodes, filters, requests."""

from __future__ import annotations

from typing import Any

from asyncua import ua

from tests.system.conformance.raw import CAB

CODES = ua.StatusCodes
V1, DOUBLE, INT64, STRING = (CAB + name for name in ("V1", "Double", "Int64", "String"))
CURRENT_TIME, SERVICE_LEVEL, NAMESPACES = 2258, 2267, 2255
STATUS, VALUE, TIMESTAMP = ua.DataChangeTrigger
ABSOLUTE, PERCENT = ua.DeadbandType.Absolute, ua.DeadbandType.Percent
NAME = ua.AttributeIds.DisplayName


def change(trigger: Any = VALUE, type_: Any = ua.DeadbandType.None_, value: float = 0.0) -> ua.DataChangeFilter:
    return ua.DataChangeFilter(trigger, type_, value)


def modify(number: int, *items: Any, stamps: int = 2) -> Any:
    request = ua.ModifyMonitoredItemsRequest()
    request.Parameters.SubscriptionId = number
    request.Parameters.TimestampsToReturn = ua.TimestampsToReturn(stamps)
    request.Parameters.ItemsToModify = [
        ua.MonitoredItemModifyRequest(i, ua.MonitoringParameters(*parameters)) for i, *parameters in items
    ]
    return request


def set_mode(number: int, mode: int, *items: int) -> Any:
    request = ua.SetMonitoringModeRequest()
    request.Parameters = ua.SetMonitoringModeParameters(number, ua.MonitoringMode(mode), list(items))
    return request


def delete(number: int, *items: int) -> Any:
    request = ua.DeleteMonitoredItemsRequest()
    request.Parameters = ua.DeleteMonitoredItemsParameters(number, list(items))
    return request
