# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_opcua_simulator.py, tests/kit/test_opcua.py, tests/sim/test_opcua_days.py
"""A simulated OPC UA server on a real socket, with knobs for all that goes wrong in the field.

Law of this file: what the server does to its answers; its connections are `serving`'s, what the nodes mean is the demo
plant's business (`Nodes` is its door). Time is `loop.time()`.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any, Final

from asyncua import ua

from drivers.knobs import Knob
from drivers.opcua.knobs import parse
from drivers.opcua.nodes import Nodes
from drivers.opcua.serving import Serving

WRITE: Final = 673
PUBLISH, PUBLISHED = 826, 829
NOT_COUNTED: Final = (0, PUBLISH, PUBLISHED)


class SimulatedServer:
    """One endpoint without security.

    Attributes:
        nodes: what it holds.
        uri: its ApplicationUri.
        requests: questions that have arrived, but for Publish and the opening of channels.
        pending, pending_max: answers that are held now, and the most questions that were ever open.
        gives_subscriptions: False: BadTooManySubscriptions.
    """

    def __init__(self, nodes: Nodes, uri: str, host: str = "127.0.0.1", port: int = 0) -> None:
        self.nodes, self.uri, self.host, self.port = nodes, uri, host, port
        self.requests = self.pending = self.pending_max = 0
        self._server: asyncio.Server | None = None
        self._connections: set[Serving] = set()
        self._noise = random.Random(uri)
        self._restarting: asyncio.Task[None] | None = None
        self.heal()

    # --- life

    async def start(self) -> None:
        """Listen; port 0 becomes the system's choice and is kept for later starts. Idempotent."""
        if self._server is None:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(lambda: Serving(self), self.host, self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close the door and reset all connections. Idempotent."""
        restarting = self._restarting
        if restarting is not None and restarting is not asyncio.current_task():
            self._restarting = None
            await asyncio.wait([restarting])
        server, self._server = self._server, None
        if server is not None:
            server.close()
        self.reset()
        if server is not None:
            await server.wait_closed()
        await asyncio.sleep(0)  # lets the transports tell that they are gone

    async def restart(self) -> None:
        """Stop and start on the same port; values are kept."""
        await self.stop()
        await self.start()

    # --- knobs

    def turn(self, knob: Knob | str) -> None:
        """Turn a knob; text as in `knobs`.

        Raises:
            ValueError: no such knob.
        """
        if isinstance(knob, str):
            knob = parse(knob)
        _TURNS[knob.name](self, knob)

    def heal(self) -> None:
        """Turn every knob back."""
        self._hang_until_s = self._refuse_until_s = self._silent_until_s = 0.0
        self._late_s = self._slow_s = 0.0
        self._reset_on_write = False
        self._spoil = {"garble": 0, "truncate": 0, "duplicate": 0, "busy": 0}
        self.gives_subscriptions = True
        self.nodes.rejected.clear()

    def hang(self, seconds: float | None) -> None:
        """Hear questions and never answer them, for a time or until healed (None)."""
        self._hang_until_s = _until(seconds)

    def silent(self, seconds: float | None) -> None:
        """Subscriptions say nothing, for a time or until healed (None)."""
        self._silent_until_s = _until(seconds)

    def late(self, seconds: float) -> None:
        """Hold each answer; later questions are not blocked by it."""
        self._late_s = seconds

    def slow(self, seconds: float) -> None:
        """Answer in order, each answer that long after its question."""
        self._slow_s = seconds

    def reset(self) -> None:
        """Reset all connections now."""
        for connection in list(self._connections):
            connection.abort()

    def forget(self) -> None:
        """Forget all sessions; the connections stay."""
        for connection in self._connections:
            connection.forget()

    def reset_on_write(self) -> None:
        """Carry out the next write, then reset instead of answering."""
        self._reset_on_write = True

    def refuse(self, seconds: float | None) -> None:
        """Reset all connections and every new one, for a time or until healed (None)."""
        self._refuse_until_s = _until(seconds)
        self.reset()

    def spoil(self, how: str, count: int = 1) -> None:
        """Spoil the next answers: garble, truncate, duplicate or busy."""
        self._spoil[how] = count

    def reject(self, node: str) -> None:
        """A node is unknown from now on."""
        self.nodes.rejected.add(ua.NodeId.from_string(node))

    def accept(self, node: str) -> None:
        """The end of `reject`."""
        self.nodes.rejected.discard(ua.NodeId.from_string(node))

    def restart_soon(self) -> None:
        """As `restart`, from a knob; `stop` waits for it."""
        if self._restarting is None or self._restarting.done():
            self._restarting = asyncio.get_running_loop().create_task(self.restart())

    # --- serving

    @property
    def endpoint(self) -> str:
        """Its URL."""
        return f"opc.tcp://{self.host}:{self.port}"

    @property
    def refuses(self) -> bool:
        """True while connections are reset."""
        return self._refuse_until_s > _now_s()

    @property
    def is_silent(self) -> bool:
        """True while subscriptions say nothing."""
        return self._silent_until_s > _now_s()

    def asked(self, connection: Serving, type_id: int, frame: Callable[[], bytes] | None) -> None:
        """A question has come and was carried out; answer it as the knobs will have it.

        Args:
            frame: makes the answer's frame when it leaves; None: a Publish, which is answered when there is news.
        """
        counts = type_id not in NOT_COUNTED
        self.requests += counts
        self.pending += counts
        self.pending_max = max(self.pending_max, self.pending)
        delay_s = self._late_s or self._slow_s
        if frame is None:
            return
        if type_id == WRITE and self._reset_on_write:
            self._reset_on_write = False
            self.pending -= counts
            connection.abort()
        elif self._hang_until_s > _now_s():
            self.pending -= counts
        elif delay_s:
            asyncio.get_running_loop().call_later(delay_s, self._send, connection, frame, counts)
        else:
            self._send(connection, frame, counts)

    def _send(self, connection: Serving, frame: Callable[[], bytes], counts: bool) -> None:
        self.pending -= counts
        connection.write(self._spoiled(frame()))

    def _spoiled(self, frame: bytes) -> bytes:
        if self._take("garble"):
            frame = b"\xff" + self._noise.randbytes(len(frame) - 1)  # never by chance a message
        if self._take("truncate"):
            frame = frame[: len(frame) // 2 + 1]
        if self._take("duplicate"):
            frame += frame
        return frame

    def _take(self, how: str) -> bool:
        if self._spoil[how] <= 0:
            return False
        self._spoil[how] -= 1
        return True

    def busy(self) -> bool:
        """True if this question is answered with BadServerTooBusy."""
        return self._take("busy")

    def enter(self, connection: Serving) -> None:
        """A client connected."""
        self._connections.add(connection)

    def leave(self, connection: Serving) -> None:
        """A client is gone."""
        self._connections.discard(connection)


def _now_s() -> float:
    return asyncio.get_running_loop().time()


def _until(seconds: float | None) -> float:
    return float("inf") if seconds is None else _now_s() + seconds


_TURNS: Final[dict[str, Callable[[SimulatedServer, Knob], Any]]] = {
    "hang": lambda server, knob: server.hang(knob.seconds),
    "late": lambda server, knob: server.late(knob.seconds or 0.0),
    "slow": lambda server, knob: server.slow(knob.seconds or 0.0),
    "silent": lambda server, knob: server.silent(knob.seconds),
    "no_subscriptions": lambda server, knob: setattr(server, "gives_subscriptions", False),
    "forget": lambda server, knob: server.forget(),
    "reset": lambda server, knob: server.reset(),
    "refuse": lambda server, knob: server.refuse(knob.seconds),
    "restart": lambda server, knob: server.restart_soon(),
    "garble": lambda server, knob: server.spoil("garble", knob.count),
    "truncate": lambda server, knob: server.spoil("truncate", knob.count),
    "duplicate": lambda server, knob: server.spoil("duplicate", knob.count),
    "busy": lambda server, knob: server.spoil("busy", knob.count),
    "reject": lambda server, knob: server.reject(knob.what),
    "accept": lambda server, knob: server.accept(knob.what),
    "heal": lambda server, knob: server.heal(),
}
