# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_hmi_diagnostics.py, tests/system/test_opcua_diagnostics.py
"""Server/ServerDiagnostics: the summary, sessions and subscriptions, computed when somebody reads.

Law of this file: structures of OPC 10000-5, 12.9 to 12.15 filled from live counters; nothing is kept here. How sessions
secure themselves is told to the security officer only.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

from asyncua import ua

from config.model import Role
from config.words import NS_PER_S
from supervisor.hmi.model.pages import string
from supervisor.hmi.model.properties import data_value, filetime
from supervisor.hmi.model.structures import fields_of, spread
from supervisor.people import User

if TYPE_CHECKING:
    from supervisor.hmi.engine import Engine
    from supervisor.hmi.publishing.subscription import Subscription
    from supervisor.hmi.session import Session

_IDS: Final = ua.ObjectIds
_STRUCTURE: Final = ua.VariantType.ExtensionObject
_SECURITY_ENCODING: Final = ua.NodeId(_IDS.SessionSecurityDiagnosticsDataType_Encoding_DefaultBinary)
SECURITY_ARRAY: Final = ua.NodeId(
    _IDS.Server_ServerDiagnostics_SessionsDiagnosticsSummary_SessionSecurityDiagnosticsArray
)
Computed = Callable[[], ua.DataValue]


def may_see_security(user: User) -> bool:
    """Who may know by which certificates and identities others came."""
    return user.role is Role.SECURITY


class Diagnostics:
    """Diagnostics of one server."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def values(self) -> dict[ua.NodeId, Computed]:
        """Values of namespace 0 by NodeId."""
        prefix = "Server_ServerDiagnostics"
        found = dict(spread(f"{prefix}_ServerDiagnosticsSummary", ua.ServerDiagnosticsSummaryDataType, self.summary))
        arrays: dict[str, Callable[[], Iterable[Any]]] = {
            "SessionsDiagnosticsSummary_SessionDiagnosticsArray": lambda: map(self.session, self._engine.sessions),
            "SessionsDiagnosticsSummary_SessionSecurityDiagnosticsArray": lambda: map(
                self.security, self._engine.sessions
            ),
            "SubscriptionDiagnosticsArray": self.subscriptions,
            "SamplingIntervalDiagnosticsArray": tuple,
        }
        for name, make in arrays.items():
            found[ua.NodeId(getattr(_IDS, f"{prefix}_{name}"))] = _array(make)
        enabled = data_value(ua.Variant(True, ua.VariantType.Boolean))
        found[ua.NodeId(_IDS.Server_ServerDiagnostics_EnabledFlag)] = lambda: enabled
        return found

    def summary(self) -> ua.ServerDiagnosticsSummaryDataType:
        engine, tally = self._engine, self._engine.tally
        subscriptions = engine.subscription_service
        intervals = {s.terms.interval_ms for s in subscriptions.subscriptions.values()}
        return ua.ServerDiagnosticsSummaryDataType(
            ServerViewCount=0,
            CurrentSessionCount=len(engine.sessions),
            CumulatedSessionCount=tally.sessions,
            SecurityRejectedSessionCount=tally.security_rejected_sessions,
            RejectedSessionCount=tally.rejected_sessions,
            SessionTimeoutCount=tally.timeouts,
            SessionAbortCount=tally.aborts,
            CurrentSubscriptionCount=len(subscriptions.subscriptions),
            CumulatedSubscriptionCount=subscriptions.created,
            PublishingIntervalCount=len(intervals),
            SecurityRejectedRequestsCount=tally.security_rejected_requests,
            RejectedRequestsCount=tally.rejected_requests,
        )

    # -- sessions ---------------------------------------------------------------------------------------------------

    def session(self, session: Session) -> ua.SessionDiagnosticsDataType:
        """Source: OPC 10000-5, 12.12."""
        own = self.of_session(session)
        silent_s = asyncio.get_running_loop().time() - session.last_contact_s
        heard_ns = self._engine.clock.wall_ns() - round(silent_s * NS_PER_S)
        made = ua.SessionDiagnosticsDataType(
            SessionId=session.session_id,
            SessionName=session.introduction.SessionName,
            ClientDescription=session.introduction.ClientDescription,
            ServerUri=session.introduction.ServerUri,
            EndpointUrl=session.introduction.EndpointUrl,
            LocaleIds=[session.asker.locale],
            ActualSessionTimeout=1000.0 * session.session_timeout,
            MaxResponseMessageSize=session.introduction.MaxResponseMessageSize,
            ClientConnectionTime=filetime(session.begun_ns),
            ClientLastContactTime=filetime(heard_ns),
            CurrentSubscriptionsCount=len(own),
            CurrentMonitoredItemsCount=sum(map(len, own)),
            CurrentPublishRequestsInQueue=len(session.outbox.requests),
            UnauthorizedRequestCount=session.requests.unauthorized,
        )
        total, failed = session.requests.total, session.requests.failed
        made.TotalRequestCount = ua.ServiceCounterDataType(sum(total.values()), sum(failed.values()))
        for name, type_id in _COUNTED.items():
            setattr(made, name, ua.ServiceCounterDataType(total[type_id], failed[type_id]))
        return made

    def security(self, session: Session) -> ua.ExtensionObject:
        """Source: OPC 10000-5, 12.13. Encoded here: asyncua takes the field 'Encoding' for its own and forgets it."""
        name, owner = session.asker.user.name, session.owner
        policy = None if owner is None else owner.security_policy
        mode = ua.MessageSecurityMode.Invalid if policy is None else policy.Mode
        certificate = session.certificate
        parts = (
            ua.ua_binary.nodeid_to_binary(session.session_id),
            string(name),
            struct.pack("<i", 1) + string(name),
            string(session.mechanism),
            string("UA Binary"),
            string("opc.tcp"),
            struct.pack("<i", int(mode)),
            string(None if policy is None else policy.URI),
            string(None) if certificate is None else struct.pack("<i", len(certificate)) + certificate,
        )
        return ua.ExtensionObject(TypeId=_SECURITY_ENCODING, Body=b"".join(parts))

    # -- subscriptions ----------------------------------------------------------------------------------------------

    def of_session(self, session: Session) -> list[Subscription]:
        """Subscriptions that belong to a session now."""
        every = self._engine.subscription_service.subscriptions.values()
        return [s for s in every if s.session_id == session.session_id]

    def subscriptions(self) -> Iterable[ua.SubscriptionDiagnosticsDataType]:
        return map(subscription, self._engine.subscription_service.subscriptions.values())


