# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: SLF001 - hooks of the pinned asyncua, held by tests/unit/test_hmi_hooks.py
# Tests: tests/system/test_opcua_security.py, tests/system/test_opcua_subscribe.py
"""One client's session: its token, its user, and the services on its behalf.

Law of this file: every service asks on behalf of *this* session's user and touches only this session's subscriptions.
The authentication token is 32 random bytes; a session moves to another channel only with the same client certificate.
"""

from __future__ import annotations

import asyncio
import secrets
import uuid
from typing import TYPE_CHECKING, Any

from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.crypto.permission_rules import User as StockUser
from asyncua.crypto.permission_rules import UserRole
from asyncua.server.internal_session import InternalSession, SessionState
from asyncua.ua.ua_binary import nodeid_to_binary

from supervisor.hmi.browsing import Bookmarks
from supervisor.hmi.calling import Caller
from supervisor.hmi.login import ANONYMOUS
from supervisor.hmi.nodes import Asker
from supervisor.hmi.subscription import Subscription
from supervisor.people import User

if TYPE_CHECKING:
    from supervisor.hmi.engine import Engine
    from supervisor.hmi.processor import Processor


class Session(InternalSession):
    """A session from the network.

    Attributes:
        asker: its user and language; a viewer without rights until it is activated.
        owner: the connection it lives on now; None while it waits for its client to come back.
        certificate: the client's certificate (DER) of the channel it was made on, None without security.
        token_bytes: the authentication token as it stands in requests.
    """

    def __init__(self, engine: Engine, name: str, owner: Processor | None) -> None:
        super().__init__(
            engine, engine.aspace, engine.subscription_service, name, user=StockUser(role=UserRole.User), external=False
        )
        self._engine = engine
        self.external = True
        self.auth_token = ua.NodeId(secrets.token_bytes(32), 0, ua.NodeIdType.ByteString)
        self.session_id = ua.NodeId(uuid.uuid4(), 1, ua.NodeIdType.Guid)
        self.token_bytes = nodeid_to_binary(self.auth_token)
        self.owner = owner
        self.certificate: bytes | None = None
        self.insecure = False
        self.asker = Asker(ANONYMOUS)
        self.bookmarks = Bookmarks()
        engine.register_external_session(self)

    def touch(self) -> None:
        self._last_activity = asyncio.get_running_loop().time()

    async def end(self) -> None:
        """The server ends it, with everything it has, and the connection it lives on."""
        owner, self.owner = self.owner, None
        await self.close_session(True)
        if owner is not None:
            owner.session = None
            owner.drop()

    async def _timeout_loop(self) -> None:
        """End the session when nothing was heard of its client for the revised timeout."""
        loop = asyncio.get_running_loop()
        while self.state is not SessionState.Closed and self.session_timeout:
            left_s = self._last_activity + self.session_timeout - loop.time()
            if left_s <= 0:
                await self.end()
                return
            await asyncio.sleep(left_s)

    def admit(self, user: User, locales: list[str] | None) -> bytes:
        """The user has shown who they are: the session is active; returns the next server nonce."""
        locale = next((x[:2] for x in locales or () if isinstance(x, str) and x[:2] in ("fr", "en")), "fr")
        if user != self.asker.user:
            self._hand_over(user)
        self.asker = Asker(user, locale)
        self.user = StockUser(role=UserRole.User, name=user.name)
        self.nonce = secrets.token_bytes(32)
        self.state = SessionState.Activated
        self.touch()
        self._start_timeout_watchdog()
        return self.nonce

    def _hand_over(self, user: User) -> None:
        """What the former user opened goes on with the rights of this one."""
        self.bookmarks = Bookmarks()
        for subscription in self.subscription_service.subscriptions.values():
            if subscription.session_id == self.session_id:
                subscription.hand_over(user)

    # -- attributes -------------------------------------------------------------------------------------------------

    async def read(self, params: ua.ReadParameters) -> list[ua.DataValue]:
        """Read, node by node: what the fast way does not take."""
        now_ns = self._engine.clock.wall_ns()
        nodes, results = self._engine.nodes, []
        for wanted in params.NodesToRead:
            if wanted.IndexRange and wanted.NodeId.NamespaceIndex == nodes.namespace:
                value = ua.DataValue(StatusCode=ua.StatusCode(ua.StatusCodes.BadIndexRangeNoData))
            else:
                value = self._engine.attributes.read(wanted.NodeId, int(wanted.AttributeId), self.asker, now_ns)
            results.append(_stamped(value, int(params.TimestampsToReturn)))
        self._engine.counters.reads += len(results)
        return results

    async def write(self, params: ua.WriteParameters) -> list[ua.StatusCode]:
        origin = "opcua" if self.owner is None else f"opcua {self.owner.peer}"
        return await self._engine.writing.write(params.NodesToWrite, self.asker.user, origin)

    # -- methods ----------------------------------------------------------------------------------------------------

    async def call(self, params: list[ua.CallMethodRequest]) -> list[ua.CallMethodResult]:
        terminal = "opcua" if self.owner is None else f"opcua {self.owner.peer}"
        return await self._engine.calling.call(params, Caller(self.asker.user, terminal, self._subscription))

    def _subscription(self, number: int) -> Subscription | None:
        return self.own(number) if self._owns(number) else None

    # -- view -------------------------------------------------------------------------------------------------------

    def encoded_browse(self, params: ua.BrowseParameters) -> list[bytes]:
        """A BrowseResult for each node, encoded."""
        most = int(params.RequestedMaxReferencesPerNode)
        view = self._engine.view
        return [view.browse(wanted, most, self.asker, self.bookmarks) for wanted in params.NodesToBrowse]

    def encoded_browse_next(self, params: ua.BrowseNextParameters) -> list[bytes]:
        """A BrowseResult for each continuation point, encoded."""
        release = bool(params.ReleaseContinuationPoints)
        view = self._engine.view
        return [view.browse_next(token, release, self.asker, self.bookmarks) for token in params.ContinuationPoints]

    async def translate_browsepaths_to_nodeids(self, params: list[ua.BrowsePath]) -> list[ua.BrowsePathResult]:
        return [self._engine.view.translate(path, self.asker) for path in params]

    async def register_nodes(self, nodes: list[ua.NodeId]) -> list[ua.NodeId]:
        """Numeric aliases for tags: their series ids, equal on both posts and in every generation."""
        made = []
        for node_id in nodes:
            place = self._engine.nodes.find_for(node_id, self.asker.user)
            if place is None or place.row < 0 or place.detail:
                made.append(node_id)
            else:
                series = int(self._engine.nodes.series(place.row))
                made.append(ua.NodeId(series, node_id.NamespaceIndex, ua.NodeIdType.Numeric))
        return made

    # -- subscriptions: only one's own ------------------------------------------------------------------------------

    def own(self, number: int) -> Subscription:
        """A subscription of this session; another session's is as unknown as one that never was."""
        found: Subscription | None = self.subscription_service.subscriptions.get(number)
        if found is None or found.session_id != self.session_id:
            raise ServiceError(ua.StatusCodes.BadSubscriptionIdInvalid)
        return found

    def _owns(self, number: int) -> bool:
        found = self.subscription_service.subscriptions.get(number)
        return found is not None and found.session_id == self.session_id

    async def create_subscription(self, params: Any, callback: Any, request_callback: Any = None) -> Any:
        return await self.subscription_service.open(params, self, callback, request_callback)

    def modify_subscription(self, params: Any) -> Any:
        self.own(params.SubscriptionId)
        return super().modify_subscription(params)

    async def create_monitored_items(self, params: Any) -> Any:
        self.own(params.SubscriptionId)
        return await self.subscription_service.create_items(params, self.asker)

    async def modify_monitored_items(self, params: Any) -> Any:
        self.own(params.SubscriptionId)
        return self.subscription_service.modify_monitored_items(params)

    async def delete_monitored_items(self, params: Any) -> Any:
        self.own(params.SubscriptionId)
        return self.subscription_service.delete_monitored_items(params)

    async def set_monitoring_mode(self, params: Any) -> Any:
        self.own(params.SubscriptionId)
        return await super().set_monitoring_mode(params)

    async def set_publishing_mode(self, params: Any) -> list[ua.StatusCode]:
        results = []
        for number in params.SubscriptionIds:
            if self._owns(number):
                await self.own(number).set_publishing_mode(params.PublishingEnabled)
                results.append(ua.StatusCode())
            else:
                results.append(ua.StatusCode(ua.StatusCodes.BadSubscriptionIdInvalid))
        return results

    async def delete_subscriptions(self, ids: list[int]) -> list[ua.StatusCode]:
        results = []
        for number in ids:
            if self._owns(number):
                results += await super().delete_subscriptions([number])
            else:
                results.append(ua.StatusCode(ua.StatusCodes.BadSubscriptionIdInvalid))
        return results

    def republish(self, params: Any) -> ua.NotificationMessage:
        return self.own(params.SubscriptionId).republish(params.RetransmitSequenceNumber)

    def publish(self, acks: Any = None) -> tuple[int, list[ua.StatusCode]]:
        """Take acknowledgements; returns how many subscriptions this session has, and a status each.

        Raises:
            ServiceError: BadNoSubscription.
        """
        count = sum(s.session_id == self.session_id for s in self.subscription_service.subscriptions.values())
        if not count:
            raise ServiceError(ua.StatusCodes.BadNoSubscription)
        results = []
        for ack in acks or ():
            if self._owns(ack.SubscriptionId):
                results.append(self.own(ack.SubscriptionId).acknowledge(ack.SequenceNumber))
            else:
                results.append(ua.StatusCode(ua.StatusCodes.BadSubscriptionIdInvalid))
        return count, results

    async def transfer_subscriptions(self, params: Any, callback: Any) -> list[ua.TransferResult]:
        """Take over subscriptions of the same user, with both ways of publishing. Source: OPC 10000-4, 5.14.7."""
        return [self._take_over(int(number), bool(params.SendInitialValues)) for number in params.SubscriptionIds]

    def _take_over(self, number: int, initial_values: bool) -> ua.TransferResult:
        found: Subscription | None = self.subscription_service.subscriptions.get(number)
        result = ua.TransferResult()
        if found is None:
            result.StatusCode = ua.StatusCode(ua.StatusCodes.BadSubscriptionIdInvalid)
            return result
        if found.user != self.asker.user or self.owner is None:
            result.StatusCode = ua.StatusCode(ua.StatusCodes.BadUserAccessDenied)
            return result
        found.session_id = self.session_id
        self.owner.publish_here(found)
        if initial_values:
            found.items.refresh()
        result.AvailableSequenceNumbers = sorted(found._not_acknowledged_results)
        return result


def _stamped(value: ua.DataValue, stamps: int) -> ua.DataValue:
    """The DataValue with only the timestamps asked for (0 source, 1 server, 2 both, 3 neither)."""
    if stamps == ua.TimestampsToReturn.Both:
        return value
    source = value.SourceTimestamp if stamps == ua.TimestampsToReturn.Source else None
    server = value.ServerTimestamp if stamps == ua.TimestampsToReturn.Server else None
    made = ua.DataValue(value.Value, value.StatusCode, source, server)
    if value.Value is None:
        object.__setattr__(made, "Value", None)
    return made
