# SPDX-License-Identifier: Apache-2.0
"""The OPC UA driver against node-opcua's server: a foreign peer, real sockets, real time."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from config.words import NS_PER_S, Access, Batch, Kind, LinkState, Outcome, Permit, StatusCode, cell_of
from drivers.base import DeviceSpec, LinkDown, Point, PollClass, Request, WriteItem, bind
from drivers.host import Host, HostLimits
from drivers.link import Backoff
from drivers.opcua.address import OpcuaDevice, OpcuaPoint
from drivers.opcua.driver import OpcuaDriver
from drivers.opcua.link import OpcuaLink
from drivers.opcua.plan import plan
from drivers.opcua.protocol import PROTOCOL
from drivers.opcua.trust import Untrusted
from supervisor.clock import SystemClock
from tests.system.node_kit import SERVER, environment

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]

URI = "urn:vigie:test:node-opcua"
PERMIT = Permit(1, np.inf)
MANY = 10_000


def node(name: str) -> str:
    return f"nsu={URI};s={name}"


POINTS = (
    Point("Level", Kind.Double, Access.R, OpcuaPoint(node=node("Level")), "p"),
    Point("Code", Kind.Enumeration, Access.R, OpcuaPoint(node=node("Code")), "p"),
    Point("Text", Kind.String, Access.R, OpcuaPoint(node=node("Text")), "p"),
    Point("Put", Kind.Double, Access.RW, OpcuaPoint(node=node("Put")), "p"),
    Point("Array2", Kind.Int16, Access.RW, OpcuaPoint(node=node("Array"), index=2), "p"),
    Point("Array9", Kind.Int16, Access.R, OpcuaPoint(node=node("Array"), index=9), "p"),
    Point("Wrong", Kind.Boolean, Access.R, OpcuaPoint(node=node("Level")), "p"),
    Point("Lost", Kind.Double, Access.R, OpcuaPoint(node=node("Lost")), "p"),
    Point("Running", Kind.Enumeration, Access.R, OpcuaPoint(node="i=2259"), "p"),
)


class Server:
    """node-opcua in its own process."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._folder = folder
        self.start(MANY)

    def start(self, many: int = 0) -> None:
        """With so many Floats beside its few nodes."""
        command = ["node", str(SERVER / "serve.js"), str(self.port), str(self._folder / "node-pki"), str(many)]
        self.process = subprocess.Popen(
            command, env=environment(SERVER), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._until("ready")

    def _until(self, word: str) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith(word):
                return
        raise AssertionError(f"the server ended before it said {word!r}")

    def set(self, name: str, value: object) -> None:
        """Hold another value."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"set {name} {value}\n")
        self.process.stdin.flush()
        self._until(name)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("node"))
    yield made
    made.kill()


def device(server: Server, **more: Any) -> OpcuaDevice:
    where = {"host": "127.0.0.1", "port": server.port, "publishing": "100 ms", "keep_alive": "5 s"}
    slow = {"connect_timeout": "30 s"}
    return OpcuaDevice.model_validate({**where, **slow, "application_uri": URI, **more})


async def opened(
    settings: OpcuaDevice, points: tuple[Point, ...] = POINTS
) -> tuple[OpcuaLink, OpcuaDriver, list[Request]]:
    link = OpcuaLink(settings, SystemClock())
    driver = OpcuaDriver("N-1.node", settings, points, link, SystemClock())
    await link.open()
    await driver.open()
    return link, driver, [bind(e, np.arange(len(points)), i) for i, e in enumerate(plan(settings, points))]


async def until(true: Callable[[], bool]) -> None:
    """Patience for another process; the test's own timeout is the limit."""
    while not true():
        await asyncio.sleep(0.02)


def test_everything_is_read_written_and_told(server: Server) -> None:
    async def main() -> None:
        link, driver, [request] = await opened(device(server))
        seen = await driver.read(request, 20.0)
        assert seen.cells[[0, 3]].view(float).tolist() == [1.5, 0.0] and seen.texts == {2: "é"}
        assert seen.cells[[1, 4, 8]].tolist() == [1, 12, 0]
        wrong = {6: StatusCode.BadTypeMismatch, 7: StatusCode.BadNodeIdUnknown}
        assert [int(s) for s in seen.statuses[[6, 7]]] == [int(s) for s in wrong.values()]
        assert seen.statuses[5] >= StatusCode.Bad and (seen.statuses[[0, 1, 2, 3, 4, 8]] == 0).all()
        assert len(driver.notes(request)) == 3 and link.server.read_max > 0
        items = [WriteItem(3, cell_of(Kind.Double, 7.25)), WriteItem(4, 99), WriteItem(0, 0)]
        outcomes = [each.outcome for each in await driver.write(items, PERMIT, 20.0)]
        assert outcomes == [Outcome.ACCEPTED, Outcome.ACCEPTED, Outcome.REFUSED]
        back = await driver.read_points([3, 4], 20.0)
        assert [(cell, status) for cell, status, _ in back] == [(cell_of(Kind.Double, 7.25), 0), (99, 0)]
        told: list[Batch] = []
        driver.watch(told.append)
        await driver.read(request, 20.0)
        assert link.subscription.id and link.subscription.refused == ""
        server.set("Level", 2.5)
        level = cell_of(Kind.Double, 2.5)
        await until(lambda: any(level in batch.cells[batch.rows == 0] for batch in told))
        proved = await driver.read(request, 20.0)
        assert proved.cells[0] == level and proved.statuses[7] == StatusCode.BadNodeIdUnknown
        await until(lambda: link.subscription.messages > 2)  # a keep-alive too: it stands
        assert link.subscription.breaks == 0
        await link.close()

    asyncio.run(main())


def test_ten_thousand_floats_come_in_columns_within_its_limits(server: Server) -> None:
    points = tuple(
        Point(f"m{i}", Kind.Float, Access.R, OpcuaPoint(node=f"nsu={URI};i={10000 + i}"), "p") for i in range(MANY)
    )

    async def main() -> None:
        link, driver, requests = await opened(device(server), points)
        driver.watch(lambda _: None)
        for request in requests:
            seen = await driver.read(request, 30.0)
            assert (seen.cells.view(float) == seen.rows).all() and not seen.statuses.any()
        await until(lambda: link.subscription.changes >= MANY)
        for request in requests:
            proved = await driver.read(request, 30.0)
            assert (proved.cells.view(float) == proved.rows).all() and not proved.statuses.any()
        await link.close()

    asyncio.run(main())


def test_it_is_entered_with_certificate_user_and_password_only_when_trusted(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIGIE_SECRET_NODE", "right")
    secure = {"security": "Basic256Sha256", "mode": "SignAndEncrypt", "user": "vigie", "password_secret": "node"}

    async def main() -> None:
        settings = device(server, certificates=str(tmp_path), **secure)
        with pytest.raises(LinkDown, match="the server's certificate is not trusted"):
            await opened(settings)
        [kept] = (tmp_path / "rejected").glob("*.der")
        kept.rename(tmp_path / "trusted" / kept.name)
        link, driver, [request] = await opened(settings)
        assert (await driver.read(request, 20.0)).statuses[0] == 0
        assert link._judge is not None
        link._judge(SystemClock().wall_ns())
        with pytest.raises(Untrusted, match=r"have it renewed|expired on"):
            link._judge(SystemClock().wall_ns() + 20 * 365 * 86_400 * NS_PER_S)
        await link.close()
        monkeypatch.setenv("VIGIE_SECRET_NODE", "wrong")
        with pytest.raises(LinkDown, match=r"opc\.tcp://127\.0\.0\.1:\d+: .*(Identity|User|Access)"):
            await opened(settings)
        other = settings.model_copy(update={"security": "Aes128_Sha256_RsaOaep"})
        with pytest.raises(
            LinkDown, match="expected an endpoint with Aes128_Sha256_RsaOaep/SignAndEncrypt, the server has"
        ):
            await opened(other)

    asyncio.run(main())


class Seen:
    """A sink that remembers the newest word on the one device."""

    def __init__(self) -> None:
        self.good = self.missed_ = 0
        self.state = LinkState.DOWN

    def batch(self, batch: Batch) -> None:
        self.good += batch.request >= 0 and batch.statuses[0] == 0

    def missed(self, requests: Any, status: StatusCode, reason: str, now_ns: int) -> None:
        self.missed_ += 1

    def link(self, device: int, state: LinkState, reason: str, now_ns: int) -> None:
        self.state = state


def test_it_comes_back_after_a_stop_and_after_a_restart(server: Server) -> None:
    async def main() -> None:
        polls = {"p": PollClass("p", period_s=0.5, timeout_s=2.0, retries=0, bad_after_s=10.0)}
        rows, none = np.arange(len(POINTS)), np.array([], np.int64)
        spec = DeviceSpec("N-1.node", "opcua", device(server, connect_timeout="2 s"), POINTS, rows, polls, none)
        seen = Seen()
        host = Host([spec], {"opcua": PROTOCOL}, SystemClock(), seen, Random(1), HostLimits(backoff=Backoff(0.2, 1.0)))
        await host.start()

        async def alive() -> None:
            before = seen.good
            await until(lambda: seen.good > before + 1 and seen.state is LinkState.UP)

        await alive()
        os.kill(server.process.pid, signal.SIGSTOP)
        before = seen.missed_
        await until(lambda: seen.missed_ > before)
        os.kill(server.process.pid, signal.SIGCONT)
        await alive()
        before = seen.missed_
        server.kill()
        await until(lambda: seen.missed_ > before and seen.state is not LinkState.UP)
        await asyncio.to_thread(server.start)
        await alive()
        await host.stop()

    asyncio.run(main())
