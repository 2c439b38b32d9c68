# SPDX-License-Identifier: Apache-2.0
"""A serial line on a pseudo-terminal, in real time: asked, unplugged, refused, shared by nobody."""

from __future__ import annotations

import asyncio
import os
import termios
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uvloop

from config.words import Kind, Outcome, Permit, value_of
from drivers.base import DeviceSilent, LinkDown, WriteItem, bind
from drivers.modbus.address import ModbusDevice
from drivers.modbus.driver import ModbusDriver
from drivers.modbus.link import ModbusLink
from drivers.modbus.memory import Memory
from drivers.modbus.plan import plan
from drivers.modbus.serialport import SerialTransport
from drivers.modbus.simulator import SimulatedDevice
from drivers.modbus.wire import NotSent
from supervisor.clock import SystemClock
from tests.modbus import FOREVER, point, registers

LOOPS = [asyncio.new_event_loop, uvloop.new_event_loop]
READ = b"\x03\x00\x00\x00\x01"


def run(main: Coroutine[Any, Any, None], loop: Callable[[], asyncio.AbstractEventLoop] = LOOPS[0]) -> None:
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(asyncio.wait_for(main, 20.0))


def with_line(
    folder: Path,
    story: Callable[[SimulatedDevice, ModbusLink], Awaitable[None]],
    loop: Callable[[], asyncio.AbstractEventLoop] = LOOPS[0],
    **settings: Any,
) -> None:
    async def main() -> None:
        path = str(folder / "port")
        peer = SimulatedDevice("line", {1: Memory(), 2: Memory()}, transport="serial", serial_port=path)
        await peer.start()
        link = ModbusLink(
            ModbusDevice.model_validate({"transport": "serial", "serial_port": path, "baud_rate": 115200, **settings})
        )
        try:
            await link.open()
            await story(peer, link)
        finally:
            await link.close()
            await peer.stop()
            await asyncio.sleep(0)

    run(main(), loop)


@pytest.mark.parametrize("loop", LOOPS)
def test_two_units_of_one_line_are_read_and_written(tmp_path: Path, loop: Any) -> None:
    points = [
        *registers(125),
        point("Level", Kind.Float, "rw", table="holding", address=200, type="float32"),
        point("On", Kind.Boolean, "rw", table="coil", address=9),
    ]

    async def story(peer: SimulatedDevice, link: ModbusLink) -> None:
        for unit in (1, 2):
            peer.units[unit].holding[:125] = np.arange(125) * unit
        for unit in (1, 2, 1):
            device = link.device.model_copy(update={"unit_id": unit})
            driver = ModbusDriver("DEV", device, points, link, SystemClock())
            requests = [bind(e, np.arange(len(points)), i) for i, e in enumerate(plan(device, points))]
            (block,) = (r for r in requests if len(r.rows) == 125)
            batch = await driver.read(block, 2.0)
            assert batch.cells.tolist() == [i * unit for i in range(125)] and not batch.statuses.any()
            cell = int(np.array([0.75 * unit], np.float64).view(np.int64)[0])
            outcomes = await driver.write([WriteItem(125, cell), WriteItem(126, 1)], FOREVER, 2.0)
            assert [o.outcome for o in outcomes] == [Outcome.ACCEPTED] * 2, outcomes
            [(back, status, _)] = await driver.read_points([125], 2.0)
            assert (value_of(Kind.Float, back), status) == (0.75 * unit, 0)
            ended = await driver.write([WriteItem(126, 0)], Permit(1, 0.0), 2.0)
            assert ended[0].outcome is Outcome.REFUSED and peer.units[unit].coil[9]

    with_line(tmp_path, story, loop)


def test_a_unit_that_is_not_there_is_silence(tmp_path: Path) -> None:
    async def story(peer: SimulatedDevice, link: ModbusLink) -> None:
        with pytest.raises(DeviceSilent, match="unit 9 did not answer function 3 in time"):
            await link.ask(9, READ, 0.05)
        assert await link.ask(1, READ, 2.0) == b"\x03\x02\x00\x00"

    with_line(tmp_path, story)


