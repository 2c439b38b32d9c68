# SPDX-License-Identifier: Apache-2.0
"""The OPC UA server under a load client of our own, beside asyncua's server on the same request stream."""

from __future__ import annotations

import json
import os
import random
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from asyncua import ua

from tests.bench.opcua_client import LoadClient, cpu_s
from tests.bench.opcua_servers import FIRST_ID, names
from tests.system.node_kit import SERVER, node_modules

OURS, STOCK = 100_000, 2_000
ITEMS, ITEMS_MANY = 10_000, 100_000  # monitored by one client
CROWDS = ((20, 10_000), (50, 2_000))  # clients, items of each
READ_S, NOTIFY_S = 1.5, 4.0
PER_READ = 1000
FRESH = 150  # requests of names that were never asked before


@contextmanager
def server(kind: str, nodes: int) -> Iterator[tuple[dict[str, Any], subprocess.Popen[str]]]:
    """A server process and what it says of itself."""
    command = [sys.executable, "-m", "tests.bench.opcua_servers", kind, str(nodes)]
    with started(command) as found:
        yield found


@contextmanager
def node_server(nodes: int) -> Iterator[tuple[dict[str, Any], subprocess.Popen[str]]]:
    """node-opcua's server, with what it says of itself. Raises pytest's Skipped where it cannot be had."""
    modules = node_modules(SERVER)
    with tempfile.TemporaryDirectory() as pki, socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        taken.close()
        command = ["node", str(Path(__file__).parent / "node_server.js"), str(nodes), str(FIRST_ID), port, pki]
        with started(command, {**os.environ, "NODE_PATH": str(modules)}) as found:
            yield found


@contextmanager
def started(
    command: list[str], environment: dict[str, str] | None = None
) -> Iterator[tuple[dict[str, Any], subprocess.Popen[str]]]:
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment) as process:
        assert process.stdout is not None and process.stdin is not None
        line = process.stdout.readline()
        while not line.startswith("{"):  # warnings of its libraries
            line = process.stdout.readline()
        yield json.loads(line), process
        process.stdin.close()


def aliases(chosen: list[int]) -> list[ua.NodeId]:
    return [ua.NodeId(FIRST_ID + i, 2) for i in chosen]


def per_value_us(client: LoadClient, pid: int, bodies: list[bytes], duration_s: float = READ_S) -> float:
    """CPU of the server per value read [µs]."""
    before = cpu_s(pid)
    answered = client.read_for(bodies, duration_s)
    return (cpu_s(pid) - before) / (answered * PER_READ) * 1e6


def once_us(client: LoadClient, pid: int, bodies: list[bytes]) -> float:
    """As `per_value_us`, but every request is new to the server."""
    before = cpu_s(pid)
    for at, body in enumerate(bodies):
        client.send(body)
        if at >= 3:
            client.skip_message()
    for _ in range(min(3, len(bodies))):
        client.skip_message()
    return (cpu_s(pid) - before) / (len(bodies) * PER_READ) * 1e6


def notify(url: str, process: subprocess.Popen[str], pid: int, items: int) -> tuple[float, float]:
    """All of `items` change every 500 ms: per cent of a core, and the share of notifications that arrived."""
    client = LoadClient(url).open_session()
    client.subscribe(aliases(list(range(items))), 500.0)
    tell(process, f"change {items}")
    client.notifications_for(1.0)
    before = cpu_s(pid)
    received = client.notifications_for(NOTIFY_S, in_flight=0)
    used = (cpu_s(pid) - before) / NOTIFY_S * 100
    client.close()
    return used, received / (items * NOTIFY_S / 0.5)


def crowd(url: str, process: subprocess.Popen[str], pid: int, clients: int, items: int) -> tuple[float, float, float]:
    """Many clients with the same items: per cent of a core, share that arrived, p99 of the loop's delay [ms]."""
    made = [LoadClient(url).open_session() for _ in range(clients)]
    for client in made:
        client.subscribe(aliases(list(range(items))), 500.0)
    tell(process, f"change {items}")
    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(lambda c: c.notifications_for(1.0), made))
        tell(process, "watch")
        before = cpu_s(pid)
        received = sum(pool.map(lambda c: c.notifications_for(NOTIFY_S, in_flight=0), made))
        used = (cpu_s(pid) - before) / NOTIFY_S * 100
    late_ms, _ = ask_latency(process)
    for client in made:
        client.close()
    return used, received / (clients * items * NOTIFY_S / 0.5), late_ms


