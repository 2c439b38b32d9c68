# SPDX-License-Identifier: Apache-2.0
# Tests: tests/sim/test_loop.py
"""Virtual time for asyncio, over real loopback sockets.

Law of this file: time moves only when nothing else can. `loop.time()` jumps to the next timer exactly when no
callback is ready, no socket is readable or writable, no byte is under way between two sockets of this loop and no
job is pending off the loop. So a busy machine makes a test slower, never different: a timeout seen here is real.

Theory. asyncio asks its selector to sleep until the next timer. Ours polls the real sockets without sleeping and, if
nothing happened, adds the time it was told to sleep to the clock. The kernel delivers loopback bytes before `send`
returns, but promises nothing; therefore every socket of the loop keeps a ledger of what its partner has sent and it
has not read (`due`: bytes, of a datagram socket datagrams), and while somebody who is listening has something due the
clock stands. The ledger costs one addition a call, and nothing in the normal case.

Pseudo-terminals deliver a little later than sockets; who uses them sets `loop.terminal_due` (`tests.sim.terminals`).

What it cannot see: sockets of other processes or threads. A peer outside the loop belongs into `tests/system`, or
its user takes `loop.hold()` while an answer is awaited; a held clock stands still.
"""

from __future__ import annotations

import asyncio
import selectors
import socket
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar

from config.words import NS_PER_S

T = TypeVar("T")
Address = tuple[Any, Any]

START = datetime(2026, 1, 5, tzinfo=UTC)  # a Monday, winter time
ARRIVAL_S = 5.0  # real: loopback bytes that need longer are a fault of the machine, and said so
GRACE_S = 0.005  # real: for what the ledger does not cover, a connect under way or a partner not yet accepted


class StreamSocket(socket.socket):
    """A connected socket that knows how many bytes its partner in the same loop has sent it and it has not read."""

    def join(self, ledger: Ledger) -> None:
        self.ledger, self.due = ledger, 0
        try:
            here, there = self.getsockname(), self.getpeername()
        except OSError:
            here = there = None
        self.here: Address = (here, there)
        self.there: Address = (there, here)
        ledger.enter(self)

    def send(self, data: Any, *flags: int) -> int:
        n = super().send(data, *flags)
        self.ledger.sent(self.there, n)
        return n

    def recv(self, *args: int) -> bytes:
        try:
            data = super().recv(*args)
        except (BlockingIOError, InterruptedError):
            raise
        except OSError:
            self.ledger.received(self, self.due)
            raise
        self.ledger.received(self, len(data) or self.due)
        return data

    def recv_into(self, *args: Any) -> int:
        try:
            n = super().recv_into(*args)
        except (BlockingIOError, InterruptedError):
            raise
        except OSError:
            self.ledger.received(self, self.due)
            raise
        self.ledger.received(self, n or self.due)
        return n

    def shutdown(self, how: int) -> None:
        super().shutdown(how)
        self.ledger.sent(self.there, 1)  # the end of the stream is one more thing to arrive

    def close(self) -> None:
        if self.fileno() >= 0:
            self.ledger.leave(self)
        super().close()


class DatagramSocket(socket.socket):
    """A bound datagram socket that knows how many datagrams of the same loop it has not read."""

    def join(self, ledger: Ledger) -> None:
        self.ledger, self.due = ledger, 0
        self.here: Address = (self.getsockname(), None)
        self.there: Address = (None, None)
        ledger.enter(self)

    def sendto(self, data: Any, *address: Any) -> int:
        n = super().sendto(data, *address)
        there = (address[-1], None)
        if there in self.ledger.ends:  # a datagram to nobody arrives nowhere
            self.ledger.sent(there, 1)
        return n

    def recvfrom(self, *args: int) -> Any:
        found = super().recvfrom(*args)
        self.ledger.received(self, 1)
        return found

    def close(self) -> None:
        if self.fileno() >= 0:
            self.ledger.leave(self)
        super().close()


class Ledger:
    """Bytes, and datagrams, under way between the sockets of one loop."""

    def __init__(self) -> None:
        self.ends: dict[Address, StreamSocket | DatagramSocket] = {}
        self.total = 0
        self.unclaimed = False

    def enter(self, end: StreamSocket | DatagramSocket) -> None:
        self.ends[end.here] = end

    def leave(self, end: StreamSocket | DatagramSocket) -> None:
        if self.ends.get(end.here) is end:
            del self.ends[end.here]
        self.received(end, end.due)
        if isinstance(end, StreamSocket):
            self.sent(end.there, 1)

    def sent(self, there: Address, n: int) -> None:
        if (end := self.ends.get(there)) is None:
            self.unclaimed = True
        else:
            end.due += n
            self.total += n

    def received(self, end: StreamSocket | DatagramSocket, n: int) -> None:
        n = min(n, end.due)
        end.due -= n
        self.total -= n


