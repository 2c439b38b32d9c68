# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_opcua_driver.py, tests/kit/test_opcua.py
"""One request of one device in one session: its questions as bytes, and the newest value of each node.

Law of this file: asking and remembering; what errors mean is `driver`'s.

A request is either *read*, whole, each time; or *watched*: then its answer is what the subscription has told, proved at
each slot by one small question that the server must answer: its state (asked for all of its devices at once, `pulse`).
Those nodes that it would not watch are read beside it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from config.words import Batch, Cells, StatusCode
from drivers.base import Request
from drivers.opcua import codec
from drivers.opcua.cells import Columns
from drivers.opcua.layout import Bytes
from drivers.opcua.link import OpcuaLink
from drivers.opcua.making import Making
from drivers.opcua.plan import Body
from drivers.opcua.question import Question

Push = Callable[[Batch], None]


class Asked:
    """A request in the session that stands now.

    Attributes:
        generation: of the link's session it was prepared for.
        kinds, indexes: of each node, (n,); as `Watched`.
        types: built-in type each value last came as, (n,).
    """

    def __init__(self, request: Request, link: OpcuaLink, root: str, size_max: int) -> None:
        body: Body = request.exchange.body
        self.generation = link.generation
        self.kinds, self.indexes = body.kinds, body.indexes
        n = len(body.addresses)
        self.types: Bytes = np.zeros(n, np.uint8)
        self._request, self._body, self._link = request, body, link
        self._ids: list[bytes] = []
        self.known: Cells = np.zeros(0, np.int64)
        self._statuses = np.full(n, StatusCode.BadWaitingForInitialData, np.uint32)
        self._cells = np.zeros(n, np.int64)
        self._source_ns = np.full(n, link.now_ns(), np.int64)
        self._texts: dict[int, str] = {}
        self._prepare(root)
        self._beside: list[int] = []  # nodes that the server would not watch
        self._proofs: list[Question] | None = None  # how they are read beside what is told; None: nothing is told
        self.cut(size_max)
        self._push: Push | None = None
        self._making: Making[list[int]] | None = None
        self._codes: list[int] | None = None  # what the subscription said of each; None: it does not have them

    def _prepare(self, root: str) -> None:
        known = []
        for i, address in enumerate(self._body.addresses):
            try:
                node = codec.node_id(address.node, root, self._link.server.namespaces)
            except (codec.NoSuchNamespace, ValueError):
                self._statuses[i] = StatusCode.BadNodeIdUnknown
                continue
            known.append(i)
            self._ids.append(codec.read_id(node, int(self.indexes[i])))
        self.known = np.array(known, np.int64)

    def cut(self, size_max: int) -> None:
        """Into questions for all nodes, none longer than the server allows; `size_max` 0: it was not found out."""
        limits = [each for each in (size_max, self._link.server.read_max) if each]
        self._step = max(1, min(limits, default=len(self._ids) or 1))
        self._questions = self._pieces(list(range(len(self._ids))))
        if self._proofs is not None:
            self._proofs = self._pieces(self._beside)

    def _pieces(self, chosen: list[int]) -> list[Question]:
        """Questions for some of the nodes."""
        return [self._question(chosen[at : at + self._step]) for at in range(0, len(chosen), self._step)]

    def _question(self, chosen: list[int]) -> Question:
        places = self.known[chosen]
        return Question([self._ids[i] for i in chosen], places, self.kinds[places], self.indexes[places])

    # --- reading

    async def read(self, timeout_s: float) -> None:
        """Ask for everything.

        Raises:
            DriverError, ServiceFault, Garbled.
        """
        for question in self._questions:
            self._take(question.places, await question.ask(self._link, timeout_s))

    def _take(self, places: Cells, found: Columns) -> None:
        self._cells[places], self._statuses[places] = found.cells, found.statuses
        self._source_ns[places] = found.source_ns
        told = found.types != 0
        self.types[places[told]] = found.types[told]
        if found.texts or self._texts:
            for k, place in enumerate(places.tolist()):
                if (text := found.texts.get(k)) is not None:
                    self._texts[place] = text
                else:
                    self._texts.pop(place, None)

    # --- being told

    @property
    def is_watched(self) -> bool:
        """True while changes are told."""
        return self._proofs is not None

    async def watch(self, push: Push, timeout_s: float) -> bool:
        """Have changes told, and read everything once behind it; False: the server gives no subscription.

        Raises:
            DriverError, ServiceFault, Garbled.
        """
        subscription = self._link.subscription
        if not await subscription.ensure(timeout_s):
            return False
        number = subscription.id
        if self._codes is None:  # else they are watched already, and only what was read behind it failed
            codes = await self._have_items(timeout_s)
            self._codes = codes if subscription.id == number else None
        await self.read(timeout_s)
        if subscription.id != number or self._codes is None:
            return True  # it broke meanwhile; what was read is true
        self._beside = [k for k, code in enumerate(self._codes) if code >= StatusCode.Bad]
        self._proofs, self._push = self._pieces(self._beside), push
        return True

    async def _have_items(self, timeout_s: float) -> list[int]:
        """What the subscription says of each item; they are made once, however many slots that takes."""
        if (making := self._making) is None:
            told = zip(self._ids, self.known.tolist(), strict=True)
            items = [(each, float(self._body.addresses[place].deadband)) for each, place in told]
            making = self._making = Making(self._link.subscription.add(_Part(self), items))
        try:
            return await making.result(timeout_s)
        finally:
            if making.is_over and self._making is making:
                self._making = None

    async def prove(self, timeout_s: float) -> None:
        """Have the server answer, so that what it has told so far is known to stand.

        Raises:
            DeviceSilent: it answers, but is not running.
            DriverError, ServiceFault, Garbled.
        """
        await self._link.pulse.feel(timeout_s)
        for question in self._proofs or ():
            self._take(question.places, await question.ask(self._link, timeout_s))

    def changed(self, positions: Cells, found: Columns) -> None:
        """The subscription tells new values; they go on at once."""
        self._take(positions, found)
        if self._push is not None:
            rows = self._request.rows[positions]
            self._push(Batch(-1, rows, found.cells, found.statuses, found.source_ns, found.texts or None))

    def unwatched(self) -> None:
        """From now on it is read again."""
        self._proofs = self._push = self._codes = self._making = None

    # --- what came of it

    def batch(self) -> Batch:
        """Everything as it is known now; copies, because it goes on changing."""
        return Batch(
            self._request.id,
            self._request.rows,
            self._cells.copy(),
            self._statuses.copy(),
            self._source_ns.copy(),
            dict(self._texts) or None,
        )


class _Part:
    """The asked nodes of a request as the subscription knows them: those the server can know, by their order."""

    def __init__(self, asked: Asked) -> None:
        known = asked.known
        self.kinds, self.indexes = asked.kinds[known], asked.indexes[known]
        self._asked, self.known = asked, known

    def changed(self, positions: Cells, found: Columns) -> None:
        self._asked.changed(self.known[positions], found)

    def unwatched(self) -> None:
        self._asked.unwatched()
