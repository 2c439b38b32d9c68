# SPDX-License-Identifier: Apache-2.0
"""drivers/gate.py: bounded, writes first, nobody kept out by the dead, no place lost to a cancelled one."""

from __future__ import annotations

import asyncio
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.gate import Gate
from tests.sim.loop import run


def test_places_are_bounded_and_given_on() -> None:
    async def main() -> None:
        gate = Gate(2)
        a, b = gate.try_enter(), gate.try_enter()
        assert a and b and not gate.try_enter()
        waiting = asyncio.create_task(gate.enter())
        await asyncio.sleep(100)
        assert not waiting.done()
        gate.leave(a)
        c = await waiting
        assert gate.inside_max == 2 and gate.overstayed == 0
        gate.leave(b)
        gate.leave(c)
        assert gate.try_enter()

    run(main())


def test_writes_pass_polls() -> None:
    async def main() -> None:
        gate, order = Gate(1), []

        async def visitor(name: str, first: bool) -> None:
            ticket = await gate.enter(first)
            order.append(name)
            await asyncio.sleep(1)
            gate.leave(ticket)

        async with asyncio.TaskGroup() as group:
            for name in ("poll 1", "poll 2", "poll 3"):
                group.create_task(visitor(name, False))
            await asyncio.sleep(0.5)
            group.create_task(visitor("write", True))
        assert order == ["poll 1", "write", "poll 2", "poll 3"]

    run(main())


def test_who_overstays_no_longer_counts() -> None:
    async def main() -> None:
        gate, loop = Gate(2, patience_s=0.25), asyncio.get_running_loop()
        dead = [gate.try_enter(), gate.try_enter()]
        ticket = await gate.enter()
        assert loop.time() == pytest.approx(0.25)
        assert gate.overstayed == 1, "no more than are needed"
        for each in (*dead, ticket):
            gate.leave(each)
        assert gate.try_enter() and gate.try_enter() and not gate.try_enter()
        gate.close()

    run(main())


def test_a_cancelled_one_loses_no_place() -> None:
    async def main() -> None:
        gate = Gate(1)
        ticket = gate.try_enter()
        early = asyncio.create_task(gate.enter())
        late = asyncio.create_task(gate.enter())
        await asyncio.sleep(0)
        early.cancel()
        gate.leave(ticket)  # given to nobody or to `late`, never to `early`
        late.cancel()  # in the same instant in which it was admitted
        await asyncio.wait([early, late])
        assert gate.try_enter()

    run(main())


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 4),
    st.sampled_from([0.3, math.inf]),
    st.lists(st.tuples(st.floats(0, 3), st.floats(0, 2), st.booleans(), st.booleans()), max_size=25),
)
def test_everybody_gets_in_and_the_bound_holds(
    places: int, patience_s: float, visits: list[tuple[float, float, bool, bool]]
) -> None:
    async def main() -> None:
        gate, got_in = Gate(places, patience_s), 0

        async def visit(at_s: float, stay_s: float, first: bool, impatient: bool) -> None:
            nonlocal got_in
            await asyncio.sleep(at_s)
            try:
                async with asyncio.timeout(0.1 if impatient else None):
                    ticket = await gate.enter(first)
            except TimeoutError:
                return
            got_in += 1
            await asyncio.sleep(stay_s)
            gate.leave(ticket)

        async with asyncio.TaskGroup() as group:
            for each in visits:
                group.create_task(visit(*each))
        assert got_in >= sum(1 for v in visits if not v[3])
        assert gate.inside_max <= places
        assert gate.waiting == 0
        tickets = [gate.try_enter() for _ in range(places)]
        assert all(tickets)
        gate.close()

    run(main(), debug=False)


def test_nonsense_is_refused() -> None:
    async def main() -> None:
        for places, patience_s in ((0, 1.0), (1, 0.0)):
            with pytest.raises(ValueError, match="expected places >= 1"):
                Gate(places, patience_s)

    run(main())
