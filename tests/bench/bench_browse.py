# SPDX-License-Identifier: Apache-2.0
"""Browse of a folder of 10,000 children: loop time until its answers are encoded, beside asyncua's own services. The
first to ask pays for the encoding; the next are given what was kept.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from asyncua import ua
from asyncua.server.address_space import AddressSpace, NodeData, ViewService
from asyncua.ua.ua_binary import struct_to_binary

from config.model import Role
from supervisor.hmi.contract import Limits
from supervisor.hmi.model.attributes import Attributes
from supervisor.hmi.model.nodes import Asker, Nodes
from supervisor.hmi.model.space import Space
from supervisor.hmi.model.standard import load
from supervisor.hmi.services.browsing import Bookmarks, View
from supervisor.people import User
from supervisor.tags.pool import StringPool
from supervisor.tags.table import TagTable
from tests.plants import TypeSpec, make_plant, tag

CHILDREN = 10_000
ROUNDS = 5
ASKER = Asker(User("op", Role.OPERATOR))


def best_ms(work: Callable[[], int]) -> float:
    """The quickest of some rounds [ms of CPU]; each must hand over all children."""
    found = []
    for _ in range(ROUNDS):
        begun = time.process_time()
        count = work()
        found.append((time.process_time() - begun) * 1000)
        assert count == CHILDREN, count
    return min(found)


def wanted(node_id: ua.NodeId, link: int) -> ua.BrowseDescription:
    return ua.BrowseDescription(node_id, ua.BrowseDirection.Forward, ua.NodeId(link), True, 0, 63)


def ours(stock: AddressSpace, *, first: bool = False) -> Callable[[], int]:
    """All pages of the area. `first`: nobody has asked before."""
    equipment = [f"21605/CAB-{i:05d}" for i in range(CHILDREN)]
    plant = make_plant({"CAB": TypeSpec({"V1": tag("Double")})}, {"CAB": equipment})
    space = Space(plant)
    nodes = Nodes(space, TagTable(plant, StringPool(), 0), 2)
    view = View(stock, space, nodes, Attributes(stock, nodes), Limits())
    wish, marks = wanted(ua.NodeId("21605", 2, ua.NodeIdType.String), ua.ObjectIds.Organizes), Bookmarks()

    def work() -> int:
        if first:
            view.forget()
        count, answer = 0, view.browse(wish, 0, ASKER, marks)
        while True:
            at = 8 + _point(answer)
            count += int.from_bytes(answer[at : at + 4], "little")
            if at == 8:
                return count
            answer = view.browse_next(answer[8:at], False, ASKER, marks)

    return work


def _point(answer: bytes) -> int:
    """Bytes of the continuation point in a BrowseResult."""
    return max(int.from_bytes(answer[4:8], "little", signed=True), 0)


def theirs(stock: AddressSpace) -> Callable[[], int]:
    """asyncua's view service and encoder; one message, for it knows no pages."""
    folder = NodeData(ua.NodeId("folder", 1))
    link = ua.NodeId(ua.ObjectIds.Organizes)
    for i in range(CHILDREN):
        name = f"CAB-{i:05d}"
        folder.references.append(
            ua.ReferenceDescription(
                link,
                True,
                ua.NodeId(f"21605/{name}", 2),
                ua.QualifiedName(name, 2),
                ua.LocalizedText(name, "fr"),
                ua.NodeClass.Object,
                ua.NodeId("type/CAB", 2),
            )
        )
    stock[folder.nodeid] = folder
    service = ViewService(stock)
    request = ua.BrowseParameters(NodesToBrowse=[wanted(folder.nodeid, ua.ObjectIds.Organizes)])

    def work() -> int:
        (answer,) = service.browse(request)
        struct_to_binary(answer)
        return len(answer.References)

    return work


def rows() -> list[dict[str, Any]]:
    """About 5 s."""
    stock = AddressSpace()
    load(stock)
    peer = best_ms(theirs(stock))
    note = "peer: asyncua 2.1.0's view service and encoder"
    found = []
    for who, first in (("the first to ask", True), ("whoever asks next", False)):
        what = f"Browse of {CHILDREN:,} children, all pages, {who}"
        mine = best_ms(ours(stock, first=first))
        found.append({"what": what, "ours": mine, "peer": peer, "unit": "ms of loop", "reach": "10", "note": note})
    return found


if __name__ == "__main__":
    print(json.dumps(rows(), indent=1))
