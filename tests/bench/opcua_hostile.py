# SPDX-License-Identifier: Apache-2.0
"""Clients that mean no good, for tests/bench/bench_hostile.py; each sort in a process of its own.

python -m tests.bench.opcua_hostile SORT URL SECONDS
"""

from __future__ import annotations

import random
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from typing import Final

from asyncua import ua
from asyncua.ua.ua_binary import uatcp_to_binary

from tests.bench.opcua_client import LoadClient

_REFUSED: Final = (ConnectionError, TimeoutError, OSError)
_FIRST_ID: Final = 1_000_000


def garble(url: str, until_s: float) -> None:
    """Whole messages with a few bytes changed, as fast as they are answered; a new session whenever one is lost."""
    chance = random.Random(2)
    while time.monotonic() < until_s:
        with suppress(*_REFUSED):
            client = LoadClient(url).open_session()
            plain = _read(client, 100, ua.AttributeIds.DisplayName)
            while time.monotonic() < until_s:
                bytes_ = bytearray(plain)
                for _ in range(5):
                    bytes_[chance.randrange(60, len(bytes_))] = chance.randrange(256)
                client.send(bytes(bytes_))
                client.skip_message()


def ask_for_everything(url: str, until_s: float) -> None:
    """The largest requests there are: 10,000 attributes node by node, four of them at a time."""
    client = LoadClient(url).open_session()
    body = _read(client, 10_000, ua.AttributeIds.DisplayName)
    for sent in count():
        client.send(body)
        if sent >= 4:
            client.skip_message()
        if time.monotonic() > until_s:
            return


def leave_unread(url: str, until_s: float) -> None:
    """Reads of 10,000 values whose answers are never taken off the wire; again when the server cuts it off."""
    while time.monotonic() < until_s:
        with suppress(*_REFUSED):
            client = LoadClient(url).open_session()
            client._socket.settimeout(0.5)
            body = _read(client, 10_000, ua.AttributeIds.Value)
            while time.monotonic() < until_s:
                client.send(body)


def come_and_go(url: str, until_s: float) -> None:
    """Connections with channel and session, left without a word."""
    while time.monotonic() < until_s:
        with suppress(*_REFUSED):
            LoadClient(url).open_session().close()


def drip(url: str, until_s: float) -> None:
    """Fifty connections that send a byte of their HELLO at a time."""
    host, _, port = url.removeprefix("opc.tcp://").partition(":")
    hello = uatcp_to_binary(ua.MessageType.Hello, ua.Hello(0, 65_535, 65_535, 0, 0, "opc.tcp://" + "x" * 4000))
    lines = [socket.create_connection((host, int(port.rstrip("/"))), timeout=5) for _ in range(50)]
    for at in count():
        for line in lines:
            with suppress(*_REFUSED):
                line.send(hello[at : at + 1])
        time.sleep(0.005)
        if time.monotonic() > until_s:
            return


def _read(client: LoadClient, nodes: int, attribute: int) -> bytes:
    request = ua.ReadRequest()
    request.Parameters.NodesToRead = [ua.ReadValueId(ua.NodeId(_FIRST_ID + i, 2), attribute) for i in range(nodes)]
    return client.encode(request)


SORTS: Final[dict[str, Callable[[str, float], None]]] = {
    "garble requests": garble,
    "ask for everything at once": ask_for_everything,
    "leave answers unread": leave_unread,
    "come and go": come_and_go,
    "send a byte at a time": drip,
}

if __name__ == "__main__":
    SORTS[sys.argv[1]](sys.argv[2], time.monotonic() + float(sys.argv[3]))
