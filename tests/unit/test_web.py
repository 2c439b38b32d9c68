# SPDX-License-Identifier: Apache-2.0
"""The HTTP door over real sockets: pages, headers, bounds, hostile requests, a clean stop."""

import asyncio
import contextlib
import json
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from http.client import HTTPConnection, HTTPResponse
from typing import Any

import pytest
import uvloop
from prometheus_client.parser import text_string_to_metric_families

from supervisor.failure import Failure
from supervisor.hmi.contract import Counters
from supervisor.web.metrics import exposition
from supervisor.web.server import WebServer
from tests.unit.test_status_document import document


class Hmi:
    counters = Counters(reads=7)
    sessions = 2
    subscriptions = 3
    monitored_items = 40

    def levels(self) -> dict[str, int]:
        return {"event_items": 5}

    def faults(self) -> dict[str, int]:
        return {"BadTooManyOperations": 6}


class State:
    late: tuple[str, ...] = ()
    error: str | None = None
    padding = ""
    asked = 0

    async def status(self, devices_max: int | None = None) -> dict[str, Any]:
        self.asked += 1
        return document(self.error, self.late) | ({"padding": self.padding} if self.padding else {})


def with_web(
    client: Callable[[int, State], None], loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None, **kw: Any
) -> None:
    async def main() -> None:
        state = State()
        web = WebServer("127.0.0.1", 0, state.status, Hmi(), **kw)
        await web.start()
        try:
            await asyncio.to_thread(client, int(web.url.rpartition(":")[2]), state)
        finally:
            await web.stop()
            await web.stop()

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(main())


def ask(port: int, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, headers=headers)
        answer: HTTPResponse = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


def scraped(status: dict[str, Any], hmi: Hmi | None = None) -> str:
    return asyncio.run(exposition(status, hmi)).decode()


def raw(port: int, data: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), 10) as s:
        s.sendall(data)
        said = b""
        try:
            while part := s.recv(65536):
                said += part
        except ConnectionResetError:
            pass
        return said


@pytest.mark.parametrize("loop_factory", [None, uvloop.new_event_loop])
def test_three_pages_are_answered_on_either_loop(
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None,
) -> None:
    def client(port: int, state: State) -> None:
        code, headers, body = ask(port, "/status")
        assert code == 200
        assert headers["Content-Type"] == "application/json"
        assert json.loads(body) == document()
        assert ask(port, "/healthz")[::2] == (200, b"ok\n")
        state.late = ("scan",)
        assert ask(port, "/healthz")[::2] == (503, b"no proof of life from: scan\n")
        code, headers, body = ask(port, "/metrics")
        assert code == 200
        assert headers["Content-Type"].startswith("text/plain; version=")
        assert b"vigie_healthy 0.0" in body

    with_web(client, loop_factory)


def test_every_answer_is_private_and_says_nothing_of_the_library() -> None:
    def client(port: int, _state: State) -> None:
        for path in ("/status", "/nothing", "/"):
            _, headers, _ = ask(port, path)
            assert headers["Server"] == "vigie"
            assert headers["Cache-Control"] == "no-store"
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert headers["X-Frame-Options"] == "DENY"
            assert headers["Content-Security-Policy"].startswith("default-src 'none'")

    with_web(client)


def test_only_reading_is_answered() -> None:
    def client(port: int, _state: State) -> None:
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH", "FOO"):
            answer = raw(port, f"{method} /status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            assert answer.startswith(b"HTTP/1.1 405 "), method
            assert b"Allow: GET, HEAD" in answer
        code, headers, body = ask(port, "/status", "HEAD")
        assert (code, body) == (200, b"")
        assert int(headers["Content-Length"]) > 100
        assert ask(port, "/../../etc/passwd")[0] == 404
        assert ask(port, "/status/")[0] == 404

    with_web(client)


def test_a_body_is_refused_before_it_is_read() -> None:
    def client(port: int, _state: State) -> None:
        head = b"GET /status HTTP/1.1\r\nHost: localhost\r\n"
        for more in (
            b"Content-Length: 99999999999\r\n\r\nxxxx",
            b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
            b"Content-Length: 5\r\n\r\nhello",
        ):
            assert raw(port, head + more).startswith(b"HTTP/1.1 413 "), more

    with_web(client)


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 200 + b"\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /status HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 1000 + b"\r\n",
        b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\n\r\n",
        b"GET /status HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"GET /status HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"GET /status HTTP/1.1\r\nContent-Length: " + b"9" * 5_000 + b"\r\n\r\n",
        b"GET /status HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
        b"GET /status HTTP/1.1\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ],
)
def test_hostile_bytes_end_their_own_connection_only(data: bytes, caplog: pytest.LogCaptureFixture) -> None:
    def client(port: int, _state: State) -> None:
        answer = raw(port, data)
        assert answer == b"" or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4")), answer[:100]
        assert b"Twisted" not in answer and "Traceback" not in caplog.text
        assert ask(port, "/healthz")[0] == 200

    with_web(client)


def test_a_foreign_name_for_our_loopback_address_is_not_answered() -> None:
    def client(port: int, _state: State) -> None:
        assert ask(port, "/status", Host="evil.example")[0] == 403
        for host in ("localhost", "LocalHost", "127.0.0.1:99", "[::1]:9840"):
            assert ask(port, "/status", Host=host)[0] == 200, host

    with_web(client)


