# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: SLF001 - hooks of the pinned asyncua, held by tests/unit/test_hmi_hooks.py
# Tests: tests/system/test_opcua_subscribe.py
"""The subscription and monitored item services of the whole server.

Law of this file: values of tags become columns, whatever way the request was read; items on other nodes and
attributes stay asyncua's. Every bound is checked before anything is allocated. Who owns a subscription is the
session's matter (`session.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np
from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.server.subscription_service import SubscriptionService
from asyncua.ua import uaprotocol_auto as wire  # what its decoder makes; `ua.DataChangeFilter` is a subclass

from supervisor.hmi.items import Ids, Items, Mode, NewItems, Trigger
from supervisor.hmi.nodes import Asker, Nodes
from supervisor.hmi.notices import EventItems
from supervisor.hmi.request import ItemsRequest
from supervisor.hmi.space import Place, What
from supervisor.hmi.subscription import Source, Subscription

_VALUE: Final = int(ua.AttributeIds.Value)
_INTERVAL_MS_MAX: Final = 86_400_000.0
_EVENTS: Final = int(ua.AttributeIds.EventNotifier)
_HANDLES_OF_OUR_NODES: Final = 1 << 40  # far above any handle asyncua gives


class _Accepted(NamedTuple):
    """An item for the value of a tag; `position` in the request."""

    position: int
    row: int
    handle: int
    mode: int
    band: float
    trigger: int


class WatchedSpace:
    """The address space as asyncua's monitored items see it: its own nodes, and the fixed attributes of ours."""

    def __init__(self, stock: Any, nodes: Nodes, source: Source) -> None:
        self._stock = stock
        self._nodes = nodes
        self._source = source
        self._asker: Asker | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stock, name)

    def for_asker(self, asker: Asker) -> WatchedSpace:
        made = WatchedSpace(self._stock, self._nodes, self._source)
        made._asker = asker
        return made

    def read_attribute_value(self, node_id: ua.NodeId, attribute: int) -> Any:
        place = self._nodes.find(node_id)
        if place is None or self._asker is None:
            return self._stock.read_attribute_value(node_id, attribute)
        return self._nodes.read(place, int(attribute), self._asker, self._source.clock.wall_ns())

    def add_datachange_callback(self, node_id: ua.NodeId, attribute: int, callback: Any) -> tuple[ua.StatusCode, int]:
        """Attributes of our nodes never change within a generation: the first report is the only one."""
        if self._nodes.find(node_id) is None:
            made: tuple[ua.StatusCode, int] = self._stock.add_datachange_callback(node_id, attribute, callback)
            return made
        value = self.read_attribute_value(node_id, attribute)
        if not value.StatusCode.is_good():
            return value.StatusCode, 0
        self._stock._datachange_callback_counter += 1
        return ua.StatusCode(), _HANDLES_OF_OUR_NODES + self._stock._datachange_callback_counter

    def delete_datachange_callback(self, handle: int) -> None:
        if handle < _HANDLES_OF_OUR_NODES:
            self._stock.delete_datachange_callback(handle)


