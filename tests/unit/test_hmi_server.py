# SPDX-License-Identifier: Apache-2.0
"""Start and stop: what goes wrong is one sentence, and nothing is left behind."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from supervisor.clock import SystemClock
from supervisor.hmi.contract import HmiError, HmiSettings
from supervisor.hmi.server import HmiServer
from supervisor.offload import Offload
from supervisor.people import People
from supervisor.tags.pool import StringPool
from supervisor.tags.table import TagTable
from tests.plants import TypeSpec, make_plant, tag


async def put(*_: Any) -> Any:
    raise AssertionError("nothing is written here")


def made(folder: Path, offload: Offload, port: int = 0) -> HmiServer:
    plant = make_plant({"T": TypeSpec({"V": tag("Double")})}, {"T": ["1/T-0001"]})
    table = TagTable(plant, StringPool(), 0)
    settings = HmiSettings("127.0.0.1", port, "test", folder)
    return HmiServer(plant, table, People(), SystemClock(), offload, settings, put)


def test_it_starts_stops_and_starts_again_on_the_same_port_and_certificate(tmp_path: Path) -> None:
    async def main() -> None:
        offload = Offload()
        server = made(tmp_path, offload)
        endpoint = await server.start()
        assert endpoint == server.endpoint and server.insecure_endpoint is None
        certificate = Path(server.certificate_path).read_bytes()
        port = int(endpoint.rpartition(":")[2])
        await server.stop()
        await server.stop()
        assert (server.endpoint, server.sessions, server.monitored_items) == ("", 0, 0)
        again = made(tmp_path, offload, port)
        assert await again.start() == endpoint
        assert Path(again.certificate_path).read_bytes() == certificate
        await again.stop()
        offload.close()

    asyncio.run(main())


def test_a_taken_port_is_one_sentence(tmp_path: Path) -> None:
    async def main() -> None:
        offload = Offload()
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            with pytest.raises(HmiError, match=rf"^OPC UA port {port} on 127\.0\.0\.1 cannot be opened: .*--port"):
                await made(tmp_path, offload, port).start()
        offload.close()

    asyncio.run(main())


def test_a_broken_certificate_is_one_sentence_and_the_port_is_free_again(tmp_path: Path) -> None:
    async def main() -> None:
        offload = Offload()
        (tmp_path / "pki" / "own").mkdir(parents=True)
        (tmp_path / "pki" / "own" / "certificate.der").write_bytes(b"nonsense")
        with pytest.raises(HmiError, match="certificate"):
            await made(tmp_path, offload).start()
        offload.close()

    asyncio.run(main())


def test_the_words_of_the_door_need_no_asyncua() -> None:
    """Whoever only wires or checks must not pay for the library."""
    program = (
        "import sys; import supervisor.hmi.contract, supervisor.hmi.model.space, supervisor.hmi.publishing.items,"
        "supervisor.hmi.values, supervisor.hmi.services.request, supervisor.hmi.entrance.pki,"
        "supervisor.hmi.model.nodeset; "
        "sys.exit('asyncua' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
