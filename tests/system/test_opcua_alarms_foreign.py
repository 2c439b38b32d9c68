# SPDX-License-Identifier: Apache-2.0
"""Alarm lists of other people, unmodified, on a running demo: node-opcua's and asyncua's see an alarm of a simulated
cabinet, acknowledge it, refresh, and reset it."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from asyncua import Client, ua
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256

from tests.certificates import make
from tests.system.node_kit import HERE, node_modules
from tests.system.opcua_kit import CLIENT_URI, client_certificate
from tests.system.server_kit import Server, running, site_of_its_own, until

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]

TRIP = "ns=3;s=21605/CAB-0003/K{}_Trip"


class Demo:
    """A demo of its own whose cabinets can be cut."""

    def __init__(self, server: Server, site: str) -> None:
        self.server = server
        self._site = site

    def turn(self, what: str) -> None:
        code, said = self.server.vigie("simulate", self._site, "--turn", "CAB-0003", what)
        assert code == 0, said

    @property
    def endpoint(self) -> str:
        return str(self.server.connect["endpoint"])

    def login(self, role: str = "operator") -> tuple[str, str]:
        user = next(u for u in self.server.connect["users"] if u["role"] == role)
        return user["name"], user["password"]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    folder = tmp_path_factory.mktemp("demo")
    site = str(site_of_its_own(folder))
    with running(Server(folder / "state", "demo", "--site", site)) as server:
        assert isinstance(server, Server)
        until("every device answers", lambda: all(d["link"] == "up" for d in server.status()["devices"]))
        yield Demo(server, site)


def test_node_opcua_keeps_its_alarm_list(demo: Demo, tmp_path: Path) -> None:
    modules = node_modules()
    files = map(str, client_certificate(tmp_path / "client"))
    command = [
        "node",
        str(HERE / "alarms.js"),
        demo.endpoint,
        *files,
        *demo.login(),
        str(tmp_path / "pki"),
        TRIP.format(2),
    ]
    environment = {"NODE_PATH": str(modules), "PATH": "/usr/bin:/bin:" + str(Path(shutil.which("node") or "").parent)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, env=environment, text=True, **pipes) as client:
        assert client.stdout is not None and client.stderr is not None
        steps: dict[str, Any] = {}
        for line in client.stdout:
            if not line.startswith("{"):
                continue  # what the library has to say
            step = json.loads(line)
            steps[step["step"]] = step
            if step["step"] in ("ready", "refreshed"):
                demo.turn("trip K2" if step["step"] == "ready" else "repair")
        errors = client.stderr.read()
    assert list(steps) == ["ready", "seen", "acknowledged", "refreshed", "gone"], errors
    seen, acked, refreshed, gone = (steps[s] for s in ("seen", "acknowledged", "refreshed", "gone"))
    assert (seen["condition"], seen["retain"], seen["acked"], seen["severity"]) == (TRIP.format(2), True, False, 750)
    assert (acked["code"], acked["retain"], acked["comment"]) == ("Good", True, "équipe en route")
    assert (refreshed["code"], refreshed["again"]) == ("Good", "BadConditionBranchAlreadyAcked")
    assert refreshed["event"] == acked["event"] != seen["event"]
    assert (gone["code"], gone["active"], gone["retain"]) == ("Good", False, False)


class Heard:
    """What asyncua hands to its user."""

    def __init__(self) -> None:
        self.events: asyncio.Queue[Any] = asyncio.Queue()

    def event_notification(self, event: Any) -> None:
        self.events.put_nowait(event)

    async def until(self, what: str, holds: Any, name: str = "K1_Trip") -> Any:
        async with asyncio.timeout(60):
            while True:
                event = await self.events.get()
                if getattr(event, "ConditionName", None) == name and holds(event):
                    return event


async def client_of(demo: Demo, folder: Path) -> Client:
    """asyncua's client with the operator's login; not connected."""
    client = Client(demo.endpoint, timeout=20)
    name, password = demo.login()
    client.set_user(name)
    client.set_password(password)
    client.application_uri = CLIENT_URI
    await client.set_security(SecurityPolicyBasic256Sha256, *map(str, client_certificate(folder)))
    return client


def test_asyncua_subscribes_to_alarms_and_conditions(demo: Demo, tmp_path: Path) -> None:
    async def main() -> None:
        async with await client_of(demo, tmp_path / "client") as client:
            subscription = await client.create_subscription(100, heard := Heard())
            await subscription.subscribe_alarms_and_conditions(evtypes=ua.ObjectIds.AlarmConditionType)
            await asyncio.to_thread(demo.turn, "trip K1")
            rose = await heard.until("the alarm", lambda e: getattr(e, "ActiveState/Id"))
            assert (rose.NodeId.to_string(), rose.SourceName, rose.Severity) == (
                TRIP.format(1),
                "21605/CAB-0003",
                750,
            )
            condition = client.get_node(rose.NodeId)
            comment = ua.LocalizedText("vu", "fr")
            acknowledge = ua.NodeId(ua.ObjectIds.AcknowledgeableConditionType_Acknowledge)
            await condition.call_method(acknowledge, rose.EventId, comment)
            acked = await heard.until("the acknowledgement", lambda e: getattr(e, "AckedState/Id"))
            assert acked.Comment.Text == "vu"
            type_ = client.get_node(ua.NodeId(ua.ObjectIds.ConditionType))
            number = ua.Variant(subscription.subscription_id, ua.VariantType.UInt32)
            await type_.call_method(ua.NodeId(ua.ObjectIds.ConditionType_ConditionRefresh), number)
            told = await heard.until("the refresh", lambda e: True)
            assert (told.EventId, told.Time) == (acked.EventId, acked.Time)
            await asyncio.to_thread(demo.turn, "repair")

    asyncio.run(main())


def test_a_certificate_that_ends_soon_is_an_alarm_that_shows_it(demo: Demo, tmp_path: Path) -> None:
    """CertificateExpirationAlarmType, OPC 10000-9, 5.8.24.7: whose, its end, how early it is told."""
    now = datetime.now(UTC)
    leaving = make("a terminal", now, days=(-1, 20))
    trusted = demo.server.state / "pki" / "trusted" / "terminal.der"

    async def main() -> None:
        async with await client_of(demo, tmp_path / "client") as client:
            subscription = await client.create_subscription(100, heard := Heard())
            await subscription.subscribe_alarms_and_conditions(evtypes=ua.ObjectIds.CertificateExpirationAlarmType)
            trusted.write_bytes(leaving.der)
            for name, days in (("CertDays_early", 60), ("CertDays_low", 30)):
                rose = await heard.until("the alarm", lambda e: getattr(e, "ActiveState/Id"), name)
                assert rose.EventType == ua.NodeId(ua.ObjectIds.CertificateExpirationAlarmType)
                assert rose.Certificate == leaving.der and rose.ExpirationLimit == days * 86_400_000
                assert abs(rose.ExpirationDate.replace(tzinfo=UTC) - now - timedelta(days=20)) < timedelta(minutes=5)
            trusted.unlink()
            await heard.until("it is gone", lambda e: not getattr(e, "ActiveState/Id"), "CertDays_low")

    asyncio.run(main())
