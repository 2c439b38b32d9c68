# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_hmi_server.py, tests/unit/test_hmi_hooks.py
"""asyncua's internal server with our services in the places of its own.

Law of this file: wiring of services, no protocol bytes. Namespaces: 0 OPC UA, 1 the server itself, 2 the tags, 3 the
conditions.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from copy import copy
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.server.internal_server import InternalServer
from asyncua.server.user_managers import UserManager

from config.words import NS_PER_S, Clock
from supervisor.alarms.desk import AlarmDesk
from supervisor.hmi.conditions.alarms import Alarms
from supervisor.hmi.conditions.fields import ADDED
from supervisor.hmi.conditions.kind import Expiring
from supervisor.hmi.contract import Counters, Limits, PutFunction
from supervisor.hmi.entrance.audit import Append, Audit
from supervisor.hmi.entrance.decoder import harden_decoder
from supervisor.hmi.entrance.diagnostics import SECURITY_ARRAY, Diagnostics, may_see_security
from supervisor.hmi.entrance.doorman import Doorman
from supervisor.hmi.entrance.login import Login
from supervisor.hmi.entrance.officer import Officer
from supervisor.hmi.entrance.session_room import Sessions
from supervisor.hmi.entrance.tally import ServerTally
from supervisor.hmi.entrance.trust import TrustList, der
from supervisor.hmi.events.audited import may_hear_all
from supervisor.hmi.events.hierarchy import EventTypes, read_types
from supervisor.hmi.events.listening import Listening
from supervisor.hmi.events.notifier import Notifier
from supervisor.hmi.history.configuration import Configurations
from supervisor.hmi.history.service import HistoryService
from supervisor.hmi.lane import Lane
from supervisor.hmi.model import standard
from supervisor.hmi.model.attributes import Attributes
from supervisor.hmi.model.devices import Devices
from supervisor.hmi.model.facts import Facts, Namespaces
from supervisor.hmi.model.live import Room
from supervisor.hmi.model.nodes import Nodes
from supervisor.hmi.model.outlook import Outlook
from supervisor.hmi.model.reading import Reading
from supervisor.hmi.model.redundancy import Redundancy, retype
from supervisor.hmi.model.space import Space
from supervisor.hmi.publishing.monitoring import Monitoring
from supervisor.hmi.publishing.retransmission import Retransmission
from supervisor.hmi.publishing.subscription import Source
from supervisor.hmi.publishing.subscriptions import Subscriptions
from supervisor.hmi.services import attribute_services, view_services
from supervisor.hmi.services.browsing import View
from supervisor.hmi.services.call import Service
from supervisor.hmi.services.calling import Calling, mark_executable
from supervisor.hmi.services.item_services import ItemServices
from supervisor.hmi.services.request import ListDecoder
from supervisor.hmi.services.subscription_services import SubscriptionServices
from supervisor.hmi.services.writing import Writing
from supervisor.hmi.session import Session
from supervisor.hmi.values import ValueEncoder
from supervisor.offload import Offload
from supervisor.plant.plant import Plant
from supervisor.tags.table import TagTable

if TYPE_CHECKING:
    from supervisor.hmi.entrance.wire import Wire

NAMESPACE: Final = 2


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the engine is built upon."""

    plant: Plant
    table: TagTable
    clock: Clock
    offload: Offload
    put: PutFunction
    limits: Limits
    counters: Counters
    desk: AlarmDesk | None = None
    append: Append | None = None


