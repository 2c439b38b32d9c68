# SPDX-License-Identifier: Apache-2.0
# Tests: tests/system/conformance/test_subscriptions.py, tests/system/conformance/test_publish.py
"""The Subscription Service Set, and Cancel. Source: OPC 10000-4, 5.14 and 5.7.5.

Law of this file: fields in, answers out; a service touches only subscriptions of its own session.
"""

from __future__ import annotations

import asyncio
import math
import struct
from typing import Final

from asyncua import ua
from asyncua.common.utils import ServiceError

from supervisor.hmi.publishing.messages import Response, republish_response, statuses
from supervisor.hmi.publishing.outbox import Waiting
from supervisor.hmi.publishing.subscription import Subscription
from supervisor.hmi.publishing.subscriptions import Subscriptions
from supervisor.hmi.services.call import Call, Service, request_type
from supervisor.hmi.session import Session

_CODES: Final = ua.StatusCodes
_EMPTY: Final = struct.pack("<i", 0)
_MODE: Final = Response(ua.SetPublishingModeResponse())
_DELETE: Final = Response(ua.DeleteSubscriptionsResponse())
_CANCEL: Final = Response(ua.CancelResponse())
_UNKNOWN: Final = int(_CODES.BadSubscriptionIdInvalid)


class SubscriptionServices:
    """Services on the subscriptions of one server."""

    def __init__(self, subscriptions: Subscriptions) -> None:
        self._subscriptions = subscriptions
        self._publisher = subscriptions.publisher

    def table(self) -> dict[int, Service]:
        """By type id of the request."""
        return {
            request_type("CreateSubscription"): self.create,
            request_type("ModifySubscription"): self.modify,
            request_type("SetPublishingMode"): self.set_publishing_mode,
            request_type("Publish"): self.publish,
            request_type("Republish"): self.republish,
            request_type("TransferSubscriptions"): self.transfer,
            request_type("DeleteSubscriptions"): self.delete,
            request_type("Cancel"): self.cancel,
        }

    async def create(self, call: Call) -> bytes:
        params = call.parameters(ua.CreateSubscriptionParameters)
        session = call.session
        made = self._subscriptions.open(params, session.session_id, session.asker, session.outbox)
        response = ua.CreateSubscriptionResponse()
        result = response.Parameters = ua.CreateSubscriptionResult()
        result.SubscriptionId = made.number
        result.RevisedPublishingInterval = made.terms.interval_ms
        result.RevisedLifetimeCount, result.RevisedMaxKeepAliveCount = made.terms.lifetime, made.terms.keep_alive
        return call.encode(response)

    async def modify(self, call: Call) -> bytes:
        params = call.parameters(ua.ModifySubscriptionParameters)
        subscription = call.session.own(params.SubscriptionId)
        self._subscriptions.modify(subscription, params)
        response = ua.ModifySubscriptionResponse()
        terms = subscription.terms
        response.Parameters = ua.ModifySubscriptionResult(terms.interval_ms, terms.lifetime, terms.keep_alive)
        return call.encode(response)

    async def set_publishing_mode(self, call: Call) -> bytes:
        (enabled,) = call.fields("<?")
        numbers, _ = call.numbers(1)
        call.check_count(len(numbers))
        codes = []
        for number in numbers:
            if (found := call.session.outbox.subscriptions.get(number)) is not None:
                found.enable(enabled)
            codes.append(_UNKNOWN if found is None else 0)
        return _MODE.wrap(call.now_ns, call.head.handle, statuses(codes), _EMPTY)

    async def publish(self, call: Call) -> None:
        """Acknowledge, then wait in the session's queue for something to tell."""
        outbox = call.session.outbox
        if not outbox.subscriptions and not outbox.farewells:
            raise ServiceError(_CODES.BadNoSubscription)
        (count,) = call.fields("<i")
        if count > call.engine.limits.nodes_per_call:
            raise ServiceError(_CODES.BadTooManyOperations)
        at = call.head.at + 4
        pairs = struct.unpack_from(f"<{2 * max(count, 0)}I", call.data, at)
        codes = [_acknowledged(call.session, *pair) for pair in zip(pairs[::2], pairs[1::2], strict=True)]
        now_s, hint_ms = asyncio.get_running_loop().time(), call.head.timeout_ms
        due_s = now_s + hint_ms / 1000 if hint_ms else math.inf
        most = len(outbox.subscriptions) + call.engine.limits.publish_requests
        outbox.push(Waiting(call.head.handle, call.seqhdr, statuses(codes), due_s), most, now_s)
        await self._publisher.serve(outbox)

    async def republish(self, call: Call) -> bytes:
        number, sequence = call.fields("<II")
        return republish_response(call.now_ns, call.head.handle, call.session.own(number).republish(sequence))

    async def transfer(self, call: Call) -> bytes:
        """TransferSubscriptions. Asking for what is one's own already changes nothing and succeeds: clients ask after
        they have come back to their session, and would throw their items away if they were refused.
        """
        numbers, end = call.numbers(0)
        call.check_count(len(numbers))
        initial_values = call.data[call.head.at + end] != 0
        response = ua.TransferSubscriptionsResponse()
        response.Parameters.Results = [self._transfer(call.session, number, initial_values) for number in numbers]
        return call.encode(response)

    def _transfer(self, session: Session, number: int, initial_values: bool) -> ua.TransferResult:
        found = self._subscriptions.subscriptions.get(number)
        if found is None:
            return ua.TransferResult(ua.StatusCode(ua.UInt32(_UNKNOWN)))
        found.tally.transfer_requests += 1
        if found.user != session.asker.user:
            return ua.TransferResult(ua.StatusCode(ua.UInt32(_CODES.BadUserAccessDenied)))
        if found.outbox is not session.outbox:
            found.tally.transferred_to_same_client += 1
            self._subscriptions.move(found, session.session_id, session.asker, session.outbox)
        if initial_values:
            found.refresh(asyncio.get_running_loop().time())
        return ua.TransferResult(AvailableSequenceNumbers=found.sent())

    async def delete(self, call: Call) -> bytes:
        numbers, _ = call.numbers(0)
        call.check_count(len(numbers))
        codes = []
        for number in numbers:
            found: Subscription | None = call.session.outbox.subscriptions.get(number)
            if found is not None:
                self._subscriptions.delete(found)
            codes.append(_UNKNOWN if found is None else 0)
        return _DELETE.wrap(call.now_ns, call.head.handle, statuses(codes), _EMPTY)

    async def cancel(self, call: Call) -> bytes:
        """Publish is the only request that waits long enough to be cancelled."""
        (handle,) = call.fields("<I")
        cancelled = call.session.outbox.cancel(handle)
        call.engine.officer.cancelled(call.session.asker.user, handle, cancelled)
        return _CANCEL.wrap(call.now_ns, call.head.handle, struct.pack("<I", cancelled))


def _acknowledged(session: Session, number: int, sequence: int) -> int:
    found = session.outbox.subscriptions.get(number)
    return _UNKNOWN if found is None else found.acknowledge(sequence)
