# SPDX-License-Identifier: Apache-2.0
# Tests: tests/system/conformance/test_monitored_items.py
"""Monitored items as clients ask for them: judged one by one, revised, and put where they belong.

Law of this file: values of tags become columns, events go to the subscription's event source, everything else is a
watched attribute. Every bound is checked before anything is allocated; an item that is refused says why, the others of
the same request are made.

Source: OPC 10000-4, 5.13 (services), 7.21 (MonitoringParameters), 7.22 (filters); OPC 10000-8, 7.2 (PercentDeadband).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.ua import uaprotocol_auto as wire  # what its decoder makes; `ua.DataChangeFilter` is a subclass

from config.words import Kind, StatusCode
from supervisor.hmi.columns import Mode, Trigger
from supervisor.hmi.contract import Limits
from supervisor.hmi.node_items import Watched
from supervisor.hmi.nodes import Nodes
from supervisor.hmi.ranges import parse_range
from supervisor.hmi.request import ItemsRequest
from supervisor.hmi.space import Place, What
from supervisor.hmi.subscription import Subscription
from supervisor.hmi.subscriptions import Subscriptions
from supervisor.hmi.tag_items import Settings, columns_of

_CODES: Final = ua.StatusCodes
_VALUE: Final = int(ua.AttributeIds.Value)
_EVENTS: Final = int(ua.AttributeIds.EventNotifier)
_SAMPLING_MS_MAX: Final = 86_400_000.0
_NODE_QUEUE_MAX: Final = 100  # samples of one watched attribute, each an object
_NS_PER_MS: Final = 1e6
_RESULT: Final = np.dtype(
    [("status", "<u4"), ("id", "<u4"), ("sampling", "<f8"), ("queue", "<u4"), ("filter", "u1", (3,))]
)

Floats = npt.NDArray[np.float64]


def revised_sampling(requested_ms: Floats, interval_ms: float, limits: Limits) -> Floats:
    """Sampling intervals as they will be [ms]: negative is the publishing interval, 0 the fastest there is."""
    wanted = np.where(requested_ms >= 0, requested_ms, interval_ms)
    return np.clip(wanted, limits.sampling_ms_min, _SAMPLING_MS_MAX)


def period_ns(sampling_ms: Floats, limits: Limits) -> npt.NDArray[np.int64]:
    """0 for items that are looked at in every scan."""
    return np.where(sampling_ms <= limits.sampling_ms_min, 0.0, sampling_ms * _NS_PER_MS).astype(np.int64)


def data_filter(wanted: Any, attribute: int, numeric: bool, span: float) -> tuple[Trigger, float]:
    """Trigger and absolute deadband of a DataChangeFilter.

    Args:
        span: of EURange, NaN without one.
    Raises:
        ServiceError: BadFilterNotAllowed, BadMonitoredItemFilterUnsupported, BadDeadbandFilterInvalid.
    """
    if wanted is None or (isinstance(wanted, ua.ExtensionObject) and wanted.TypeId.is_null()):
        return Trigger.VALUE, 0.0
    if isinstance(wanted, wire.AggregateFilter) and attribute == _VALUE:
        raise ServiceError(_CODES.BadMonitoredItemFilterUnsupported)
    if isinstance(wanted, wire.EventFilter | wire.AggregateFilter) or attribute != _VALUE:
        raise ServiceError(_CODES.BadFilterNotAllowed)
    if not isinstance(wanted, wire.DataChangeFilter):
        raise ServiceError(_CODES.BadMonitoredItemFilterUnsupported)
    trigger, type_ = Trigger(int(wanted.Trigger)), int(wanted.DeadbandType)
    if type_ == ua.DeadbandType.None_:
        return trigger, 0.0
    if not numeric:
        raise ServiceError(_CODES.BadFilterNotAllowed)
    band = float(wanted.DeadbandValue)
    if type_ == ua.DeadbandType.Percent:
        band = band / 100.0 * span if 0.0 <= band <= 100.0 else -1.0
    if not band >= 0.0 or type_ not in (ua.DeadbandType.Absolute, ua.DeadbandType.Percent):
        raise ServiceError(_CODES.BadDeadbandFilterInvalid)
    return (Trigger.VALUE if trigger is Trigger.TIMESTAMP and band else trigger), band


def tag_filter(wanted: Any, place: Place) -> tuple[Trigger, float]:
    """The same for the value of a tag."""
    info = place.block.info if place.block is not None else None
    numeric = info is not None and (info.kind.is_float or info.kind.is_integer)
    return data_filter(wanted, _VALUE, numeric, info.high - info.low if info is not None else float("nan"))


@dataclass(slots=True)
class Monitoring:
    """Makes and changes monitored items."""

    nodes: Nodes
    subscriptions: Subscriptions

    @property
    def limits(self) -> Limits:
        return self.subscriptions.source.limits

    def room(self) -> int:
        """Items that may still be made."""
        return self.limits.items - self.subscriptions.items

    def granted(self, sizes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Queue sizes as they will be; 1 for those that all the queues together have no room for."""
        sizes = np.clip(sizes, 1, self.limits.queue_len_max)
        left = self.limits.queue_slots - self.subscriptions.queue_slots
        if int(sizes.sum()) <= left:
            return sizes
        return np.where(np.cumsum(np.where(sizes > 1, sizes, 0)) <= left, sizes, 1)

    def add(self, subscription: Subscription, request: ItemsRequest) -> bytes:
        """Items for values of tags without filters, read in one go; returns their encoded results."""
        n = len(request.rows)
        sampling = revised_sampling(request.sampling_ms, subscription.terms.interval_ms, self.limits)
        sizes = self.granted(request.queue.astype(np.int64))
        columns = {
            "rows": request.rows,
            "handles": request.handles,
            "mode": request.modes,
            "stamps": np.full(n, request.stamps, np.uint8),
            "trigger": np.full(n, Trigger.VALUE, np.uint8),
            "band": np.zeros(n),
            "period_ns": period_ns(sampling, self.limits),
            "size": sizes,
            "oldest": request.oldest,
        }
        results = np.zeros(n, _RESULT)
        results["id"] = subscription.items.add(subscription.next_item_id(n), columns)
        results["sampling"], results["queue"] = sampling, sizes
        return results.tobytes()

    # -- one item -----------------------------------------------------------------------------------------------------

    def settings(self, subscription: Subscription, asked: Any, place: Place) -> tuple[Settings, float]:
        """What one item of a tag will be, and its revised sampling interval [ms].

        Raises:
            ServiceError: what is wrong with its filter.
        """
        trigger, band = tag_filter(asked.Filter, place)
        requested = np.array([asked.SamplingInterval], np.float64)
        sampling = revised_sampling(requested, subscription.terms.interval_ms, self.limits)
        size = self.granted(np.array([asked.QueueSize], np.int64))
        period = int(period_ns(sampling, self.limits)[0])
        made = Settings(int(asked.ClientHandle), period, int(size[0]), bool(asked.DiscardOldest), trigger, band)
        return made, float(sampling[0])

    def watched(
        self, subscription: Subscription, wanted: ua.ReadValueId, mode: int, asked: Any, stamps: int
    ) -> Watched:
        """A watched attribute.

        Raises:
            ServiceError: what is wrong with its filter, or too many of them.
        """
        if self.subscriptions.node_items >= self.limits.node_items:
            raise ServiceError(_CODES.BadTooManyMonitoredItems)
        attribute = int(wanted.AttributeId)
        trigger, band = data_filter(asked.Filter, attribute, attribute == _VALUE, float("nan"))
        requested = np.array([asked.SamplingInterval], np.float64)
        sampling = float(revised_sampling(requested, subscription.terms.interval_ms, self.limits)[0])
        size, oldest = min(max(int(asked.QueueSize), 1), _NODE_QUEUE_MAX), bool(asked.DiscardOldest)
        mode_ = ua.MonitoringMode(mode)
        return Watched(wanted, int(asked.ClientHandle), mode_, stamps, trigger, sampling / 1000, size, oldest, band)