class VirtualSelector(selectors.EpollSelector):
    """Polls real sockets; sleeps virtually."""

    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        events = super().select(0)
        if events or (timeout is not None and timeout <= 0):
            return events
        while self.loop.pending:  # a job off the loop, or a peer outside it: the clock stands
            if events := super().select(0.05):
                return events
        if events := self._arrivals():
            return events
        if timeout is None:
            if events := super().select(1.0):  # a signal or a child process may still wake us
                return events
            raise RuntimeError("virtual time is stuck: no timer, nothing readable, no job off the loop")
        self.loop.now_s += timeout
        return []

    def _arrivals(self) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait, in real time, for bytes that were sent within this loop and have not arrived."""
        ledger = self.loop.ledger
        if self.loop.connecting or ledger.unclaimed:
            self.loop.connecting = ledger.unclaimed = False
            if events := super().select(GRACE_S):
                return events
        limit = time.monotonic() + ARRIVAL_S
        while ledger.total and any(self._listens(end) for end in ledger.ends.values() if end.due):
            if events := super().select(0.05):
                return events
            if time.monotonic() > limit:
                raise RuntimeError(f"{ledger.total} bytes sent on loopback did not arrive within {ARRIVAL_S} s")
        while self.loop.terminal_due():
            if events := super().select(0.05):
                return events
        return []

    def _listens(self, end: StreamSocket | DatagramSocket) -> bool:
        key = self.get_map().get(end.fileno())
        return key is not None and bool(key.events & selectors.EVENT_READ)


class VirtualLoop(asyncio.SelectorEventLoop):
    """asyncio's own loop with the selector above.

    Attributes:
        now_s: what `time()` says [s].
        start_ns: UTC when `now_s` was 0 [ns].
        pending: jobs off the loop and holds; the clock stands while it is not 0.
    """

    def __init__(self, start: datetime = START) -> None:
        self.now_s = 0.0
        self.start_ns = round(start.timestamp()) * NS_PER_S
        self.pending = 0
        self.connecting = False
        self.ledger = Ledger()
        self.terminal_due: Callable[[], bool] = lambda: False
        self.errors: list[dict[str, Any]] = []
        selector = VirtualSelector()
        selector.loop = self
        super().__init__(selector)
        self.set_exception_handler(lambda _loop, context: self.errors.append(context))

    def time(self) -> float:
        return self.now_s

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Stand still: somebody outside the loop is at work."""
        self.pending += 1
        try:
            yield
        finally:
            self.pending -= 1

    def run_in_executor(self, executor: Any, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:
        future = super().run_in_executor(executor, func, *args)
        self.pending += 1
        future.add_done_callback(self._back_on_loop)
        return future

    def _back_on_loop(self, _future: object) -> None:
        self.pending -= 1

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        self.connecting = True
        await super().sock_connect(sock, address)

    def _make_socket_transport(self, sock: socket.socket, *args: Any, **kwargs: Any) -> Any:
        if sock.family in (socket.AF_INET, socket.AF_INET6):
            sock = StreamSocket(sock.family, sock.type, sock.proto, sock.detach())
            sock.setblocking(False)
            sock.join(self.ledger)
        return super()._make_socket_transport(sock, *args, **kwargs)

    def _make_datagram_transport(self, sock: socket.socket, *args: Any, **kwargs: Any) -> Any:
        if sock.family in (socket.AF_INET, socket.AF_INET6):
            sock = DatagramSocket(sock.family, sock.type, sock.proto, sock.detach())
            sock.setblocking(False)
            sock.join(self.ledger)
        return super()._make_datagram_transport(sock, *args, **kwargs)


class VirtualClock:
    """`config.words.Clock` of a virtual loop."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def wall_ns(self) -> int:
        return self._loop.start_ns + round(self._loop.now_s * NS_PER_S)

    def boot_s(self) -> float:
        return self._loop.now_s


def clock() -> VirtualClock:
    """The clock of the virtual loop that runs now."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop), "call it inside tests.sim.loop.run"
    return VirtualClock(loop)


def run(main: Coroutine[Any, Any, T], start: datetime = START, debug: bool = True) -> T:
    """Run `main` in virtual time.

    Args:
        start: UTC at `loop.time()` = 0.
        debug: asyncio's own checks; switch off for soaks, they cost a factor.
    Raises:
        AssertionError: a task was left behind, or an exception was swallowed by the loop.
    """
    loop = VirtualLoop(start)
    loop.set_debug(debug)
    loop.slow_callback_duration = 1e9  # no timed complaints: virtual time does not pass in a callback
    asyncio.set_event_loop(loop)
    try:
        result = loop.run_until_complete(main)
        left = [repr(task) for task in asyncio.all_tasks(loop)]
        loop.run_until_complete(asyncio.sleep(0))  # transports closed last get their connection_lost
        assert not left, "tasks left behind:\n" + "\n".join(left)
        assert not loop.errors, f"errors that nobody saw: {loop.errors}"
        return result
    finally:
        _wind_up(loop)


def _wind_up(loop: VirtualLoop) -> None:
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.run_until_complete(loop.shutdown_default_executor())
    asyncio.set_event_loop(None)
    loop.close()
