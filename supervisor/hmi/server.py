# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: SLF001 - hooks of the pinned asyncua, held by tests/unit/test_hmi_hooks.py
# Tests: tests/unit/test_hmi_server.py, tests/system/test_opcua_client.py
"""The OPC UA server: the operators' only door.

Law of this file: start and stop. What a request does is `processor.py`'s matter, what the numbers mean `values.py`'s.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

import numpy as np
from asyncua import Server, ua

from config.words import NS_PER_S, Cells, Clock
from supervisor.alarms.desk import AlarmDesk
from supervisor.hmi.conditions.kind import NAMESPACE as CONDITIONS
from supervisor.hmi.contract import Counters, HmiError, HmiSettings, Limits, PastSource, PutFunction
from supervisor.hmi.engine import NAMESPACE, Engine, Surroundings
from supervisor.hmi.entrance.audit import Append
from supervisor.hmi.entrance.channel import ChannelLimits
from supervisor.hmi.entrance.housekeeping import keep_house
from supervisor.hmi.entrance.login import BY_CERTIFICATE, BY_NAME, BY_NOBODY, Login
from supervisor.hmi.entrance.pki import Identity, own_identity
from supervisor.hmi.entrance.trust import TrustList, der, thumbprint
from supervisor.hmi.history.capabilities import publish
from supervisor.hmi.history.events import Records
from supervisor.hmi.history.service import HistoryService
from supervisor.hmi.model.capabilities import capabilities
from supervisor.hmi.model.facts import Facts
from supervisor.hmi.model.outlook import Outlook
from supervisor.hmi.transport import Listener
from supervisor.offload import Offload
from supervisor.people import People
from supervisor.plant.plant import Plant
from supervisor.tags.scan import Changes
from supervisor.tags.table import TagTable

_log = logging.getLogger(__name__)

_POLICIES: Final = [
    ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt,
    ua.SecurityPolicyType.Basic256Sha256_Sign,
    ua.SecurityPolicyType.Aes128Sha256RsaOaep_SignAndEncrypt,
    ua.SecurityPolicyType.Aes128Sha256RsaOaep_Sign,
    ua.SecurityPolicyType.Aes256Sha256RsaPss_SignAndEncrypt,
    ua.SecurityPolicyType.Aes256Sha256RsaPss_Sign,
]


class Shell(Server):
    """asyncua's Server, with listeners on sockets that are already bound."""

    iserver: Engine

    def offer(self, policies: list[ua.SecurityPolicyType], url: str) -> list[object]:
        """Add the endpoints of these policies at `url`; returns asyncua's factories."""
        self.set_endpoint(url)
        self.set_security_policy(policies)
        before, offered = len(self._policies), len(self.iserver.endpoints)
        self._add_endpoints()
        for endpoint in self.iserver.endpoints[offered:]:
            endpoint.UserIdentityTokens = _token_policies(endpoint)
        return list(self._policies[before:])

    def _add_endpoints(self) -> None:
        from asyncua.crypto import security_policies as known

        for type_ in self._security_policy:
            policy, mode, level = known.SECURITY_POLICY_TYPE_MAP[type_]
            self._set_endpoints(policy, mode, level)
            certificate, key = self.iserver.certificate, self.iserver.private_key
            self._policies.append(known.SecurityPolicyFactory(policy, mode, certificate, key))


def _token_policies(endpoint: ua.EndpointDescription) -> list[ua.UserTokenPolicy]:
    """How one may log in at an endpoint: with security by name or certificate, without as nobody."""
    kinds = {BY_NAME: ua.UserTokenType.UserName, BY_CERTIFICATE: ua.UserTokenType.Certificate}
    if endpoint.SecurityMode == ua.MessageSecurityMode.None_:
        kinds = {BY_NOBODY: ua.UserTokenType.Anonymous}
    made = []
    for policy_id, kind in kinds.items():
        uri = endpoint.SecurityPolicyUri
        made.append(ua.UserTokenPolicy(PolicyId=policy_id, TokenType=kind, SecurityPolicyUri=uri))
    return made


@dataclass(slots=True)
class _Running:
    engine: Engine
    shell: Shell
    listeners: list[Listener]
    identity: Identity
    parts: list[asyncio.Task[None]]


