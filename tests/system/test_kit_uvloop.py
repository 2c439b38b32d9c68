# SPDX-License-Identifier: Apache-2.0
"""A small part of the driver kit again, on the loop of the product and in real time."""

from __future__ import annotations

import pytest
import uvloop

from drivers.registry import protocol
from drivers.testkit import Kit
from supervisor.clock import SystemClock
from tests.kit.modbus_peer import ModbusPeer

pytestmark = pytest.mark.system

KIT = Kit(protocol("modbus"), ModbusPeer, run=uvloop.run, clock=SystemClock)
QUICK = (
    "one_of_everything_is_read",
    "one_of_everything_is_written",
    "a_refused_point_is_bad_alone",
    "closing_is_clean",
    "errors_say_where",
    "what_may_not_be_written_is_not_sent",
)


@pytest.mark.parametrize("claim", QUICK)
def test_claim_on_uvloop(claim: str) -> None:
    KIT.check(claim)
