# SPDX-License-Identifier: Apache-2.0
# Tests: tests/system/test_opcua_write.py
"""Write: each value becomes a command, and its verdict the answer.

Law of this file: what OPC UA itself forbids is refused here (type, access, attribute); rights, interlocks, journal,
permit and read-back are the command's. An answer is given within `write_answer_s`; a command that needs longer goes on
and the client is told so: GoodCompletesAsynchronously.

A timestamp that comes with a value is not taken: the source time of a tag is its device's. It is not refused either,
since common clients (asyncua's `write_value` among them) send one with every Write.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from typing import Any, Final

from asyncua import ua
from asyncua.common.utils import ServiceError

from config.words import NS_PER_S, Kind, StatusCode
from supervisor.hmi.contract import Counters, Limits, PutFunction, PutResult
from supervisor.hmi.entrance.officer import Officer
from supervisor.hmi.model.attributes import Attributes
from supervisor.hmi.model.nodes import Asker, Nodes
from supervisor.hmi.model.space import Place, What
from supervisor.hmi.ranges import parse_range
from supervisor.hmi.values import EPOCH_TICKS, wire_type
from supervisor.people import User

_log = logging.getLogger(__name__)

_VALUE: Final = int(ua.AttributeIds.Value)
_NOT_THERE: Final = (ua.StatusCodes.BadNodeIdUnknown, ua.StatusCodes.BadAttributeIdInvalid)
_PYTHON: Final = {Kind.Boolean: bool, Kind.Float: float, Kind.Double: float, Kind.String: str}


@dataclass(slots=True)
class Writing:
    """Turns WriteValues into commands.

    Attributes:
        under_way: commands that have not ended, bounded by `Limits.commands`.
    """

    nodes: Nodes
    attributes: Attributes
    put: PutFunction
    limits: Limits
    counters: Counters
    officer: Officer
    under_way: set[asyncio.Task[PutResult]] = field(default_factory=set)

    async def write(self, values: list[ua.WriteValue], user: User, origin: str) -> list[int]:
        """One status code per value, in order. Values of one request are commanded side by side.

        Args:
            origin: where the request came from, for the journal: 'opcua 127.0.0.1:50312'.
        """
        begun: dict[int, asyncio.Task[PutResult]] = {}
        codes: list[int] = []
        for position, value in enumerate(values):
            place, code = self._judge(value, user)
            if place is not None and len(self.under_way) >= self.limits.commands:
                place, code = None, ua.StatusCodes.BadTooManyOperations
            if place is not None:
                begun[position] = self._begin(user, place, value.Value.Value.Value, origin)
            codes.append(code)
        if begun:
            await asyncio.wait(begun.values(), timeout=self.limits.write_answer_s)
        for position, task in begun.items():
            codes[position] = _answer(task)
        self.counters.writes += len(values)
        return codes

    def _judge(self, value: ua.WriteValue, user: User) -> tuple[Place | None, int]:
        """The tag to command, or None and why not."""
        place, codes = self.nodes.find_for(value.NodeId, user), ua.StatusCodes
        if place is None or place.block is None or place.what is not What.TAG or value.AttributeId != _VALUE:
            return None, self._why_not(value, user)
        if not place.block.info.access.writable:
            return None, codes.BadNotWritable
        if value.IndexRange:
            return None, _code_of_range(value.IndexRange)
        data = value.Value
        if data.StatusCode is not None and data.StatusCode.value:
            return None, codes.BadWriteNotSupported  # quality is the server's to tell
        variant = data.Value
        if variant is None or variant.is_array or variant.Value is None:
            return None, codes.BadTypeMismatch
        if variant.VariantType.value != wire_type(place.block.info.kind):
            return None, codes.BadTypeMismatch
        return place, codes.Good

    def _why_not(self, value: ua.WriteValue, user: User) -> int:
        """Why something that is not the value of a tag is not written."""
        read = self.attributes.read(value.NodeId, int(value.AttributeId), Asker(user), 0)
        code = 0 if read.StatusCode is None else int(read.StatusCode.value)
        return code if code in _NOT_THERE else int(ua.StatusCodes.BadNotWritable)

    def _begin(self, user: User, place: Place, value: Any, origin: str) -> asyncio.Task[PutResult]:
        kind = place.block.info.kind if place.block is not None else Kind.Double
        plain = _plain(kind, value)
        task = asyncio.ensure_future(self.put(user, place.row, plain, origin))
        self.under_way.add(task)
        task.add_done_callback(self._ended)
        task.add_done_callback(lambda done: self.officer.wrote(user, origin, place, plain, _answer(done)))
        return task

    def _ended(self, task: asyncio.Task[PutResult]) -> None:
        self.under_way.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("a command ended without a verdict", exc_info=error)

    async def close(self) -> None:
        """End what is still under way; the server is going down."""
        tasks = list(self.under_way)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _code_of_range(text: str) -> int:
    """No part of a value can be written by itself. Source: OPC 10000-4, 5.11.4.2."""
    try:
        parse_range(text)
    except ServiceError as error:
        return int(error.code)
    return int(ua.StatusCodes.BadWriteNotSupported)


def _plain(kind: Kind, value: Any) -> bool | int | float | str:
    """The value as commands take it: bool, int (DateTime: UTC ns), float or str."""
    if kind is Kind.DateTime:
        return (int(ua.datetime_to_win_epoch(value)) - EPOCH_TICKS) * (NS_PER_S // 10_000_000)
    plain: bool | int | float | str = _PYTHON.get(kind, int)(value)
    return plain


def _answer(task: asyncio.Task[PutResult]) -> int:
    if not task.done():
        return StatusCode.GoodCompletesAsynchronously
    if task.cancelled() or task.exception() is not None:
        return StatusCode.BadInternalError
    return int(task.result().status)
