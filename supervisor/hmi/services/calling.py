# SPDX-License-Identifier: Apache-2.0
# Tests: tests/system/test_opcua_alarms.py
"""Call: the methods this server has, and the right refusal for those it has not.

Law of this file: a table of who carries out what. Methods of conditions are `conditions/calls.py`'s; those of the
Server object are here; every other method of namespace 0 is part of a type and not executable.

Source: OPC 10000-4, 5.12.2; OPC 10000-5, 9.1 (GetMonitoredItems) and 9.2 (ResendData).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from asyncua import ua
from asyncua.server.address_space import AttributeValue

from supervisor.hmi.conditions.alarms import Alarms
from supervisor.hmi.conditions.methods import METHODS, REFRESH, REFRESH_2, BadCall, read_values
from supervisor.hmi.events.listening import Listening
from supervisor.hmi.events.value import Type
from supervisor.hmi.publishing.subscription import Subscription
from supervisor.people import User

_IDS: Final = ua.ObjectIds
_CODES: Final = ua.StatusCodes
_SERVER: Final = ua.NodeId(_IDS.Server)
_GET_ITEMS: Final = frozenset({_IDS.Server_GetMonitoredItems, _IDS.ServerType_GetMonitoredItems})
_RESEND: Final = frozenset({_IDS.Server_ResendData, _IDS.ServerType_ResendData})
EXECUTABLE: Final = frozenset(METHODS) | REFRESH | REFRESH_2 | _GET_ITEMS | _RESEND
"""Numbers of the methods that can be called."""


@dataclass(frozen=True, slots=True)
class Caller:
    """On whose behalf something is called.

    Attributes:
        terminal: where from, for the journal: 'opcua 127.0.0.1:50312'.
        subscription: one of this session by its number; None: it has no such.
    """

    user: User
    terminal: str
    subscription: Callable[[int], Subscription | None]

    def events_of(self, number: int) -> Listening | None:
        found = self.subscription(number)
        return None if found is None or not isinstance(found.events, Listening) else found.events


class Calling:
    """Carries out Call.

    Args:
        aspace: of asyncua.
        exists: whether a node of ours is there for a user.
        alarms: None: this server has none.
    """

    def __init__(self, aspace: Any, exists: Callable[[ua.NodeId, User], bool], alarms: Alarms | None) -> None:
        self._aspace = aspace
        self._exists = exists
        self._alarms = alarms

    async def call(self, requests: Sequence[ua.CallMethodRequest], caller: Caller) -> list[ua.CallMethodResult]:
        """One result each, in order."""
        calls = None if self._alarms is None else self._alarms.calls
        theirs = {i: r for i, r in enumerate(requests) if calls is not None and calls.mine(r)}
        results = [ua.CallMethodResult() for _ in requests]
        for i, request in enumerate(requests):
            if i not in theirs:
                self._call_one(request, caller, results[i])
        if calls is not None and theirs:
            answers = await calls.call(list(theirs.values()), caller)
            for i, answer in zip(theirs, answers, strict=True):
                results[i] = answer
        return results

    def _call_one(self, request: ua.CallMethodRequest, caller: Caller, result: ua.CallMethodResult) -> None:
        try:
            result.OutputArguments = self._carry_out(request, caller)
        except BadCall as bad:
            result.StatusCode = ua.StatusCode(ua.UInt32(bad.code))
            result.InputArgumentResults = [ua.StatusCode(ua.UInt32(code)) for code in bad.arguments]

    def _carry_out(self, request: ua.CallMethodRequest, caller: Caller) -> list[ua.Variant]:
        method = request.MethodId
        if self._aspace.get(request.ObjectId) is None and not self._exists(request.ObjectId, caller.user):
            raise BadCall(_CODES.BadNodeIdUnknown)
        if request.ObjectId == _SERVER and method.NamespaceIndex == 0 and method.Identifier in _GET_ITEMS | _RESEND:
            (number,) = read_values(request.InputArguments, (Type.UINT32,))
            subscription = None if number is None else caller.subscription(number.data)
            if subscription is None:
                raise BadCall(_CODES.BadSubscriptionIdInvalid)
            if method.Identifier in _GET_ITEMS:
                return _items(subscription)
            subscription.refresh(asyncio.get_running_loop().time())
            return []
        node = self._aspace.get(method)
        is_method = node is not None and ua.AttributeIds.Executable in node.attributes
        raise BadCall(_CODES.BadNotExecutable if is_method else _CODES.BadMethodInvalid)


def _items(subscription: Subscription) -> list[ua.Variant]:
    """Server handles and client handles of all items."""
    numbers, handles = subscription.handles()
    if isinstance(subscription.events, Listening):
        numbers += list(subscription.events.items)
        handles += [item.handle for item in subscription.events.items.values()]
    return [ua.Variant(each, ua.VariantType.UInt32, is_array=True) for each in (numbers, handles)]


def mark_executable(aspace: Any) -> None:
    """Say of each method whether it can be called."""
    for node_id in list(aspace.keys()):
        attributes = aspace[node_id].attributes
        if ua.AttributeIds.Executable not in attributes:
            continue
        known = node_id.NamespaceIndex == 0 and node_id.Identifier in EXECUTABLE
        for attribute in (ua.AttributeIds.Executable, ua.AttributeIds.UserExecutable):
            value = ua.DataValue(ua.Variant(known, ua.VariantType.Boolean))
            attributes[attribute] = AttributeValue(value)
