# SPDX-License-Identifier: Apache-2.0
"""The simulated field of Sennecey on real loopback sockets, read by the product's own driver in virtual time."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from config.load import load_site
from config.model import Site
from config.words import NS_PER_S, Permit, StatusCode, cell_of, value_of
from drivers.base import DeviceSilent, LinkDown, WriteItem, bind
from drivers.modbus.plan import plan
from drivers.modbus.protocol import PROTOCOL as MODBUS
from supervisor.demo.door import FieldDoorError, ask_field
from supervisor.demo.field import FIELD_FILE, FieldSimulator
from supervisor.demo.process import FieldOptions, run_field
from tests.sim.loop import clock, run
from tests.sites import DEVICES, PROTOCOLS, compiled, edited, sennecey

NIGHT = datetime(2026, 1, 5, 20, tzinfo=UTC)
CABINET = "21605/CAB-0003.controller"
STATION = "21605/RWS-0001.station"
SITE = sennecey()
SPECS = {spec.name: spec for spec in compiled(SITE).devices}
FOREVER = Permit(epoch=1, deadline_s=float("inf"))


class Remote:
    """One device as a server sees it: through the driver, over the wire."""

    def __init__(self, field: FieldSimulator, name: str) -> None:
        host, port = field.endpoints[name]
        spec = SPECS[name]
        self.points = spec.points
        settings = spec.device.model_copy(update={"host": host, "port": port})
        self.link = MODBUS.make_link(settings, clock())
        self.driver = MODBUS.make_driver(name, settings, spec.points, self.link, clock())
        rows = spec.rows - spec.rows + range(len(spec.points))
        self.requests = [bind(e, rows, i) for i, e in enumerate(plan(settings, spec.points))]

    async def read(self) -> dict[str, Any]:
        """Tag -> value, in the tag's unit, of all readable points; every status is Good."""
        found: dict[str, Any] = {}
        for request in self.requests:
            batch = await self.driver.read(request, 1.0)
            assert (batch.statuses == StatusCode.Good).all()
            for i, (row, cell) in enumerate(zip(batch.rows.tolist(), batch.cells.tolist(), strict=True)):
                point = self.points[row]
                tag = SITE.types["CAB" if "CAB" in self.driver_name else "RWS"].tags[point.name]
                value = (batch.texts or {}).get(i, value_of(point.kind, cell))
                found[point.name] = value * tag.scale + tag.offset if isinstance(value, float) else value
        return found

    @property
    def driver_name(self) -> str:
        return next(name for name, spec in SPECS.items() if spec.points is self.points)

    async def write(self, tag: str, value: bool | int | float) -> None:
        at = next(i for i, p in enumerate(self.points) if p.name == tag)
        raw = value / SITE.types["CAB"].tags[tag].scale if isinstance(value, float) else value
        (outcome,) = await self.driver.write([WriteItem(at, cell_of(self.points[at].kind, raw))], FOREVER, 1.0)
        assert outcome.outcome == "accepted", outcome.reason


def alive(story: Callable[[FieldSimulator], Awaitable[None]], site: Site = SITE, **options: Any) -> None:
    async def main() -> None:
        field = FieldSimulator(site, clock(), **{"ports": "os", **options})
        await field.start()
        try:
            await story(field)
        finally:
            await field.stop()
            await field.stop()

    run(main(), start=NIGHT)


@pytest.mark.parametrize("name", [CABINET, STATION])
def test_what_is_read_equals_what_the_device_holds(name: str) -> None:
    async def story(field: FieldSimulator) -> None:
        await asyncio.sleep(10)
        field.freeze(True)
        remote = Remote(field, name)
        await remote.link.open()
        for tag, value in (await remote.read()).items():
            assert field.engineering(name, tag) == value, tag
        await remote.link.close()

    alive(story)


def test_an_order_over_the_wire_is_obeyed() -> None:
    async def story(field: FieldSimulator) -> None:
        remote = Remote(field, CABINET)
        await remote.link.open()
        before = (await remote.read())["P"]
        await remote.write("K1_Cmd", False)
        await asyncio.sleep(3)
        seen = await remote.read()
        assert (seen["K1_Cmd"], seen["K1_Fb"]) == (False, False) and seen["P"] < before - 0.3
        until = int((NIGHT + timedelta(minutes=5)).timestamp()) * NS_PER_S
        await remote.write("OvrUntil", until)
        await remote.write("Ovr", 1)
        await remote.write("DimSet", 40.0)
        await asyncio.sleep(3)
        seen = await remote.read()
        assert (seen["Ovr"], seen["OvrUntil"], seen["DimSet"], seen["K1_Fb"]) == (1, until, 40.0, True)
        await asyncio.sleep(5 * 60)
        assert (await remote.read())["Ovr"] == 0
        await remote.link.close()

    alive(story)


