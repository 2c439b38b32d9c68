# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_faults.py, tests/kit
"""A simulated device of any protocol: its door, its connections, and whose hand turns its knobs.

Law of this file: life; no bytes. What is answered is each protocol's `simulator`; what is broken is `faults`'.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final, Protocol

from drivers.faults import Faults
from drivers.knobs import Knob

CLIENTS_MAX: Final = 1000


class Door(Protocol):
    """What listens."""

    def close(self) -> None:
        """Listen no more. Idempotent."""
        ...

    async def wait_closed(self) -> None:
        """Until it is closed."""
        ...


class Connection(Protocol):
    """One client, as far as the device's life concerns it."""

    def abort(self) -> None:
        """Reset it."""
        ...


class Simulated(ABC):
    """One simulated device.

    Attributes:
        port: 0 before the first start: the system's choice, which is kept.
        faults: the knobs that every protocol has.
        requests, pending, pending_max: as `owed.Debtor`.
        clients_max: how many connections it takes; further ones are reset.
        turned_away: connections that were reset because they came too many, or while it refuses.
        own: knobs that only this protocol has.
    """

    own: ClassVar[Mapping[str, Callable[[Any, Knob], object]]]

    def __init__(self, name: str, host: str, port: int, noise: tuple[int, int]) -> None:
        """Nothing is opened yet.

        Args:
            noise: as `Faults`.
        """
        self.name, self.host, self.port = name, host, port
        self.faults = Faults(name, noise)
        self.requests = self.pending = self.pending_max = self.turned_away = 0
        self.clients_max = CLIENTS_MAX
        self._door: Door | None = None
        self._connections: set[Any] = set()
        self._restarting: asyncio.Task[None] | None = None

    # --- life

    @abstractmethod
    async def _listen(self) -> tuple[Door, int]:
        """Open the door; and the port it has."""

    async def _serve_tcp(self, make: Callable[[], asyncio.Protocol]) -> tuple[Door, int]:
        """A door for connections."""
        server = await asyncio.get_running_loop().create_server(make, self.host, self.port)
        return server, server.sockets[0].getsockname()[1]

    async def start(self) -> None:
        """Listen. Idempotent.

        Raises:
            OSError: the port is in use.
        """
        if self._door is None:
            self._door, self.port = await self._listen()

    async def stop(self) -> None:
        """Close the door and reset all connections; held answers are dropped. Idempotent."""
        restarting = self._restarting
        if restarting is not None and restarting is not asyncio.current_task():
            self._restarting = None
            await asyncio.wait([restarting])
        door, self._door = self._door, None
        if door is not None:
            door.close()
        self.reset()
        if door is not None:
            await door.wait_closed()
        await asyncio.sleep(0)  # lets the transports tell that they are gone

    async def restart(self) -> None:
        """Stop and start on the same port; values are kept, connections are not."""
        await self.stop()
        await self.start()

    def enter(self, connection: Connection) -> bool:
        """A client comes. Returns False for one that was turned away."""
        if self.faults.lasts("refuse") or len(self._connections) >= self.clients_max:
            self.turned_away += 1
            connection.abort()
            return False
        self._connections.add(connection)
        return True

    def leave(self, connection: Connection) -> None:
        """It is gone."""
        self._connections.discard(connection)

    def reset(self) -> None:
        """Reset all connections now."""
        for connection in list(self._connections):
            connection.abort()

    # --- knobs

    @staticmethod
    @abstractmethod
    def parse(text: str) -> Knob:
        """Words to a knob, as the protocol's `knobs` does it."""

    def turn(self, knob: Knob | str) -> None:
        """Turn a knob; text as in the protocol's `knobs`.

        Raises:
            ValueError: no such knob.
        """
        if isinstance(knob, str):
            knob = self.parse(knob)
        if (own := self.own.get(knob.name)) is not None:
            own(self, knob)
        elif knob.name == "heal":
            self.heal()
        elif knob.name == "restart":
            self.restart_soon()
        elif knob.name == "clients":
            self.clients_max = knob.count
        else:
            self.faults.turn(knob)
            if knob.name in ("reset", "refuse"):
                self.reset()

    def heal(self) -> None:
        """Turn every knob back."""
        self.faults.heal()
        self.clients_max = CLIENTS_MAX

    def restart_soon(self) -> None:
        """As `restart`, from a knob; `stop` waits for it."""
        if self._restarting is None or self._restarting.done():
            self._restarting = asyncio.get_running_loop().create_task(self.restart())
