# SPDX-License-Identifier: Apache-2.0
# Tests: tests/system/test_opcua_alarms.py
"""Call: what clients ask of conditions, on behalf of a person, and of the server itself.

Law of this file: rights, states and the journal are the desk's; here it is found out what is meant, and the desk's
answer is put into status codes. All condition calls of a request go to the desk before any is answered, so that they
are one transaction; the answer is given when it is durable.

Source: OPC 10000-4, 5.12.2 (Call); OPC 10000-9, 5.5 to 5.8 (methods).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple, Protocol

from asyncua import ua

from supervisor.alarms.desk import ACTIONS_MAX, AlarmDesk
from supervisor.alarms.events import Operator, Refused
from supervisor.alarms.happening import By
from supervisor.hmi.conditions.board import Board
from supervisor.hmi.conditions.kind import NAMESPACE
from supervisor.hmi.conditions.methods import (
    METHODS,
    REFRESH,
    REFRESH_2,
    Arguments,
    BadCall,
    Method,
    read_arguments,
    read_values,
)
from supervisor.hmi.conditions.refresh import Refreshing
from supervisor.hmi.events.hierarchy import CONDITION, EventTypes
from supervisor.hmi.events.listening import Listening
from supervisor.hmi.events.operand import id_of
from supervisor.hmi.events.value import Type
from supervisor.people import User

READ_STEP: Final = 500
"""Calls looked at without a pause: some milliseconds."""

_CODES: Final = ua.StatusCodes


class Caller(Protocol):
    """The session that calls."""

    @property
    def user(self) -> User: ...
    @property
    def terminal(self) -> str: ...
    def events_of(self, subscription: int) -> Listening | None:
        """Event items of a subscription of this session; None: it has no such subscription."""
        ...


class _Meant(NamedTuple):
    """A call to a condition that makes sense."""

    position: int
    name: str
    method: Method
    arguments: Arguments
    occurrence_ns: int


class Calls:
    """Carries out Call for conditions."""

    def __init__(self, desk: AlarmDesk, board: Board, refreshing: Refreshing, types: EventTypes) -> None:
        self._desk = desk
        self._board = board
        self._refreshing = refreshing
        self._types = types

    def mine(self, request: ua.CallMethodRequest) -> bool:
        """Whether the object is a condition, or a type of conditions."""
        return request.ObjectId.NamespaceIndex == NAMESPACE or self._types.is_a(id_of(request.ObjectId), CONDITION)

    async def call(self, requests: Sequence[ua.CallMethodRequest], caller: Caller) -> list[ua.CallMethodResult]:
        """One result each, in order, once all of it is durable. Only requests that are `mine`."""
        results = [ua.CallMethodResult() for _ in requests]
        meant: list[_Meant] = []
        for position, request in enumerate(requests):
            if position % READ_STEP == READ_STEP - 1:
                await asyncio.sleep(0)
            try:
                if (one := self._read(position, request, caller)) is not None:
                    meant.append(one)
            except BadCall as bad:
                _refuse(results[position], bad.code, bad.arguments)
        for position, refused in await self._do(meant, caller):
            if refused is not None:
                _refuse(results[position], int(refused.code))
        return results

    # --- what is meant

    def _read(self, position: int, request: ua.CallMethodRequest, caller: Caller) -> _Meant | None:
        """A call to a condition; None: it was to a type, and is done.

        Raises:
            BadCall: it makes no sense.
        """
        namespace, number = id_of(request.MethodId)
        if request.ObjectId.NamespaceIndex != NAMESPACE:
            self._call_type(number if namespace == 0 else None, request, caller)
            return None
        name = request.ObjectId.Identifier
        condition = self._desk.book.find(name) if isinstance(name, str) else None
        if condition is None or not caller.user.may_see(*self._desk.book.domain(condition)):
            raise BadCall(_CODES.BadNodeIdUnknown)
        method = METHODS.get(number) if namespace == 0 and isinstance(number, int) else None
        if method is None:
            raise BadCall(_CODES.BadMethodInvalid)
        arguments = read_arguments(method, request.InputArguments)
        occurrence_ns = 0
        if method.needs_event:
            found = self._board.occurrence(condition, arguments.event_id or b"")
            if found is None:
                raise BadCall(_CODES.BadEventIdUnknown)
            occurrence_ns = found
        return _Meant(position, self._desk.book.name(condition), method, arguments, occurrence_ns)

    def _call_type(self, number: object, request: ua.CallMethodRequest, caller: Caller) -> None:
        """Refresh is called on the type; everything else must name a condition."""
        if number in REFRESH:
            (subscription,) = read_values(request.InputArguments, (Type.UINT32,))
            self._refresh(subscription, None, caller)
        elif number in REFRESH_2:
            subscription, item = read_values(request.InputArguments, (Type.UINT32, Type.UINT32))
            self._refresh(subscription, item, caller)
        else:
            raise BadCall(_CODES.BadNodeIdInvalid if number in METHODS else _CODES.BadMethodInvalid)

    def _refresh(self, subscription: Any, item: Any, caller: Caller) -> None:
        listening = caller.events_of(subscription.data)
        if listening is None:
            raise BadCall(_CODES.BadSubscriptionIdInvalid)
        if item is not None and item.data not in listening:
            raise BadCall(_CODES.BadMonitoredItemIdInvalid)
        items = list(listening.items.values()) if item is None else [listening.items[item.data]]
        if not items:
            raise BadCall(_CODES.BadNothingToDo)
        if not self._refreshing.begin(subscription.data, items):
            raise BadCall(_CODES.BadRefreshInProgress)

    # --- doing it

    async def _do(self, meant: Sequence[_Meant], caller: Caller) -> Iterable[tuple[int, Refused | None]]:
        """What the desk says to each; what is said with one comment goes together."""
        together: dict[str, list[_Meant]] = {}
        under_way: list[asyncio.Task[list[tuple[int, Refused | None]]]] = []
        for one in meant:
            comment = one.arguments.comment
            if one.method.act is None:
                under_way.append(asyncio.create_task(self._comment(one, By(caller.user, caller.terminal, comment))))
            else:
                together.setdefault(comment, []).append(one)
        for comment, alike in together.items():
            by = By(caller.user, caller.terminal, comment)
            for start in range(0, len(alike), ACTIONS_MAX):
                part = alike[start : start + ACTIONS_MAX]
                under_way.append(asyncio.create_task(self._act(part, by)))
                if len(part) == ACTIONS_MAX:
                    await asyncio.sleep(0)  # a thousand at a time, so that the loop is not held up
        return [pair for answers in await asyncio.gather(*under_way) for pair in answers]

    async def _act(self, alike: Sequence[_Meant], by: By) -> list[tuple[int, Refused | None]]:
        actions: list[tuple[str, Operator]] = [
            (one.name, one.method.act(one.arguments, one.occurrence_ns)) for one in alike if one.method.act is not None
        ]
        answers = await self._desk.act_all(actions, by)
        return [(one.position, answer) for one, answer in zip(alike, answers, strict=True)]

    async def _comment(self, one: _Meant, by: By) -> list[tuple[int, Refused | None]]:
        return [(one.position, await self._desk.comment(one.name, by))]


def _refuse(result: ua.CallMethodResult, code: int, arguments: Sequence[int] = ()) -> None:
    result.StatusCode = ua.StatusCode(ua.UInt32(code))
    result.InputArgumentResults = [ua.StatusCode(ua.UInt32(c)) for c in arguments]
