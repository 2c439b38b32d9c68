# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_opcua_subscription.py, tests/kit/test_opcua.py, tests/system/test_opcua_server_node.py
"""The one subscription of a link: its items, its messages, and how one knows that it still lives.

Law of this file: who changed and that it stands; what a value means is `asked`'s. No task: messages come as answers to
Publish requests, silence as a timer.

Theory of operation. All devices of a link share one subscription, because servers allow few. Items get dense client
handles: each *watched* list of nodes owns a range of them, so that a message of 10,000 changes is decoded and shared
out by arithmetic. A subscription is believed only while it speaks: after two keep-alive intervals of silence, a gap in
the message numbers, or an end told by the server it is *broken*. Then every list falls back to being read, item by
item is subscribed anew and *read once behind it*, so that no change between the two is missed.

    the server has no subscriptions, or no more of them      values are polled; asked again after RETRY_S
    it breaks again and again                                ever longer pauses, up to RETRY_S

Source: OPC 10000-4, 5.13.1 (keep-alive, sequence numbers), 5.13.5 (Publish).
"""

from __future__ import annotations

import asyncio
import logging
import math
import struct
from collections.abc import Sequence
from typing import Any, Final, Protocol

import numpy as np

from config.arrays import distinct
from config.words import Cells
from drivers.opcua import codec
from drivers.opcua.cells import Columns, columns
from drivers.opcua.codec import ServiceFault
from drivers.opcua.layout import Bytes, Garbled, alike, walk
from drivers.opcua.making import MAKING_S, Making, swallow
from drivers.opcua.session import Session

PUBLISHES: Final = 2  # requests that wait at the server, so that one is there while a message is on its way
RETRY_S: Final = 600.0
PUBLISHING_MAX_MS: Final = 86_400_000.0
STRETCH_MAX: Final = 10.0
"""A server may make the silence that was asked for so many times longer; beyond it, a loss would be found too late."""
HASTE_S: Final = 0.01
HASTE_MAX: Final = 10
"""So many keep-alives, each so soon after the message before, are none: no more are asked for."""
ITEMS_MAX: Final = 1_000_000
HANDLE_BYTES: Final = 4
DELETE_SUBSCRIPTIONS: Final = 847
TIMEOUT: Final = 0x800A0000
TOO_MANY_PUBLISH_REQUESTS: Final = 0x80780000
TOO_MUCH: Final = (0x80080000, 0x80100000, 0x80B80000, 0x80B90000)
FILTER_REFUSED: Final = (0x80430000, 0x80440000, 0x80450000, 0x808E0000)
SESSION_GONE: Final = (0x80220000, 0x80250000, 0x80260000, 0x80270000, 0x80860000, 0x80870000, 0x800C0000, 0x800E0000)

log = logging.getLogger("vigie.field")


class Watched(Protocol):
    """A list of nodes whose changes are told."""

    kinds: Bytes
    indexes: Cells

    def changed(self, positions: Cells, found: Columns) -> None:
        """New values of some of them, at most one of each."""
        ...

    def unwatched(self) -> None:
        """Changes are told no more."""
        ...


