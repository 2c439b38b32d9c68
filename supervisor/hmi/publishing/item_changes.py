# SPDX-License-Identifier: Apache-2.0
# Tests: tests/system/conformance/test_monitored_items.py, tests/system/conformance/test_triggering.py
"""Monitored items that exist: modified, deleted, set to another mode, linked to each other.

Law of this file: whose item it is (values of tags, attributes, events), and a status code for each operation.

Source: OPC 10000-4, 5.13.3 to 5.13.6.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from asyncua import ua
from asyncua.common.utils import ServiceError

from supervisor.hmi.publishing.columns import Mode
from supervisor.hmi.publishing.monitoring import Monitoring
from supervisor.hmi.publishing.subscription import Subscription

_CODES: Final = ua.StatusCodes


def modify(
    monitoring: Monitoring, subscription: Subscription, item: ua.MonitoredItemModifyRequest, stamps: int
) -> ua.MonitoredItemModifyResult:
    """ModifyMonitoredItems, one item. Source: OPC 10000-4, 5.13.3."""
    number, asked = item.MonitoredItemId, item.RequestedParameters
    result = ua.MonitoredItemModifyResult()
    try:
        if subscription.events is not None and number in subscription.events:
            return subscription.events.modify(item, stamps)
        if number in subscription.nodes:
            old = subscription.nodes[number]
            new = monitoring.watched(subscription, old.wanted, int(old.mode), asked, stamps)
            subscription.nodes.modify(number, new)
            result.RevisedSamplingInterval, result.RevisedQueueSize = new.period_s * 1000, new.size
        elif subscription.items.find(np.array([number], np.uint32))[0]:
            place = monitoring.subscriptions.source.space.of_row(subscription.items.row(number))
            settings, result.RevisedSamplingInterval = monitoring.settings(subscription, asked, place)
            subscription.items.modify(number, settings, stamps)
            result.RevisedQueueSize = settings.queue
        else:
            raise ServiceError(_CODES.BadMonitoredItemIdInvalid)
    except ServiceError as error:
        result.StatusCode = ua.StatusCode(ua.UInt32(error.code))
    return result


def delete(subscription: Subscription, numbers: list[int]) -> list[int]:
    """DeleteMonitoredItems; a status code for each. An id named twice is deleted once."""
    found = subscription.items.find(np.array(numbers, np.uint32)).tolist()
    codes, seen = [], set[int]()
    for number, is_tag in zip(numbers, found, strict=True):
        source = _source(subscription, number)
        if number in seen or not (is_tag or source is not None):
            codes.append(int(_CODES.BadMonitoredItemIdInvalid))
            continue
        seen.add(number)
        if source is not None:
            source.remove(number)
        codes.append(0)
    subscription.items.remove(np.array([n for n, is_tag in zip(numbers, found, strict=True) if is_tag], np.uint32))
    subscription.links.forget(seen)
    return codes


def set_mode(subscription: Subscription, numbers: list[int], mode: Mode, now_s: float) -> list[int]:
    """SetMonitoringMode; a status code for each."""
    ids = np.array(numbers, np.uint32)
    found = subscription.items.find(ids)
    subscription.items.set_mode(ids[found], mode)
    codes = []
    for number, is_tag in zip(numbers, found.tolist(), strict=True):
        source = _source(subscription, number)
        if number in subscription.nodes:
            subscription.nodes.set_mode(number, ua.MonitoringMode(mode), now_s)
        elif source is not None:
            source.set_mode(number, ua.MonitoringMode(mode))
        codes.append(0 if is_tag or source is not None else int(_CODES.BadMonitoredItemIdInvalid))
    return codes


def exists(subscription: Subscription, number: int) -> bool:
    return bool(subscription.items.find(np.array([number], np.uint32))[0]) or _source(subscription, number) is not None


def _source(subscription: Subscription, number: int) -> Any:
    """Whoever has this item among attributes and events; None: nobody."""
    if number in subscription.nodes:
        return subscription.nodes
    return subscription.events if subscription.events is not None and number in subscription.events else None


def set_triggering(
    subscription: Subscription, triggering: int, add: list[int], remove: list[int]
) -> tuple[list[int], list[int]]:
    """SetTriggering; a status code for each link added and removed. Source: OPC 10000-4, 5.13.5.

    Raises:
        ServiceError: BadMonitoredItemIdInvalid: there is no such triggering item.
    """
    if not exists(subscription, triggering):
        raise ServiceError(_CODES.BadMonitoredItemIdInvalid)
    links, unknown = subscription.links, int(_CODES.BadMonitoredItemIdInvalid)
    removed = [0 if links.remove(triggering, number) else unknown for number in remove]
    added = []
    for number in add:
        if not exists(subscription, number):
            added.append(unknown)
        else:
            added.append(0 if links.add(triggering, number) else int(_CODES.BadTooManyMonitoredItems))
    if triggering in subscription.nodes:
        subscription.nodes[triggering].triggers = links.has(triggering)
    elif subscription.items.find(np.array([triggering], np.uint32))[0]:
        subscription.items.watch(triggering, links.has(triggering))
    elif subscription.events is not None:
        subscription.events.watch(triggering, links.has(triggering))
    return added, removed
