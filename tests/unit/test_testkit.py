# SPDX-License-Identifier: Apache-2.0
"""A claim that cannot fail is no claim: each is broken by a driver with exactly one fault."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel

from config.words import Batch, Outcome, Permit, StatusCode
from drivers.base import DeviceSilent, DriverError, LinkDown, ProtocolSpec, Request, WriteItem, WriteOutcome
from drivers.identity import Identity
from drivers.modbus.driver import ModbusDriver
from drivers.modbus.link import ModbusLink
from drivers.modbus.wire import Connection
from drivers.registry import protocol
from drivers.testbench import LASTING
from drivers.testkit import CLAIMS, LEVELS, Kit, driver_table
from tests.kit.modbus_peer import ModbusPeer
from tests.sim.loop import clock, run

MODBUS = protocol("modbus")


class Swapped(ModbusDriver):
    """Reads the neighbour's value."""

    async def read(self, request: Request, timeout_s: float) -> Batch:
        batch = await super().read(request, timeout_s)
        return replace(batch, cells=np.roll(batch.cells, 1))


class Backwards(ModbusDriver):
    """Gives a batch from the last row to the first."""

    async def read(self, request: Request, timeout_s: float) -> Batch:
        b = await super().read(request, timeout_s)
        texts = {len(b.cells) - 1 - k: text for k, text in (b.texts or {}).items()}
        return Batch(b.request, b.rows[::-1], b.cells[::-1], b.statuses[::-1], b.source_ns[::-1], texts or None)


class AllOrNothing(ModbusDriver):
    """One bad point makes the whole block bad."""

    async def read(self, request: Request, timeout_s: float) -> Batch:
        batch = await super().read(request, timeout_s)
        if (batch.statuses >= StatusCode.Bad).any():
            batch.statuses[:] = StatusCode.BadConfigurationError
        return batch


class Rosy(ModbusDriver):
    """Says what it knew when it knows nothing."""

    known: dict[int, Batch]

    async def read(self, request: Request, timeout_s: float) -> Batch:
        self.known = getattr(self, "known", {})
        try:
            self.known[request.id] = await super().read(request, timeout_s)
        except DriverError:
            if request.id not in self.known:
                raise
        return self.known[request.id]


class Terse(ModbusDriver):
    """Says that, but not what and where."""

    async def read(self, request: Request, timeout_s: float) -> Batch:
        try:
            return await super().read(request, timeout_s)
        except DeviceSilent:
            raise DeviceSilent("timeout") from None


class Hopeful(ModbusDriver):
    """Takes silence for consent."""

    async def write(self, items: Sequence[WriteItem], permit: Permit, timeout_s: float) -> list[WriteOutcome]:
        outcomes = await super().write(items, permit, timeout_s)
        return [WriteOutcome(Outcome.ACCEPTED) if o.outcome is Outcome.UNKNOWN else o for o in outcomes]


class Stubborn(ModbusDriver):
    """Writes again what was lost."""

    async def write(self, items: Sequence[WriteItem], permit: Permit, timeout_s: float) -> list[WriteOutcome]:
        outcomes = await super().write(items, permit, timeout_s)
        if any(o.outcome is Outcome.UNKNOWN for o in outcomes):
            await super().write(items, permit, timeout_s)
        return outcomes


class Lawless(ModbusDriver):
    """Minds no permit."""

    async def write(self, items: Sequence[WriteItem], permit: Permit, timeout_s: float) -> list[WriteOutcome]:
        return await super().write(items, LASTING, timeout_s)


class Sure(ModbusDriver):
    """Says who it is without asking."""

    async def identify(self, timeout_s: float) -> Identity:
        return {"vendor": "Acme"}


class Forgetful(ModbusDriver):
    """Reads values back from nowhere."""

    async def read_points(self, points: Sequence[int], timeout_s: float) -> list[tuple[int, int, str | None]]:
        return [(0, 0, None) for _ in points]


class Raw(ModbusDriver):
    """Lets foreign errors out."""

    async def read(self, request: Request, timeout_s: float) -> Batch:
        try:
            return await super().read(request, timeout_s)
        except (DeviceSilent, LinkDown) as error:
            raise OSError(str(error)) from None


class Drifting(ModbusDriver):
    """Its clock runs backwards."""

    offset_ns = 0

    async def read(self, request: Request, timeout_s: float) -> Batch:
        batch = await super().read(request, timeout_s)
        self.offset_ns -= 10**10
        return replace(batch, source_ns=batch.source_ns + self.offset_ns)


class Once(ModbusLink):
    """Comes up once and never again."""

    opened = False

    async def open(self) -> None:
        if self.opened:
            raise LinkDown("127.0.0.1: used up")
        self.opened = True
        await super().open()


class Mute(ModbusLink):
    """Never says that it was lost."""

    def on_lost(self, callback: Callable[[str], None]) -> None:
        pass

    @property
    def is_up(self) -> bool:
        return True


class Careless(ModbusLink):
    """Cannot be closed twice."""

    async def close(self) -> None:
        if not self.is_up:
            raise RuntimeError("closed already")
        await super().close()


