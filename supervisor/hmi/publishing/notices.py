# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_hmi_notices.py
"""What a subscription carries: sources of notifications, and the notices they hand over.

Law of this file: words only. A subscription knows its sources by these two protocols and nothing else of them; what a
source hands over is encoded and counted, so that a message is bounded before it is built.

Values of tags, attributes of nodes and events are three sources. A publishing cycle asks each `pending()`, then calls
`take(limit)` with what is left of MaxNotificationsPerPublish; what a source could not hand over it keeps, and says so
by `pending()` again: MoreNotifications.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple, Protocol

from asyncua import ua

from supervisor.people import User

DATA_CHANGE: Final = int(ua.ObjectIds.DataChangeNotification_Encoding_DefaultBinary)
EVENT_LIST: Final = int(ua.ObjectIds.EventNotificationList_Encoding_DefaultBinary)
STATUS_CHANGE: Final = int(ua.ObjectIds.StatusChangeNotification_Encoding_DefaultBinary)


class Notice(NamedTuple):
    """One NotificationData. Source: OPC 10000-4, 7.26.

    Attributes:
        type_id: numeric NodeId of its encoding in namespace 0: `DATA_CHANGE`, `EVENT_LIST` or `STATUS_CHANGE`.
        body: its fields, encoded.
        count: notifications in it.
    """

    type_id: int
    body: bytes
    count: int


class Changes(NamedTuple):
    """Data changes of one source: `items` are `count` encoded MonitoredItemNotifications, to be joined with others
    into the one DataChangeNotification of a message.
    """

    count: int
    items: bytes


class NotificationSource(Protocol):
    """Something in a subscription that has news for the client."""

    def pending(self) -> bool:
        """True if `take` would hand over at least one notification."""
        ...

    def take(self, limit: int) -> list[Notice]:
        """The oldest news, at most `limit` notifications in all; they count as reported from here on."""
        ...


class ItemSource(NotificationSource, Protocol):
    """Monitored items of one kind in one subscription, one object an item.

    Every method but `create` and `release` is called only with numbers that are in it.
    """

    def __len__(self) -> int: ...

    def __contains__(self, number: object) -> bool: ...

    @property
    def disabled(self) -> int:
        """Items that are disabled."""
        ...

    @property
    def overflows(self) -> int:
        """Notifications lost because a queue was full, since the subscription began."""
        ...

    def create(self, number: int, wanted: ua.MonitoredItemCreateRequest, stamps: int) -> ua.MonitoredItemCreateResult:
        """Make item `number`, or say by the result's StatusCode why not. `stamps`: TimestampsToReturn."""
        ...

    def modify(self, wanted: ua.MonitoredItemModifyRequest, stamps: int) -> ua.MonitoredItemModifyResult: ...

    def set_mode(self, number: int, mode: ua.MonitoringMode) -> None: ...

    def remove(self, number: int) -> None: ...

    def watch(self, number: int, triggers: bool) -> None:
        """Whether other items are linked to this one: then the subscription is told when it has queued something."""
        ...

    def release(self, numbers: Iterable[int]) -> None:
        """Items that may report once what they have although they only sample, as far as they are here."""
        ...

    def hand_over(self, user: User) -> None:
        """Another user has the session now; what waits for the former one is not theirs."""
        ...

    def close(self) -> None:
        """The subscription has ended: let go of everything."""
        ...
