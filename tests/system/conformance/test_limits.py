# SPDX-License-Identifier: Apache-2.0
"""ServerCapabilities and OperationLimits say what the other files of this suite run into. OPC 10000-5, 6.3.2."""

from __future__ import annotations

from typing import Any

import pytest
from asyncua import ua

from tests.system.conformance.conftest import LIMITS
from tests.system.conformance.raw import RawClient, value_id

PER_CALL = LIMITS.nodes_per_call
TOLD = [
    ("MaxSessions", LIMITS.sessions),
    ("MaxSubscriptions", LIMITS.subscriptions),
    ("MaxSubscriptionsPerSession", LIMITS.subscriptions_per_session),
    ("MaxMonitoredItems", LIMITS.items),
    ("MaxMonitoredItemsPerSubscription", LIMITS.items),
    ("MaxMonitoredItemsQueueSize", LIMITS.queue_len_max),
    ("MaxBrowseContinuationPoints", LIMITS.continuation_points),
    (
        "ServerProfileArray",
        [
            f"http://opcfoundation.org/UA-Profile/{name}"
            for name in ("Server/Core2017Facet", "Server/DataAccess", "Transport/uatcp-uasc-uabinary")
        ],
    ),
    ("MinSupportedSampleRate", LIMITS.sampling_ms_min),
    ("OperationLimits_MaxNodesPerRead", PER_CALL),
    ("OperationLimits_MaxNodesPerWrite", PER_CALL),
    ("OperationLimits_MaxNodesPerMethodCall", PER_CALL),
    ("OperationLimits_MaxNodesPerBrowse", PER_CALL),
    ("OperationLimits_MaxNodesPerRegisterNodes", PER_CALL),
    ("OperationLimits_MaxNodesPerTranslateBrowsePathsToNodeIds", PER_CALL),
    ("OperationLimits_MaxMonitoredItemsPerCall", PER_CALL),
]


@pytest.mark.parametrize(("name", "value"), TOLD)
def test_a_bound_is_told(client: RawClient, name: str, value: Any) -> None:
    request = ua.ReadRequest()
    request.Parameters.NodesToRead = [value_id(getattr(ua.ObjectIds, f"Server_ServerCapabilities_{name}"))]
    (told,) = client.call(request).Results
    assert told.StatusCode.is_good() and told.Value.Value == value
