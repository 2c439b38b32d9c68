# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_hmi_server.py
"""What the door can tell of the rest of the server, and how it asks.

Law of this file: words only; no asyncua. Each function is called on the loop when a client reads, and must be cheap.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from drivers.status import DeviceStatus
from supervisor.hmi.health import Health


@dataclass(frozen=True, slots=True)
class Peer:
    """Another post of the redundant set. Source: OPC 10000-4, 6.6.2.4 and OPC 10000-5, 12.5 (RedundantServerDataType).

    Attributes:
        uri: its ApplicationUri; `urls`: where it listens, told by FindServers.
        service_level: as this post last heard it; `state`: its ServerState, 0 running.
    """

    uri: str
    name: str
    urls: tuple[str, ...]
    service_level: int = 0
    state: int = 0


def _nobody() -> tuple[Peer, ...]:
    return ()


@dataclass(frozen=True, slots=True)
class Outlook:
    """Doors to the rest of the server.

    Attributes:
        health: of this post.
        device: what is known of a device, by its place in `plant.devices`; None: devices are not told.
        peers: the other posts.
        version: of the product.
    """

    health: Callable[[], Health] = Health
    device: Callable[[int], DeviceStatus] | None = None
    peers: Callable[[], tuple[Peer, ...]] = _nobody
    version: str = ""
