# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_opcua_link.py, tests/unit/test_opcua_security.py, tests/kit/test_opcua.py
"""The way to one OPC UA server: channel, session, what the server is and what it allows; devices behind it share it.

Law of this file: the life of the connection. Reconnecting is the host's: asyncua's client makes channel and session and
is given no say in keeping them. Its errors end here: out come `LinkDown` and nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, Final

from asyncua import Client, ua
from asyncua.client.client import _first_cert_from_chain
from asyncua.client.ua_client import UaClient
from asyncua.crypto import security_policies, uacrypto

from config.words import Clock
from drivers.base import DriverError, LinkDown
from drivers.opcua import codec, trust
from drivers.opcua.address import OpcuaDevice
from drivers.opcua.layout import Garbled
from drivers.opcua.pulse import Pulse
from drivers.opcua.secrets import NoSecret, secret
from drivers.opcua.session import Server
from drivers.opcua.subscription import Subscription
from drivers.opcua.wire import CHUNKS_MAX, MESSAGE_MAX, Wire
from drivers.opening import NotOpened, Opening, reason_of

CHANNEL_S: Final = 3600.0
RENEW_AT: Final = 0.75  # of the channel's life. Source: OPC 10000-4, 5.5.2.1
STIR_AT: Final = 0.5  # of the session's life, which ends where nothing is asked. Source: OPC 10000-4, 5.6.2.1
RENEW_MIN_S: Final = 1.0  # whatever life a server gives the channel
HELD_BACK: Final = (ua.UaError, OSError, NoSecret, trust.Untrusted, Garbled, codec.ServiceFault, ValueError, TypeError)

_POLICIES: Final = {
    "Basic256Sha256": security_policies.SecurityPolicyBasic256Sha256,
    "Aes128_Sha256_RsaOaep": security_policies.SecurityPolicyAes128Sha256RsaOaep,
    "Aes256_Sha256_RsaPss": security_policies.SecurityPolicyAes256Sha256RsaPss,
}


class _Transport(UaClient):
    """asyncua's transport with our protocol on it."""

    def __init__(self, timeout_s: float, make: Callable[[security_policies.SecurityPolicy], Wire]) -> None:
        super().__init__(timeout_s)
        self._make = make

    def _make_protocol(self) -> Wire:
        wire = self._make(self.security_policy)
        self.protocol = wire
        return wire


