# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_dali_simulator.py, tests/kit/test_dali.py
"""A simulated Lunatone DALI-2 IoT gateway: simulated buses behind it, fault knobs.

Law of this file: what the gateway says to a frame; connections are `serving`'s, what gear does is `busmodel`'s. Time is
`loop.time()`: a frame takes the time that it takes on a bus.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar, Final

from drivers.dali import frames as f
from drivers.dali import lunatone
from drivers.dali.busmodel import Bus
from drivers.dali.knobs import parse
from drivers.dali.serving import Serving
from drivers.knobs import Knob
from drivers.simulated import Door, Simulated

NOISE: Final = (0, 0xFF)  # no WebSocket frame begins so


class SimulatedGateway(Simulated):
    """One gateway.

    Attributes:
        buses: its lines, by number.
        refused: targets whose level frames the bus disturbs (tests).
        serial: what it says of itself.
    """

    parse = staticmethod(parse)

    def __init__(
        self, name: str, buses: Sequence[Bus], host: str = "127.0.0.1", port: int = 0, serial: str = "4711"
    ) -> None:
        """Nothing is opened yet."""
        super().__init__(name, host, port, NOISE)
        self.serial = serial
        self.buses = list(buses)
        for line, bus in enumerate(self.buses):
            bus.masters[self] = partial(self._overheard, line)
        self.refused: set[f.Target] = set()
        self.heal()

    async def _listen(self) -> tuple[Door, int]:
        return await self._serve_tcp(lambda: Serving(self))

    # --- knobs

    def heal(self) -> None:
        """Turn every knob back."""
        super().heal()
        self.refused.clear()
        for bus in self.buses:
            bus.powered, bus.shorted = True, False
            for gear in bus.gear.values():
                gear.lamp_failed = gear.gear_failed = gear.dead = False

    def hang(self, knob: Knob) -> None:
        """Questions are not answered, nor those under way."""
        self.faults.turn(knob)
        for connection in self._connections:
            connection.owed.mute()

    def each_gear(self, knob: Knob) -> None:
        """A failure of one gear, on every line that has it."""
        for bus in self.buses:
            if (gear := bus.gear.get(knob.count)) is not None:
                gear.lamp_failed = knob.name == "lamp"
                gear.gear_failed = knob.name == "gear"
                gear.dead = knob.name == "dead"

    def each_bus(self, knob: Knob) -> None:
        """A failure of all buses."""
        for bus in self.buses:
            if knob.name == "power_cycle":
                bus.power_cycle()
            else:
                bus.shorted, bus.powered = knob.name == "short", knob.name != "unpowered"

    own: ClassVar = {
        "hang": hang,
        **dict.fromkeys(("lamp", "gear", "dead", "whole"), each_gear),
        **dict.fromkeys(("short", "unpowered", "power_cycle"), each_bus),
    }

    # --- serving

    def _overheard(self, line: int, frame: f.Frame) -> None:
        """Another master, or a panel on the wall, has put a frame on a bus: the gateway tells its clients."""
        data = {"bits": 16, "data": list(frame), "line": line, "framingError": False}
        for connection in list(self._connections):
            connection.tell({"type": "daliMonitor", "data": data})

    def do(self, data: dict[str, Any], now_s: float) -> tuple[float, list[dict[str, Any]]]:
        """Carry a frame out: when its answers are known [s], and the answers."""
        line, frame = int(data["line"]), (int(data["daliData"][0]), int(data["daliData"][1]))
        mode = data.get("mode", {})

        def result(code: int) -> tuple[float, list[dict[str, Any]]]:
            return now_s, [{"type": "daliFrame", "data": {"line": told, "result": code}}]

        told = line + 1 if self.faults.take("wrong_id") else line
        if self.faults.take("busy"):
            return result(lunatone.BUFFER_FULL)
        if not 0 <= line < len(self.buses):
            return result(lunatone.NO_LINE)
        bus, target = self.buses[line], f.target_of(frame[0])
        if not bus.is_well:
            return result(lunatone.DISTURBED if bus.shorted else lunatone.NO_VOLTAGE)
        if target in self.refused and frame[0] & 1 == 0:
            return result(lunatone.NOT_FREE)
        asks, twice = bool(mode.get("waitForAnswer")), bool(mode.get("sendTwice"))
        at_s = bus.take(now_s, f.QUERY_S if asks else f.TWICE_S if twice else f.COMMAND_S)
        said, value = bus.send(frame, self)
        _, answers = result(lunatone.SENT)
        if asks:
            codes = {"nothing": lunatone.ANSWER_NONE, "value": lunatone.ANSWER_VALUE}
            answer: dict[str, Any] = {"line": told, "result": codes.get(said, lunatone.ANSWER_GARBLED)}
            if said == "value":
                answer["daliData"] = value
            answers.append({"type": "daliAnswer", "data": answer})
        return at_s, answers

    def document(self, path: str) -> Any:
        """What REST says at a path; None: nothing is there."""
        if path == "/info":
            lines = {str(i): {"lineStatus": "ok" if bus.is_well else "noPower"} for i, bus in enumerate(self.buses)}
            device = {"serial": int(self.serial), "gtin": 9010342013607}
            return {
                "name": self.name,
                "version": "v1.14.1/1.4.3",
                "tier": "plus",
                "device": device,
                "descriptor": {"lines": len(self.buses)},
                "lines": lines,
            }
        if path == "/devices":
            return {"devices": [self._device(i, bus, g) for i, bus in enumerate(self.buses) for g in sorted(bus.gear)]}
        return None

    def _device(self, line: int, bus: Bus, short: int) -> dict[str, Any]:
        gear = bus.gear[short]
        groups = [g for g in range(16) if gear.groups >> g & 1]
        name = f"DALI LED {short}"
        return {
            "id": 64 * line + short,
            "name": name,
            "address": short,
            "line": line,
            "groups": groups,
            "daliTypes": [f.LED],
        }
