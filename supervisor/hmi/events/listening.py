# SPDX-License-Identifier: Apache-2.0
# Tests: tests/system/test_opcua_events.py
"""Event items of one subscription: made, changed and removed as a client asks, and published.

Law of this file: the services of OPC 10000-4, 5.13 for the attribute EventNotifier, as a source of notifications
(`notices.ItemSource`); which event goes where is the notifier's matter.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final

from asyncua import ua
from asyncua.ua import uaprotocol_auto as wire
from asyncua.ua.ua_binary import struct_to_binary

from supervisor.hmi.events.event import SERVER
from supervisor.hmi.events.filter import read_filter
from supervisor.hmi.events.hierarchy import EventTypes
from supervisor.hmi.events.notifier import NoRoom, Notifier, Wish
from supervisor.hmi.events.queue import EventItem, revised
from supervisor.hmi.model.nodes import Asker, Nodes
from supervisor.hmi.model.space import What
from supervisor.hmi.publishing.columns import Mode
from supervisor.hmi.publishing.notices import EVENT_LIST, Notice
from supervisor.people import User

MESSAGE_MAX: Final = 500
"""Events of one message: about half a megabyte when each has all the fields of an alarm."""
TAKE_S: Final = 0.008
"""Time after which a message of MESSAGE_MIN events is long enough [s]; the rest goes into the next one."""
MESSAGE_MIN: Final = 20

_SERVER: Final = ua.NodeId(ua.ObjectIds.Server)
_TELLING: Final = frozenset({What.ROOT, What.AREA, What.EQUIPMENT})


Fired = Callable[[list[int]], None]


class Listening:
    """The event items of one subscription.

    Args:
        fired: told the ids of items that others are linked to, when they have queued something.
    Attributes:
        items: by MonitoredItemId.
    """

    def __init__(self, notifier: Notifier, types: EventTypes, nodes: Nodes, asker: Asker, fired: Fired) -> None:
        self.items: dict[int, EventItem] = {}
        self._fired = fired
        self._lost_by_former = 0
        self._notifier = notifier
        self._types = types
        self._nodes = nodes
        self._asker = asker

    def __len__(self) -> int:
        return len(self.items)

    def __contains__(self, number: object) -> bool:
        return number in self.items

    @property
    def disabled(self) -> int:
        return sum(item.mode is Mode.DISABLED for item in self.items.values())

    @property
    def overflows(self) -> int:
        return self._lost_by_former + sum(item.lost for item in self.items.values())

    # --- services

    def create(self, number: int, wanted: ua.MonitoredItemCreateRequest, stamps: int) -> ua.MonitoredItemCreateResult:
        result = ua.MonitoredItemCreateResult()
        node = self._node(wanted.ItemToMonitor.NodeId)
        asked = wanted.RequestedParameters
        code, wish = (node, None) if isinstance(node, int) else self._wish(node, asked, result)
        if wish is not None:
            try:
                item = self._notifier.listen(number, wish, self._asker.user)
            except NoRoom:
                code = ua.StatusCodes.BadTooManyMonitoredItems
            else:
                self.items[number] = item
                result.MonitoredItemId = number
                result.RevisedQueueSize = self._settle(item, asked)
                item.set_mode(Mode(int(wanted.MonitoringMode)))
        result.StatusCode = ua.StatusCode(ua.UInt32(code))
        return result

    def modify(self, wanted: ua.MonitoredItemModifyRequest, stamps: int) -> ua.MonitoredItemModifyResult:
        item, asked = self.items[wanted.MonitoredItemId], wanted.RequestedParameters
        result = ua.MonitoredItemModifyResult()
        code, wish = self._wish(item.node, asked, result)
        if wish is not None:
            try:
                self._notifier.change(item, wish)
            except NoRoom:
                code = ua.StatusCodes.BadTooManyMonitoredItems
            else:
                result.RevisedQueueSize = self._settle(item, asked)
        result.StatusCode = ua.StatusCode(ua.UInt32(code))
        return result

    def _wish(self, node: str, asked: Any, result: Any) -> tuple[int, Wish | None]:
        """What is asked for, and Good; or no wish, and why. What is wrong with the filter stands in the result."""
        if not isinstance(asked.Filter, wire.EventFilter):
            return ua.StatusCodes.BadEventFilterInvalid, None
        read, problems = read_filter(asked.Filter, self._types)
        if problems is not None:
            result.FilterResult = problems
        if read is None:
            return ua.StatusCodes.BadEventFilterInvalid, None
        return ua.StatusCodes.Good, Wish(node, read, struct_to_binary(asked.Filter), self._asker.locale)

    @staticmethod
    def _settle(item: EventItem, asked: Any) -> int:
        item.handle = asked.ClientHandle
        item.resize(revised(asked.QueueSize), bool(asked.DiscardOldest))
        return item.queue_max

    def _node(self, node_id: ua.NodeId) -> str | int:
        """Name of a node that tells of events, or the status code that says why it does not."""
        if node_id == _SERVER:
            return SERVER
        place = self._nodes.find_for(node_id, self._asker.user)
        if place is None:
            ours = node_id.NamespaceIndex == self._nodes.namespace
            return int(ua.StatusCodes.BadNodeIdUnknown if ours else ua.StatusCodes.BadNotSupported)
        return place.name if place.what in _TELLING else int(ua.StatusCodes.BadAttributeIdInvalid)

    def set_mode(self, number: int, mode: ua.MonitoringMode) -> None:
        self.items[number].set_mode(Mode(int(mode)))

    def remove(self, number: int) -> None:
        item = self.items.pop(number)
        self._lost_by_former += item.lost
        self._notifier.forget(item)

    def watch(self, number: int, triggers: bool) -> None:
        self.items[number].fired = partial(self._fired, [number]) if triggers else None

    def release(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            if (item := self.items.get(number)) is not None:
                item.release()

    def hand_over(self, user: User) -> None:
        self._asker = Asker(user, self._asker.locale)
        for item in self.items.values():
            item.user = user
            item.clear()

    def close(self) -> None:
        for number in list(self.items):
            self.remove(number)

    # --- publishing

    def pending(self) -> bool:
        return any(item.pending for item in self.items.values())

    def take(self, limit: int) -> list[Notice]:
        clock = asyncio.get_running_loop().time
        limit, until_s = min(limit, MESSAGE_MAX), clock() + TAKE_S
        parts: list[bytes] = []
        for item in self.items.values():
            while item.pending and len(parts) < limit and (len(parts) < MESSAGE_MIN or clock() < until_s):
                parts.append(struct.pack("<I", item.handle) + item.take().bytes)
        if not parts:
            return []
        return [Notice(EVENT_LIST, struct.pack("<i", len(parts)) + b"".join(parts), len(parts))]
