# SPDX-License-Identifier: Apache-2.0
"""The redundant set as a terminal sees it: alone, and with another post."""

from __future__ import annotations

from datetime import UTC, datetime

from asyncua import ua

from supervisor.hmi.health import Health
from supervisor.hmi.model.outlook import Outlook, Peer
from supervisor.hmi.model.redundancy import Redundancy

IDS = ua.ObjectIds
OWN = "urn:post-1:vigie:hand"
PEER = Peer("urn:post-2:vigie:hand", "Vigie, poste de secours", ("opc.tcp://10.0.0.2:4840",), service_level=230)


def told(outlook: Outlook) -> dict[int, object]:
    values = Redundancy(outlook, OWN).values()
    return {node_id.Identifier: read().Value.Value for node_id, read in values.items()}


def test_a_post_alone_is_a_set_of_one() -> None:
    """Source: OPC 10000-5, 6.3.9: ServerUriArray contains the local server too."""
    seen = told(Outlook())
    assert seen[IDS.Server_ServiceLevel] == 255
    assert seen[IDS.Server_ServerRedundancy_RedundancySupport] == ua.RedundancySupport.None_
    assert seen[IDS.Server_ServerRedundancy_ServerUriArray] == [OWN]
    (own,) = seen[IDS.Server_ServerRedundancy_RedundantServerArray]
    assert (own.ServerId, own.ServiceLevel, own.ServerState) == (OWN, 255, ua.ServerState.Running)


def test_two_posts_are_hot_and_in_one_order() -> None:
    outlook = Outlook(peers=lambda: (PEER,))
    seen = told(outlook)
    assert seen[IDS.Server_ServerRedundancy_RedundancySupport] == ua.RedundancySupport.Hot
    assert seen[IDS.Server_ServerRedundancy_ServerUriArray] == [OWN, PEER.uri]
    servers = seen[IDS.Server_ServerRedundancy_RedundantServerArray]
    assert [(s.ServerId, s.ServiceLevel) for s in servers] == [(OWN, 255), (PEER.uri, 230)]
    (described,) = Redundancy(outlook, OWN).applications()
    assert (described.ApplicationUri, described.DiscoveryUrls) == (PEER.uri, list(PEER.urls))


def test_a_post_in_maintenance_says_when_it_is_back() -> None:
    back_ns = 1_800_000_000_000_000_000
    seen = told(Outlook(health=lambda: Health(maintenance=True, returns_ns=back_ns)))
    assert seen[IDS.Server_ServiceLevel] == 0
    assert seen[IDS.Server_EstimatedReturnTime] == datetime.fromtimestamp(back_ns / 1e9, UTC)
    assert told(Outlook())[IDS.Server_EstimatedReturnTime] == ua.win_epoch_to_datetime(0)  # DateTime.MinValue
