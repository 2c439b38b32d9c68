# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_hmi_outbox.py
"""What a session publishes: Publish requests that wait for messages, and messages that wait for requests.

Law of this file: no I/O, no task; time is an argument. Every request is answered exactly once, by a message, a fault,
or not at all because its connection has gone.

Source: OPC 10000-4, 5.14.5 (Publish), 5.7.5 (Cancel).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Generic, Protocol, TypeVar

from asyncua import ua

from supervisor.hmi.publishing.notices import Notice

S = TypeVar("S")
_CODES: Final = ua.StatusCodes
_LAST_WORDS_MAX: Final = 1_000  # farewells of subscriptions that nobody has fetched


@dataclass(frozen=True, slots=True)
class Waiting:
    """A Publish request.

    Attributes:
        seqhdr: of its message, for the answer.
        results: the encoded list of results of its acknowledgements.
        due_s: when its TimeoutHint has passed, on the loop's clock; inf: never.
    """

    handle: int
    seqhdr: Any
    results: bytes
    due_s: float = math.inf


@dataclass(frozen=True, slots=True)
class Farewell:
    """The last notice of a subscription to a session that has it no more."""

    subscription: int
    sequence: int
    notice: Notice


class Outlet(Protocol):
    """The connection a session lives on."""

    def answer_publish(self, request: Waiting, message: bytes) -> None: ...

    def refuse_publish(self, request: Waiting, code: int) -> None: ...


@dataclass(slots=True, eq=False)
class Outbox(Generic[S]):
    """One session's.

    Attributes:
        outlet: where answers leave; None while the session has no connection.
        requests: Publish requests, oldest first.
        subscriptions: of this session, by number.
        farewells: to be published before anything else.
    """

    outlet: Outlet | None = None
    requests: deque[Waiting] = field(default_factory=deque)
    subscriptions: dict[int, S] = field(default_factory=dict)
    farewells: deque[Farewell] = field(default_factory=lambda: deque(maxlen=_LAST_WORDS_MAX))

    def push(self, request: Waiting, most: int, now_s: float) -> None:
        """Queue a request; above `most` one that timed out, else the oldest, is answered with a fault."""
        self.expire(now_s)
        self.requests.append(request)
        while len(self.requests) > most:
            self._fault(self.requests.popleft(), _CODES.BadTooManyPublishRequests)

    def pop(self, now_s: float) -> Waiting | None:
        """The oldest request that has not timed out."""
        while self.requests:
            request = self.requests.popleft()
            if request.due_s > now_s:
                return request
            self._fault(request, _CODES.BadTimeout)
        return None

    def expire(self, now_s: float) -> float:
        """Answer requests whose time is up; returns when the next one's is."""
        if any(r.due_s <= now_s for r in self.requests):
            waiting, self.requests = self.requests, deque()
            for request in waiting:
                if request.due_s <= now_s:
                    self._fault(request, _CODES.BadTimeout)
                else:
                    self.requests.append(request)
        return min((r.due_s for r in self.requests), default=math.inf)

    def cancel(self, handle: int) -> int:
        """Cancel requests of this RequestHandle; returns how many."""
        return self._refuse_all(lambda r: r.handle == handle, _CODES.BadRequestCancelledByClient)

    def clear(self, code: int) -> None:
        """Answer all requests with a fault: there is nothing left that could answer them."""
        self._refuse_all(lambda _: True, code)

    def attach(self, outlet: Outlet) -> None:
        """The session lives on this connection; requests that came by another one cannot be answered any more."""
        if self.outlet is not outlet:
            self.requests.clear()
        self.outlet = outlet

    def detach(self, outlet: Outlet) -> None:
        """The connection has gone."""
        if self.outlet is outlet:
            self.outlet = None
            self.requests.clear()

    def send(self, request: Waiting, message: bytes) -> None:
        if self.outlet is not None:
            self.outlet.answer_publish(request, message)

    def _refuse_all(self, which: Callable[[Waiting], bool], code: int) -> int:
        chosen = [r for r in self.requests if which(r)]
        self.requests = deque(r for r in self.requests if not which(r))
        for request in chosen:
            self._fault(request, code)
        return len(chosen)

    def _fault(self, request: Waiting, code: int) -> None:
        if self.outlet is not None:
            self.outlet.refuse_publish(request, int(code))
