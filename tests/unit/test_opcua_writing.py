# SPDX-License-Identifier: Apache-2.0
"""One write, once: its type, its three outcomes, and what the server's codes mean."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

import numpy as np
import pytest

from config.words import Access, Kind, Outcome, Permit, cell_of
from drivers.base import Point, WriteItem
from drivers.opcua.address import OpcuaPoint
from drivers.opcua.nodes import Node
from tests.opcua import doubles, plant
from tests.sim.loop import run

LASTING = Permit(1, np.inf)


def virtual(main: Coroutine[Any, Any, None]) -> None:
    run(main, debug=False)


def test_it_is_written_as_the_type_the_server_answered_with() -> None:
    async def main() -> None:
        points = [Point("Level", Kind.Double, Access.RW, OpcuaPoint(node="ns=2;i=0"), "kit")]
        async with plant(points) as made:
            made.nodes["ns=2;i=0"].type, made.nodes["ns=2;i=0"].value = "Int16", 5
            await made.read()
            item = WriteItem(0, cell_of(Kind.Double, 7.0))
            [done] = await made.driver.write([item], LASTING, 1.0)
            assert done.outcome is Outcome.ACCEPTED and made.nodes["ns=2;i=0"].value == 7
            [half] = await made.driver.write([WriteItem(0, cell_of(Kind.Double, 7.5))], LASTING, 1.0)
            assert half.outcome is Outcome.REFUSED and "expected a whole number" in half.reason

    virtual(main())


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        (0, Outcome.ACCEPTED),
        (0x002E0000, Outcome.ACCEPTED),  # GoodCompletesAsynchronously
        (0x803B0000, Outcome.REFUSED),  # BadNotWritable
        (0x801F0000, Outcome.REFUSED),  # BadUserAccessDenied
        (0x800A0000, Outcome.UNKNOWN),  # BadTimeout: of the device behind the server
        (0x80310000, Outcome.UNKNOWN),  # BadNoCommunication
        (0x80020000, Outcome.UNKNOWN),  # BadInternalError
        (0x800A0480, Outcome.UNKNOWN),  # BadTimeout with info bits
        (0x803B0480, Outcome.REFUSED),
    ],
)
def test_what_the_server_says_is_one_of_three(code: int, outcome: Outcome, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with plant(doubles(1)) as made:
            monkeypatch.setattr(Node, "write", lambda *_: code)
            [said] = await made.driver.write([WriteItem(0, 0)], LASTING, 1.0)
            assert said.outcome is outcome and ("p0 at ns=2;i=0" in said.reason) == (outcome is not Outcome.ACCEPTED)

    virtual(main())


def test_bytes_that_wait_to_leave_refuse_a_write(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with plant(doubles(1)) as made:
            monkeypatch.setattr("drivers.opcua.wire.stuck", lambda _: "17 bytes wait to leave")
            before = made.server.requests
            [said] = await made.driver.write([WriteItem(0, 0)], LASTING, 1.0)
            assert said.outcome is Outcome.REFUSED and "17 bytes wait to leave; nothing was sent" in said.reason
            assert made.server.requests == before

    virtual(main())


def test_a_write_that_finds_the_window_full_is_refused_and_says_so() -> None:
    async def main() -> None:
        import asyncio

        async with plant(doubles(1), window=1) as made:
            made.server.turn("hang")
            reading = asyncio.ensure_future(made.driver.read(made.requests[0], 5.0))
            await asyncio.sleep(0.1)
            [said] = await made.driver.write([WriteItem(0, 0)], LASTING, 0.5)
            assert said.outcome is Outcome.REFUSED and "other questions were under way for 0.5 s" in said.reason
            reading.cancel()
            await asyncio.wait([reading])

    virtual(main())
