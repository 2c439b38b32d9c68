# SPDX-License-Identifier: Apache-2.0
"""The driver kit on Modbus/TCP: every claim, in virtual time over real sockets."""

from __future__ import annotations

import pytest

from drivers.registry import protocol
from drivers.testkit import Kit
from tests.kit.modbus_peer import ModbusPeer
from tests.sim.loop import clock, run

KIT = Kit(protocol("modbus"), ModbusPeer, run=lambda main: run(main, debug=False), clock=clock, wire="tcp")


@pytest.mark.parametrize("claim", KIT.params())
def test_claim(claim: str) -> None:
    KIT.check(claim)
