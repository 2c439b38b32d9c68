# SPDX-License-Identifier: Apache-2.0

# Tests: tests/system/test_opcua_security.py, tests/system/test_opcua_subscribe.py
"""One client's session: its token, its user, and the services on its behalf.

Law of this file: every service asks on behalf of *this* session's user and touches only this session's subscriptions.
The authentication token is 32 random bytes; a session moves to another channel only with the same client certificate.
"""

from __future__ import annotations

import asyncio
import secrets
import uuid
from typing import TYPE_CHECKING

from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.crypto.permission_rules import User as StockUser
from asyncua.crypto.permission_rules import UserRole
from asyncua.server.internal_session import InternalSession, SessionState
from asyncua.ua.ua_binary import nodeid_to_binary

from supervisor.hmi.entrance.login import ANONYMOUS
from supervisor.hmi.entrance.tally import RequestTally
from supervisor.hmi.history.points import Points
from supervisor.hmi.model.nodes import Asker
from supervisor.hmi.publishing.outbox import Outbox
from supervisor.hmi.publishing.subscription import Subscription
from supervisor.hmi.services.browsing import Bookmarks
from supervisor.hmi.services.calling import Caller
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
        introduction: what the client said of itself; `mechanism`: how its user has shown who they are.
        requests: what it asked for, counted.
        outbox: its subscriptions, and the Publish requests that wait for them.
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
        self.history_points = Points()
        self.outbox = Outbox[Subscription]()
        self.introduction = ua.CreateSessionParameters()
        self.mechanism = ""
        self.begun_ns = engine.clock.wall_ns()
        self.requests = RequestTally()
        engine.tally.sessions += 1
        engine.register_external_session(self)

    @property
    def last_contact_s(self) -> float:
        """When something was last heard of its client, on the loop's clock."""
        return float(self._last_activity)

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
                self._engine.tally.timeouts += 1
                await self.end()
                return
            await asyncio.sleep(left_s)

    def admit(self, user: User, locales: list[str] | None) -> bytes:
        """The user has shown who they are: the session is active; returns the next server nonce."""
        locale = next((x[:2] for x in locales or () if isinstance(x, str) and x[:2] in ("fr", "en")), "fr")
        former, self.asker = self.asker, Asker(user, locale)
        if user != former.user:
            self._hand_over()
        self.user = StockUser(role=UserRole.User, name=user.name)
        self.nonce = secrets.token_bytes(32)
        self.state = SessionState.Activated
        self.touch()
        self._start_timeout_watchdog()
        return self.nonce

    def _hand_over(self) -> None:
        """What the former user opened goes on with the rights of this one."""
        self.bookmarks = Bookmarks()
        self.history_points = Points()
        for subscription in self.outbox.subscriptions.values():
            subscription.hand_over(self.asker)

    # -- methods ----------------------------------------------------------------------------------------------------

    async def call(self, params: list[ua.CallMethodRequest]) -> list[ua.CallMethodResult]:
        terminal = "opcua" if self.owner is None else f"opcua {self.owner.peer}"
        return await self._engine.calling.call(params, Caller(self.asker.user, terminal, self.outbox.subscriptions.get))

    # -- subscriptions: only one's own ------------------------------------------------------------------------------

    def own(self, number: int) -> Subscription:
        """A subscription of this session; another session's is as unknown as one that never was."""
        if (found := self.outbox.subscriptions.get(number)) is None:
            raise ServiceError(ua.StatusCodes.BadSubscriptionIdInvalid)
        return found

    async def close_session(self, delete_subs: bool = True) -> None:
        """Whoever still waits for a message is told that none will come."""
        await super().close_session(delete_subs)
        self._engine.subscription_service.publisher.forget(self.outbox, ua.StatusCodes.BadSessionClosed)