class OpcuaLink:
    """A `drivers.base.Link` to one endpoint as one user.

    Attributes:
        generation: how often a session has been made; what was learned of an older one is void.
        subscription: what changes are told by.
        pulse: proof for all devices that the server is there.
    """

    def __init__(self, device: OpcuaDevice, clock: Clock) -> None:
        self.device = device
        self.where = device.endpoint
        self.generation = 0
        self.subscription = Subscription(self)
        self.pulse = Pulse(self)
        self._clock = clock
        self._wire: Wire | None = None
        self._server: Server | None = None
        self._client: Client | None = None
        self._opening: Opening[tuple[Client, Wire, Server]] = Opening(lambda made: made[1].drop("given up"))
        self._keeping: list[asyncio.Task[None]] = []
        self._judge: Callable[[int], None] | None = None  # both certificates, at a time [ns]; None: there are none
        self._down = "not connected yet"
        self._on_lost: Callable[[str], None] | None = None

    # --- open

    async def open(self) -> None:
        """Connect, make channel and session, ask what the server is.

        Raises:
            LinkDown: refused, unreachable, timed out, not trusted or closed meanwhile, with address and reason.
        """
        if self.is_up:
            return
        try:
            client, wire, server = await self._opening.run(self._connect(), self.device.connect_timeout, "session")
        except (NotOpened, DriverError, *HELD_BACK) as error:
            raise self._cannot(reason_of(error)) from error
        if wire.down:
            raise self._cannot(wire.down)
        self._client, self._wire, self._server = client, wire, server
        self.generation += 1
        loop = asyncio.get_running_loop()
        self._keeping = [loop.create_task(self._renew(client, wire)), loop.create_task(self._stir(client, wire))]

    async def _connect(self) -> tuple[Client, Wire, Server]:
        device = self.device
        client = self._make_client(device.connect_timeout)
        if device.security != "None":
            await self._secure(client)
        password = await asyncio.to_thread(secret, device.password_secret) if device.user else None
        try:
            await client.connect_socket()
            await client.send_hello()
            await client.open_secure_channel()
            await client.create_session()
            await client.activate_session(username=device.user or None, password=password)
            wire = client.uaclient.protocol
            if not isinstance(wire, Wire):
                raise LinkDown("closed while connecting")
            return client, wire, await self._ask_server(wire)
        except BaseException:
            _drop(client, "given up")
            raise

    def _make_client(self, timeout_s: float) -> Client:
        device = self.device
        client = Client(device.endpoint, timeout=timeout_s)
        client.uaclient = _Transport(
            timeout_s,
            lambda policy: Wire(
                timeout_s, policy, self._clock, device.window, device.user_timeout, device.keepalive, self._lost
            ),
        )
        client.name = client.description = "Vigie"
        client.application_uri, client.product_uri = trust.APPLICATION_URI, "urn:vigie"
        client.max_messagesize, client.max_chunkcount = MESSAGE_MAX, CHUNKS_MAX
        client.session_timeout = round(device.session_timeout * 1000)
        client.secure_channel_timeout = round(CHANNEL_S * 1000)
        return client

    async def _secure(self, client: Client) -> None:
        """Find out the server's certificate, judge it, and set the client up with it and our own."""
        device, now_ns = self.device, self._clock.wall_ns()
        pki = trust.folder(device.certificates)
        identity = await asyncio.to_thread(trust.own, pki, now_ns)
        policy, mode = _POLICIES[device.security], ua.MessageSecurityMode[device.mode]
        asking = self._make_client(device.connect_timeout)
        try:
            endpoints = await asking.connect_and_get_server_endpoints()
        finally:
            _drop(asking, "closed by us")
        try:
            endpoint = Client.find_endpoint(endpoints, mode, policy.URI)
        except ua.UaError:
            offered = ", ".join(
                sorted({f"{e.SecurityPolicyUri.rpartition('#')[2]}/{e.SecurityMode.name}" for e in endpoints})
            )
            raise LinkDown(
                f"expected an endpoint with {device.security}/{device.mode}, the server has {offered}"
            ) from None
        theirs = _first_cert_from_chain(endpoint.ServerCertificate or b"")
        await asyncio.to_thread(trust.judge, pki, theirs, now_ns)
        self._judge = partial(trust.judge_again, pki, theirs, identity.certificate)
        client.application_uri = identity.application_uri
        client.security_policy = policy(
            uacrypto.x509_from_der(theirs),
            uacrypto.x509_from_der(identity.certificate),
            await uacrypto.load_private_key(identity.key, None, "pem"),
            mode,
        )
        client.uaclient.set_security(client.security_policy)

    async def _ask_server(self, wire: Wire) -> Server:
        """Identity, namespaces and limits. A server that does not tell a limit has none."""
        nodes = (codec.SERVER_ARRAY, codec.NAMESPACES, codec.MAX_READ, codec.MAX_WRITE, codec.MAX_ITEMS)
        ids = [codec.read_id(codec.node_id(node, "", ()), -1) for node in nodes]
        try:
            results = await self._ask_values(wire, ids)
        except codec.ServiceFault:  # a server may allow fewer nodes at once than these few
            results = [value for each in ids for value in await self._ask_values(wire, [each])]
        servers, namespaces, *limits = results
        numbers = [value if isinstance(value, int) and value > 0 else 0 for value in limits]
        return Server(_texts(servers)[0] if _texts(servers) else "", _texts(namespaces), *numbers)

    async def _ask_values(self, wire: Wire, ids: list[bytes]) -> list[Any]:
        data = await wire.ask(codec.READ, codec.read_parameters(ids), self.device.connect_timeout)
        codec.answer(data, codec.READ_ANSWER)
        response = ua.ua_binary.struct_from_binary(ua.ReadResponse, ua.utils.Buffer(data))
        if len(response.Results) != len(ids):
            raise Garbled(f"{len(response.Results)} results, expected {len(ids)}")
        return [_value(result) for result in response.Results]

    async def _renew(self, client: Client, wire: Wire) -> None:
        """Renew the channel's keys before they expire; a channel that cannot be renewed is lost. Both certificates are
        judged before, as they were when it was opened. Source: OPC 10000-4, 6.1.3 and 5.5.2.
        """
        try:
            while not wire.down:
                await asyncio.sleep(max(RENEW_MIN_S, RENEW_AT * client.secure_channel_timeout / 1000))
                if self._judge is not None:
                    await asyncio.to_thread(self._judge, self._clock.wall_ns())
                await client.open_secure_channel(renew=True)
                wire.revolve_security_token()
        except trust.Untrusted as error:
            wire.drop(str(error))
        except (ua.UaError, OSError, TimeoutError, DriverError) as error:
            wire.drop(f"the secure channel could not be renewed: {error or type(error).__name__}")

    async def _stir(self, client: Client, wire: Wire) -> None:
        """Ask something small in time where the poll classes are slower than the session's life."""
        loop, rest_s = asyncio.get_running_loop(), max(RENEW_MIN_S, STIR_AT * client.session_timeout / 1000)
        while not wire.down:
            await asyncio.sleep(max(RENEW_MIN_S / 2, wire.asked_s + rest_s - loop.time()))
            if not wire.down and loop.time() >= wire.asked_s + rest_s:
                with suppress(DriverError, codec.ServiceFault, Garbled):  # what it means is found by who reads
                    await self.pulse.feel(self.device.connect_timeout)

    def _cannot(self, reason: str) -> LinkDown:
        self._down = reason
        return LinkDown(f"{self.where}: {reason}")

    # --- close

    async def close(self) -> None:
        """Close in order: the session, so that the server frees it, then the connection. Idempotent, also in `open`."""
        self._opening.end()
        client, wire = self._client, self._wire
        await self._end("closed by us")
        if client is None or wire is None:
            return
        try:
            async with asyncio.timeout(min(1.0, self.device.connect_timeout)):
                await client.uaclient.session.close_session(delete_subscriptions=True)
                await client.close_secure_channel()
        except (ua.UaError, OSError, TimeoutError, DriverError):
            pass  # it is gone already or does not listen: the reset below is all that is left to do
        wire.disconnect_socket()

    def abort(self) -> None:
        """Drop the connection at once with a reset; nothing unsent may still leave. Idempotent."""
        self._opening.end()
        wire = self._forget("aborted by us")
        if wire is not None:
            wire.drop("aborted by us")

    async def _end(self, reason: str) -> None:
        keeping = self._keeping
        self._forget(reason)
        if keeping:
            await asyncio.wait(keeping)

    def _forget(self, reason: str) -> Wire | None:
        wire, self._wire, self._client, self._server = self._wire, None, None, None
        for task in self._keeping:
            task.cancel()
        self._keeping = []
        if wire is not None:
            self._down = reason
            self.subscription.lost()
        return wire

    def _lost(self, wire: Wire) -> None:
        if wire is not self._wire:
            return
        self._forget(wire.down)
        if self._on_lost is not None:
            self._on_lost(f"{self.where}: {wire.down}")

    def fail(self, reason: str) -> LinkDown:
        """The session is of no use any more: drop the connection, so that the host makes it anew."""
        if self._wire is not None:
            self._wire.drop(reason)
        return LinkDown(f"{self.where}: {reason}")

    # --- what others see

    @property
    def is_up(self) -> bool:
        """True while questions may be put."""
        return self._wire is not None

    @property
    def window(self) -> int:
        """Questions that may be under way at once."""
        return self.device.window

    @property
    def wire(self) -> Wire:
        """The connection that stands.

        Raises:
            LinkDown: none does.
        """
        if self._wire is None:
            raise LinkDown(f"{self.where}: {self._down}")
        return self._wire

    @property
    def server(self) -> Server:
        """What the server said of itself.

        Raises:
            LinkDown: there is no session.
        """
        if self._server is None:
            raise LinkDown(f"{self.where}: {self._down}")
        return self._server

    def now_ns(self) -> int:
        """UTC now [ns]."""
        return self._clock.wall_ns()

    def on_lost(self, callback: Callable[[str], None]) -> None:
        """Call with the reason each time an open connection breaks (not when we close it). The last one set counts."""
        self._on_lost = callback


def _value(result: Any) -> Any:
    good = result.StatusCode is None or result.StatusCode.is_good()
    return result.Value.Value if good and result.Value is not None else None


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(str(text) for text in value) if isinstance(value, list) else ()


def _drop(client: Client, reason: str) -> None:
    if isinstance(wire := client.uaclient.protocol, Wire):
        wire.drop(reason)
