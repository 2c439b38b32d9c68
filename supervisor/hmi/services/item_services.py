# SPDX-License-Identifier: Apache-2.0
# Tests: tests/system/conformance/test_monitored_items.py, tests/system/conformance/test_triggering.py
"""The MonitoredItem Service Set. Source: OPC 10000-4, 5.13.

Law of this file: fields in, answers out; a service touches only subscriptions of its own session.
"""

from __future__ import annotations

import asyncio
import struct
from typing import Final

from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.ua.ua_binary import struct_from_binary, struct_to_binary

from supervisor.hmi.publishing.columns import Mode
from supervisor.hmi.publishing.creation import Creation
from supervisor.hmi.publishing.item_changes import delete, modify, set_mode, set_triggering
from supervisor.hmi.publishing.messages import Response, statuses
from supervisor.hmi.publishing.monitoring import Monitoring
from supervisor.hmi.publishing.subscription import Subscription
from supervisor.hmi.services.call import Call, Service, check_stamps, request_type

_CODES: Final = ua.StatusCodes
_EMPTY: Final = struct.pack("<i", 0)
_CREATE: Final = Response(ua.CreateMonitoredItemsResponse())
_MODIFY: Final = Response(ua.ModifyMonitoredItemsResponse())
_MODE: Final = Response(ua.SetMonitoringModeResponse())
_TRIGGER: Final = Response(ua.SetTriggeringResponse())
_DELETE: Final = Response(ua.DeleteMonitoredItemsResponse())


class ItemServices:
    """Services on monitored items."""

    def __init__(self, monitoring: Monitoring) -> None:
        self._monitoring = monitoring

    def table(self) -> dict[int, Service]:
        """By type id of the request."""
        return {
            request_type("CreateMonitoredItems"): self.create,
            request_type("ModifyMonitoredItems"): self.modify,
            request_type("SetMonitoringMode"): self.set_mode,
            request_type("SetTriggering"): self.set_triggering,
            request_type("DeleteMonitoredItems"): self.delete,
        }

    def _own(self, call: Call, number: int) -> Subscription:
        """The subscription; that it was asked for keeps it alive."""
        subscription = call.session.own(number)
        subscription.cycle.touch()
        return subscription

    async def create(self, call: Call) -> bytes:
        number, stamps, count = call.fields("<Iii")
        subscription = self._own(call, number)
        check_stamps(stamps)
        call.check_count(count)
        engine = call.engine
        request = engine.decoder.items(call.data, call.head.at, engine.limits.nodes_per_call)
        if request is None or count > self._monitoring.room():
            return await self._create_one_by_one(call, subscription, stamps, count)
        if not engine.space.all_open(request.rows, call.session.asker.user):
            return await self._create_one_by_one(call, subscription, stamps, count)
        return _CREATE.listed(call.now_ns, call.head.handle, count, self._monitoring.add(subscription, request))

    async def _create_one_by_one(self, call: Call, subscription: Subscription, stamps: int, count: int) -> bytes:
        creation = Creation(self._monitoring, subscription, stamps, asyncio.get_running_loop().time())
        buffer = call.buffer(12)
        async for _ in call.slices(count):
            wanted = struct_from_binary(ua.ReadValueId, buffer)
            (mode,) = struct.unpack("<i", buffer.read(4))
            creation.judge(wanted, mode, struct_from_binary(ua.MonitoringParameters, buffer))
        if subscription.closed:
            raise ServiceError(_CODES.BadSubscriptionIdInvalid)
        results = b"".join([struct_to_binary(result) for result in creation.finish()])
        return _CREATE.listed(call.now_ns, call.head.handle, count, results)

    async def modify(self, call: Call) -> bytes:
        number, stamps, count = call.fields("<Iii")
        subscription = self._own(call, number)
        check_stamps(stamps)
        call.check_count(count)
        results = []
        async for item in call.each(ua.MonitoredItemModifyRequest, call.buffer(12), count):
            results.append(struct_to_binary(modify(self._monitoring, subscription, item, stamps)))
        return _MODIFY.listed(call.now_ns, call.head.handle, count, b"".join(results))

    async def set_mode(self, call: Call) -> bytes:
        number, mode = call.fields("<Ii")
        subscription = self._own(call, number)
        numbers, _ = call.numbers(8)
        call.check_count(len(numbers))
        if not 0 <= mode <= Mode.REPORTING:
            raise ServiceError(_CODES.BadMonitoringModeInvalid)
        codes = set_mode(subscription, numbers, Mode(mode), asyncio.get_running_loop().time())
        return _MODE.wrap(call.now_ns, call.head.handle, statuses(codes), _EMPTY)

    async def set_triggering(self, call: Call) -> bytes:
        number, triggering = call.fields("<II")
        subscription = self._own(call, number)
        add, end = call.numbers(8)
        remove, _ = call.numbers(end)
        call.check_count(len(add) + len(remove))
        added, removed = set_triggering(subscription, triggering, add, remove)
        return _TRIGGER.wrap(call.now_ns, call.head.handle, statuses(added), _EMPTY, statuses(removed), _EMPTY)

    async def delete(self, call: Call) -> bytes:
        (number,) = call.fields("<I")
        subscription = self._own(call, number)
        numbers, _ = call.numbers(4)
        call.check_count(len(numbers))
        return _DELETE.wrap(call.now_ns, call.head.handle, statuses(delete(subscription, numbers)), _EMPTY)
