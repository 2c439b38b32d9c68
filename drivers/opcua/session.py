# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_opcua_subscription.py, tests/unit/test_opcua_pulse.py
"""A session with a server, as whatever speaks over it sees it.

Law of this file: words only. Who makes and keeps sessions (`link`) is not known here, so that questions, the pulse and
the subscription can be read, and tested, without it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from drivers.base import LinkDown
from drivers.opcua.address import OpcuaDevice
from drivers.opcua.wire import Wire


@dataclass(frozen=True, slots=True)
class Server:
    """What a server said of itself when the session began.

    Attributes:
        application_uri: who it is.
        namespaces: URIs by index.
        read_max, write_max, items_max: nodes in one call; 0: it names no limit.
    """

    application_uri: str
    namespaces: tuple[str, ...]
    read_max: int
    write_max: int
    items_max: int


class Session(Protocol):
    """One session, or the place where the next one will be.

    Attributes:
        where: of the server, for messages.
        device: as it is configured.
        generation: how often a session has been made; what was learned of an older one is void.
    """

    where: str
    device: OpcuaDevice
    generation: int

    @property
    def is_up(self) -> bool:
        """True while questions may be put."""
        ...

    @property
    def wire(self) -> Wire:
        """The connection that stands.

        Raises:
            LinkDown: none does.
        """
        ...

    @property
    def server(self) -> Server:
        """What the server said of itself.

        Raises:
            LinkDown: there is no session.
        """
        ...

    def now_ns(self) -> int:
        """UTC now [ns]."""
        ...

    def fail(self, reason: str) -> LinkDown:
        """The session is of no use any more: it is dropped, so that it is made anew."""
        ...