def test_a_hanging_device_is_silent_and_ok_heals_it() -> None:
    async def story(field: FieldSimulator) -> None:
        remote, other = Remote(field, CABINET), Remote(field, "21605/CAB-0004.controller")
        await remote.link.open()
        await other.link.open()
        assert field.turn("CAB-0003", "hang") == f"{CABINET}: hang"
        with pytest.raises(DeviceSilent):
            await remote.read()
        assert (await other.read())["FW"] == "RTU-4 2.7.1", "the neighbour is well"
        field.turn("CAB-0003", "ok")
        assert (await remote.read())["FW"] == "RTU-4 2.7.1"
        field.turn("CAB-0003", "reset")
        with pytest.raises(LinkDown):
            await remote.read()
        await remote.link.close()
        await other.link.close()

    alive(story)


def test_the_plant_may_be_broken_and_repaired() -> None:
    async def story(field: FieldSimulator) -> None:
        field.turn(CABINET, "trip K2")
        assert field.engineering(CABINET, "K2_Trip") is True, "seen at once, not with the next step"
        field.turn(CABINET, "set V1 180")
        assert field.engineering(CABINET, "V1") == 180.0
        field.turn("*", "ok")
        field.turn("RWS-0001", "weather freezing")
        await asyncio.sleep(1)
        assert field.engineering(CABINET, "V1") != 180.0
        assert field.engineering(STATION, "PrecType") == 3

    alive(story)


def test_freeze_holds_every_register_still() -> None:
    async def story(field: FieldSimulator) -> None:
        field.turn(CABINET, "freeze")
        before = field.engineering(CABINET, "V1"), field.engineering(CABINET, "E_act")
        await asyncio.sleep(60)
        assert before == (field.engineering(CABINET, "V1"), field.engineering(CABINET, "E_act"))
        field.turn(CABINET, "thaw")
        await asyncio.sleep(60)
        assert field.engineering(CABINET, "E_act") > before[1]

    alive(story)


def test_speed_lets_a_night_pass_in_minutes() -> None:
    async def story(field: FieldSimulator) -> None:
        assert field.engineering(CABINET, "K1_Fb") is True
        await asyncio.sleep(5 * 60)
        assert field.engineering(CABINET, "K1_Fb") is False, "01:00 in Paris: the part-night hours"

    alive(story, speed=60.0)


@pytest.mark.parametrize(
    ("device", "text", "words"),
    [
        ("CAB-0099", "hang", "expected a simulated device such as '21605/COL-0001.server', none is called so"),
        ("CAB-00", "hang", "17 devices are called so"),
        ("", "hang", "none is called so"),
        ("CAB-0003", "explode", "expected a fault .*hang, .*or one of trip, repair"),
        ("CAB-0003", "hang for long", "hang: expected a duration"),
        ("CAB-0003", "reject nothing 1", "reject: expected one of"),
        ("CAB-0003", "", "expected a fault"),
    ],
)
def test_a_mistyped_knob_is_explained(device: str, text: str, words: str) -> None:
    async def story(field: FieldSimulator) -> None:
        with pytest.raises(ValueError, match=words):
            field.turn(device, text)

    alive(story)


