# SPDX-License-Identifier: Apache-2.0
# Tests: tests/system/conformance/test_limits.py
"""ServerCapabilities: the server's bounds as it tells them. Source: OPC 10000-5, 6.3.2 and 6.3.11.

Law of this file: whatever bound is told here is enforced somewhere, from the same `Limits`.
"""

from __future__ import annotations

from typing import Final

from asyncua import ua

from supervisor.hmi.contract import Limits
from supervisor.hmi.events.filter import CLAUSES_MAX
from supervisor.hmi.events.where import ELEMENTS_MAX

_OPERATIONS: Final = (
    "MaxNodesPerRead", "MaxNodesPerWrite", "MaxNodesPerMethodCall", "MaxNodesPerBrowse", "MaxNodesPerRegisterNodes",
    "MaxNodesPerTranslateBrowsePathsToNodeIds", "MaxMonitoredItemsPerCall",
)  # fmt: skip


_PROFILES: Final = [
    f"http://opcfoundation.org/UA-Profile/{name}"
    for name in ("Server/Core2017Facet", "Server/DataAccess", "Transport/uatcp-uasc-uabinary")
]
"""What the conformance suite goes through; nobody has certified it. Standard 2017 is not claimed: it asks servers to
register with a discovery server. Source: OPC 10000-7, 6.6."""


def capabilities(limits: Limits) -> dict[str, ua.Variant]:
    """Values by the name of their node below ServerCapabilities, levels joined by '_'."""
    type_ = ua.VariantType
    counts = {
        "MaxSessions": limits.sessions,
        "MaxSubscriptions": limits.subscriptions,
        "MaxSubscriptionsPerSession": limits.subscriptions_per_session,
        "MaxMonitoredItems": limits.items,
        "MaxMonitoredItemsPerSubscription": limits.items,
        "MaxMonitoredItemsQueueSize": limits.queue_len_max,
        "MaxSelectClauseParameters": CLAUSES_MAX,
        "MaxWhereClauseParameters": ELEMENTS_MAX,
        **{f"OperationLimits_{name}": limits.nodes_per_call for name in _OPERATIONS},
    }
    return {
        "MinSupportedSampleRate": ua.Variant(limits.sampling_ms_min, type_.Double),
        "MaxBrowseContinuationPoints": ua.Variant(limits.continuation_points, type_.UInt16),
        "ServerProfileArray": ua.Variant(_PROFILES, type_.String),
        "LocaleIdArray": ua.Variant(["fr", "en"], type_.String),
        **{name: ua.Variant(count, type_.UInt32) for name, count in counts.items()},
    }
