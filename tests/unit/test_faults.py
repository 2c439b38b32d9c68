# SPDX-License-Identifier: Apache-2.0
"""The knobs that every simulated device has, and the answers it owes; every word of every protocol is turned."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import ModuleType

import pytest

from drivers.bacnet import knobs as bacnet_knobs
from drivers.bacnet.simulator import SimulatedDevice as BacnetDevice
from drivers.dali import knobs as dali_knobs
from drivers.dali.busmodel import Bus, Gear
from drivers.dali.simulator import SimulatedGateway
from drivers.faults import Faults
from drivers.knobs import Knob
from drivers.modbus import knobs as modbus_knobs
from drivers.modbus.memory import Memory
from drivers.modbus.simulator import SimulatedDevice as ModbusDevice
from drivers.opcua import knobs as opcua_knobs
from drivers.opcua.nodes import Nodes
from drivers.opcua.simulator import SimulatedServer
from drivers.owed import HELD_MAX, Owed
from drivers.simulated import Simulated
from tests.bacnet import objects
from tests.sim.loop import clock, run

DEVICES: dict[str, tuple[ModuleType, Callable[[], Simulated]]] = {
    "modbus": (modbus_knobs, lambda: ModbusDevice("m", {1: Memory(10)})),
    "opcua": (opcua_knobs, lambda: SimulatedServer(Nodes(clock(), "urn:x", []), "urn:x")),
    "bacnet": (bacnet_knobs, lambda: BacnetDevice("b", {(0, b""): objects(2)})),
    "dali": (dali_knobs, lambda: SimulatedGateway("d", [Bus([Gear(5)])])),
}
NAMED = {"modbus": "holding 4", "opcua": "ns=2;i=1", "bacnet": "analog-input 1"}


@pytest.mark.parametrize("protocol", DEVICES)
def test_every_word_has_a_line_and_is_turned(protocol: str) -> None:
    knobs, make = DEVICES[protocol]
    words = knobs.WORDS

    async def main() -> None:
        device = make()
        await device.start()
        for name in words.names:
            rest = "1 s" if name in words.timed else NAMED[protocol] if name in words.named else ""
            rest = rest or ("5" if name in words.numbered else "")
            device.turn(f"{name} {rest}".strip())
            device.heal()
            assert f"\n{name} " in (knobs.__doc__ or "") or f"({name} " in (knobs.__doc__ or ""), name
        await device.stop()
        await device.stop()

    run(main(), debug=False)


def test_lasting_knobs_end_by_themselves_and_counted_ones_run_out() -> None:
    async def main() -> None:
        faults = Faults("x", (0, 0xFF))
        assert not faults.lasts("hang") and not faults.take("busy")
        faults.turn(Knob("hang", seconds=30.0))
        faults.turn(Knob("silent"))
        faults.turn(Knob("busy", count=2))
        faults.turn(Knob("late", seconds=5.0))
        faults.cuts_write = True
        assert faults.lasts("hang") and [faults.take("busy") for _ in range(3)] == [True, True, False]
        assert faults.take_cut() and not faults.take_cut()
        await asyncio.sleep(30)
        assert not faults.lasts("hang") and faults.lasts("silent")
        faults.heal()
        assert not faults.lasts("silent") and faults.late_s == 0.0

    run(main())


def test_answers_are_spoilt_one_by_one() -> None:
    faults, whole = Faults("x", (1, 7)), bytes(10)
    assert faults.spoilt(whole) == [whole]
    faults.turn(Knob("garble", count=1))
    [noise] = faults.spoilt(whole)
    assert len(noise) == 10 and noise[1] == 7 and noise != whole
    faults.turn(Knob("truncate", count=1))
    assert faults.spoilt(whole) == [bytes(6)]
    faults.turn(Knob("duplicate", count=1))
    assert [faults.spoilt(whole), faults.spoilt(whole)] == [[whole, whole], [whole]]


class Device:
    """Counts, and knobs."""

    def __init__(self) -> None:
        self.faults = Faults("x", (0, 0))
        self.requests = self.pending = self.pending_max = 0


def test_late_answers_overtake_and_slow_ones_keep_their_order() -> None:
    async def main() -> None:
        device, loop, said = Device(), asyncio.get_running_loop(), list[tuple[str, float]]()
        owed, begun_s = Owed(device), loop.time()

        def answer(name: str) -> None:
            owed.asked()
            owed.answer(loop.time(), lambda: (said.append((name, loop.time() - begun_s)), owed.settled()))

        device.faults.turn(Knob("late", seconds=5.0))
        answer("late")
        device.faults.heal()
        device.faults.turn(Knob("slow", seconds=2.0))
        answer("slow")
        device.faults.heal()
        answer("behind it")
        assert (device.requests, device.pending, owed.held) == (3, 3, 3)
        await asyncio.sleep(10)
        assert said == [("slow", 2.0), ("behind it", 2.0), ("late", 5.0)]
        assert (device.pending, device.pending_max, owed.held) == (0, 3, 0)

    run(main())


def test_what_is_held_is_bounded_and_dropped_with_its_connection() -> None:
    async def main() -> None:
        device, said = Device(), list[int]()
        owed = Owed(device)
        later_s = asyncio.get_running_loop().time() + 1
        owed.asked(HELD_MAX + 1)
        taken = [owed.answer(later_s, lambda: said.append(1)) for _ in range(HELD_MAX + 1)]
        assert taken == [True] * HELD_MAX + [False]
        owed.drop()
        await asyncio.sleep(2)
        assert said == [] and device.pending == 0 and owed.held == 0

    run(main())
