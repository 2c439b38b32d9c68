# SPDX-License-Identifier: Apache-2.0
# Tests: tests/system/conformance/test_monitored_items.py
"""What clients want of monitored items, and what they get: intervals and queues revised, values of tags made columns.

Law of this file: every bound is checked before anything is allocated. How a request is judged item by item is
`creation.py`'s matter, what becomes of items afterwards `item_changes.py`'s.

Source: OPC 10000-4, 7.21 (MonitoringParameters).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.ua import uaprotocol_auto as wire

from supervisor.hmi.contract import Limits
from supervisor.hmi.model.nodes import Nodes
from supervisor.hmi.model.space import Place
from supervisor.hmi.publishing.columns import Trigger
from supervisor.hmi.publishing.data_filters import data_filter, tag_filter
from supervisor.hmi.publishing.node_items import Watched
from supervisor.hmi.publishing.subscription import Subscription
from supervisor.hmi.publishing.subscriptions import Subscriptions
from supervisor.hmi.publishing.tag_items import Settings
from supervisor.hmi.services.request import ItemsRequest

_CODES: Final = ua.StatusCodes
_VALUE: Final = int(ua.AttributeIds.Value)
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
        numeric = attribute == _VALUE and isinstance(asked.Filter, wire.DataChangeFilter)
        numeric = numeric and subscription.nodes.is_number(wanted)
        trigger, band = data_filter(asked.Filter, attribute, numeric, float("nan"))
        requested = np.array([asked.SamplingInterval], np.float64)
        sampling = float(revised_sampling(requested, subscription.terms.interval_ms, self.limits)[0])
        size, oldest = min(max(int(asked.QueueSize), 1), _NODE_QUEUE_MAX), bool(asked.DiscardOldest)
        mode_ = ua.MonitoringMode(mode)
        return Watched(wanted, int(asked.ClientHandle), mode_, stamps, trigger, sampling / 1000, size, oldest, band)
