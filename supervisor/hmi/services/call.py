# SPDX-License-Identifier: Apache-2.0
# Tests: tests/system/conformance/test_general.py
"""One request on its way to its service: its fields, its lists, its answer.

Law of this file: no service is done here. Lists are decoded in slices, each in its turn (`lane.py`), so that neither a
request of ten thousand operations nor a thousand requests of ten hold up anybody.

A service is a coroutine that takes a `Call` and returns the encoded response, or None when it will be answered later.
It refuses a whole request by raising ServiceError.
"""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.ua.ua_binary import struct_from_binary, struct_to_binary

from supervisor.hmi.entrance.wire import CarefulBuffer
from supervisor.hmi.header import Header
from supervisor.hmi.lane import ROUND

if TYPE_CHECKING:
    from supervisor.hmi.engine import Engine
    from supervisor.hmi.session import Session

SLICE: Final = ROUND  # operations decoded, done and encoded in one piece: 1 to 2 ms


def request_type(name: str) -> int:
    """Type id of a request: numeric NodeId of its binary encoding."""
    return int(getattr(ua.ObjectIds, f"{name}Request_Encoding_DefaultBinary"))


@dataclass(frozen=True, slots=True)
class Call:
    """A request of a session.

    Attributes:
        seqhdr: SequenceHeader of its message.
        data: the whole message; its parameters begin at `head.at`.
    """

    engine: Engine
    session: Session
    head: Header
    seqhdr: Any
    data: bytes

    @property
    def now_ns(self) -> int:
        return self.engine.clock.wall_ns()

    def fields(self, layout: str) -> tuple[Any, ...]:
        """The first fields of the parameters; struct.error if there are too few bytes."""
        return struct.unpack_from(layout, self.data, self.head.at)

    def parameters(self, type_: Any) -> Any:
        return struct_from_binary(type_, CarefulBuffer(self.data, self.head.at))

    def buffer(self, skip: int) -> CarefulBuffer:
        """What follows the first `skip` bytes of the parameters."""
        return CarefulBuffer(self.data, self.head.at + skip)

    def numbers(self, skip: int) -> tuple[list[int], int]:
        """A list of UInt32 at `skip`, and where it ends. A null list is empty."""
        (count,) = struct.unpack_from("<i", self.data, self.head.at + skip)
        count = max(count, 0)
        if count > self.engine.limits.nodes_per_call:
            raise ServiceError(ua.StatusCodes.BadTooManyOperations)
        found = struct.unpack_from(f"<{count}I", self.data, self.head.at + skip + 4)
        return list(found), skip + 4 + 4 * count

    def check_count(self, count: int) -> None:
        """Raises ServiceError: nothing to do, or too much."""
        if count <= 0:
            raise ServiceError(ua.StatusCodes.BadNothingToDo)
        if count > self.engine.limits.nodes_per_call:
            raise ServiceError(ua.StatusCodes.BadTooManyOperations)

    async def each(self, type_: Any, buffer: CarefulBuffer, count: int, size: int = SLICE) -> AsyncIterator[Any]:
        """Decode `count` structures one after the other, `size` of them at a time."""
        async for _ in self.slices(count, size):
            yield struct_from_binary(type_, buffer)

    async def slices(self, count: int, size: int = SLICE) -> AsyncIterator[int]:
        """0..count-1; after each `size` of them everything else has its turn."""
        lane = self.engine.lane
        if count <= size:
            await lane.brief(count * (ROUND // size))
        for i in range(count):
            if i % size == 0 and count > size:
                await lane.turn()
            yield i

    def encode(self, response: Any) -> bytes:
        """A response as asyncua encodes it."""
        response.ResponseHeader.RequestHandle = self.head.handle
        return bytes(struct_to_binary(response))


Service = Callable[[Call], Awaitable[bytes | None]]


def check_stamps(stamps: int) -> None:
    """Raises ServiceError BadTimestampsToReturnInvalid."""
    if not 0 <= stamps <= ua.TimestampsToReturn.Neither:
        raise ServiceError(ua.StatusCodes.BadTimestampsToReturnInvalid)
