# SPDX-License-Identifier: Apache-2.0
# Tests: tests/system/test_opcua_history.py
"""History on one connection: it goes on serving other requests while the past is read.

Law of this file: every request gets exactly one answer or one fault, unless its connection is gone.
"""

from __future__ import annotations

import asyncio
import logging
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from asyncua import ua
from asyncua.common.utils import ServiceError

if TYPE_CHECKING:
    from supervisor.hmi.engine import Engine
    from supervisor.hmi.header import Header
    from supervisor.hmi.session import Session

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Back:
    """The ways back to the client: encoded results, a fault, or a response of asyncua's."""

    results: Callable[[Header, Any, list[bytes]], None]
    fault: Callable[[Header, Any, int], None]
    response: Callable[[int, Any, Any], None]


class HistoryDoor:
    """HistoryRead and HistoryUpdate of one connection."""

    def __init__(self, engine: Engine, peer: str, back: Back) -> None:
        self._engine = engine
        self._peer = peer
        self._back = back
        self._reads: set[asyncio.Task[None]] = set()

    def read(self, session: Session, head: Header, seqhdr: Any, data: bytes) -> None:
        """HistoryRead: answered when its pages are read.

        Raises:
            ServiceError: BadServerTooBusy: this connection waits for too many already.
        """
        if len(self._reads) >= self._engine.limits.history_reads_per_connection:
            self._engine.counters.history_refused += 1
            raise ServiceError(ua.StatusCodes.BadServerTooBusy)
        task = asyncio.create_task(self._read_and_answer(session, head, seqhdr, data))
        self._reads.add(task)
        task.add_done_callback(self._reads.discard)

    async def _read_and_answer(self, session: Session, head: Header, seqhdr: Any, data: bytes) -> None:
        try:
            results = await self._engine.history.read(session, data, head.at)
            self._back.results(head, seqhdr, results)
        except ServiceError as refusal:
            self._back.fault(head, seqhdr, int(refusal.code))
        except Exception:
            # The task has no other caller who could see it.
            _log.exception("a HistoryRead of %s failed", self._peer)
            self._back.fault(head, seqhdr, ua.StatusCodes.BadInternalError)

    def update(self, head: Header, seqhdr: Any, data: bytes) -> None:
        """HistoryUpdate: the past is not written from outside. Source: OPC 10000-4, 5.11.5."""
        (count,) = struct.unpack_from("<i", data, head.at)
        if count <= 0:
            raise ServiceError(ua.StatusCodes.BadNothingToDo)
        if count > self._engine.limits.history_nodes_per_read:
            raise ServiceError(ua.StatusCodes.BadTooManyOperations)
        response = ua.HistoryUpdateResponse()
        code = ua.StatusCode(ua.StatusCodes.BadHistoryOperationUnsupported)
        response.Results = [ua.HistoryUpdateResult(StatusCode=code) for _ in range(count)]
        self._back.response(head.handle, seqhdr, response)

    def close(self) -> None:
        """The connection is gone; nobody waits for an answer."""
        for task in self._reads:
            task.cancel()