class Subscription:
    """Changes told by one server.

    Attributes:
        id: the server's number; 0: there is none.
        refused: why the server gives none; '' if it does, or was not asked.
        messages, changes: told since the start.
        breaks: how often it was given up.
    """

    def __init__(self, session: Session) -> None:
        self.id = 0
        self.refused = ""
        self.messages = self.changes = self.breaks = 0
        self._session = session
        self._making: Making[bool] | None = None
        self._owners: list[Watched] = []
        self._bases = np.zeros(0, np.int64)
        self._kinds: Bytes = np.zeros(0, np.uint8)
        self._indexes: Cells = np.zeros(0, np.int64)
        self._waiting = 0
        self._items_max = 0  # in one call, as was found out
        self._received: list[tuple[int, int]] = []
        self._sequence = self._hasty = 0
        self._heard_s = self._since_s = 0.0
        self._silent_s = math.inf
        self._failures = 0
        self._retry_s = -math.inf
        self._timer: asyncio.TimerHandle | None = None

    # --- life

    async def ensure(self, timeout_s: float) -> bool:
        """Have a subscription, if the server gives one and it is time to ask.

        Raises:
            DriverError: the link broke or the server did not answer.
        """
        if self.id or self._now_s() < self._retry_s:
            return bool(self.id)
        if self._making is None or self._making.is_over:
            self._making = Making(self._make())
        return await self._making.result(timeout_s)

    async def _make(self) -> bool:
        device, wire = self._session.device, self._session.wire
        wanted = codec.subscription_parameters(device.publishing, device.keep_alive)
        try:
            data = await wire.ask(codec.CREATE_SUBSCRIPTION, wanted, MAKING_S)
            at = codec.answer(data, codec.CREATE_SUBSCRIPTION_ANSWER)
            number, publishing_ms, _, count = struct.unpack_from("<IdII", data, at)
        except ServiceFault as fault:
            if fault.code in SESSION_GONE:
                raise
            self._refuse(str(fault))
            return False
        except struct.error as error:
            raise Garbled("a subscription without its times") from error
        if not 0 <= publishing_ms <= PUBLISHING_MAX_MS:
            raise Garbled(f"a subscription that is to tell every {publishing_ms:g} ms")
        silence_s = count * publishing_ms / 1000
        if silence_s > STRETCH_MAX * max(device.keep_alive, device.publishing):
            self._discard(number)
            self._refuse(f"it would be silent for {silence_s:g} s, {device.keep_alive:g} s were asked for")
            return False
        self.id, self.refused, self._sequence = number, "", 0
        self._silent_s = max(2 * count * publishing_ms / 1000, 2 * publishing_ms / 1000, 0.1)
        self._heard_s = self._since_s = self._now_s()
        self._received.clear()
        self._arm()
        self._publish()
        return True

    def _refuse(self, reason: str) -> None:
        if reason != self.refused:
            log.info("%s: no subscription (%s): values are polled", self._session.where, reason)
        self.refused = reason
        self._retry_s = self._now_s() + RETRY_S

    def lost(self) -> None:
        """The connection is gone, and the subscription with it."""
        self._waiting = self._items_max = 0
        self._forget()
        self._retry_s = -math.inf

    def _forget(self) -> None:
        self.id = 0
        owners, self._owners = self._owners, []
        self._bases = np.zeros(0, np.int64)
        self._kinds, self._indexes = np.zeros(0, np.uint8), np.zeros(0, np.int64)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for owner in owners:
            owner.unwatched()

    def _break(self, reason: str, delete: bool = True) -> None:
        """It is not believed any more, on a connection that stands."""
        number, now_s = self.id, self._now_s()
        if not number:
            return
        self._failures = 1 if now_s - self._since_s > 2 * self._silent_s else self._failures + 1
        pause_s = 0.0 if self._failures == 1 else min(RETRY_S, self._silent_s * 2.0**self._failures)
        self._retry_s = now_s + pause_s
        self.breaks += 1
        log.warning("%s: subscription given up: %s; values are read until it is made anew", self._session.where, reason)
        self._forget()
        if delete and self._session.is_up:
            self._discard(number)

    def _discard(self, number: int) -> None:
        """Have the server forget it; whether that comes about does not matter: what nobody asks for ends by itself."""
        self._post(DELETE_SUBSCRIPTIONS, struct.pack("<iI", 1, number)).add_done_callback(swallow)

    # --- items

    async def add(self, owner: Watched, items: Sequence[tuple[bytes, float]]) -> list[int]:
        """Watch a list of nodes.

        Args:
            items: ReadValueId and deadband of each, in the owner's order.

        Returns: StatusCode of each; what is not Good is not watched.
        Raises:
            DriverError, ServiceFault, Garbled.
        """
        number = self.id
        base = len(self._kinds)
        if base + len(items) > ITEMS_MAX:
            return [codec.TOO_MANY_ITEMS] * len(items)
        self._owners.append(owner)
        self._bases = np.append(self._bases, base)
        self._kinds = np.append(self._kinds, owner.kinds)
        self._indexes = np.append(self._indexes, owner.indexes)
        try:
            return await self._add(number, base, items)
        except BaseException:
            self._break("its items were not made")  # nobody knows which the server has
            raise

    async def _add(self, number: int, base: int, items: Sequence[tuple[bytes, float]]) -> list[int]:
        """As `add`; where the server does not take a deadband, without it."""
        places = list(range(len(items)))
        codes = await self._create(number, base, items, places)
        plain = [i for i in places if codes[i] in FILTER_REFUSED and items[i][1] > 0]
        if plain:
            without = [(read, 0.0) for read, _ in items]
            for i, code in zip(plain, await self._create(number, base, without, plain), strict=True):
                codes[i] = code
        return codes

    async def _create(
        self, number: int, base: int, items: Sequence[tuple[bytes, float]], chosen: Sequence[int]
    ) -> list[int]:
        device = self._session.device
        sampling_s = device.publishing if device.sampling is None else device.sampling
        codes: list[int] = []
        while len(codes) < len(chosen):
            step = self._items_max or self._session.server.items_max or len(chosen)
            part = [
                codec.item(items[i][0], base + i, sampling_s, device.queue, items[i][1])
                for i in chosen[len(codes) : len(codes) + step]
            ]
            try:
                asked = codec.items_parameters(number, part)
                data = await self._session.wire.ask(codec.CREATE_ITEMS, asked, MAKING_S)
                codes += codec.item_results(data, codec.answer(data, codec.CREATE_ITEMS_ANSWER), len(part))
            except ServiceFault as fault:
                if fault.code not in TOO_MUCH or len(part) == 1:
                    raise
                self._items_max = len(part) // 2  # a limit it did not tell
        return codes

    # --- messages

    def _publish(self) -> None:
        """Have enough requests waiting at the server; received messages are acknowledged by the way."""
        while self.id and self._session.is_up and self._waiting < PUBLISHES:
            received, self._received = self._received[:100], self._received[100:]
            self._waiting += 1
            wire = self._session.wire
            self._post(codec.PUBLISH, codec.publish_parameters(received)).add_done_callback(
                lambda future, wire=wire: self._answered(future, wire)  # type: ignore[misc]
            )

    def _post(self, type_id: int, parameters: bytes) -> asyncio.Future[Any]:
        return self._session.wire.post(type_id, parameters, 0.0)

    def _answered(self, future: asyncio.Future[Any], wire: Any) -> None:
        if (
            future.cancelled()
            or future.exception() is not None
            or not self._session.is_up
            or wire is not self._session.wire
        ):
            return
        self._waiting -= 1
        try:
            data = bytes(future.result())
            self._message(data, codec.answer(data, codec.PUBLISH_ANSWER))
        except ServiceFault as fault:
            self._fault(fault)
        except Garbled as error:
            self._session.fail(f"a message that cannot be read: {error}")

    def _fault(self, fault: ServiceFault) -> None:
        if fault.code in SESSION_GONE:
            self._session.fail(f"the session has ended: {fault}")
        elif fault.code == TIMEOUT:
            self._publish()
        elif fault.code != TOO_MANY_PUBLISH_REQUESTS or self._waiting == 0:
            self._break(f"the server says {fault}", delete=False)

    def _message(self, data: bytes, at: int) -> None:
        told = codec.published(data, at)
        if told.subscription != self.id:
            self._publish()
            return
        hasty = told.is_keep_alive and self._now_s() < self._heard_s + HASTE_S
        self._hasty = self._hasty + 1 if hasty else 0
        self._heard_s = self._now_s()
        self.messages += 1
        if self._hasty > HASTE_MAX:
            self._break("keep-alives without a pause between them")
            return
        if told.ended:
            self._break(f"the server has ended it: {codec.status_name(told.ended)}", delete=False)
            return
        if self._sequence and told.sequence != self._sequence:
            self._break(f"message {self._sequence} was lost, got {told.sequence}")
            return
        if told.is_keep_alive:
            self._sequence = told.sequence
        else:
            self._sequence = told.sequence % 0xFFFFFFFF + 1
            self._received.append((self.id, told.sequence))
        for first, n in told.changes:
            self._changes(data, first, n)
        self._publish()

    def _changes(self, data: bytes, at: int, n: int) -> None:
        layout = None if (self._indexes >= 0).any() else alike(data, at, n, HANDLE_BYTES)
        layout = layout or walk(data, at, n, HANDLE_BYTES, self._indexes)
        raw = np.frombuffer(data, np.uint8)
        handles = raw[(layout.mask_at + at - HANDLE_BYTES)[:, None] + np.arange(4)].view("<u4")[:, 0].astype(np.int64)
        if len(handles) and int(handles.max()) >= len(self._kinds):
            raise Garbled(f"a notification of handle {int(handles.max())}, expected at most {len(self._kinds) - 1}")
        found = columns(data, at, layout, self._kinds[handles], self._session.now_ns())
        self.changes += n
        owners = np.searchsorted(self._bases, handles, "right") - 1
        for owner in distinct(owners).tolist():
            chosen = np.flatnonzero(owners == owner)
            places = handles[chosen] - self._bases[owner]
            newest = len(places) - 1 - np.unique(places[::-1], return_index=True)[1]
            if len(newest) < len(places):  # a queue with several samples of one item: the last one stands
                chosen, places = chosen[newest], places[newest]
            self._owners[owner].changed(places, found.some(chosen))

    # --- silence

    def _arm(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_at(self._heard_s + self._silent_s, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._now_s() < self._heard_s + self._silent_s - 1e-3:
            self._arm()
        else:
            self._break(f"nothing heard for {self._silent_s:g} s, two keep-alives")

    def _now_s(self) -> float:
        return asyncio.get_running_loop().time()