class Subscriptions(SubscriptionService):
    """All subscriptions of the server.

    Attributes:
        event_items: makes the event items of a subscription; None: events are asyncua's.
    """

    subscriptions: dict[int, Subscription]
    event_items: EventItems | None = None

    def __init__(self, aspace: Any, iserver: Any, nodes: Nodes, source: Source) -> None:
        super().__init__(aspace, iserver=iserver)
        self._nodes = nodes
        self._source = source
        self._watched = WatchedSpace(aspace, nodes, source)

    @property
    def items(self) -> int:
        """Monitored items in all subscriptions."""
        return sum(s.count for s in self.subscriptions.values())

    async def open(
        self, params: ua.CreateSubscriptionParameters, session: Any, callback: Callable[..., Any], request: Any
    ) -> ua.CreateSubscriptionResult:
        """CreateSubscription for a session.

        Raises:
            ServiceError: BadTooManySubscriptions.
        """
        limits = self._source.limits
        own = sum(s.session_id == session.session_id for s in self.subscriptions.values())
        if len(self.subscriptions) >= limits.subscriptions or own >= limits.subscriptions_per_session:
            raise ServiceError(ua.StatusCodes.BadTooManySubscriptions)
        result = ua.CreateSubscriptionResult()
        self._revise(result, params)
        self._sub_id_counter += 1
        result.SubscriptionId = number = self._sub_id_counter
        made = Subscription(
            self._source,
            result,
            self._watched.for_asker(session.asker),
            callback,
            session.session_id,
            request,
            lambda: self.subscriptions.pop(number, None),
            params.PublishingEnabled,
            params.MaxNotificationsPerPublish,
            session.asker.user,
        )
        if self.event_items is not None:
            made.events = self.event_items(made, session.asker)
        self.subscriptions[number] = made
        await made.start()
        return result

    def _revise(self, result: Any, params: Any) -> None:
        """Interval, lifetime and keep-alive within bounds; lifetime >= 3 keep-alives. Source: OPC 10000-4, 5.14.2."""
        least_ms, wanted_ms = self._source.limits.publishing_ms_min, float(params.RequestedPublishingInterval)
        # Written so that NaN, too, gives the shortest interval.
        result.RevisedPublishingInterval = min(wanted_ms, _INTERVAL_MS_MAX) if wanted_ms > least_ms else least_ms
        result.RevisedMaxKeepAliveCount = self._clamp_keep_alive_count(params.RequestedMaxKeepAliveCount)
        lifetime = max(params.RequestedLifetimeCount, 3 * result.RevisedMaxKeepAliveCount)
        result.RevisedLifetimeCount = self._clamp_lifetime_count(lifetime)

    def modify_subscription(self, params: ua.ModifySubscriptionParameters) -> ua.ModifySubscriptionResult:
        subscription = self.one(params.SubscriptionId)
        self._revise(subscription.data, params)
        subscription.limit_notifications(params.MaxNotificationsPerPublish)
        result = ua.ModifySubscriptionResult()
        for field in ("RevisedPublishingInterval", "RevisedLifetimeCount", "RevisedMaxKeepAliveCount"):
            setattr(result, field, getattr(subscription.data, field))
        return result

    def one(self, number: int) -> Subscription:
        """Raises ServiceError BadSubscriptionIdInvalid if there is none."""
        if (found := self.subscriptions.get(number)) is None:
            raise ServiceError(ua.StatusCodes.BadSubscriptionIdInvalid)
        return found

    def republish(self, params: ua.RepublishParameters) -> ua.NotificationMessage:
        return self.one(params.SubscriptionId).republish(params.RetransmitSequenceNumber)

    # -- items ----------------------------------------------------------------------------------------------------

    def add(self, subscription: Subscription, request: ItemsRequest) -> Ids:
        """Items for values of tags, from a request read in one go.

        Raises:
            ServiceError: BadTooManyMonitoredItems.
        """
        n = len(request.rows)
        self._room(n)
        plain = np.full(n, Trigger.VALUE, np.uint8)
        new = NewItems(request.rows, request.handles, request.modes, np.zeros(n), plain, request.stamps)
        return subscription.items.add(subscription.next_item_id(n), new)

    def _room(self, n: int) -> None:
        if self.items + n > self._source.limits.items:
            raise ServiceError(ua.StatusCodes.BadTooManyMonitoredItems)

    async def create_items(
        self, params: ua.CreateMonitoredItemsParameters, asker: Asker
    ) -> list[ua.MonitoredItemCreateResult]:
        """CreateMonitoredItems, item by item; values of tags are added together at the end."""
        subscription = self.one(params.SubscriptionId)
        self._room(len(params.ItemsToCreate))
        results: list[ua.MonitoredItemCreateResult] = []
        accepted: list[_Accepted] = []
        for item in params.ItemsToCreate:
            wanted = item.ItemToMonitor
            place = self._nodes.find(wanted.NodeId)
            if wanted.NodeId.NamespaceIndex == self._nodes.namespace and place is None:
                results.append(_refused(ua.StatusCodes.BadNodeIdUnknown))
            elif place is not None and place.what is What.TAG and wanted.AttributeId == _VALUE:
                results.append(self._judge(place, item, asker, accepted, len(results)))
            elif wanted.AttributeId == _EVENTS and not isinstance(item.RequestedParameters.Filter, wire.EventFilter):
                results.append(_refused(ua.StatusCodes.BadEventFilterInvalid))
            elif wanted.AttributeId == _EVENTS and subscription.events is not None:
                stamps = int(params.TimestampsToReturn)
                results.append(subscription.events.create(subscription.next_item_id(1), item, stamps))
            else:
                one = ua.CreateMonitoredItemsParameters(params.SubscriptionId, params.TimestampsToReturn, [item])
                results += await subscription.monitored_item_srv.create_monitored_items(one)
        if accepted:
            self._add_accepted(subscription, accepted, int(params.TimestampsToReturn), results)
        return results

    def _judge(
        self, place: Place, item: Any, asker: Asker, accepted: list[_Accepted], position: int
    ) -> ua.MonitoredItemCreateResult:
        """Why an item is refused, or a Good result to be completed."""
        verdict = self._source.space.rights.of(asker.user).reading(np.array([place.row]))
        if verdict.any():
            return _refused(int(verdict[0]))
        if item.ItemToMonitor.IndexRange:
            return _refused(ua.StatusCodes.BadIndexRangeNoData)
        try:
            trigger, band = _filter(item.RequestedParameters.Filter, place)
        except ServiceError as error:
            return _refused(error.code)
        handle, mode = item.RequestedParameters.ClientHandle, int(item.MonitoringMode)
        accepted.append(_Accepted(position, place.row, handle, mode, band, trigger))
        return ua.MonitoredItemCreateResult(RevisedQueueSize=1)

    @staticmethod
    def _add_accepted(
        subscription: Subscription,
        accepted: list[_Accepted],
        stamps: int,
        results: list[ua.MonitoredItemCreateResult],
    ) -> None:
        new = NewItems(
            np.array([a.row for a in accepted], np.int64),
            np.array([a.handle for a in accepted], np.uint32),
            np.array([a.mode for a in accepted], np.uint8),
            np.array([a.band for a in accepted], np.float64),
            np.array([a.trigger for a in accepted], np.uint8),
            stamps,
        )
        ids = subscription.items.add(subscription.next_item_id(len(accepted)), new)
        for a, number in zip(accepted, ids.tolist(), strict=True):
            results[a.position].MonitoredItemId = number
            results[a.position].RevisedSamplingInterval = subscription.data.RevisedPublishingInterval

    def modify_monitored_items(self, params: ua.ModifyMonitoredItemsParameters) -> list[ua.MonitoredItemModifyResult]:
        subscription = self.one(params.SubscriptionId)
        return [self._modify(subscription, item, int(params.TimestampsToReturn)) for item in params.ItemsToModify]

    def _modify(self, subscription: Subscription, item: Any, stamps: int) -> ua.MonitoredItemModifyResult:
        wanted = item.RequestedParameters
        at, found = subscription.items.find(np.array([item.MonitoredItemId], np.uint32))
        result = ua.MonitoredItemModifyResult()
        result.RevisedSamplingInterval = subscription.data.RevisedPublishingInterval
        if subscription.events is not None and item.MonitoredItemId in subscription.events:
            return subscription.events.modify(item, stamps)
        if not found[0]:
            stock = subscription.monitored_item_srv
            if item.MonitoredItemId not in stock._monitored_items:
                result.StatusCode = ua.StatusCode(ua.StatusCodes.BadMonitoredItemIdInvalid)
                return result
            stock._monitored_items[item.MonitoredItemId].client_handle = wanted.ClientHandle
            return stock._modify_monitored_item(item)
        place = self._source.space.of_row(int(subscription.items.rows[at[0]]))
        try:
            trigger, band = _filter(wanted.Filter, place)
        except ServiceError as error:
            result.StatusCode = ua.StatusCode(error.code)
            return result
        subscription.items.modify(at, wanted.ClientHandle, band, trigger, stamps)
        result.RevisedQueueSize = 1
        return result

    def delete_monitored_items(self, params: ua.DeleteMonitoredItemsParameters) -> list[ua.StatusCode]:
        subscription = self.one(params.SubscriptionId)
        at, found = _find(subscription.items, params.MonitoredItemIds)
        # An id named twice is deleted once; the second time it is unknown.
        first = np.zeros(len(found), np.bool_)
        first[np.unique(np.where(found, at, -1 - np.arange(len(at))), return_index=True)[1]] = True
        results = []
        events = subscription.events
        for number, here in zip(params.MonitoredItemIds, (found & first).tolist(), strict=True):
            if here:
                results.append(ua.StatusCode())
            elif events is not None and number in events:
                events.remove(number)
                results.append(ua.StatusCode())
            else:
                results += subscription.monitored_item_srv.delete_monitored_items([number])
        subscription.items.remove(at[found])
        return results

    async def set_monitoring_mode(self, params: ua.SetMonitoringModeParameters) -> list[ua.StatusCode]:
        subscription = self.one(params.SubscriptionId)
        at, found = _find(subscription.items, params.MonitoredItemIds)
        subscription.items.set_mode(at[found], Mode(int(params.MonitoringMode)))
        results = []
        events, stock = subscription.events, subscription.monitored_item_srv
        for number, here in zip(params.MonitoredItemIds, found.tolist(), strict=True):
            if here:
                results.append(ua.StatusCode())
            elif events is not None and number in events:
                events.set_mode(number, params.MonitoringMode)
                results.append(ua.StatusCode())
            else:
                results += await stock.set_monitoring_mode(params.MonitoringMode, [number])
        return results


