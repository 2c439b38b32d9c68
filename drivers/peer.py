# SPDX-License-Identifier: Apache-2.0
# Tests: tests/kit (each driver's simulator is used through it)
"""What the driver kit asks of a simulator.

Law of this file: words only. A peer speaks the real protocol on real loopback sockets; the kit turns its knobs and
looks into its memory, so that "the device holds 42" is known from the device and not from the driver under test.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from drivers.base import Point

Raw = int | str
"""A value as the wire says it: the int64 bits of a cell of the point's kind, or the text of a String point."""


@dataclass(frozen=True, slots=True)
class Wide:
    """A large device for the planner.

    Attributes:
        points: many points of one poll class, all readable.
        requests_max: the most exchanges the protocol needs for them, by its own limits.
    """

    points: tuple[Point, ...]
    requests_max: int


class Peer(Protocol):
    """One simulated device, one of everything.

    Attributes:
        requests: questions that have arrived, reads and writes, since it was made.
        pending_max: the most questions that were ever open at the same time.
        turned_away: connections that were reset because they came too many.
    """

    requests: int
    pending_max: int

    @property
    def turned_away(self) -> int: ...

    async def start(self) -> None:
        """Listen on 127.0.0.1; port 0 the first time, the same port at every later start."""
        ...

    async def stop(self) -> None:
        """Close the door and all connections; leave no task. Idempotent. Held answers are dropped."""
        ...

    def device(self) -> Any:
        """The protocol's `device_model` that leads here. Valid after the first `start`."""
        ...

    def points(self) -> tuple[Point, ...]:
        """One of everything the protocol offers: each kind, width, order and area; all readable ones of poll class
        'kit'. At least one point of access r, one rw, and one w or rw of each writable kind.
        """
        ...

    def extremes(self, point: int) -> Sequence[Raw]:
        """Values worth trying for a point: min, max, zero, NaN and infinities, empty, full length, non-ASCII."""
        ...

    def held(self, point: int) -> Raw:
        """What the device holds there now."""
        ...

    def hold(self, point: int, value: Raw) -> None:
        """Make the device hold it (the field moves)."""
        ...

    def wide(self, n: int) -> Wide:
        """`n` points as a large device would have them; only planned, never asked."""
        ...

    def example(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Device settings and one point's address as an engineer writes them (plain data)."""
        ...

    async def restart(self) -> None:
        """Stop and start; values are kept, connections are not."""
        ...

    def refuse(self) -> None:
        """Until healed, new connections are refused or at once reset; existing ones are reset."""
        ...

    def hang(self, delay_s: float | None) -> None:
        """Hold the answer to each question that arrives from now on for `delay_s` [s of loop time], then send it
        (a late answer); None: never answer. Questions that arrive later are not blocked by held ones. A write that
        hangs is carried out at once and only its answer is held.
        """
        ...

    def slow(self, delay_s: float) -> None:
        """Answer in order, each answer `delay_s` after its question."""
        ...

    def reset(self) -> None:
        """Abort all connections now (RST); new ones are welcome."""
        ...

    def reset_on_write(self) -> None:
        """Carry out the next write, then abort its connection instead of answering."""
        ...

    def garble(self) -> None:
        """The next answer is noise of the same length."""
        ...

    def truncate(self) -> None:
        """The next answer ends in the middle; the rest never comes, the connection stays."""
        ...

    def duplicate(self) -> None:
        """The next answer is sent twice."""
        ...

    def misdirect(self) -> None:
        """The next answer is that to another question, or another device's."""
        ...

    def one_client(self) -> None:
        """Until healed, one connection is taken and further ones are reset."""
        ...

    def reject(self, point: int) -> None:
        """The device refuses reads and writes of this point's address from now on (see `shares`)."""
        ...

    def shares(self, point: int) -> Sequence[int]:
        """Other points that lie in the same place (bits of one register) and are therefore refused with it."""
        ...

    def heal(self) -> None:
        """Turn every knob back. Answers that are held already still come late."""
        ...
