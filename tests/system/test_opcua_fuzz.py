# SPDX-License-Identifier: Apache-2.0
"""The short slice of the fuzz run: some hundred garbled requests by the same seeds every time."""

from __future__ import annotations

import asyncio
import random
import struct
import tracemalloc
from pathlib import Path

import pytest
from asyncua import ua
from asyncua.ua.ua_binary import struct_to_binary

from tests.fuzz.opcua import CORPUS, V1, Peer, attack, replay, target
from tests.fuzz.sealed import SealedPeer


def test_garbled_bytes_are_answered_refused_or_cut_off_and_nothing_grows(tmp_path: Path) -> None:
    async def main() -> None:
        async with target(tmp_path) as (site, findings):
            for seed in range(2):
                assert await attack(site, findings, random.Random(seed), 150) == 150

    asyncio.run(main())


def test_the_same_on_a_channel_that_encrypts(tmp_path: Path) -> None:
    """What is garbled arrives as a whole message of a trusted client, whoever of them has logged in."""

    async def main() -> None:
        async with target(tmp_path) as (site, findings):
            assert await attack(site, findings, random.Random(7), 80, client=SealedPeer) == 80

    asyncio.run(main())


@pytest.mark.parametrize("client", [Peer, SealedPeer])
def test_what_once_did_harm_is_answered_or_refused(tmp_path: Path, client: type[Peer]) -> None:
    async def main() -> None:
        async with target(tmp_path) as (site, findings):
            peer = client(site)
            await peer.open()
            await peer.log_in()
            tracemalloc.start()
            try:
                said = await replay(peer, findings)
                assert tracemalloc.get_traced_memory()[1] < 20_000_000
            finally:
                tracemalloc.stop()
                await peer.leave()
            assert said == [path.stem for path in sorted(CORPUS.glob("*.hex"))], "none of them ends the connection"

    asyncio.run(main())


def test_what_is_nested_without_end_is_refused_before_it_costs_anything(tmp_path: Path) -> None:
    """Variants in Variants, ExtensionObjects and DiagnosticInfos, thousands deep. Source: OPC 10000-6, 5.1.5."""

    async def main() -> None:
        async with target(tmp_path) as (site, findings):
            peer = Peer(site)
            await peer.open()
            await peer.log_in()
            write = ua.WriteRequest()
            write.RequestHeader.AuthenticationToken = peer.protocol.processor.session.auth_token
            value = ua.DataValue(ua.Variant(1, ua.VariantType.UInt32))
            write.Parameters.NodesToWrite = [ua.WriteValue(V1, ua.AttributeIds.Value, Value=value)]
            plain = struct_to_binary(write)
            at = plain.rindex(b"\x07\x01\0\0\0")
            variants = (b"\x98" + struct.pack("<i", 1)) * 8_000  # an array of one Variant, in which there is one
            diagnostics = b"\x19" + b"\x40" * 40_000
            tracemalloc.start()
            try:
                for bomb in (variants, diagnostics):
                    assert await peer.ask(plain[:at] + bomb)
                assert tracemalloc.get_traced_memory()[1] < 20_000_000
            finally:
                tracemalloc.stop()
            assert not findings.found
            await peer.leave()

    asyncio.run(main())
