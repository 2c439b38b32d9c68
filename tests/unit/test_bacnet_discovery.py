# SPDX-License-Identifier: Apache-2.0
"""Who-Is and object lists on simulated devices; the draft passes `vigie check` and says what it does not know."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from config.load import load_site
from config.problems import SiteProblems
from drivers.bacnet import discovery, frames
from drivers.bacnet.discovery import Found, FoundDevice, FoundObject, look_into, places, who_is
from drivers.bacnet.draft import drafts, type_text
from drivers.bacnet.names import PROPERTIES
from drivers.bacnet.objects import Objects
from drivers.bacnet.simulator import SimulatedDevice
from drivers.bacnet.tags import ENUMERATED, REAL, TEXT, UNSIGNED
from tests.sim.loop import run
from tests.sites import PROTOCOLS


def test_whom_to_ask() -> None:
    assert [p.host for p in places("10.0.0.1-10.0.0.3", 47808)] == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]
    [one] = places("10.0.0.1:47809", 47808)
    assert (one.port, one.everybody) == (47809, False)
    [all_] = places("10.21.5.0/24", 47808)
    assert (all_.host, all_.everybody) == ("10.21.5.255", True)
    for wrong in ("nobody", "10.0.0.9-10.0.0.1", "10.0.0.0-10.9.0.0", "10.0.0.0/99"):
        with pytest.raises(ValueError):
            places(wrong, 47808)


def building(instance: int) -> Objects:
    made = Objects(instance, f"BLD-{instance}")
    made.add("analog-input 1", REAL, 21.5).more |= {
        77: (TEXT, "Zone 1 température"), PROPERTIES["units"]: (ENUMERATED, 62), PROPERTIES["description"]: (TEXT, "ok")
    }  # fmt: skip
    made.add("analog-input 2", REAL, 1.0).more |= {PROPERTIES["units"]: (ENUMERATED, 200)}
    made.add("binary-output 1", ENUMERATED, 0, commanded=True)
    made.add("multi-state-value 1", UNSIGNED, 1)
    made.add("schedule 3", REAL, 0.0)
    return made


def test_devices_say_who_they_are_and_what_they_have() -> None:
    async def main() -> None:
        stations = [SimulatedDevice(f"s{i}", {(0, b""): building(2101 + i)}) for i in range(2)]
        for station in stations:
            await station.start()
        asked = [place for s in stations for place in places(f"127.0.0.1:{s.port}", 47808)]
        silent = places("127.0.0.1:9", 47808)
        found, left_out = await who_is([*asked, *silent], "127.0.0.1", 0, 1.0)
        assert left_out == 0
        assert [(f.instance, f.port) for f in found] == [(2101 + i, s.port) for i, s in enumerate(stations)]
        devices = [await look_into(each, "127.0.0.1") for each in found]
        assert devices[0].name == "BLD-2101" and devices[0].vendor == "Vigie" and not devices[0].trouble
        assert [o.oid & 0x3FFFFF for o in devices[0].objects] == [1, 2, 1, 1, 3]
        assert devices[0].objects[0] == FoundObject(1, "Zone 1 température", "ok", 62)
        files = drafts(devices, "21605")
        assert set(files) == {"types/BAC1.yaml", "inventory/BAC1.csv"}, "equal objects, one type"
        text = files["types/BAC1.yaml"]
        assert '  Zone_1_temp_rature:\n    title: {fr: "ok", en: "ok"}\n    kind: Float\n    unit: "°C"' in text
        assert "# unit: the device says engineering unit 200" in text
        assert "# left out: schedule 3" in text and "access" not in text, (
            "nothing can be written before somebody says so"
        )
        assert (
            f"BAC1-0002,21605,planned,BLD-2102,127.0.0.1,{stations[1].port},2102,,,BLD-2102"
            in files["inventory/BAC1.csv"]
        )
        await stations[1].stop()
        gone = await look_into(found[1], "127.0.0.1")
        assert "not read whole: " in gone.trouble and "INCOMPLETE" in drafts([gone], "A")["types/BAC1.yaml"]
        await stations[0].stop()

    run(main(), debug=False)


@pytest.mark.parametrize("name", ["", "1 2", 'a"b: {c}\n- d', "Ünïcode", "x" * 90, "on"])
def test_the_draft_passes_check_whatever_a_device_is_called(tmp_path: Path, name: str) -> None:
    objects = [FoundObject(i << 22 | n, name, name) for i in (0, 2, 4, 13, 17, 40) for n in (1, 2)]
    objects.append(FoundObject(14 << 22 | 1, name, "", None, ("Arrêt", "Marche")))
    device = FoundDevice(Found("10.0.0.1", 47808, 5, b"\x0a", 77, 480, 9), name, name, objects)
    for file, text in drafts([device], "21605").items():
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text(text)
    (tmp_path / "site.yaml").write_text(
        "site: hand\ntitle: {fr: Main, en: Hand}\ntime_zone: Europe/Paris\nlocation: {latitude: 47.3, longitude: 5.0}\n"
        'areas: {21605: {title: "S"}}\ninventory: {BAC1: inventory/BAC1.csv}\n'
    )
    try:
        site = load_site(str(tmp_path), PROTOCOLS)
    except SiteProblems as refused:
        pytest.fail("\n".join(map(str, refused.problems)))
    assert len(site.types["BAC1"].tags) == 10 + 1
    assert "left out" in type_text("BAC1", [device])


HOSTILE = (b"\x10\x00", b"\x10\x00\xc4\x02\x00\x08\x35", b"\x10\x00" + b"\x21\x07" * 4, b"\xff")


def test_hostile_answers_are_no_devices() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()

        class Liar(asyncio.DatagramProtocol):
            def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
                self.transport = transport

            def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
                for apdu in HOSTILE:
                    body = b"\x01\x00" + apdu
                    self.transport.sendto(b"\x81\x0a" + (4 + len(body)).to_bytes(2, "big") + body, addr)
                self.transport.sendto(b"junk", addr)

        transport, _ = await loop.create_datagram_endpoint(Liar, local_addr=("127.0.0.1", 0))
        port = transport.get_extra_info("sockname")[1]
        assert await who_is(places(f"127.0.0.1:{port}", 1), "127.0.0.1", 0, 0.5) == ([], 0)
        transport.close()
        await asyncio.sleep(0)

    run(main(), debug=False)


def test_a_storm_of_answers_is_bounded_and_what_is_left_out_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """One router tells of more devices than are taken; one that says so again is no new one."""
    most = 50
    monkeypatch.setattr(discovery, "DEVICES_MAX", most)

    async def main() -> None:
        i_am = frames.unconfirmed(frames.I_AM, bytes.fromhex("c4020008352201e091032109"))

        class Router(asyncio.DatagramProtocol):
            def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
                self.transport = transport

            def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
                for n in [*range(most), 0, most, most + 1]:
                    npdu = bytes.fromhex("0108000502") + n.to_bytes(2, "big")
                    self.transport.sendto(frames.envelope(npdu, i_am, frames.UNICAST), addr)

        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(Router, local_addr=("127.0.0.1", 0))
        port = transport.get_extra_info("sockname")[1]
        found, left_out = await who_is(places(f"127.0.0.1:{port}", 1), "127.0.0.1", 0, 1.0)
        assert (len(found), left_out, found[-1].network) == (most, 2, 5)
        transport.close()
        await asyncio.sleep(0)

    run(main(), debug=False)


def test_who_answers_everybody_is_heard_at_the_broadcast_address() -> None:
    """A socket of one address hears nothing that is said to all; on the loopback that is 127.255.255.255."""

    async def main() -> None:
        i_am = frames.unconfirmed(frames.I_AM, bytes.fromhex("c4020008352201e091032109"))

        class Station(asyncio.DatagramProtocol):
            def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
                self.transport = transport
                self.port = transport.get_extra_info("sockname")[1]

            def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
                if frames.parse(data).code == frames.WHO_IS:
                    answer = frames.envelope(frames.npdu_to(0, b"", False), i_am, frames.BROADCAST)
                    self.transport.sendto(answer, ("127.255.255.255", self.port))

        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.255.255.255", 0))
        transport, station = await asyncio.get_running_loop().create_datagram_endpoint(Station, sock=sock)
        [found], _ = await who_is(places(f"127.0.0.0/8:{station.port}", 1), "127.0.0.1", 0, 0.5)
        assert (found.instance, found.apdu, found.vendor) == (2101, 480, 9)
        transport.close()
        await asyncio.sleep(0)

    run(main(), debug=False)