def test_a_port_pulled_out_is_a_broken_link_and_put_in_again_is_well(tmp_path: Path) -> None:
    async def story(peer: SimulatedDevice, link: ModbusLink) -> None:
        lost: list[str] = []
        link.on_lost(lost.append)
        assert await link.ask(1, READ, 2.0)
        peer.turn("refuse")
        while link.is_up:
            await asyncio.sleep(0.001)
        assert len(lost) == 1 and lost[0].startswith(str(tmp_path / "port"))
        with pytest.raises(NotSent):
            await link.command(1, b"\x06\x00\x00\x00\x01", 1.0, lambda: True)
        with pytest.raises(LinkDown, match=r"port: No such file or directory"):
            await link.open()
        peer.heal()
        await link.open()
        assert await link.ask(1, READ, 2.0) == b"\x03\x02\x00\x00"
        peer.reset()
        while link.is_up:
            await asyncio.sleep(0.001)
        await link.open()
        assert await link.ask(1, READ, 2.0)

    with_line(tmp_path, story)


def test_a_port_is_ours_alone(tmp_path: Path) -> None:
    async def story(peer: SimulatedDevice, link: ModbusLink) -> None:
        with pytest.raises(LinkDown, match="port: another program uses this serial port"):
            await ModbusLink(link.device).open()
        assert await link.ask(1, READ, 2.0)

    with_line(tmp_path, story)


def test_what_is_no_terminal_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    async def main() -> None:
        device = ModbusDevice.model_validate({"transport": "serial", "serial_port": str(tmp_path / "file")})
        with pytest.raises(LinkDown, match=str(tmp_path / "file")):
            await ModbusLink(device).open()

    run(main())


def test_what_has_not_left_when_the_port_is_closed_never_leaves() -> None:
    """The port takes no more; what waits is known, a command is refused by it, and abort throws it away."""

    async def main() -> None:
        master, slave = os.openpty()
        import tty

        tty.setraw(slave)
        os.set_blocking(slave, False)
        lost: list[Exception | None] = []

        class Told(asyncio.Protocol):
            def connection_lost(self, exc: Exception | None) -> None:
                lost.append(exc)

        transport = SerialTransport(asyncio.get_running_loop(), slave, Told())
        while not (waiting := transport.get_write_buffer_size()):  # nobody reads: the kernel's queues fill
            transport.write(b"\x01" * 1024)
        assert 0 < waiting <= 1024 and transport.unsent() >= waiting
        transport.abort()
        transport.abort()
        await asyncio.sleep(0)
        assert lost == [None] and transport.unsent() == 0
        os.close(master)

    run(main())


def test_a_port_that_takes_nothing_is_lost_before_its_queue_grows() -> None:
    async def main() -> None:
        master, slave = os.openpty()
        import tty

        tty.setraw(slave)
        os.set_blocking(slave, False)
        lost: list[Exception | None] = []

        class Told(asyncio.Protocol):
            def connection_lost(self, exc: Exception | None) -> None:
                lost.append(exc)

        transport = SerialTransport(asyncio.get_running_loop(), slave, Told())
        for _ in range(1000):
            transport.write(bytes(256))
        await asyncio.sleep(0)
        assert transport.is_closing() and "has not taken" in str(lost[0])
        os.close(master)

    run(main())


def test_the_line_has_the_settings_that_were_written(tmp_path: Path) -> None:
    async def story(peer: SimulatedDevice, link: ModbusLink) -> None:
        fd = os.open(tmp_path / "port", os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        try:
            _, _, cflag, _, ispeed, ospeed, _ = termios.tcgetattr(fd)
        finally:
            os.close(fd)
        assert ispeed == ospeed == termios.B9600
        assert cflag & termios.CSIZE == termios.CS8 and cflag & termios.CSTOPB

    with_line(tmp_path, story, baud_rate=9600, stop_bits=2, parity="none")