@dataclass(slots=True)
class Creation:
    """One CreateMonitoredItems under way: items are judged one by one, values of tags are added together at the end.

    Attributes:
        results: one for each item judged.
        room: items that may still be made.
    """

    monitoring: Monitoring
    subscription: Subscription
    stamps: int
    now_s: float
    results: list[ua.MonitoredItemCreateResult] = field(default_factory=list)
    room: int = field(init=False)
    _tags: list[tuple[int, int, int, Settings]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.room = self.monitoring.room()

    def judge(self, wanted: ua.ReadValueId, mode: int, asked: Any) -> None:
        """One item."""
        try:
            if self.room <= 0:
                raise ServiceError(_CODES.BadTooManyMonitoredItems)
            if not 0 <= mode <= Mode.REPORTING:
                raise ServiceError(_CODES.BadMonitoringModeInvalid)
            result = self._make(wanted, mode, asked)
        except ServiceError as error:
            result = ua.MonitoredItemCreateResult(StatusCode=ua.StatusCode(ua.UInt32(error.code)))
        self.room -= result.StatusCode.is_good()
        self.results.append(result)

    def _make(self, wanted: ua.ReadValueId, mode: int, asked: Any) -> ua.MonitoredItemCreateResult:
        place = self.monitoring.nodes.find_for(wanted.NodeId, self.subscription.user)
        attribute = int(wanted.AttributeId)
        if attribute == _EVENTS:
            return self._events(wanted, mode, asked)
        if place is not None and place.what is What.TAG and attribute == _VALUE and not _text_part(wanted, place):
            return self._tag(place, wanted, mode, asked)
        item = self.monitoring.watched(self.subscription, wanted, mode, asked, self.stamps)
        number = self.subscription.next_item_id(1)
        self.subscription.nodes.create(number, item, self.now_s)
        self.monitoring.subscriptions.publisher.watch()
        return _result(number, item.period_s * 1000, item.size)

    def _events(self, wanted: ua.ReadValueId, mode: int, asked: Any) -> ua.MonitoredItemCreateResult:
        if not isinstance(asked.Filter, wire.EventFilter):
            raise ServiceError(_CODES.BadEventFilterInvalid)
        if self.subscription.events is None:
            raise ServiceError(_CODES.BadNotSupported)
        item = ua.MonitoredItemCreateRequest(wanted, ua.MonitoringMode(mode), asked)
        return self.subscription.events.create(self.subscription.next_item_id(1), item, self.stamps)

    def _tag(self, place: Place, wanted: ua.ReadValueId, mode: int, asked: Any) -> ua.MonitoredItemCreateResult:
        verdict = self.monitoring.subscriptions.source.space.rights.of(self.subscription.user).reading(
            np.array([place.row])
        )
        if verdict[0] != StatusCode.Good:
            raise ServiceError(int(verdict[0]))
        if wanted.DataEncoding is not None and wanted.DataEncoding.Name:
            raise ServiceError(_CODES.BadDataEncodingInvalid)
        settings, sampling_ms = self.monitoring.settings(self.subscription, asked, place)
        self._tags.append((len(self.results), place.row, mode, settings))
        return _result(0, sampling_ms, settings.queue)

    def finish(self) -> list[ua.MonitoredItemCreateResult]:
        """Add the values of tags; returns all results."""
        if self._tags:
            positions, rows, modes, settings = zip(*self._tags, strict=True)
            columns = columns_of(list(settings)) | {
                "rows": np.array(rows, np.int64),
                "mode": np.array(modes, np.uint8),
                "stamps": np.full(len(rows), self.stamps, np.uint8),
            }
            columns["size"] = self.monitoring.granted(columns["size"])
            ids = self.subscription.items.add(self.subscription.next_item_id(len(rows)), columns)
            for position, number, size in zip(positions, ids.tolist(), columns["size"].tolist(), strict=True):
                self.results[position].MonitoredItemId = number
                self.results[position].RevisedQueueSize = size
        return self.results


def _text_part(wanted: ua.ReadValueId, place: Place) -> bool:
    """Whether part of a text is wanted: that is watched as an attribute.

    Raises:
        ServiceError: BadIndexRangeInvalid, or BadIndexRangeNoData for a value that has no parts.
    """
    if not wanted.IndexRange:
        return False
    parse_range(wanted.IndexRange)
    if place.block is None or place.block.info.kind is not Kind.String:
        raise ServiceError(_CODES.BadIndexRangeNoData)
    return True


def _result(number: int, sampling_ms: float, queue: int) -> ua.MonitoredItemCreateResult:
    return ua.MonitoredItemCreateResult(
        MonitoredItemId=number, RevisedSamplingInterval=sampling_ms, RevisedQueueSize=queue
    )


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
