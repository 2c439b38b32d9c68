# SPDX-License-Identifier: Apache-2.0
"""The driver kit on BACnet/IP: every claim, in virtual time over real sockets; polled and told."""

from __future__ import annotations

import pytest

from drivers.registry import protocol
from drivers.testkit import Kit
from tests.kit.bacnet_peer import BacnetPeer
from tests.sim.loop import clock, run

SKIPS = {"one_seat_is_enough": "BACnet/IP has no connections"}
KIT = Kit(protocol("bacnet"), BacnetPeer, run=lambda main: run(main, debug=False), clock=clock, skips=SKIPS)
TOLD = Kit(
    protocol("bacnet"),
    lambda: BacnetPeer(cov="confirmed", apdu=1476),
    run=lambda main: run(main, debug=False),
    clock=clock,
)
TELLING = ("recovers_by_itself", "loss_is_told_when_the_device_hangs", "an_hour_of_faults_is_survived")


@pytest.mark.parametrize("claim", KIT.params())
def test_claim(claim: str) -> None:
    KIT.check(claim)


@pytest.mark.parametrize("claim", TELLING)
def test_a_device_that_tells_changes(claim: str) -> None:
    TOLD.check(claim)