def _find(items: Items, numbers: list[int]) -> tuple[Any, Any]:
    return items.find(np.array(numbers, np.uint32))


def _refused(code: int) -> ua.MonitoredItemCreateResult:
    return ua.MonitoredItemCreateResult(StatusCode=ua.StatusCode(ua.UInt32(code)))


def _filter(wanted: Any, place: Place) -> tuple[Trigger, float]:
    """Trigger and absolute deadband of a DataChangeFilter; per cent is of EURange. Source: OPC 10000-4, 7.22.2.

    Raises:
        ServiceError: BadMonitoredItemFilterUnsupported, BadFilterNotAllowed, BadDeadbandFilterInvalid.
    """
    if wanted is None or (isinstance(wanted, ua.ExtensionObject) and wanted.TypeId.is_null()):
        return Trigger.VALUE, 0.0
    if not isinstance(wanted, wire.DataChangeFilter):
        raise ServiceError(ua.StatusCodes.BadMonitoredItemFilterUnsupported)
    trigger, type_ = Trigger(int(wanted.Trigger)), int(wanted.DeadbandType)
    if type_ == ua.DeadbandType.None_:
        return trigger, 0.0
    block = place.block
    if block is None or not (block.info.kind.is_float or block.info.kind.is_integer):
        raise ServiceError(ua.StatusCodes.BadFilterNotAllowed)
    band = float(wanted.DeadbandValue)
    if type_ == ua.DeadbandType.Percent:
        span = block.info.high - block.info.low
        band = band / 100.0 * span if 0.0 <= band <= 100.0 else -1.0
    elif type_ != ua.DeadbandType.Absolute:
        raise ServiceError(ua.StatusCodes.BadMonitoredItemFilterUnsupported)
    if not band >= 0.0:
        raise ServiceError(ua.StatusCodes.BadDeadbandFilterInvalid)
    return trigger, band