class Twice(ModbusLink):
    """Connects a second time, to see whether it can."""

    async def open(self) -> None:
        await super().open()
        _, writer = await asyncio.open_connection(self._device.host, self._device.port)
        writer.close()


class Loose(BaseModel):
    """Takes any key."""

    model_config = {"extra": "allow"}


def with_driver(kind: type[ModbusDriver]) -> ProtocolSpec:
    return replace(MODBUS, make_driver=lambda name, device, points, link, clk: kind(name, device, points, link, clk))


def with_link(kind: type[ModbusLink]) -> ProtocolSpec:
    return replace(MODBUS, make_link=lambda device, clk: kind(device))


def kit(spec: ProtocolSpec, **more: Any) -> Kit:
    return Kit(spec, ModbusPeer, run=lambda main: run(main, debug=False), clock=clock, **more)


@pytest.mark.parametrize(
    ("claim", "spec"),
    [
        ("one_of_everything_is_read", with_driver(Swapped)),
        ("order_and_length_are_kept", with_driver(Backwards)),
        ("order_and_length_are_kept", replace(MODBUS, plan=lambda d, p: [e for x in p for e in MODBUS.plan(d, [x])])),
        ("a_refused_point_is_bad_alone", with_driver(AllOrNothing)),
        ("loss_is_told_when_the_device_goes", replace(with_driver(Rosy), make_link=lambda device, clk: Mute(device))),
        ("loss_is_told_when_the_device_hangs", with_driver(Rosy)),
        ("errors_say_where", with_driver(Terse)),
        ("closing_is_clean", with_link(Careless)),
        ("it_says_who_it_is", with_driver(Sure)),
        ("schemas_are_strict", replace(MODBUS, point_model=Loose)),
        ("one_of_everything_is_written", with_driver(Forgetful)),
        ("recovers_by_itself", with_link(Once)),
        ("a_write_has_three_outcomes", with_driver(Hopeful)),
        ("a_write_has_three_outcomes", with_driver(Stubborn)),
        ("what_may_not_be_written_is_not_sent", with_driver(Lawless)),
        ("noise_is_survived", with_driver(Raw)),
        ("one_seat_is_enough", with_link(Twice)),
        ("time_never_goes_back", with_driver(Drifting)),
        ("an_hour_of_faults_is_survived", with_link(Once)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_driver_with_one_fault_breaks_its_claim(claim: str, spec: ProtocolSpec) -> None:
    with pytest.raises((AssertionError, OSError, RuntimeError, LinkDown)):
        kit(spec).check(claim)


@pytest.mark.parametrize("claim", ["a_late_answer_is_nobodys", "an_answer_to_another_question_is_nobodys"])
def test_a_driver_that_takes_any_answer_for_its_own_is_found(claim: str, monkeypatch: pytest.MonkeyPatch) -> None:
    take = Connection._take

    def first_come(self: Connection, tid: int, unit: int, pdu: bytes) -> None:
        take(self, next(iter(self._under_way), tid), unit, pdu)

    monkeypatch.setattr(Connection, "_take", first_come)
    with pytest.raises((AssertionError, DriverError)):
        kit(MODBUS).check(claim)


def test_a_link_that_asks_beyond_its_window_is_found() -> None:
    class Greedy(ModbusLink):
        @property
        def window(self) -> int:
            return 1

    class GreedyPeer(ModbusPeer):
        def device(self) -> Any:
            return super().device().model_copy(update={"window": 8})

    greedy = Kit(with_link(Greedy), GreedyPeer, run=lambda main: run(main, debug=False), clock=clock)
    with pytest.raises(AssertionError, match="at most 1 open questions"):
        greedy.check("load_is_bounded")


def test_a_driver_that_is_lost_after_a_cancelled_read_is_found() -> None:
    class Locked(ModbusDriver):
        async def read(self, request: Request, timeout_s: float) -> Batch:
            if getattr(self, "reading", False):
                await asyncio.sleep(timeout_s)
                raise DeviceSilent("locked for ever")
            self.reading = True
            batch = await super().read(request, timeout_s)
            self.reading = False
            return batch

    with pytest.raises((AssertionError, DeviceSilent)):
        kit(with_driver(Locked)).check("cancelling_is_survived")


def test_the_level_is_what_holds() -> None:
    checked = kit(MODBUS)
    bronze, silver, gold = (claims for _, claims in LEVELS)
    assert checked.level({}) == "gold"
    assert checked.level({gold[0].__name__: "why"}) == "silver"
    assert checked.level({silver[-1].__name__: "why", gold[0].__name__: "why"}) == "bronze"
    assert checked.level({bronze[0].__name__: "why"}) == "none"


def test_skips_are_named_and_appear_in_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    skips = {name: "not for this test" for name in CLAIMS if name != "schemas_are_strict"}
    table = driver_table([kit(MODBUS, skips=skips, wire="tcp")])
    assert "| modbus (tcp) | gold | 1 of 21 | one of everything is read: not for this test;" in table
    with pytest.raises(ValueError, match=r"expected a claim of .* and a reason, got 'no_such_claim': 'because'"):
        kit(MODBUS, skips={"no_such_claim": "because"})
    with pytest.raises(ValueError, match="and a reason"):
        kit(MODBUS, skips={"schemas_are_strict": ""})
