# SPDX-License-Identifier: Apache-2.0
# Tests: tests/property/test_hmi_retransmission.py
"""Messages sent and not acknowledged: what Republish can repeat.

Law of this file: bytes only, bounded three ways: messages and bytes of one subscription, bytes of all. When all
together hold too much, whoever holds most loses its oldest, so that a client that never acknowledges costs nobody else.

Source: OPC 10000-4, 5.14.1.1 (retransmission queue), 5.14.6 (Republish).
"""

from __future__ import annotations

from collections import OrderedDict


class Retransmission:
    """The retransmission queues of all subscriptions.

    Args:
        messages_max: messages of one subscription.
        bytes_max: bytes of one subscription.
        total_bytes_max: bytes of all subscriptions.
    Attributes:
        total_bytes: bytes held now.
        discarded: messages given up to a bound, since start.
    """

    def __init__(self, messages_max: int, bytes_max: int, total_bytes_max: int) -> None:
        self._messages_max, self._bytes_max, self._total_bytes_max = messages_max, bytes_max, total_bytes_max
        self._kept: dict[int, OrderedDict[int, bytes]] = {}
        self._bytes: dict[int, int] = {}
        self.total_bytes = 0
        self.discarded = 0

    def keep(self, subscription: int, sequence: int, message: bytes) -> int:
        """Keep a message that was sent; returns how many of this subscription's had to go for it."""
        kept = self._kept.setdefault(subscription, OrderedDict())
        kept[sequence] = message
        self._count(subscription, len(message))
        before = self.discarded
        while len(kept) > self._messages_max or self._bytes[subscription] > self._bytes_max:
            self._discard_oldest(subscription)
        own = self.discarded - before
        while self.total_bytes > self._total_bytes_max:
            most = max(self._bytes, key=self._bytes.__getitem__)
            own += most == subscription
            self._discard_oldest(most)
        return own

    def get(self, subscription: int, sequence: int) -> bytes | None:
        """A message that is still kept; it stays until it is acknowledged."""
        return self._kept.get(subscription, {}).get(sequence)

    def acknowledge(self, subscription: int, sequence: int) -> bool:
        """Forget a message the client has; False if it is not kept."""
        message = self._kept.get(subscription, OrderedDict()).pop(sequence, None)
        if message is None:
            return False
        self._count(subscription, -len(message))
        return True

    def numbers(self, subscription: int) -> list[int]:
        """AvailableSequenceNumbers, oldest first."""
        return list(self._kept.get(subscription, ()))

    def drop(self, subscription: int) -> None:
        """The subscription has ended."""
        self._kept.pop(subscription, None)
        self.total_bytes -= self._bytes.pop(subscription, 0)

    def _discard_oldest(self, subscription: int) -> None:
        _, message = self._kept[subscription].popitem(last=False)
        self._count(subscription, -len(message))
        self.discarded += 1

    def _count(self, subscription: int, n: int) -> None:
        self._bytes[subscription] = self._bytes.get(subscription, 0) + n
        self.total_bytes += n
