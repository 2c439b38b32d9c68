# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_opcua_driver.py, tests/kit/test_opcua.py
"""Some nodes asked together, as one Read: its bytes, made once, and how its answer lies, learned once.

Law of this file: asking; what an answer means is `asked`'s and `pulse`'s.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from config.words import Cells
from drivers.opcua import codec
from drivers.opcua.cells import Columns, columns
from drivers.opcua.layout import Bytes, Layout, alike, walk
from drivers.opcua.session import Session

STATE_KIND: Final = np.uint8(6)
"""ServerState is an enumeration, an Int32 on the wire."""
STATE_INDEX: Final = np.int64(-1)


class Question:
    """Some nodes asked together, as one Read.

    Attributes:
        places: of the nodes in the request, (n,).
    """

    def __init__(self, ids: list[bytes], places: Cells, kinds: Bytes, indexes: Cells) -> None:
        self.places = places
        self._n = len(ids)
        self._kinds, self._indexes = kinds, indexes
        self._parameters = codec.read_parameters(ids)
        self._layout: Layout | None = None

    async def ask(self, session: Session, timeout_s: float) -> Columns:
        """Put it once.

        Raises:
            DriverError, ServiceFault, Garbled.
        """
        data = await session.wire.ask(codec.READ, self._parameters, timeout_s)
        at = codec.count(data, codec.answer(data, codec.READ_ANSWER), self._n)
        if self._layout is None or not self._layout.fits(data, at):
            layout = None if (self._indexes >= 0).any() else alike(data, at, self._n, 0)
            self._layout = layout or walk(data, at, self._n, 0, self._indexes)
        codec.ended(data, at + self._layout.size)
        return columns(data, at, self._layout, self._kinds, session.now_ns())


def state_id() -> bytes:
    """ReadValueId of the server's own state. Source: OPC 10000-5, 6.3.1."""
    return codec.read_id(codec.node_id(codec.STATE, "", ()), int(STATE_INDEX))