def subscription(of: Subscription) -> ua.SubscriptionDiagnosticsDataType:
    """Source: OPC 10000-5, 12.15."""
    tally, terms = of.tally, of.terms
    return ua.SubscriptionDiagnosticsDataType(
        SessionId=of.session_id,
        SubscriptionId=of.number,
        Priority=terms.priority,
        PublishingInterval=terms.interval_ms,
        MaxKeepAliveCount=terms.keep_alive,
        MaxLifetimeCount=terms.lifetime,
        MaxNotificationsPerPublish=terms.notifications_max,
        PublishingEnabled=of.cycle.enabled,
        ModifyCount=tally.modified,
        EnableCount=tally.enabled,
        DisableCount=tally.disabled,
        RepublishRequestCount=tally.republish_requests,
        RepublishMessageRequestCount=tally.republish_requests,
        RepublishMessageCount=tally.republished,
        TransferRequestCount=tally.transfer_requests,
        TransferredToAltClientCount=tally.transferred_to_other_client,
        TransferredToSameClientCount=tally.transferred_to_same_client,
        PublishRequestCount=tally.publish_requests,
        DataChangeNotificationsCount=tally.data_changes,
        EventNotificationsCount=tally.events,
        NotificationsCount=tally.messages,
        LatePublishRequestCount=tally.late_publish_requests,
        CurrentKeepAliveCount=max(terms.keep_alive - of.cycle.keep_alive, 0),
        CurrentLifetimeCount=of.cycle.lifetime,
        UnacknowledgedMessageCount=len(of.sent()),
        DiscardedMessageCount=tally.discarded_messages,
        MonitoredItemCount=len(of),
        DisabledMonitoredItemCount=of.disabled,
        MonitoringQueueOverflowCount=of.items.overflows + of.nodes.overflows,
        NextSequenceNumber=of.sequence,
        EventQueueOverflowCount=0 if of.events is None else of.events.overflows,
    )


def _array(make: Callable[[], Iterable[Any]]) -> Computed:
    return lambda: data_value(ua.Variant(list(make()), _STRUCTURE, is_array=True))


def _counted() -> dict[str, int]:
    """Counters of SessionDiagnosticsDataType by the type id of the requests they count."""
    counter = ua.NodeId(_IDS.ServiceCounterDataType)
    found = {}
    for field in fields_of(ua.SessionDiagnosticsDataType):
        request = f"{field.name.removesuffix('Count')}Request_Encoding_DefaultBinary"
        if field.data_type == counter and (number := getattr(_IDS, request, None)) is not None:
            found[field.name] = int(number)
    return found


_COUNTED: Final = _counted()
