# SPDX-License-Identifier: Apache-2.0
"""The driver kit on DALI, every claim in virtual time over real sockets: by frames, registers and objects."""

from __future__ import annotations

import pytest

from drivers.registry import protocol
from drivers.testkit import Kit
from tests.kit.dali_peer import AdfwebPeer, IntesisPeer, LunatonePeer
from tests.kit.loytec_peer import LoytecPeer
from tests.kit.simulated_peer import SimulatedPeer
from tests.sim.loop import clock, run


def kit(peer: type[SimulatedPeer], wire: str, skips: dict[str, str] | None = None) -> Kit:
    return Kit(protocol("dali"), peer, run=lambda main: run(main, debug=False), clock=clock, skips=skips, wire=wire)


KIT, INTESIS, ADFWEB = kit(LunatonePeer, "lunatone"), kit(IntesisPeer, "intesis"), kit(AdfwebPeer, "adfweb")
LOYTEC = kit(LoytecPeer, "loytec", {"one_seat_is_enough": "BACnet/IP has no connections"})


@pytest.mark.parametrize("claim", KIT.params())
def test_frames_through_lunatone(claim: str) -> None:
    KIT.check(claim)


@pytest.mark.parametrize("claim", INTESIS.params())
def test_registers_of_intesis(claim: str) -> None:
    INTESIS.check(claim)


@pytest.mark.parametrize("claim", ADFWEB.params())
def test_registers_and_counted_commands_of_adfweb(claim: str) -> None:
    ADFWEB.check(claim)


@pytest.mark.parametrize("claim", LOYTEC.params())
def test_objects_of_loytec(claim: str) -> None:
    LOYTEC.check(claim)
