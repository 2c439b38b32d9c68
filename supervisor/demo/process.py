# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_demo_field.py, tests/system/test_dijon.py
"""The simulated field as a process of its own: `vigie simulate`, and the child of `vigie demo`.

Law of this file: options in, exit code out; one clear sentence where it cannot. What is simulated is `field`'s.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import uvloop

from config.model import Site
from supervisor.clock import SystemClock
from supervisor.demo.door import FieldDoorError
from supervisor.demo.field import FieldSimulator
from supervisor.demo.wires import Ports
from supervisor.descriptors import open_files


@dataclass(frozen=True, slots=True)
class FieldOptions:
    """How `vigie simulate` runs.

    Attributes:
        state: folder for field.json and field.sock; made if missing.
        ports, seed, speed: as `FieldSimulator`.
        faults: (device, knob) turned right after the start.
        for_s: stop by itself after so long [s]; None: until Ctrl-C or SIGTERM.
    """

    state: Path
    ports: Ports = "nominal"
    seed: int = 1
    speed: float = 1.0
    faults: Iterable[tuple[str, str]] = field(default=())
    for_s: float | None = None


def run_field(site: Site, options: FieldOptions) -> int:
    """Simulate the field of a site until told to stop. Returns the exit code: 0, or 1 after one clear sentence."""
    try:
        options.state.mkdir(parents=True, exist_ok=True)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_run(site, options))
    except (OSError, ValueError, FieldDoorError) as error:
        print(f"the field of {site.model.site} cannot be simulated: {error}", file=sys.stderr)
        return 1
    return 0


async def _run(site: Site, options: FieldOptions) -> None:
    simulator = FieldSimulator(site, SystemClock(), options.ports, options.seed, options.speed, options.state)
    open_files(2 * simulator.ports)  # each listens and has a client
    await simulator.start()
    try:
        for device, text in options.faults:
            print(simulator.turn(device, text), flush=True)
        print(f"{len(simulator.devices)} devices of {site.model.site} answer; Ctrl-C stops them", flush=True)
        await _until_told(simulator, options.for_s)
    finally:
        await simulator.stop()


async def _until_told(simulator: FieldSimulator, for_s: float | None) -> None:
    loop = asyncio.get_running_loop()
    told = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told.set)
    living = loop.create_task(simulator.wait())
    stopping = loop.create_task(told.wait())
    try:
        done, _ = await asyncio.wait((living, stopping), timeout=for_s, return_when=asyncio.FIRST_COMPLETED)
        if living in done:
            await living
    finally:
        living.cancel()
        stopping.cancel()
        await asyncio.gather(living, stopping, return_exceptions=True)
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