def test_connections_are_bounded_and_silent_ones_end() -> None:
    def client(port: int, _state: State) -> None:
        silent = [socket.create_connection(("127.0.0.1", port), 10) for _ in range(3)]
        try:
            assert silent[2].recv(10) == b"", "one too many: closed at once"
            assert silent[0].recv(10) == b"", "silent: closed after idle_s"
        finally:
            for s in silent:
                s.close()
        assert ask(port, "/healthz")[0] == 200

    with_web(client, connections_max=2, idle_s=0.5)


def lived(connection: socket.socket, piece: bytes) -> float:
    """Seconds until the server ends a connection on which a piece is sent each 50 ms."""
    began = time.monotonic()
    with contextlib.suppress(ConnectionError):
        while True:
            connection.sendall(piece)
            if select.select([connection], [], [], 0.05)[0] and not connection.recv(1 << 16):
                break
    return time.monotonic() - began


@pytest.mark.parametrize("piece", [b"G", b"X: y\r\n"])
def test_a_byte_now_and_then_gains_no_time(piece: bytes) -> None:
    """Slow loris: as many of them as there are places would shut the door for hours."""

    def client(port: int, _state: State) -> None:
        with socket.create_connection(("127.0.0.1", port), 10) as connection:
            connection.sendall(b"GET /healthz HTTP/1.1\r\n")
            assert lived(connection, piece) < 5

    with_web(client, idle_s=0.3)


def test_one_request_a_connection_and_no_answer_is_kept_for_who_does_not_take_it() -> None:
    """Asked for a hundred pages without a look at them, the server makes one, and gives it up in time."""

    def client(port: int, state: State) -> None:
        state.padding = "x" * 20_000_000
        request = b"GET /status HTTP/1.1\r\nHost: localhost\r\n\r\n"
        with socket.create_connection(("127.0.0.1", port), 10) as deaf:
            deaf.sendall(100 * request)
            while not raw(port, request.replace(b"status", b"healthz")):
                pass  # turned away, until the first one is given up
            assert state.asked == 2
            taken = 0
            with contextlib.suppress(ConnectionError):
                while piece := deaf.recv(1 << 20):
                    taken += len(piece)
            assert taken < 20_000_000

    with_web(client, idle_s=0.3, connections_max=1)


def test_stopping_ends_open_connections() -> None:
    async def main() -> None:
        web = WebServer("127.0.0.1", 0, State().status)
        await web.start()
        reader, writer = await asyncio.open_connection("127.0.0.1", int(web.url.rpartition(":")[2]))
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"200 OK" in await reader.readuntil(b"\r\n")
        await web.stop()
        with contextlib.suppress(ConnectionResetError):
            await reader.read()
        writer.close()
        with contextlib.suppress(ConnectionResetError):
            await writer.wait_closed()

    asyncio.run(main())


def test_a_port_in_use_is_one_sentence() -> None:
    async def main() -> None:
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            s.listen()
            port = s.getsockname()[1]
            with pytest.raises(Failure, match=f"HTTP port {port} on 127.0.0.1 cannot be opened: .*in use"):
                await WebServer("127.0.0.1", port, State().status).start()
        with pytest.raises(Failure, match="cannot be opened"):
            await WebServer("127.0.0.999", 0, State().status).start()

    asyncio.run(main())


def test_a_page_that_fails_is_logged_and_says_nothing_more(caplog: pytest.LogCaptureFixture) -> None:
    def client(port: int, state: State) -> None:
        state.error = "x"
        state.late = 5  # type: ignore[assignment]
        code, _, body = ask(port, "/status")
        assert (code, body) == (500, b"internal error; see the log\n")
        assert "TypeError" in caplog.text

    with_web(client)


def test_metrics_are_the_document_in_numbers_and_absent_where_nothing_was_measured() -> None:
    text = scraped(document(), Hmi())
    found = {
        (s.name, *s.labels.values()): s.value for family in text_string_to_metric_families(text) for s in family.samples
    }
    assert found["vigie_tags", "good"] == 20
    assert found["vigie_device_up", "d", "modbus"] == 0
    assert found["vigie_device_round_trip_seconds", "d", "modbus"] == 0.02
    assert found["vigie_device_misses_total", "d", "modbus"] == 3
    assert found["vigie_commands_total", "confirmed"] == 3
    assert found["vigie_scan_missed_total",] == 2
    assert found["vigie_hmi_reads_total",] == 7
    assert found["vigie_hmi_monitored_items",] == 40
    assert found["vigie_hmi_event_items",] == 5
    assert found["vigie_hmi_faults_total", "BadTooManyOperations"] == 6
    assert 'vigie_info{role="active",site="hand",version="0.1"} 1.0' in text
    assert not any("alarm" in key[0] for key in found), "what is not built is not 0"
    unmeasured = document()
    unmeasured["devices"][0]["round_trip_mean_s"] = None
    assert "round_trip_seconds{" not in scraped(unmeasured)


def test_the_history_is_measured_where_there_is_one() -> None:
    told = {"state": "recording", "samples": 9, "lost": 1, "waiting": 2, "bytes": 77, "refused": True}
    text = scraped({**document(), "history": told})
    for line in ("samples_total 9.0", "lost_total 1.0", "waiting 2.0", "bytes 77.0", "writable 0.0"):
        assert f"\nvigie_history_{line}\n" in text
    assert "vigie_history" not in scraped(document())


def test_no_other_reactor_is_installed() -> None:
    script = "import sys, supervisor.web.server; print('twisted.internet.reactor' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_a_loop_that_serves_http_is_left_clean() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        before = len(loop._selector.get_map())  # type: ignore[attr-defined]
        for _ in range(3):
            web = WebServer("127.0.0.1", 0, State().status)
            await web.start()
            await web.stop()
        assert len(loop._selector.get_map()) == before  # type: ignore[attr-defined]

    asyncio.run(main())