def tell(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(line + "\n")
    process.stdin.flush()


def ask_latency(process: subprocess.Popen[str]) -> tuple[float, float]:
    """How late the loop was by the clock, and by its own work alone [ms, 99 of 100]."""
    assert process.stdout is not None
    tell(process, "latency")
    late_ms, own_ms = json.loads(process.stdout.readline())
    return late_ms, own_ms


def rows() -> list[dict[str, Any]]:
    """About 35 s."""
    chance = random.Random(1)
    ours: dict[str, Any] = {}
    with server("ours", OURS) as (facts, process):
        url, pid = facts["url"], facts["pid"]
        client = LoadClient(url).open_session()
        picks = [chance.sample(range(OURS), PER_READ) for _ in range(10)]
        ours["numeric"] = per_value_us(client, pid, [client.read_body(aliases(p)) for p in picks])
        every = names(OURS)
        named = [client.read_body([ua.NodeId(every[i], 2) for i in p]) for p in picks]
        ours["repeated"] = per_value_us(client, pid, named)
        fresh = [chance.sample(range(OURS), PER_READ) for _ in range(FRESH)]
        ours["first"] = once_us(client, pid, [client.read_body([ua.NodeId(every[i], 2) for i in p]) for p in fresh])
        ours["rss"] = facts["after"]
        client.close()
        ours["items"] = notify(url, process, pid, ITEMS)
        ours["many"] = notify(url, process, pid, ITEMS_MANY)
        ours["crowds"] = [crowd(url, process, pid, clients, items) for clients, items in CROWDS]
        ours["start"] = facts["start_s"]
        ours["state"] = facts["state_per_tag"]
    with server("ours", 50) as (facts, _):
        ours["memory"] = (ours["rss"] - facts["after"]) / (OURS - 50)
    stock: dict[str, Any] = {}
    with server("stock", STOCK) as (facts, process):
        url, pid = facts["url"], facts["pid"]
        client = LoadClient(url).open_session()
        picks = [chance.sample(range(STOCK), PER_READ) for _ in range(10)]
        stock["numeric"] = per_value_us(client, pid, [client.read_body(aliases(p)) for p in picks])
        stock["memory"] = (facts["after"] - facts["before"]) / STOCK
        client.close()
        stock["2k"] = notify(url, process, pid, STOCK)
        stock["start"] = facts["start_s"]
    return [
        *node_rows(ours["numeric"], ours["items"][0], chance),
        _row("OPC UA Read of 1000, numeric ids", ours["numeric"], stock["numeric"], "us CPU a value", "0.3"),
        _row("OPC UA Read of 1000, repeated names", ours["repeated"], stock["numeric"], "us CPU a value", "0.3"),
        _row("OPC UA Read of 1000, names first seen", ours["first"], stock["numeric"], "us CPU a value", "1.3"),
        _row(
            f"{ITEMS:,} items changing every 500 ms",
            ours["items"][0],
            stock["2k"][0],
            "% of a core",
            "",
            f"{_delivered(ours['items'][1])}; peer: {STOCK} items, {_delivered(stock['2k'][1])}",
        ),
        _row(
            f"{ITEMS_MANY:,} items changing every 500 ms",
            ours["many"][0],
            None,
            "% of a core",
            "5",
            f"{_delivered(ours['many'][1])}; the change of the table itself included",
        ),
        *(
            _row(
                f"{clients} clients x {items:,} items changing every 500 ms",
                used,
                None,
                "% of a core",
                "",
                f"{_delivered(share)}; the loop is {late_ms:.1f} ms late at most, 99 of 100 (reach 20)",
            )
            for (clients, items), (used, share, late_ms) in zip(CROWDS, ours["crowds"], strict=True)
        ),
        _row("OPC UA server, memory", ours["memory"], stock["memory"], "B a tag", "", _memory_note(ours["state"])),
        _row("OPC UA server, start", ours["start"], stock["start"], "s", "", f"{OURS} tags; peer {STOCK} nodes"),
    ]


def node_rows(numeric_us: float, notify_percent: float, chance: random.Random) -> list[dict[str, Any]]:
    """The same request stream against node-opcua's server."""
    note = f"peer: node-opcua 2.182.2, {STOCK} nodes"
    try:
        with node_server(STOCK) as (facts, process):
            client = LoadClient(facts["url"]).open_session()
            picks = [chance.sample(range(STOCK), PER_READ) for _ in range(10)]
            read_us = per_value_us(client, facts["pid"], [client.read_body(aliases(p)) for p in picks])
            client.close()
            used, share = notify(facts["url"], process, facts["pid"], STOCK)
    except pytest.skip.Exception as reason:
        return [_row("OPC UA beside node-opcua", numeric_us, None, "us CPU a value", "", f"no peer: {reason}")]
    items = f"{note}, {_delivered(share)}; ours: {ITEMS:,} items"
    return [
        _row("OPC UA Read of 1000, numeric ids", numeric_us, read_us, "us CPU a value", "0.3", note),
        _row("items changing every 500 ms", notify_percent, used, "% of a core", "", items),
    ]


def _delivered(share: float) -> str:
    return "all delivered" if share >= 0.99 else f"{share:.0%} delivered"


def _memory_note(state: float) -> str:
    return f"{OURS} tags against 50, names and plant included; live state alone {state:.0f} B"


def _row(what: str, mine: float, peer: float | None, unit: str, reach: str, note: str = "") -> dict[str, Any]:
    note = note or "peer: asyncua 2.1.0 as it comes, 2,000 nodes"
    return {"what": what, "ours": mine, "peer": peer, "unit": unit, "reach": reach, "note": note}


if __name__ == "__main__":
    print(json.dumps(rows(), indent=1))