def test_the_state_folder_says_where_the_devices_are(tmp_path: Path) -> None:
    async def story(field: FieldSimulator) -> None:
        told = json.loads((tmp_path / FIELD_FILE).read_text())
        assert set(told) == set(SPECS)
        assert {tuple(at) for at in told.values()} == set(field.endpoints.values())
        assert all(host == "127.0.0.1" and port > 0 for host, port in told.values())
        loop = asyncio.get_running_loop()
        answer = await loop.run_in_executor(None, ask_field, tmp_path, {"device": "CAB-0003", "read": True})
        assert answer["values"]["FW"] == "RTU-4 2.7.1"
        answer = await loop.run_in_executor(None, ask_field, tmp_path, {"list": True})
        assert answer["devices"] == list(field.devices)
        with pytest.raises(FieldDoorError, match="expected"):
            await loop.run_in_executor(None, ask_field, tmp_path, {"device": "CAB-0003"})

    alive(story, state=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_equipment_that_is_not_polled_does_not_answer(tmp_path: Path) -> None:
    csv = "inventory/CAB.csv"
    site = edited(tmp_path, {csv: ("CAB-0001,21605,in service", "CAB-0001,21605,planned")})
    assert "21605/CAB-0001.controller" not in FieldSimulator(site, _Still(), ports="os").devices


def test_units_behind_one_gateway_share_its_port(tmp_path: Path) -> None:
    one = "127.21.6.2,15020,"
    csv = (edited(tmp_path, {}).folder, "inventory/CAB.csv")
    path = Path(*csv)
    text = path.read_text().replace("controller.port,", "controller.port,controller.unit_id,", 1)
    text = text.replace(",15020,", ",15020,1,").replace(f"{one}1,", "127.21.6.1,15020,2,")
    path.write_text(text)
    site = load_site(csv[0], PROTOCOLS)
    field = FieldSimulator(site, _Still(), ports="os")
    first, second = (f"21605/CAB-000{i}.controller" for i in (1, 2))
    assert field.endpoints[first] == field.endpoints[second]
    assert field.engineering(first, "E_act") != field.engineering(second, "E_act")


def test_the_same_seed_makes_the_same_field() -> None:
    one, two, other = (FieldSimulator(SITE, _Still(), "os", seed=s) for s in (1, 1, 2))
    assert one.engineering(CABINET, "V1") == two.engineering(CABINET, "V1") != other.engineering(CABINET, "V1")


def test_a_taken_port_is_one_sentence_and_exit_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def story(field: FieldSimulator) -> None:
        host, port = field.endpoints[CABINET]
        key = ("21605/CAB-0003", "controller")
        taken = SITE.devices[key].model_copy(update={"host": host, "port": port})
        site = SITE.model_copy(update={"devices": {**SITE.devices, key: taken}})
        with pytest.raises(OSError, match="address already in use"):
            await FieldSimulator(site, clock()).start()

    alive(story)


def test_simulate_runs_for_a_time_and_tells(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = FieldOptions(state=tmp_path / "var", ports="os", faults=(("CAB-0003", "door open"),), for_s=0.05)
    assert run_field(SITE, options) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{CABINET}: door open",
        f"{DEVICES} devices of sennecey answer; Ctrl-C stops them",
    ]
    assert list((tmp_path / "var").iterdir()) == []
    wrong = replace(options, faults=(("CAB-0003", "explode"),))
    assert run_field(SITE, wrong) == 1
    assert "the field of sennecey cannot be simulated: expected a fault" in capsys.readouterr().err


class _Still:
    """A clock that stands at NIGHT."""

    def wall_ns(self) -> int:
        return int(NIGHT.timestamp()) * NS_PER_S

    def boot_s(self) -> float:
        return 0.0


def _with_transport(tmp_path: Path, transport: str) -> Site:
    """Sennecey with another transport for all cabinets."""
    folder = edited(tmp_path, {}).folder
    path = Path(folder, "inventory/CAB.csv")
    # Only Modbus/TCP can be asked who it is.
    text = path.read_text().replace("controller.application_name,", "controller.transport,controller.window,", 1)
    path.write_text(re.sub(r",15020,CAB-\d+,", f",15020,{transport},1,", text))
    return load_site(folder, PROTOCOLS)


def test_rtu_through_tcp_is_simulated_as_such(tmp_path: Path) -> None:
    site = _with_transport(tmp_path, "rtu_tcp")
    spec = next(spec for spec in compiled(site).devices if spec.name == CABINET)

    async def main() -> None:
        field = FieldSimulator(site, clock(), "os")
        await field.start()
        host, port = field.endpoints[CABINET]
        device = spec.device.model_copy(update={"host": host, "port": port})
        link = MODBUS.make_link(device, clock())
        driver = MODBUS.make_driver(CABINET, device, spec.points, link, clock())
        try:
            await link.open()
            for i, exchange in enumerate(plan(device, spec.points)):
                batch = await driver.read(bind(exchange, spec.rows - spec.rows + range(len(spec.points)), i), 1.0)
                assert (batch.statuses == StatusCode.Good).all()
        finally:
            await link.close()
            await field.stop()

    run(main(), debug=False)


def test_a_serial_port_is_not_simulated_and_it_is_said() -> None:
    serial = MODBUS.device_model.model_validate({"transport": "serial", "serial_port": "/dev/ttyS0"})
    devices = {key: serial if hasattr(found, "unit_id") else found for key, found in SITE.devices.items()}
    site = SITE.model_copy(update={"devices": devices})
    with pytest.raises(ValueError, match="expected transport tcp or rtu_tcp, a serial port is not simulated"):
        FieldSimulator(site, _Still(), "os")