class HmiServer:
    """The server, from start to stop.

    Attributes:
        endpoint: URL with the real port, '' until started; `insecure_endpoint` likewise, None if not asked for.
        counters: what was done since start.
        past, records: the history and the journal that clients may ask, set before the start; None: there is none.
    """

    def __init__(
        self,
        plant: Plant,
        table: TagTable,
        people: People,
        clock: Clock,
        offload: Offload,
        settings: HmiSettings,
        put: PutFunction,
        limits: Limits | None = None,
        outlook: Outlook | None = None,
        desk: AlarmDesk | None = None,
        append: Append | None = None,
    ) -> None:
        """`append`: the journal's, for who logged in and who was turned away; None: they are logged only."""
        self._settings = settings
        self._people = people
        self._offload = offload
        self._clock = clock
        self._outlook = outlook or Outlook()
        self.limits = limits or Limits()
        self.counters = Counters()
        self._around = Surroundings(plant, table, clock, offload, put, self.limits, self.counters, desk, append)
        self._running: _Running | None = None
        self.endpoint = ""
        self.insecure_endpoint: str | None = None
        self.past: PastSource | None = None
        self.records: Records | None = None

    async def start(self) -> str:
        """Listen; returns the endpoint's URL.

        Raises:
            HmiError: the port is taken, or the certificate cannot be used.
        """
        settings = self._settings
        logging.getLogger("asyncua").setLevel(logging.WARNING)  # it tells every request at INFO
        name = socket.gethostname()
        uri = f"urn:{name}:vigie:{settings.site}"
        make = partial(own_identity, settings.state_dir / "pki", uri, settings.host, name, self._clock.wall_ns())
        identity = await self._offload.run(make)
        sockets = [_bound(settings.host, settings.port)]
        try:
            if settings.insecure_loopback:
                sockets.append(_bound("127.0.0.1", 0))
            await self._open(identity, sockets, name)
        except BaseException:
            for sock in sockets:
                sock.close()
            raise
        return self.endpoint

    async def _open(self, identity: Identity, sockets: list[socket.socket], name: str) -> None:
        settings = self._settings
        engine = Engine(self._around)
        engine.trust = TrustList(settings.state_dir / "pki", settings.accept_unknown_certificates)
        await self._offload.run(engine.trust.anchors)
        engine.login = Login(
            self._people, Offload(1, self.limits.logins), identity.key, self.limits, self.counters, self._clock
        )
        engine.history = HistoryService(engine, self.past, self.records, self.limits, self.counters)
        shell = await self._shell(engine, identity)
        host = settings.host if settings.host not in ("0.0.0.0", "::", "") else name
        self.endpoint = f"opc.tcp://{host}:{sockets[0].getsockname()[1]}"
        policies = shell.offer(_POLICIES, self.endpoint)
        sizes = self.limits.chunk_bytes, self.limits.message_bytes
        channel = ChannelLimits(sizes[0], sizes[0], -(-sizes[1] // sizes[0]), sizes[1])
        listeners = [Listener(engine, sockets[0], channel, insecure=False)]
        listeners[0].set_policies(policies)
        if len(sockets) > 1:
            engine.insecure_port = sockets[1].getsockname()[1]
            self.insecure_endpoint = f"opc.tcp://127.0.0.1:{engine.insecure_port}"
            policies = shell.offer([ua.SecurityPolicyType.NoSecurity], self.insecure_endpoint)
            listeners.append(Listener(engine, sockets[1], channel, insecure=True))
            listeners[1].set_policies(policies)
        try:
            await engine.start()
            for listener in listeners:
                await listener.start()
            parts = [asyncio.create_task(part) for part in (keep_house(engine), engine.audit.run())]
        except BaseException:
            await engine.stop()
            raise
        for problem in self.errors():
            _log.error("%s", problem)
        self._running = _Running(engine, shell, listeners, identity, parts)
        _log.info("OPC UA server listens on %s", self.endpoint)

    async def _shell(self, engine: Engine, identity: Identity) -> Shell:
        """The server of asyncua with our names, namespace and certificate."""
        shell = Shell(iserver=engine)
        shell.name = f"Vigie {self._settings.site}"
        shell.product_uri = "urn:vigie"
        shell.manufacturer_name = "Vigie"
        shell.application_type = ua.ApplicationType.Server
        shell._application_uri = identity.application_uri
        await shell.init()
        if await shell.register_namespace(f"urn:vigie:{self._settings.site}") != NAMESPACE:
            raise HmiError("the namespace of the tags is not number 2; this is a bug in Vigie")
        if await shell.register_namespace(f"urn:vigie:{self._settings.site}:alarms") != CONDITIONS:
            raise HmiError("the namespace of the alarms is not number 3; this is a bug in Vigie")
        for name, value in capabilities(self.limits).items():
            await shell.get_node(getattr(ua.ObjectIds, f"Server_ServerCapabilities_{name}")).write_value(value)
        engine.tell(self._facts(identity), self._outlook)
        await publish(shell, self.limits, data=self.past is not None, events=self.records is not None)
        engine.certificate = identity.certificate
        engine.own_thumbprint = bytes.fromhex(thumbprint(identity.certificate))
        engine.private_key = identity.key
        return shell

    def _facts(self, identity: Identity) -> Facts:
        return Facts(
            clock=self._clock,
            uri=identity.application_uri,
            site_uri=f"urn:vigie:{self._settings.site}",
            digest=self._around.plant.digest.hex(),
            product="Vigie",
            version=self._outlook.version,
            started_ns=self._clock.wall_ns(),
        )

    def scanned(self, changes: Changes) -> None:
        """After each scan; a consumer of `supervisor.tags.scan.Scan`."""
        if self._running is not None:
            self._running.engine.subscription_service.scanned(changes.rows, changes.now_ns)

    def texts(self) -> Cells:
        """Cells of String rows kept for later; a holder of `supervisor.tags.scan.Scan`."""
        running = self._running
        return np.zeros(0, np.int64) if running is None else running.engine.subscription_service.texts()

    async def stop(self) -> None:
        """Close every connection and end every task. Idempotent."""
        running, self._running = self._running, None
        if running is None:
            return
        for part in running.parts:
            part.cancel()
        await asyncio.wait(running.parts)
        for listener in running.listeners:
            await listener.stop()
        await running.engine.stop()
        running.engine.audit.sum_up()
        await running.engine.audit.close()
        running.engine.login.offload.close()
        self.endpoint, self.insecure_endpoint = "", None

    async def renew_identity(self, new_key: bool) -> None:
        """Take up the certificate that now stands in the files: for every new connection.

        Those that are open go on with the former one; with a new key they end, because the former may be known.
        """
        if (running := self._running) is None:
            return
        engine, settings = running.engine, self._settings
        load = partial(own_identity, settings.state_dir / "pki", "", settings.host, "", self._clock.wall_ns())
        identity = running.identity = await self._offload.run(load)
        engine.certificate, engine.private_key = identity.certificate, identity.key
        engine.own_thumbprint = bytes.fromhex(thumbprint(identity.certificate))
        engine.login.key = identity.key
        for endpoint in engine.endpoints:
            endpoint.ServerCertificate = der(identity.certificate)
        for factory in {id(f): f for listener in running.listeners for f in listener.policies}.values():
            factory.certificate, factory.private_key = identity.certificate, identity.key
        if new_key:
            for processor in list(engine.processors):
                processor.drop()

    def certificate_days(self) -> float | None:
        """Days until the first certificate expires, the server's own or a trusted one; 0: it has. Blocking."""
        if (running := self._running) is None:
            return None
        known = [running.identity.certificate, *running.engine.trust.anchors().trusted]
        now = datetime.fromtimestamp(self._clock.wall_ns() / NS_PER_S, UTC)
        return max(min((c.not_valid_after_utc - now) // timedelta(days=1) for c in known), 0)

    def errors(self) -> list[str]:
        """What an engineer must know of the door."""
        if (running := self._running) is None:
            return []
        end = running.identity.certificate.not_valid_after_utc
        if end.timestamp() * NS_PER_S > self._clock.wall_ns():
            return []
        text = "clients that check it turn away; make a new one with `vigie certs renew`"
        return [f"the server's own OPC UA certificate expired on {end:%Y-%m-%d}: {text}"]

    @property
    def certificate_path(self) -> str:
        """The server's certificate (DER), for clients that want to know it beforehand."""
        return str(self._settings.state_dir / "pki" / "own" / "certificate.der")

    @property
    def sessions(self) -> int:
        return 0 if self._running is None else len(self._running.engine.sessions)

    @property
    def subscriptions(self) -> int:
        return 0 if self._running is None else len(self._running.engine.subscription_service.subscriptions)

    @property
    def monitored_items(self) -> int:
        return 0 if self._running is None else self._running.engine.subscription_service.items

    def levels(self) -> dict[str, int]:
        """How full what is bounded is, by name."""
        if (running := self._running) is None:
            return {}
        engine = running.engine
        sent = engine.subscription_service.source.sent
        return {
            "connections": len(engine.processors),
            "publish_requests_waiting": sum(len(s.outbox.requests) for s in engine.sessions),
            "retransmission_bytes": sent.total_bytes,
            "retransmission_messages_discarded": sent.discarded,
            "event_items": len(engine.notifier),
            "commands_under_way": len(engine.writing.under_way),
        }

    def faults(self) -> dict[str, int]:
        """Requests answered by a fault since start, by the name of its StatusCode."""
        if (running := self._running) is None:
            return {}
        return {str(ua.StatusCode(ua.UInt32(code)).name): n for code, n in running.engine.tally.codes.items()}


def _bound(host: str, port: int) -> socket.socket:
    """A bound TCP socket.

    Raises:
        HmiError: the address is taken, not ours, or not allowed.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        raise HmiError(
            f"OPC UA port {port} on {host} cannot be opened: {error.strerror}; choose another with --port, "
            "or stop the program that holds it"
        ) from error
    sock.setblocking(False)
    return sock
