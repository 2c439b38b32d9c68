# SPDX-License-Identifier: Apache-2.0
"""Read Device Identification and serial registers, against the simulator and byte by byte."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from drivers.base import Busy, DeviceSilent, Identified
from drivers.identity import Declared
from drivers.modbus.address import ModbusDevice
from drivers.modbus.driver import ModbusDriver
from drivers.modbus.link import ModbusLink
from drivers.modbus.memory import Memory
from drivers.modbus.nameplate import NoAnswer, objects
from drivers.modbus.place import ModbusPoint
from drivers.modbus.simulator import SimulatedDevice
from tests.sim.loop import clock, run

SERIAL = {"table": "input", "address": 48, "type": "uint32"}


def test_an_answer_as_the_standard_prints_it() -> None:
    # Modbus Application Protocol V1.1b3, 6.21: the example's three objects, with their lengths.
    names = (b"Company identification", b"Product code XX", b"V2.11")
    told = b"".join(bytes((n, len(text))) + text for n, text in enumerate(names))
    found, more = objects(b"\x2b\x0e\x01\x01\x00\x00\x03" + told)
    assert found == {"vendor": "Company identification", "product": "Product code XX", "revision": "V2.11"}
    assert more is None
    assert objects(b"\x2b\x0e\x01\x01\xff\x02\x00")[1] == 2


@given(st.binary(max_size=40), st.booleans())
def test_hostile_answers_are_refused_in_words(data: bytes, well_begun: bool) -> None:
    try:
        found, _ = objects(b"\x2b\x0e" + data if well_begun else data)
    except NoAnswer as error:
        assert str(error)
    else:
        assert set(found) <= {"vendor", "product", "revision", "product name", "model", "application"}


@asynccontextmanager
async def unit(memory: Memory, **settings: Any) -> AsyncIterator[tuple[ModbusDriver, SimulatedDevice]]:
    device = SimulatedDevice("one", {1: memory})
    await device.start()
    model = ModbusDevice.model_validate({"host": "127.0.0.1", "port": device.port, **settings})
    link = ModbusLink(model)
    driver = ModbusDriver("CAB-0142", model, (), link, clock())
    await link.open()
    try:
        yield driver, device
    finally:
        await link.close()
        await device.stop()


def test_a_serial_number_in_registers() -> None:
    async def main() -> None:
        memory = Memory(100)
        memory.put(ModbusPoint.model_validate(SERIAL), 4711)
        async with unit(memory, serial="4711", serial_at=SERIAL) as (driver, device):
            assert isinstance(driver, Identified)
            assert driver.declared == Declared({"serial": "4711"})
            assert await driver.identify(1.0) == {"serial": "4711"}
            device.reject("input", 48)
            assert await driver.identify(1.0) == {}, "what the device refuses it does not say"
            device.heal()
            device.turn("busy")
            with pytest.raises(Busy, match="CAB-0142: serial number at input 48"):
                await driver.identify(1.0)

    run(main())


def test_43_14_in_several_parts_and_from_a_device_without() -> None:
    async def main() -> None:
        memory = Memory(100)
        async with unit(memory, application_name="CAB-0142") as (driver, device):
            assert await driver.identify(1.0) == {}, "exception 1: it does not know the function"
            memory.identification = {0: "A" * 120, 1: "RTU-7", 2: "V2", 4: "B" * 120, 6: "CAB-0143"}
            before = device.requests
            said = await driver.identify(1.0)
            assert said["application"] == "CAB-0143" and said["vendor"] == "A" * 120 and said["revision"] == "V2"
            assert device.requests - before == 2, "more than one frame holds"
            device.turn("hang")
            with pytest.raises(DeviceSilent, match="CAB-0142: 43/14"):
                await driver.identify(0.2)
        async with unit(memory) as (driver, _):
            assert not driver.declared.texts
            assert set(await driver.identify(1.0)) == {"vendor", "product", "revision"}, "asked without a declaration"

    run(main())


def test_an_engineer_is_told_what_does_not_fit() -> None:
    at = {"host": "10.0.0.1"}
    with pytest.raises(ValidationError, match="expected serial_at beside serial"):
        ModbusDevice.model_validate({**at, "serial": "1"})
    with pytest.raises(ValidationError, match="registers with an integer or a text"):
        ModbusDevice.model_validate({**at, "serial_at": {"table": "input", "address": 1, "type": "float32"}})
    with pytest.raises(ValidationError, match="43/14 is asked through tcp"):
        ModbusDevice.model_validate({**at, "transport": "rtu_tcp", "vendor_name": "Acme"})
