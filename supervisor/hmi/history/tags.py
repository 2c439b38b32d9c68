# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_hmi_history.py
"""Whose past may be asked by whom: a NodeId -> a series, or the reason why not.

Law of this file: no I/O; the rights are those of every other service, asked anew for every page.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

from config.words import Kind, StatusCode
from historian.aggregates.trace import Configuration
from supervisor.hmi.history.details import Refused
from supervisor.hmi.model.nodes import Nodes
from supervisor.hmi.model.space import Place
from supervisor.people import User

_PERIODIC: Final = ("C", "D")
"""Classes stored at set hours, not on change: between two samples the value moved, so a line is drawn."""


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag with a past. `stepped`: its value holds until the next sample."""

    series: int
    kind: Kind
    stepped: bool

    def configuration(self, asked: Configuration | None) -> Configuration:
        """How its quality is weighed: as asked, or as the server does, and always stepped as it is stored."""
        return replace(asked or Configuration(), stepped=self.stepped)


def stepped(place: Place) -> bool:
    """Whether the value of a tag holds from one stored sample to the next. Source: OPC 10000-11, 5.2.2."""
    info = place.block.info if place.block is not None else None
    if info is None or info.history_class not in _PERIODIC:
        return True
    return not (info.kind.is_float or (info.kind.is_integer and info.kind is not Kind.Enumeration))


def has_past(place: Place) -> bool:
    """Whether a node is a tag of which something is stored, and that is read."""
    block = place.block
    return block is not None and not place.detail and block.info.history_class != "N" and block.info.access.readable


def tag_of(nodes: Nodes, node_id: Any, user: User, known: bool) -> Tag:
    """The tag whose past is asked.

    Args:
        known: the node exists elsewhere in the address space (namespace 0 or 1).
    Raises:
        Refused: BadNodeIdUnknown (also where the user may not see it), BadNotReadable or
            BadHistoryOperationUnsupported.
    """
    place = nodes.find_for(node_id, user)
    if place is None:
        raise Refused(StatusCode.BadHistoryOperationUnsupported if known else StatusCode.BadNodeIdUnknown)
    block = place.block
    if block is None or place.detail:
        raise Refused(StatusCode.BadHistoryOperationUnsupported)
    if not block.info.access.readable:
        raise Refused(StatusCode.BadNotReadable)
    if not has_past(place):
        raise Refused(StatusCode.BadHistoryOperationUnsupported)
    return Tag(nodes.series(place.row), block.info.kind, stepped(place))
