# SPDX-License-Identifier: Apache-2.0
"""What was learned of a device outlives a restart, on the same plan only, and whatever the file says."""

from __future__ import annotations

import json
from dataclasses import replace
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.words import Kind, StatusCode
from drivers.base import DeviceSpec, PollClass, Request
from drivers.host import Host
from drivers.learned import Teachable, learned, recall
from drivers.modbus import split
from drivers.modbus.address import ModbusDevice
from drivers.modbus.driver import import_state
from drivers.modbus.plan import plan
from drivers.modbus.protocol import PROTOCOL
from tests.modbus import Rig, point, registers, rig
from tests.sim.loop import clock, run

POLL = {"p": PollClass("p", 10.0, 1.0, 1, 60.0)}


def teachable(r: Rig, name: str = "DEV-1") -> Teachable:
    rows = np.arange(len(r.points))
    spec = DeviceSpec(name, "modbus", r.device, tuple(r.points), rows, POLL, np.array([], np.int64))
    return Teachable(spec, PROTOCOL, r.requests)


def reject(r: Rig) -> None:
    for at in (7, 40):
        r.peer.reject("holding", at)


async def found_out() -> dict[str, Any]:
    """A device with two refused registers of 100, known as well as it can be."""
    async with rig(registers(100)) as r:
        reject(r)
        for _ in range(5):
            await r.driver.read(r.requests[0], 5.0)
        kept: dict[str, Any] = json.loads(json.dumps(learned([teachable(r)])))
        again = learned([teachable(r)])
        await r.driver.read(r.requests[0], 5.0)
        assert learned([teachable(r)]) == again, "it changes only with what is known"
        return kept


def test_after_a_restart_no_refused_address_is_searched_again() -> None:
    async def main() -> None:
        kept = await found_out()
        async with rig(registers(100)) as r:
            reject(r)
            assert recall([teachable(r)], kept, 0.0) == (1, 0)
            batch = await r.driver.read(r.requests[0], 5.0)
            bad = np.flatnonzero(batch.statuses == StatusCode.BadConfigurationError).tolist()
            assert bad == [7, 40] and not batch.statuses[[0, 6, 8, 99]].any()
            assert r.peer.requests == 3, "one question per part, none for the refused"
            assert len(r.driver.notes(r.requests[0])) == 2

    run(main())


def test_a_quarantined_point_is_still_asked_again_in_its_time() -> None:
    async def main() -> None:
        import asyncio

        kept = await found_out()
        async with rig(registers(100)) as r:
            recall([teachable(r)], kept, asyncio.get_running_loop().time())
            await r.driver.read(r.requests[0], 5.0)
            await asyncio.sleep(split.RETRY_AFTER_S + 1)
            for _ in range(3):
                batch = await r.driver.read(r.requests[0], 5.0)
            assert not batch.statuses.any() and r.driver.notes(r.requests[0]) == []

    run(main())


@pytest.mark.parametrize(
    "change",
    [
        lambda ps: [*ps[:-1], point("R99", Kind.UInt16, "rw", table="holding", address=100)],
        lambda ps: ps[:-1],
        lambda ps: [replace(ps[0], name="Other"), *ps[1:]],
    ],
)
def test_with_another_plan_it_is_forgotten(change: Any) -> None:
    async def main() -> None:
        kept = await found_out()
        async with rig(change(registers(100))) as r:
            assert recall([teachable(r)], kept, 0.0) == (0, 1)
            assert r.requests[0].state is None
        async with rig(registers(100)) as r:
            assert recall([teachable(r, "DEV-2")], kept, 0.0) == (0, 0)

    run(main())


def request(n: int = 10) -> Request:
    points = registers(n)
    (exchange,) = plan(ModbusDevice(host="a"), points)
    return Request(0, exchange, np.arange(n))


@pytest.mark.parametrize(
    "kept",
    [
        {"parts": [[0, 9]], "cuts": [], "joints": [], "quarantined": {}},
        {"parts": [[0, 9], [5, 6]], "cuts": [], "joints": [], "quarantined": {}},
        {"parts": [[0, 10]], "cuts": [10], "joints": [], "quarantined": {}},
        {"parts": [[0, 9]], "cuts": [], "joints": [], "quarantined": {"9": 11}},
        {"parts": [[0, 9]], "cuts": [], "joints": [], "quarantined": {"-1": 2}},
        {"parts": [[0, 10]], "cuts": "no", "joints": [], "quarantined": {}},
        {"parts": [[0.0, 10]], "cuts": [], "joints": [], "quarantined": {}},
        {"parts": []},
        [],
        None,
    ],
)
def test_what_does_not_fit_is_refused_and_changes_nothing(kept: Any) -> None:
    asked = request()
    with pytest.raises(ValueError, match=r"expected|lost or asked twice"):
        import_state(asked, kept, 0.0)
    assert asked.state is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 12) | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["parts", "cuts", "0", "9"]), inner),
    max_leaves=12,
)


@given(JSON, JSON, JSON)
def test_whatever_the_file_says_every_point_is_asked_or_named(parts: Any, cuts: Any, codes: Any) -> None:
    asked = request()
    try:
        import_state(asked, {"parts": parts, "cuts": cuts, "joints": [], "quarantined": codes}, 0.0)
    except ValueError:
        assert asked.state is None
    else:
        split.check_invariants(asked.state)


def test_a_host_recalls_before_it_starts_only() -> None:
    class Deaf:
        def batch(self, *_: Any) -> None: ...

        def missed(self, *_: Any) -> None: ...

        def link(self, *_: Any) -> None: ...

    async def main() -> None:
        kept = await found_out()
        device = ModbusDevice(host="127.0.0.1", port=1)
        points = tuple(registers(100))
        spec = DeviceSpec("DEV-1", "modbus", device, points, np.arange(100), POLL, np.array([], np.int64))
        host = Host([spec], {"modbus": PROTOCOL}, clock(), Deaf(), Random(1))
        assert host.learned() == {}
        assert host.recall(kept) == (1, 0)
        assert host.learned() == kept
        assert len(host.status()[0].notes) == 2, "they are shown before the first answer"
        await host.start()
        with pytest.raises(RuntimeError, match="expected a new host"):
            host.recall(kept)
        await host.stop()

    run(main())
