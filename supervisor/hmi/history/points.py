# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_hmi_history.py
"""Continuation points of one session: where a history goes on, by a token that cannot be guessed.

Law of this file: no I/O. A point is taken once; it is worth something only in its own session and for its own node; as
many are kept as the bound allows, and when it is reached no further one is made: what a client holds stays good.
Source: OPC 10000-4, 7.9 and 5.11.3; OPC 10000-11, 6.3.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any

from config.words import StatusCode
from supervisor.hmi.history.details import Refused

TOKEN_BYTES = 16


@dataclass(frozen=True, slots=True)
class Point:
    """The rest of one answer.

    Attributes:
        node_id: whose.
        question: what was asked.
        state: where it goes on; its meaning is the question's.
    """

    node_id: Any
    question: Any
    state: Any


@dataclass(slots=True)
class Points:
    """The points of one session."""

    kept: dict[bytes, Point] = field(default_factory=dict)

    def take(self, token: bytes, node_id: Any) -> Point:
        """The point of a token, which is used up by it.

        Raises:
            Refused: BadContinuationPointInvalid.
        """
        point = self.kept.get(token)
        if point is None or point.node_id != node_id:
            raise Refused(StatusCode.BadContinuationPointInvalid)
        del self.kept[token]
        return point

    def keep(self, point: Point, most: int) -> bytes:
        """A token for a point.

        Raises:
            Refused: BadNoContinuationPoints: `most` are kept already.
        """
        if len(self.kept) >= most:
            raise Refused(StatusCode.BadNoContinuationPoints)
        token = secrets.token_bytes(TOKEN_BYTES)
        self.kept[token] = point
        return token
