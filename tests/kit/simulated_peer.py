# SPDX-License-Identifier: Apache-2.0
"""What is the same for every simulator as the kit's peer: its life and its faults."""

from __future__ import annotations

from drivers.simulated import Simulated


class SimulatedPeer:
    """The half of `drivers.peer.Peer` that knows no values.

    Attributes:
        simulated: the device; set by each protocol's peer.
    """

    simulated: Simulated

    @property
    def requests(self) -> int:
        return self.simulated.requests

    @property
    def pending_max(self) -> int:
        return self.simulated.pending_max

    @pending_max.setter
    def pending_max(self, value: int) -> None:
        self.simulated.pending_max = value

    @property
    def turned_away(self) -> int:
        return self.simulated.turned_away

    async def start(self) -> None:
        await self.simulated.start()

    async def stop(self) -> None:
        await self.simulated.stop()

    async def restart(self) -> None:
        await self.simulated.restart()

    def refuse(self) -> None:
        self.simulated.turn("refuse")

    def hang(self, delay_s: float | None) -> None:
        self.simulated.turn("hang" if delay_s is None else f"late {delay_s:g} s")

    def slow(self, delay_s: float) -> None:
        self.simulated.turn(f"slow {delay_s:g} s")

    def reset(self) -> None:
        self.simulated.reset()

    def reset_on_write(self) -> None:
        self.simulated.faults.cuts_write = True

    def garble(self) -> None:
        self.simulated.turn("garble")

    def truncate(self) -> None:
        self.simulated.turn("truncate")

    def duplicate(self) -> None:
        self.simulated.turn("duplicate")

    def misdirect(self) -> None:
        self.simulated.turn("wrong_id")

    def one_client(self) -> None:
        self.simulated.turn("clients 1")

    def heal(self) -> None:
        self.simulated.heal()
