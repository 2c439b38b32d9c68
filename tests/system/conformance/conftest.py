# SPDX-License-Identifier: Apache-2.0
"""One server for all of the conformance suite, with bounds low enough to be reached; a fresh client for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from supervisor.hmi.contract import Limits
from tests.system.conformance.raw import RawClient
from tests.system.opcua_kit import Site, in_background, small_plant

LIMITS = Limits(
    subscriptions_per_session=8,
    nodes_per_call=300,
    node_items=40,
    links_per_subscription=4,
    queue_len_max=50,
    queue_slots=200,
    publish_requests=3,
    unacknowledged=3,
    references_per_browse=20,
    continuation_points=2,
)


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with in_background(tmp_path_factory.mktemp("opcua"), plant=small_plant(30), insecure=True, limits=LIMITS) as site:
        yield site


@pytest.fixture
def connect(site: Site) -> Iterator[Callable[[], RawClient]]:
    """Makes clients; all are closed afterwards."""
    made: list[RawClient] = []

    def one() -> RawClient:
        made.append(RawClient(site))
        return made[-1]

    yield one
    for client in made:
        client.close()


@pytest.fixture
def client(connect: Callable[[], RawClient]) -> RawClient:
    return connect()
