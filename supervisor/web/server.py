# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_web.py
"""The HTTP door: status, health and metrics, from start to stop.

Law of this file: sockets and bounds; what is answered is `pages`'s. At most `connections_max` connections, one request
each: so no client holds more than one answer in memory, however many it asks for. A request that is not whole
`idle_s` after the connection, and an answer that is not taken within `idle_s`, is given up.
"""

from __future__ import annotations

import asyncio
import ipaddress
from typing import TYPE_CHECKING, Final

from twisted.internet.error import CannotListenError
from twisted.protocols.policies import WrappingFactory
from twisted.web.http import HTTPChannel
from twisted.web.http import Request as AnyRequest
from twisted.web.server import Site

from supervisor.failure import Failure
from supervisor.web.metrics import HmiNumbers, Status
from supervisor.web.pages import BoundedRequest, Root
from supervisor.web.reactor import dispose_reactor, make_reactor

if TYPE_CHECKING:
    from twisted.internet.address import IPv4Address
    from twisted.internet.asyncioreactor import AsyncioSelectorReactor
    from twisted.internet.interfaces import IAddress, IListeningPort
    from twisted.internet.protocol import Protocol

CONNECTIONS_MAX: Final = 32
IDLE_S: Final = 15.0
_ROUNDS_MAX: Final = 1000


class _Connection(HTTPChannel):
    """One request, within its time."""

    MAX_LENGTH = 4096  # of a line [B]: a Content-Length of more digits than Python reads is none
    abortTimeout = 1  # noqa: N815 - the names are Twisted's

    def resetTimeout(self) -> None:  # noqa: N802
        """A byte now and then gains no time."""

    def checkPersistence(self, request: AnyRequest, version: bytes) -> bool:  # noqa: N802
        request.responseHeaders.setRawHeaders(b"Connection", [b"close"])
        return False

    def requestDone(self, request: AnyRequest) -> None:  # noqa: N802
        super().requestDone(request)
        self.setTimeout(self.factory.timeOut)  # for the client to take its answer


class _Pages(Site):
    """Without an access log: a scrape every few seconds is no event."""

    def log(self, request: AnyRequest) -> None:
        """Nothing."""


class _Bounded(WrappingFactory):
    """At most so many connections; further ones are closed at once and counted."""

    refused = 0

    def __init__(self, pages: Site, connections_max: int) -> None:
        super().__init__(pages)
        self._connections_max = connections_max

    def buildProtocol(self, addr: IAddress) -> Protocol | None:  # noqa: N802 - the name is Twisted's
        if len(self.protocols) >= self._connections_max:
            self.refused += 1
            return None
        return super().buildProtocol(addr)


class WebServer:
    """The door.

    Args:
        host: address to listen on.
        port: 0: the operating system gives one.
        status: makes the status document.
        hmi: numbers of the OPC UA door for the metrics.
        reactor: of the running loop; None: one is made at start and disposed of at stop.
    """

    def __init__(
        self,
        host: str,
        port: int,
        status: Status,
        hmi: HmiNumbers | None = None,
        reactor: AsyncioSelectorReactor | None = None,
        connections_max: int = CONNECTIONS_MAX,
        idle_s: float = IDLE_S,
    ) -> None:
        self._host = host
        self._port = port
        self._status = status
        self._hmi = hmi
        self._reactor = reactor
        self._own_reactor: AsyncioSelectorReactor | None = None
        self._connections_max = connections_max
        self._idle_s = idle_s
        self._listening: IListeningPort | None = None
        self._factory: _Bounded | None = None
        self._root: Root | None = None
        self.url = ""

    @property
    def refused(self) -> int:
        """Connections turned away since start, for want of room."""
        return 0 if self._factory is None else self._factory.refused

    async def start(self) -> None:
        """Listen.

        Raises:
            Failure: the port is in use or the address not ours.
        """
        if self._reactor is None:
            self._reactor = self._own_reactor = make_reactor()
        self._root = Root(self._status, self._hmi, _is_loopback(self._host))
        pages = _Pages(self._root, requestFactory=BoundedRequest, timeout=self._idle_s, reactor=self._reactor)
        pages.protocol = _Connection
        self._factory = _Bounded(pages, self._connections_max)
        try:
            self._listening = self._reactor.listenTCP(self._port, self._factory, interface=self._host)
        except CannotListenError as e:
            self._dispose()
            raise Failure(
                f"HTTP port {self._port} on {self._host} cannot be opened: {_why(e)}; choose another with --http-port, "
                "or stop the program that holds it"
            ) from e
        address: IPv4Address = self._listening.getHost()  # type: ignore[assignment]
        host = f"[{self._host}]" if ":" in self._host else self._host
        self.url = f"http://{host}:{address.port}"

    async def stop(self) -> None:
        """Stop listening and end every connection. Idempotent."""
        listening, self._listening = self._listening, None
        if listening is None:
            return
        done = listening.stopListening()
        if done is not None:
            await done.asFuture(asyncio.get_running_loop())
        await self._end_connections()
        if self._root is not None:
            await self._root.close()
        self._dispose()
        self.url = ""

    async def _end_connections(self) -> None:
        connections = {} if self._factory is None else self._factory.protocols
        for protocol in list(connections):
            protocol.transport.abortConnection()
        # The reactor tells each of them in its next round; nothing on the wire is waited for.
        for _ in range(_ROUNDS_MAX):
            if not connections:
                return
            await asyncio.sleep(0)

    def _dispose(self) -> None:
        if self._own_reactor is not None:
            dispose_reactor(self._own_reactor)
            self._reactor = self._own_reactor = None


def _why(e: CannotListenError) -> str:
    return getattr(e.socketError, "strerror", None) or str(e.socketError)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
