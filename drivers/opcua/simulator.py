# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_opcua_simulator.py, tests/kit/test_opcua.py, tests/sim/test_opcua_days.py
"""A simulated OPC UA server on a real socket, with knobs for all that goes wrong in the field.

Law of this file: what the server does to its answers; its connections are `serving`'s, what the nodes mean is the demo
plant's business (`Nodes` is its door). Time is `loop.time()`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Final

from asyncua import ua

from drivers.opcua.knobs import parse
from drivers.opcua.nodes import Nodes
from drivers.opcua.serving import Serving
from drivers.simulated import Door, Simulated

WRITE: Final = 673
PUBLISH, PUBLISHED = 826, 829
NOT_COUNTED: Final = (0, PUBLISH, PUBLISHED)
REQUEST_ID: Final = 20  # where it stands in a message
ITEMS_MAX: Final = 100_000
NOISE: Final = (0, 0xFF)  # no message begins so


class SimulatedServer(Simulated):
    """One endpoint without security. Questions are counted but for Publish and the opening of channels.

    Attributes:
        nodes: what it holds.
        uri: its ApplicationUri.
        gives_subscriptions: False: BadTooManySubscriptions.
        items_max: items that a subscription may have; further ones are BadTooManyMonitoredItems.
    """

    parse = staticmethod(parse)

    def __init__(self, nodes: Nodes, uri: str, host: str = "127.0.0.1", port: int = 0) -> None:
        """Nothing is opened yet."""
        super().__init__(uri, host, port, NOISE)
        self.nodes, self.uri = nodes, uri
        self.gives_subscriptions = True
        self.items_max = ITEMS_MAX

    async def _listen(self) -> tuple[Door, int]:
        return await self._serve_tcp(lambda: Serving(self))

    # --- knobs

    def heal(self) -> None:
        """Turn every knob back."""
        super().heal()
        self.gives_subscriptions = True
        self.items_max = ITEMS_MAX
        self.nodes.rejected.clear()

    def forget(self) -> None:
        """Forget all sessions; the connections stay."""
        for connection in self._connections:
            connection.forget()

    def reject(self, node: str) -> None:
        """A node is unknown from now on."""
        self.nodes.rejected.add(ua.NodeId.from_string(node))

    def accept(self, node: str) -> None:
        """The end of `reject`."""
        self.nodes.rejected.discard(ua.NodeId.from_string(node))

    own: ClassVar = {
        "no_subscriptions": lambda server, knob: setattr(server, "gives_subscriptions", False),
        "items": lambda server, knob: setattr(server, "items_max", knob.count),
        "forget": lambda server, knob: server.forget(),
        "reject": lambda server, knob: server.reject(knob.what),
        "accept": lambda server, knob: server.accept(knob.what),
    }

    # --- serving

    @property
    def endpoint(self) -> str:
        """Its URL."""
        return f"opc.tcp://{self.host}:{self.port}"

    def asked(self, connection: Serving, type_id: int, frame: Callable[[], bytes] | None) -> None:
        """A question has come and was carried out; answer it as the knobs will have it.

        Args:
            frame: makes the answer's frame when it leaves; None: a Publish, which is answered when there is news.
        """
        faults, counts = self.faults, type_id not in NOT_COUNTED
        connection.owed.asked(counts)
        if frame is None:
            return
        if type_id == WRITE and faults.take_cut():
            connection.abort()
        elif faults.lasts("hang"):
            connection.owed.settled(counts)
        else:
            wrong = counts and faults.take("wrong_id")
            connection.answer(lambda: b"".join(faults.spoilt(_other(frame()) if wrong else frame())), counts)


def _other(frame: bytes) -> bytes:
    """As the answer to another request. Source: OPC 10000-6, 6.7.2.4: RequestId."""
    return frame[:REQUEST_ID] + bytes((frame[REQUEST_ID] ^ 0x55,)) + frame[REQUEST_ID + 1 :]
