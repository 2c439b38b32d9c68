# SPDX-License-Identifier: Apache-2.0
# Tests: tests/system/conformance/test_item_filters.py
"""Monitored attributes of nodes, one object an item: the server's own variables, names and access levels, parts of
texts. Values of tags do not come here (`tag_items.py`).

Law of this file: few, bounded by `Limits.node_items`; an item is sampled by reading its attribute at its interval, so
that values which are made when they are read are watched like all others.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.ua.ua_binary import struct_to_binary

from supervisor.hmi.model.nodes import Asker, status
from supervisor.hmi.model.reading import Reading, stamped
from supervisor.hmi.publishing.columns import Trigger
from supervisor.hmi.publishing.notices import Changes
from supervisor.hmi.publishing.queues import OVERFLOW

_REFUSED: Final = frozenset(
    int(getattr(ua.StatusCodes, name))
    for name in (
        "BadNodeIdUnknown", "BadNodeIdInvalid", "BadAttributeIdInvalid", "BadNotReadable", "BadUserAccessDenied",
        "BadIndexRangeInvalid", "BadIndexRangeNoData", "BadDataEncodingInvalid", "BadDataEncodingUnsupported",
    )
)  # fmt: skip

_NUMBERS: Final = frozenset({0, *range(2, 12)})  # Null, and SByte to Double. Source: OPC 10000-6, 5.1.2


@dataclass(slots=True, eq=False)
class Watched:
    """One item.

    Attributes:
        band: absolute deadband of a number, 0 none.
        period_s: sampling interval; `due_s`: when the next sample is due, on the loop's clock.
        queue: samples not reported yet, oldest first, at most `size`.
        last: what the next sample is compared with; None: nothing was sampled yet.
        released: an item that triggers this one has fired.
        triggers: other items are linked to this one.
    """

    wanted: ua.ReadValueId
    handle: int
    mode: ua.MonitoringMode
    stamps: int
    trigger: Trigger
    period_s: float
    size: int
    oldest: bool
    band: float = 0.0
    due_s: float = 0.0
    queue: deque[ua.DataValue] = field(default_factory=deque)
    last: ua.DataValue | None = None
    released: bool = False
    triggers: bool = False

    @property
    def reporting(self) -> bool:
        if self.mode is ua.MonitoringMode.Sampling:
            return self.released
        return self.mode is ua.MonitoringMode.Reporting

    def push(self, value: ua.DataValue) -> bool:
        """Queue a sample if it is a change; returns whether it was."""
        if not self._changed(value):
            return False
        self.last = value
        if len(self.queue) >= self.size:
            if self.oldest or self.size == 1:
                self.queue.popleft()
            else:
                self.queue.pop()
                value = _marked(value)
            if self.oldest and self.size > 1:
                self.queue[0] = _marked(self.queue[0])
        self.queue.append(value)
        return True

    def _changed(self, now: ua.DataValue) -> bool:
        last = self.last
        if last is None or last.StatusCode != now.StatusCode:
            return True
        if self.trigger >= Trigger.VALUE and last.Value != now.Value and not self._near(last, now):
            return True
        return self.trigger is Trigger.TIMESTAMP and last.SourceTimestamp != now.SourceTimestamp

    def _near(self, last: ua.DataValue, now: ua.DataValue) -> bool:
        """Whether two numbers are within the deadband of each other."""
        then, here = (v.Value.Value if v.Value is not None else None for v in (last, now))
        both = isinstance(then, int | float) and isinstance(here, int | float)
        return both and self.band > 0 and abs(here - then) <= self.band


class NodeItems:
    """Watched attributes in one subscription.

    Args:
        fired: told the ids of items that others are linked to, when they have queued something.
    Attributes:
        asker: on whose behalf attributes are read.
        overflows: samples lost because a queue was full, since the subscription began.
    """

    def __init__(self, reading: Reading, asker: Asker, fired: Callable[[list[int]], None]) -> None:
        self._reading = reading
        self.asker = asker
        self._fired = fired
        self.overflows = 0
        self._items: dict[int, Watched] = {}

    def __len__(self) -> int:
        return len(self._items)

    def __contains__(self, number: object) -> bool:
        return number in self._items

    def __getitem__(self, number: int) -> Watched:
        return self._items[number]

    @property
    def disabled(self) -> int:
        return sum(item.mode is ua.MonitoringMode.Disabled for item in self._items.values())

    def handles(self) -> dict[int, int]:
        """ClientHandles by id."""
        return {number: item.handle for number, item in self._items.items()}

    def create(self, number: int, item: Watched, now_s: float) -> None:
        """Begin to watch, with a first sample.

        Raises:
            ServiceError: what a Read of the same attribute answers.
        """
        value = self._readable(item.wanted)
        self._items[number] = item
        self._take(number, item, now_s, value)

    def _readable(self, wanted: ua.ReadValueId) -> ua.DataValue:
        value = self._reading.read(wanted, self.asker)
        if value.StatusCode.value in _REFUSED:
            raise ServiceError(value.StatusCode.value)
        return value

    def is_number(self, wanted: ua.ReadValueId) -> bool:
        """Whether a deadband makes sense; what has no value yet may become a number.

        Raises:
            ServiceError: what a Read of it answers.
        """
        variant = self._readable(wanted).Value
        return variant is None or variant.VariantType.value in _NUMBERS

    def modify(self, number: int, new: Watched) -> None:
        """New settings; what its queue holds stays as far as it fits."""
        old = self._items[number]
        item = replace(new, due_s=old.due_s, queue=old.queue, last=old.last, triggers=old.triggers)
        lost = len(item.queue) - item.size
        for _ in range(max(lost, 0)):
            if item.oldest:
                item.queue.popleft()
            else:
                item.queue.pop()
        if lost > 0 and item.size > 1:
            at = 0 if item.oldest else -1
            item.queue[at] = _marked(item.queue[at])
        self._items[number] = item

    def set_mode(self, number: int, mode: ua.MonitoringMode, now_s: float) -> None:
        item = self._items[number]
        if mode is ua.MonitoringMode.Disabled:
            item.queue.clear()
            item.last = None
        enabled = item.mode is ua.MonitoringMode.Disabled
        item.mode = mode
        if enabled:
            self._sample(number, item, now_s)

    def remove(self, number: int) -> None:
        del self._items[number]

    @property
    def due_s(self) -> float:
        """When the next sample is due; inf: nothing is watched."""
        return min((item.due_s for item in self._items.values()), default=math.inf)

    def due(self, now_s: float) -> Iterator[int]:
        """Items whose sampling interval has passed."""
        return iter([n for n, item in self._items.items() if item.due_s <= now_s])

    def sample(self, number: int, now_s: float) -> None:
        """Sample one item, if it is still there."""
        if (item := self._items.get(number)) is not None:
            self._sample(number, item, now_s)

    def _sample(self, number: int, item: Watched, now_s: float) -> None:
        self._take(number, item, now_s, self._reading.read(item.wanted, self.asker))

    def _take(self, number: int, item: Watched, now_s: float, value: ua.DataValue) -> None:
        item.due_s = max(item.due_s + item.period_s, now_s + item.period_s / 2)
        full = len(item.queue) >= item.size > 1
        if item.mode is ua.MonitoringMode.Disabled or not item.push(value):
            return
        self.overflows += full
        if item.triggers:
            self._fired([number])

    def release(self, numbers: Iterable[int]) -> None:
        """Items that may report once although they only sample."""
        for number in numbers:
            if (item := self._items.get(number)) is not None:
                item.released = bool(item.queue)

    def refresh(self, now_s: float) -> None:
        """Report everything again."""
        for number, item in self._items.items():
            item.last = None
            self._sample(number, item, now_s)

    def pending(self) -> bool:
        return any(item.queue and item.reporting for item in self._items.values())

    def take(self, limit: int) -> Changes:
        """At most `limit` samples."""
        parts: list[bytes] = []
        for item in self._items.values():
            while item.queue and item.reporting and len(parts) < limit:
                value = stamped(item.queue.popleft(), item.stamps)
                parts.append(struct_to_binary(ua.MonitoredItemNotification(item.handle, value)))
            item.released = item.released and bool(item.queue)
        return Changes(len(parts), b"".join(parts))


def _marked(value: ua.DataValue) -> ua.DataValue:
    """The value with the overflow bit in its status."""
    code = value.StatusCode.value if value.StatusCode is not None else 0
    made = replace(value, StatusCode=status(code | OVERFLOW))
    if value.Value is None:
        object.__setattr__(made, "Value", None)
    return made
