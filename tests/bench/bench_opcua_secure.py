# SPDX-License-Identifier: Apache-2.0
"""Read of 1000 values on a channel that signs and encrypts, beside asyncua's and node-opcua's servers.

The same request stream for all three, numeric ids, four requests in flight; what is measured is the server's CPU.
"""

from __future__ import annotations

import asyncio
import json
import random
import tempfile
from pathlib import Path
from typing import Any

import pytest

from tests.bench.bench_opcua import OURS, PER_READ, READ_S, STOCK, aliases, node_server, server
from tests.bench.opcua_client import cpu_s
from tests.bench.opcua_sealed import sealed
from tests.system.opcua_kit import client_certificate


def per_value_us(facts: dict[str, Any], nodes: int, *, named: bool) -> float:
    """CPU of a running server per value read [µs]."""
    chance = random.Random(1)

    async def main(folder: Path) -> float:
        client = await sealed(facts["secure_url"], client_certificate(folder), named=named)
        bodies = [client.read_body(aliases(chance.sample(range(nodes), PER_READ))) for _ in range(10)]
        await client.read_for(bodies, READ_S / 5)  # connection and caches warm
        before = cpu_s(facts["pid"])
        answered = await client.read_for(bodies, READ_S)
        used_s = cpu_s(facts["pid"]) - before
        client.close()
        return used_s / (answered * PER_READ) * 1e6

    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(main(Path(folder)))


def rows() -> list[dict[str, Any]]:
    """About 20 s."""
    with server("ours", OURS) as (facts, _):
        mine = per_value_us(facts, OURS, named=True)
    with server("stock", STOCK) as (facts, _):
        found = [_row(mine, per_value_us(facts, STOCK, named=False), f"peer: asyncua 2.1.0, {STOCK} nodes")]
    try:
        with node_server(STOCK) as (facts, _):
            theirs, note = per_value_us(facts, STOCK, named=False), f"peer: node-opcua 2.182.2, {STOCK} nodes"
    except pytest.skip.Exception as reason:
        return [*found, _row(mine, None, f"no peer: {reason}")]
    return [*found, _row(mine, theirs, note)]


def _row(mine: float, peer: float | None, note: str) -> dict[str, Any]:
    what = "OPC UA Read of 1000, signed and encrypted (Basic256Sha256)"
    return {"what": what, "ours": mine, "peer": peer, "unit": "us CPU a value", "reach": "", "note": note}


if __name__ == "__main__":
    print(json.dumps(rows(), indent=1))
