# SPDX-License-Identifier: Apache-2.0
# Tests: tests/system/conformance/test_monitored_items.py
"""One CreateMonitoredItems under way: items judged one by one, each put where it belongs.

Law of this file: values of tags become columns, events go to the subscription's event source, everything else is a
watched attribute; an item that is refused says why, the others of the same request are made.

Source: OPC 10000-4, 5.13.2.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.ua import uaprotocol_auto as wire

from config.words import Kind, StatusCode
from supervisor.hmi.model.space import Place, What
from supervisor.hmi.publishing.columns import Mode
from supervisor.hmi.publishing.monitoring import Monitoring
from supervisor.hmi.publishing.subscription import Subscription
from supervisor.hmi.publishing.tag_items import Settings, columns_of
from supervisor.hmi.ranges import parse_range

_CODES: Final = ua.StatusCodes
_VALUE: Final = int(ua.AttributeIds.Value)
_EVENTS: Final = int(ua.AttributeIds.EventNotifier)


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
        if isinstance(asked.Filter, wire.DataChangeFilter | wire.AggregateFilter):
            raise ServiceError(_CODES.BadFilterNotAllowed)
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
