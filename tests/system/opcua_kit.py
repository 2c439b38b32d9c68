# SPDX-License-Identifier: Apache-2.0
"""A real OPC UA server on a small plant, and clients for it, for tests and benches."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import uvloop
from asyncua import Client, ua
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from config.model import Role
from config.words import Access, Kind, Rows, StatusCode, Verdict, cell_of
from historian.base import Record
from supervisor.clock import SystemClock
from supervisor.hmi.contract import HmiSettings, Limits, PastSource
from supervisor.hmi.events.event import Event
from supervisor.hmi.history.events import Records
from supervisor.hmi.model.nodes import Asker
from supervisor.hmi.model.outlook import Outlook
from supervisor.hmi.server import HmiServer
from supervisor.offload import Offload
from supervisor.people import People, User, hash_password
from supervisor.plant.plant import Area, Plant
from supervisor.tags.pool import StringPool
from supervisor.tags.scan import Changes
from supervisor.tags.table import TagTable
from tests.plants import TypeSpec, make_plant, tag

CLIENT_URI = "urn:vigie:test:client"
PASSWORDS = {
    "op": "op-pass",
    "view": "view-pass",
    "boss": "boss-pass",
    "guest": "guest-pass",
    "officer": "officer-pass",
}


def small_plant(cabinets: int = 3) -> Plant:
    """Cabinets in two areas with one tag of every kind, a camera with personal data, and a renamed cabinet."""
    kinds = {k.name: tag(k.name, access=Access.RW) for k in Kind if k is not Kind.Enumeration}
    tags = {
        "V1": replace(tag("Double", span=(0.0, 500.0), unit="V"), title_fr="Tension L1", title_en="Voltage L1"),
        "Mode": replace(
            tag("Enumeration", values=("Arrêt", "Marche", "Auto"), access=Access.RW), title_fr="Mode", title_en="Mode"
        ),
        "Pulse": tag("Boolean", access=Access.W),
        "Never": tag("Float", supported=False),
        **kinds,
    }
    cameras = {"Plate": replace(tag("String"), personal=True)}
    names = [f"{'21605' if i % 2 == 0 else '21000'}/CAB-{i + 1:04d}" for i in range(cabinets)]
    plant = make_plant({"CAB": TypeSpec(tags), "CAM": TypeSpec(cameras)}, {"CAB": names, "CAM": ["21605/CAM-0001"]})
    areas = {
        code: Area(code, {"21605": "Sennecey", "21000": "Dijon"}[code], a.equipment) for code, a in plant.areas.items()
    }
    return replace(plant, areas=areas, old_names={"21999/CAB-0001": "21605/CAB-0001"})


def fill(table: TagTable, rows: Rows, values: list[Any], status: StatusCode = StatusCode.Good) -> None:
    """Put engineering values into the table, as the scan does."""
    cells = np.zeros(len(rows), np.int64)
    for i, (row, value) in enumerate(zip(rows.tolist(), values, strict=True)):
        kind = table.plant.block(row).info.kind
        cells[i] = table.pool.intern(value) if kind is Kind.String else cell_of(kind, value)
    table.put(rows, cells, np.full(len(rows), status, np.uint32), SystemClock().wall_ns())


hashed = cache(hash_password)
"""Hashes of this test run, each made once: they are meant to take their time."""


def people() -> People:
    made = People()
    made.add(User("op", Role.OPERATOR, frozenset({"21605"})), hashed(PASSWORDS["op"]))
    made.add(User("view", Role.VIEWER), hashed(PASSWORDS["view"]))
    made.add(User("boss", Role.SUPERVISOR), hashed(PASSWORDS["boss"]))
    made.add(User("officer", Role.SECURITY), hashed(PASSWORDS["officer"]))
    # Sees one commune only; all others see the whole plant.
    made.add(User("guest", Role.OPERATOR, frozenset({"21000"}), sees=frozenset({"21000"})), hashed(PASSWORDS["guest"]))
    return made


@dataclass(frozen=True)
class Result:
    """What a command answers."""

    status: StatusCode
    verdict: Verdict
    reason: str = ""


@dataclass
class Commands:
    """Stands where the commands are: writes straight into the table; while `held` is set, it waits before it does."""

    table: TagTable
    asked: list[tuple[str, int, Any, str]] = field(default_factory=list)
    held: bool = False

    async def put(self, user: User, row: int, value: bool | int | float | str, origin: str) -> Result:
        self.asked.append((user.name, row, value, origin))
        area = self.table.plant.name(row).partition("/")[0]
        if not user.may_write(area):
            return Result(StatusCode.BadUserAccessDenied, Verdict.REFUSED, "not in this area")
        while self.held:
            await asyncio.sleep(0.01)
        fill(self.table, np.array([row]), [value])
        return Result(StatusCode.Good, Verdict.CONFIRMED)


@dataclass
class Site:
    """A running server and what it stands on."""

    server: HmiServer
    plant: Plant
    table: TagTable
    commands: Commands
    folder: Path
    records: list[Record] = field(default_factory=list)
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)

    def emit(self, event: Event) -> None:
        """Something happens; from any thread."""
        running = self.server._running
        assert running is not None
        self.loop.call_soon_threadsafe(running.engine.notifier.emit, event)

    def on_loop(self, work: Callable[[], None]) -> None:
        """Do something where the server lives, and wait until it is done."""
        try:
            here = asyncio.get_running_loop()
        except RuntimeError:
            here = None
        if here is self.loop:
            work()
            return
        done: Future[None] = Future()
        self.loop.call_soon_threadsafe(lambda: done.set_result(work()))
        done.result(10)

    def read_now(self, node_id: ua.NodeId, asker: Asker) -> ua.DataValue:
        """The value of a node as the server computes it on its loop; from any thread."""
        running = self.server._running
        assert running is not None
        read = running.engine.attributes.read

        async def main() -> ua.DataValue:
            return read(node_id, ua.AttributeIds.Value, asker, 0)

        return asyncio.run_coroutine_threadsafe(main(), self.loop).result(10)

    def row(self, name: str) -> int:
        row = self.plant.row(name)
        assert row is not None, name
        return row

    def set(self, name: str, value: Any, status: StatusCode = StatusCode.Good) -> None:
        """A value, and the scan that sees it."""
        self.put([self.row(name)], [value], status)

    def put(self, rows: list[int], values: list[Any], status: StatusCode = StatusCode.Good) -> None:
        """Values of one scan."""

        def scan() -> None:
            fill(self.table, np.array(rows), values, status)
            self.server.scanned(Changes(self.table.changed_rows(), SystemClock().wall_ns()))

        self.on_loop(scan)


@asynccontextmanager
async def running(
    folder: Path,
    plant: Plant | None = None,
    *,
    insecure: bool = False,
    accept_unknown: bool = True,
    limits: Limits | None = None,
    outlook: Outlook | None = None,
    users: People | None = None,
    past: PastSource | None = None,
    journal: Records | None = None,
) -> AsyncIterator[Site]:
    """A server on a port of the operating system."""
    plant = plant or small_plant()
    table = TagTable(plant, StringPool(), SystemClock().wall_ns())
    commands = Commands(table)
    records: list[Record] = []

    async def append(made: Sequence[Record]) -> None:
        records.extend(made)

    offload = Offload()
    settings = HmiSettings("127.0.0.1", 0, "test", folder, insecure, accept_unknown)
    server = HmiServer(
        plant, table, users or people(), SystemClock(), offload, settings, commands.put, limits, outlook, append=append
    )
    server.past, server.records = past, journal
    await server.start()
    try:
        yield Site(server, plant, table, commands, folder, records)
    finally:
        await server.stop()
        offload.close()


@contextmanager
def in_background(folder: Path, **settings: Any) -> Iterator[Site]:
    """A server on a loop of its own in a thread, so that the tests of a module can share one."""
    loop = uvloop.new_event_loop()  # as the product runs
    ready: Future[Site] = Future()
    ended = asyncio.Event()

    async def serve() -> None:
        async with running(folder, **settings) as site:
            ready.set_result(site)
            await ended.wait()

    def run() -> None:
        try:
            loop.run_until_complete(serve())
        except BaseException as error:
            if ready.done():
                raise
            ready.set_exception(error)
        finally:
            loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield ready.result(60)
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join(30)


def client_certificate(folder: Path, uri: str = CLIENT_URI, name: str = "client") -> tuple[Path, Path]:
    """Certificate and key of a client, as files."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = folder / f"{name}.der", folder / f"{name}.pem"
    if paths[1].exists():
        return paths
    key = rsa.generate_private_key(65537, 2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(True, True, True, True, False, True, False, False, False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.DER))
    paths[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return paths


async def make_client(
    site: Site,
    user: str = "op",
    password: str | None = None,
    *,
    mode: ua.MessageSecurityMode = ua.MessageSecurityMode.SignAndEncrypt,
    policy: Any = SecurityPolicyBasic256Sha256,
    files: tuple[Path, Path] | None = None,
) -> Client:
    """An asyncua client with name, password and certificate, not connected yet."""
    certificate, key = files or client_certificate(site.folder / "client")
    client = Client(site.server.endpoint, timeout=10)
    client.application_uri = CLIENT_URI
    await client.set_security(policy, certificate, key, mode=mode, server_certificate=site.server.certificate_path)
    client.set_user(user)
    client.set_password(PASSWORDS[user] if password is None else password)
    return client


def node_id(name: str) -> ua.NodeId:
    return ua.NodeId(name, 2, ua.NodeIdType.String)
