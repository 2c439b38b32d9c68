# SPDX-License-Identifier: Apache-2.0
"""The driver kit on OPC UA: every claim, in virtual time over real sockets."""

from __future__ import annotations

import pytest

from drivers.registry import protocol
from drivers.testkit import Kit
from tests.kit.opcua_peer import OpcuaPeer
from tests.sim.loop import clock, run

KIT = Kit(protocol("opcua"), OpcuaPeer, run=lambda main: run(main, debug=False), clock=clock)


@pytest.mark.parametrize("claim", KIT.params())
def test_claim(claim: str) -> None:
    KIT.check(claim)
