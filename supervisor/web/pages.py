# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_web.py
"""What the HTTP door answers: three pages, read-only.

Law of this file: GET and HEAD, no body, no arguments, no state. A long page is made in pieces, one at a time. Every
answer says that it may be neither stored, nor framed, nor guessed at. On a loopback address only loopback names are
answered, so that no web page can reach it by giving its own name our address.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections.abc import Awaitable, Callable
from io import BytesIO
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request

from supervisor.pieces import encode
from supervisor.web.metrics import HmiNumbers, Status, exposition

log = logging.getLogger(__name__)

_TEXT: Final = "text/plain; charset=utf-8"
_HEADERS: Final = {
    "Server": "vigie",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
Answer = tuple[int, str, bytes]
Page = Callable[[], Awaitable[Answer]]


class BoundedRequest(Request):
    """A request without body: whoever sends one is answered 413 and disconnected before it is read."""

    _too_long = False

    def gotLength(self, length: int | None) -> None:  # noqa: N802 - the name is Twisted's
        if length == 0:
            super().gotLength(length)
            return
        self._too_long = True
        self.content = BytesIO()
        transport = self.channel.transport
        transport.write(b"HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        transport.loseConnection()

    def handleContentChunk(self, data: bytes) -> None:  # noqa: N802
        if not self._too_long:
            super().handleContentChunk(data)

    def process(self) -> None:
        if self.path == b"*":
            self.path = b"/*"  # of OPTIONS: no page; Twisted would answer by itself, and give its name
        if not self._too_long:
            super().process()


class Root(Resource):
    """All pages.

    Args:
        status: makes the status document.
        loopback: answer loopback names only.
    """

    isLeaf = True  # noqa: N815 - the name is Twisted's

    def __init__(self, status: Status, hmi: HmiNumbers | None, loopback: bool) -> None:
        super().__init__()
        self._status = status
        self._loopback = loopback
        self._hmi = hmi
        self._serving: set[asyncio.Task[None]] = set()
        self._one_long_page = asyncio.Lock()
        self._pages: dict[bytes, Page] = {
            b"/status": self._status_page,
            b"/healthz": self._health_page,
            b"/metrics": self._metrics_page,
        }

    def render(self, request: Request) -> int:
        """Any request, whatever its method; the answer follows."""
        serving = asyncio.get_running_loop().create_task(self._serve(request))
        self._serving.add(serving)
        serving.add_done_callback(self._serving.discard)
        request.notifyFinish().addErrback(lambda _gone: serving.cancel())
        return NOT_DONE_YET

    async def close(self) -> None:
        """End whatever is being answered."""
        serving = list(self._serving)
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)

    async def _serve(self, request: Request) -> None:
        code, kind, body = await self._answer(request)
        request.setResponseCode(code)
        for name, value in _HEADERS.items():
            request.setHeader(name, value)
        request.setHeader("Content-Type", kind)
        request.setHeader("Content-Length", str(len(body)))
        if request.method != b"HEAD":
            request.write(body)
        request.finish()

    async def _answer(self, request: Request) -> Answer:
        if request.method not in (b"GET", b"HEAD"):
            request.setHeader("Allow", "GET, HEAD")
            return 405, _TEXT, b"read-only: GET and HEAD\n"
        hosts = request.requestHeaders.getRawHeaders(b"host", [])
        if len(hosts) > 1 or (not hosts and request.clientproto == b"HTTP/1.1"):
            return 400, _TEXT, b"expected one Host\n"  # RFC 9112, 3.2
        if self._loopback and not _is_loopback(request.getRequestHostname()):
            return 403, _TEXT, b"this door answers loopback names only\n"
        page = self._pages.get(request.path)
        if page is None:
            return 404, _TEXT, b"there are: /status /healthz /metrics\n"
        try:
            return await page()
        except Exception:
            log.exception("page %r", request.path)
            return 500, _TEXT, b"internal error; see the log\n"

    async def _status_page(self) -> Answer:
        async with self._one_long_page:
            return 200, "application/json", await encode(await self._status(None))

    async def _health_page(self) -> Answer:
        late = (await self._status(0))["late"]
        if late:
            return 503, _TEXT, f"no proof of life from: {', '.join(late)}\n".encode()
        return 200, _TEXT, b"ok\n"

    async def _metrics_page(self) -> Answer:
        async with self._one_long_page:
            return 200, CONTENT_TYPE_LATEST, await exposition(await self._status(None), self._hmi)


def _is_loopback(host: bytes) -> bool:
    name = host.decode("ascii", "replace").strip("[]").lower()
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