class Engine(InternalServer):
    """One per server.

    Attributes:
        login, trust, history: set by the server before it listens.
        event_types: known once namespace 0 is loaded.
        notifier: sends events to whoever listens.
        processors: one per connection, in the order they came.
        own_thumbprint: SHA-1 of the server's certificate, by which clients say whom they mean.
        alarms: between the alarm desk and the terminals; None: a server without alarms.
        lane: where heavy work takes turns.
        services: by type id of their requests; what is not here is the connection's matter or asyncua's.
        insecure_port: port of the loopback endpoint without security, None if there is none.
    """

    calling: Calling
    login: Login
    trust: TrustList
    history: HistoryService
    event_types: EventTypes
    own_thumbprint: bytes = b""
    redundancy: Redundancy

    def __init__(self, around: Surroundings) -> None:
        harden_decoder()
        super().__init__(user_manager=UserManager())
        self.clock = around.clock
        self.offload = around.offload
        self.limits = around.limits
        self.counters = around.counters
        self.tally = ServerTally()
        self.audit = Audit(around.clock, around.append, around.counters)
        self.officer = Officer(around.clock, around.plant, NAMESPACE)
        self.table = around.table
        self.space = Space(around.plant)
        self.nodes = Nodes(self.space, around.table, NAMESPACE)
        self.encoder = ValueEncoder(around.plant, around.table)
        self.decoder = ListDecoder(self.space, NAMESPACE)
        self.attributes = Attributes(self.aspace, self.nodes)
        self.view = View(self.aspace, self.space, self.nodes, self.attributes, around.limits)
        self.writing = Writing(self.nodes, self.attributes, around.put, around.limits, around.counters, self.officer)
        self.lane = Lane()
        self.reading = Reading(self.aspace, self.attributes, around.clock)
        self.subscription_service = Subscriptions(self._source(around), self.lane)
        self.isession.subscription_service = self.subscription_service
        self.notifier = Notifier(around.clock, around.counters, may_hear_all)
        self.audit.emit = self.officer.emit = self.notifier.emit
        self.alarms: Alarms | None = None
        self._desk = around.desk
        self.services = self._services()
        self.insecure_port: int | None = None
        self.doorman = Doorman(around.limits, around.counters)
        self.processors: dict[Wire, None] = {}
        self.max_connections = 2 * around.limits.connections  # with those that are closing
        self.min_session_timeout_ms, self.max_session_timeout_ms = (1000.0 * s for s in around.limits.session_s)
        self.max_pending_activation_seconds = 0  # the doorman's matter
        self.max_subscriptions = around.limits.subscriptions

    def _source(self, around: Surroundings) -> Source:
        limits = around.limits
        sent = Retransmission(limits.unacknowledged, limits.retransmission_bytes, limits.retransmission_bytes_total)
        return Source(self.space, around.table, self.encoder, self.reading, around.clock, limits, around.counters, sent)

    def _services(self) -> dict[int, Service]:
        """Services by type id of their requests."""
        monitoring = Monitoring(self.nodes, self.subscription_service)
        subscribing = SubscriptionServices(self.subscription_service)
        standing = {**attribute_services.SERVICES, **view_services.SERVICES}
        return {**standing, **ItemServices(monitoring).table(), **subscribing.table()}

    async def load_standard_address_space(self, shelf_file: Any = None) -> None:
        """Namespace 0, off the loop: it takes about a second."""
        await self.offload.run(partial(standard.load, self.aspace))
        await self.offload.run(partial(mark_executable, self.aspace))
        types = self.event_types = await self.offload.run(partial(read_types, self.aspace, ADDED))
        self.subscription_service.event_items = lambda of, asker: Listening(
            self.notifier, types, self.nodes, asker, of.fired
        )
        if self._desk is not None:
            self.alarms = Alarms(self._desk, self.notifier, types, self.clock, self.first_to_expire)
        self.calling = Calling(self.aspace, lambda n, user: self.nodes.find_for(n, user) is not None, self.alarms)

    def first_to_expire(self) -> Expiring:
        """Of the server's own certificate and the trusted ones, as their files were read last."""
        first = min([self.certificate, *self.trust.known.trusted], key=lambda c: c.not_valid_after_utc)
        return Expiring(int(first.not_valid_after_utc.timestamp()) * NS_PER_S, der(first))

    def tell(self, facts: Facts, outlook: Outlook) -> None:
        """Compute from now on what the server says of itself. Before it starts, once namespace 0 is loaded."""
        plant = self.space.plant
        self.redundancy = Redundancy(outlook, facts.uri)
        rooms: list[Room] = [Namespaces(facts, NAMESPACE), Configurations(self.nodes)]
        if outlook.device is not None:
            rooms.append(Devices(plant, NAMESPACE, outlook.device))
        diagnostics = Diagnostics(self)
        rooms.append(Sessions(self, diagnostics))
        retype(self.aspace)
        self.attributes.add(rooms, {**facts.values(), **self.redundancy.values(), **diagnostics.values()})
        self.attributes.guard(SECURITY_ARRAY, may_see_security)
        self.space.elsewhere = lambda name: self.attributes.has(ua.NodeId(name, NAMESPACE, ua.NodeIdType.String))
        self.disabled_clock = True  # the time is computed when it is read

    def find_servers(self, params: Any, sockname: tuple[str, int] | None = None) -> list[ua.ApplicationDescription]:
        """Descriptions of this server and of the other posts, of the URIs asked for. Source: OPC 10000-4, 5.5.2."""
        own = copy(self.endpoints[0].Server)
        asked = params.EndpointUrl or self.endpoints[0].EndpointUrl
        own.DiscoveryUrls = [self._mangle_endpoint_url(self.endpoints[0].EndpointUrl, asked, sockname)]
        uris = set(params.ServerUris or ())
        return [each for each in (own, *self.redundancy.applications()) if not uris or each.ApplicationUri in uris]

    async def start(self) -> None:
        await super().start()
        self.subscription_service.start()
        if self.alarms is not None:
            self.alarms.start()

    async def stop(self) -> None:
        """End every session and task; asyncua's own way waits for its clock to tick once more."""
        if self.alarms is not None:
            await self.alarms.close()
        for session in list(self._external_sessions.values()):
            await session.close_session(True)
        await self.subscription_service.stop()
        await self.writing.close()
        if self.time_task is not None:
            self.time_task.cancel()
            with suppress(asyncio.CancelledError):
                await self.time_task
        self.method_service.stop()
        await self.isession.close_session()
        await self.history_manager.stop()

    async def room_for_session(self) -> None:
        """Make room for one more: the oldest session that nobody has logged in to gives way.

        Source: OPC 10000-4, 5.6.2.2.
        Raises:
            ServiceError: BadTooManySessions: all are in use.
        """
        waiting = [s for s in self.sessions if not s.is_activated()]
        full = len(self._external_sessions) >= self.limits.sessions
        if full and not waiting:
            self.counters.rejected_sessions += 1
            raise ServiceError(ua.StatusCodes.BadTooManySessions)
        if full or len(waiting) >= self.limits.unactivated:
            self.counters.dropped_sessions += 1
            await waiting[0].end()

    @property
    def sessions(self) -> list[Session]:
        """Sessions from the network."""
        return [s for s in self._external_sessions.values() if isinstance(s, Session)]

    async def get_endpoints(
        self, params: Any = None, sockname: tuple[str, int] | None = None
    ) -> list[ua.EndpointDescription]:
        """What the port that was asked offers; the loopback port without security is told to nobody else."""
        insecure = sockname is not None and sockname[1] == self.insecure_port
        made = []
        for endpoint in self.endpoints:
            if (endpoint.SecurityMode == ua.MessageSecurityMode.None_) is insecure:
                endpoint = copy(endpoint)
                asked = params.EndpointUrl if params else None
                endpoint.EndpointUrl = self._mangle_endpoint_url(endpoint.EndpointUrl, asked, sockname)
                endpoint.Server = copy(endpoint.Server)
                endpoint.Server.DiscoveryUrls = [endpoint.EndpointUrl]
                made.append(endpoint)
        return made
