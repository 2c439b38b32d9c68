# SPDX-License-Identifier: Apache-2.0
"""What the post says of itself is measured or null, and ends nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np

from config.words import NS_PER_S
from drivers import registry
from drivers.base import DeviceSpec
from drivers.opcua import trust
from drivers.opcua.address import OpcuaDevice
from supervisor import machine, vitals
from supervisor.machine import Machine
from supervisor.offload import Offload
from supervisor.vitals import Vitals, certificate_days
from tests.sim.loop import run


def no_folder() -> float:
    raise FileNotFoundError("pki/trusted: gone")


def test_what_cannot_be_measured_is_null_until_it_can_and_ends_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        offload = Offload()
        watched = Vitals(offload)
        watching = asyncio.create_task(watched.watch(Machine(tmp_path), lambda: True, no_folder))
        await asyncio.sleep(0.5)
        assert watched.values["host.disk"] is not None
        assert watched.values["storage.ok"] is True
        assert watched.values["pki.days"] is None, "a folder of the certificates is gone"
        offload.pending_max = 0
        await asyncio.sleep(vitals.VITALS_S)
        assert {watched.values[source] for source in machine.UNKNOWN} == {None}, "no room off the loop: no old number"
        offload.pending_max = 256
        await asyncio.sleep(vitals.VITALS_S)
        assert watched.values["host.disk"] is not None
        assert not watching.done()
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        offload.close()

    run(main(), debug=False)


def test_every_measurement_of_the_machine_has_a_null(tmp_path: Path) -> None:
    assert machine.UNKNOWN.keys() == Machine(tmp_path).sample().keys()


def test_the_first_certificate_to_expire_may_be_one_of_the_field(tmp_path: Path) -> None:
    now_ns = 1_780_000_000 * NS_PER_S
    trust.own(tmp_path, now_ns)
    secured = {"host": "h", "security": "Basic256Sha256", "mode": "Sign", "certificates": str(tmp_path)}
    none = np.array([], np.int64)
    devices = [DeviceSpec("C-1", "opcua", OpcuaDevice.model_validate(secured), (), none, {}, none)]
    protocols = registry.protocols(["opcua", "modbus"])
    assert certificate_days(9000.0, devices, protocols, now_ns) == 5 * 365
    assert certificate_days(7.0, devices, protocols, now_ns) == 7.0
    assert certificate_days(None, [], protocols, now_ns) is None
