# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_vitals.py
"""Vitals: what this post says of itself, for its own tags.

Law of this file: a measurement that cannot be had is None; whatever goes wrong with it ends nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeVar

from drivers.base import DeviceSpec, ProtocolSpec
from supervisor.machine import UNKNOWN, Machine
from supervisor.offload import Offload, OffloadFull

log = logging.getLogger(__name__)
T = TypeVar("T")

VITALS_S: Final = 2.0  # how often the machine is asked how it is


def certificate_days(
    door: float | None, devices: Sequence[DeviceSpec], protocols: Mapping[str, ProtocolSpec], now_ns: int
) -> float | None:
    """Days until the first certificate expires, of the door or of a connection to the field; None: not known. Blocking.

    Raises:
        OSError: a folder cannot be read.
    """
    found = [door]
    for name, protocol in protocols.items():
        if protocol.certificate_days is not None:
            found.append(protocol.certificate_days([d.device for d in devices if d.protocol == name], now_ns))
    return min((days for days in found if days is not None), default=None)


class Vitals:
    """The latest measurements.

    Attributes:
        values: source -> value, None while it cannot be had; units as in `config.model.SYSTEM_SOURCES`.
    """

    def __init__(self, offload: Offload) -> None:
        self._offload = offload
        self.values: dict[str, float | None] = {"post.up": 1, "post.role": 0}

    async def watch(self, machine: Machine, kept: Callable[[], bool], days: Callable[[], float | None]) -> None:
        """Measure every VITALS_S until cancelled.

        Args:
            kept: whether all that must be kept is being kept.
            days: until the first certificate expires; blocking.
        """
        while True:
            self.values.update(await self._measure(machine.sample) or UNKNOWN)
            self.values["storage.ok"] = kept()
            self.values["pki.days"] = await self._measure(days)
            await asyncio.sleep(VITALS_S)

    async def _measure(self, job: Callable[[], T]) -> T | None:
        try:
            return await self._offload.run(job)
        except (OSError, OffloadFull) as e:
            log.debug("not measured: %s", e)
            return None
