# SPDX-License-Identifier: Apache-2.0
"""Through a BBMD of another maker (bacpypes3): registered, questions distributed, what others broadcast heard."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from drivers.bacnet import frames, tags
from drivers.bacnet.address import BacnetDevice
from drivers.bacnet.frames import Frame, Pdu
from drivers.bacnet.link import BacnetLink

pytestmark = pytest.mark.system
PROGRAM = Path(__file__).with_name("bacpypes3_bbmd.py")


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class Other:
    """One process."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self.process, self.port = process, port

    async def says(self, word: str) -> str:
        """The next line that begins so."""
        assert self.process.stdout is not None
        async with asyncio.timeout(20):
            while line := (await self.process.stdout.readline()).decode():
                if line.startswith(word):
                    return line.strip()
        raise AssertionError(f"the process ended before it said {word}")

    async def ask(self, line: str, word: str) -> str:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n".encode())
        return await self.says(word)


@asynccontextmanager
async def other(*arguments: int) -> AsyncIterator[Other]:
    port, pipe = free_port(), asyncio.subprocess.PIPE
    words = [str(PROGRAM), str(port), *map(str, arguments)]
    process = await asyncio.create_subprocess_exec(sys.executable, *words, stdin=pipe, stdout=pipe)
    try:
        made = Other(process, port)
        await made.says("READY")
        yield made
    finally:
        process.kill()
        await process.wait()


def device(port: int, instance: int, bbmd: int) -> BacnetDevice:
    return BacnetDevice(host="127.0.0.1", port=port, instance=instance, bbmd=f"127.0.0.1:{bbmd}")


async def i_am(heard: asyncio.Queue[Frame]) -> int:
    """The instance of the next I-Am."""
    async with asyncio.timeout(20):
        while True:
            frame = await heard.get()
            if (frame.kind, frame.code) == (Pdu.UNCONFIRMED, frames.I_AM):
                _, _, _, at = tags.header(frame.data, frame.body)
                return int.from_bytes(frame.data[at : at + 4], "big") & 0x3FFFFF


async def asked_until(bbmd: Other, expected: str) -> None:
    async with asyncio.timeout(20):
        while await bbmd.ask("table", "TABLE") != expected:
            await asyncio.sleep(0.1)


def test_registered_asking_all_and_hearing_what_others_broadcast() -> None:
    async def main() -> None:
        async with other() as bbmd, other(bbmd.port) as far:
            await asked_until(bbmd, "TABLE 1")
            link = BacnetLink(device(far.port, 777, bbmd.port))
            await link.open()
            try:
                heard: asyncio.Queue[Frame] = asyncio.Queue()
                for port, instance in ((far.port, 777), (bbmd.port, 888)):
                    station = await link.station(device(port, instance, bbmd.port))
                    station.notices = heard.put_nowait
                await asked_until(bbmd, "TABLE 2")
                assert link.foreign is not None and link.foreign.stands
                link.foreign.broadcast(frames.npdu_to(0, b"", False), frames.unconfirmed(frames.WHO_IS, b""))
                assert {await i_am(heard), await i_am(heard)} == {777, 888}, "distributed to all by the BBMD"
                with contextlib.suppress(asyncio.QueueEmpty):
                    while True:
                        heard.get_nowait()
                await far.ask("i-am", "DONE")
                frame = await asyncio.wait_for(heard.get(), 20)
                assert frame.origin == ("127.0.0.1", far.port), "forwarded, and it says for whom"
            finally:
                await link.close()

    asyncio.run(main())
