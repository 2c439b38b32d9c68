# SPDX-License-Identifier: Apache-2.0
"""The driver kit on RTU frames, every claim in virtual time: through TCP over real sockets, and on a serial port."""

from __future__ import annotations

from pathlib import Path

import pytest

from drivers.registry import protocol
from drivers.testkit import Kit
from tests.kit.modbus_peer import ModbusPeer
from tests.sim.loop import clock, run
from tests.sim.terminals import run_with_terminals

KIT = Kit(
    protocol("modbus"),
    lambda: ModbusPeer(transport="rtu_tcp"),
    run=lambda main: run(main, debug=False),
    clock=clock,
    wire="rtu_tcp",
)


@pytest.mark.parametrize("claim", KIT.params())
def test_rtu_through_tcp(claim: str) -> None:
    KIT.check(claim)


class Serial:
    """The kit on a pseudo-terminal whose path is the test's own."""

    path = ""


def serial_peer() -> ModbusPeer:
    """A pseudo-terminal knows no parity: Linux refuses it the second time it is asked for."""
    return ModbusPeer(transport="serial", serial_port=Serial.path, baud_rate=115200, parity="none")


SERIAL_KIT = Kit(protocol("modbus"), serial_peer, run=run_with_terminals, clock=clock, wire="serial")


@pytest.mark.parametrize("claim", SERIAL_KIT.params())
def test_rtu_on_a_serial_port(claim: str, tmp_path: Path) -> None:
    Serial.path = str(tmp_path / "port")
    SERIAL_KIT.check(claim)
