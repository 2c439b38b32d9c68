# SPDX-License-Identifier: Apache-2.0
"""Loading: what a good site becomes, where a site is looked for, what is imported for it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from config.load import find_site, load_site, shipped_sites
from config.model import Life, Model
from config.problems import SiteProblems
from config.words import Access, Kind
from drivers.modbus.address import ModbusDevice
from drivers.modbus.place import ModbusPoint
from tests.config.case import PLANT, PROTOCOLS
from tests.sites import PROTOCOLS as SHIPPED


def test_a_good_site() -> None:
    site = load_site(PLANT, PROTOCOLS)
    assert site.model.site == "plant"
    assert set(site.types) == {"FTN", "NODE"}
    assert site.points["FTN", "Level"] == ModbusPoint(table="input", address=0, type="uint16")
    assert ("FTN", "Fill") not in site.points
    assert site.model.poll_classes["FTN.slow"].period == 30.0


def test_instances_have_defaults_settings_and_whole_former_names() -> None:
    site = load_site(PLANT, PROTOCOLS)
    first, second, third = site.equipment["FTN"]
    assert first.parameters == {"depth": 1.5, "has_meter": True}
    assert second.parameters == {"depth": 0.8, "has_meter": False}
    assert first.title == "Fontaine, place de la Libération"
    assert second.life is Life.IN_SERVICE
    assert third.life is Life.PLANNED
    assert second.was == ["21231/FTN-0009", "21452/FTN-0002"]
    assert site.devices["21231/FTN-0002", "controller"] == ModbusDevice(host="127.0.0.2", port=1502, unit_id=7)
    assert [e.parameters["role"] for e in site.equipment["NODE"]] == ["server", "terminal"]


def test_a_setting_of_the_row_stands_before_that_of_the_type(tmp_path: Path) -> None:
    shutil.copytree(PLANT, tmp_path / "p")
    inventory = tmp_path / "p" / "inventory" / "FTN.csv"
    inventory.write_text(
        "name,area,controller.host,controller.unit_id,depth\nFTN-0001,21231,h,9,1\nFTN-0002,21231,h,,1\n"
    )
    site = load_site(tmp_path / "p", PROTOCOLS)
    assert [d.unit_id for d in site.devices.values()] == [9, 7]


def test_a_text_setting_in_csv_stays_text(tmp_path: Path) -> None:
    shutil.copytree(PLANT, tmp_path / "p")
    inventory = tmp_path / "p" / "inventory" / "FTN.csv"
    inventory.write_text("name,area,controller.host,depth,title\nFTN-0001,21231,10,1,true\n")
    site = load_site(tmp_path / "p", PROTOCOLS)
    assert site.devices["21231/FTN-0001", "controller"].host == "10"
    assert site.equipment["FTN"][0].title == "true"


def test_own_types_stand_before_shipped_ones(tmp_path: Path) -> None:
    shutil.copytree(find_site("sennecey"), tmp_path / "s")
    assert load_site(tmp_path / "s", SHIPPED).types["SYS"].title.en != "Mine"
    (tmp_path / "s" / "types").mkdir()
    text = (find_site("sennecey").parent.parent / "types" / "SYS.yaml").read_text(encoding="utf-8")
    title = next(line for line in text.splitlines() if line.startswith("title:"))
    (tmp_path / "s" / "types" / "SYS.yaml").write_text(text.replace(title, "title: {fr: Mien, en: Mine}"))
    assert load_site(tmp_path / "s", SHIPPED).types["SYS"].title.en == "Mine"


@pytest.mark.parametrize("name", shipped_sites())
def test_shipped_sites_are_good(name: str) -> None:
    site = load_site(name, SHIPPED)
    assert site.model.site == name


def test_a_folder_stands_before_a_shipped_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(PLANT, tmp_path / "sennecey")
    monkeypatch.chdir(tmp_path)
    assert find_site("sennecey") == Path("sennecey")
    assert load_site("sennecey", PROTOCOLS).model.site == "plant"


def test_the_entry_file_names_its_folder() -> None:
    assert find_site(PLANT / "site.yaml") == PLANT


@pytest.mark.parametrize("name", ["senecey", "", ".", "/", "\0", "x" * 5000, "../..", "~"])
def test_no_site(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SiteProblems) as caught:
        load_site(name, PROTOCOLS)
    (problem,) = caught.value.problems
    assert "expected a folder with a site.yaml or the name of a shipped site" in problem.text
    if name == "senecey":
        assert problem.text.endswith("did you mean 'sennecey'?")


def test_unreadable_files_are_problems(tmp_path: Path) -> None:
    shutil.copytree(PLANT, tmp_path / "p")
    (tmp_path / "p" / "users.yaml").unlink()
    (tmp_path / "p" / "users.yaml").symlink_to("users.yaml")
    with pytest.raises(SiteProblems) as caught:
        load_site(tmp_path / "p", PROTOCOLS)
    assert len(caught.value.problems) == 1


def test_without_a_protocol_its_addresses_are_not_judged(tmp_path: Path) -> None:
    with pytest.raises(SiteProblems) as caught:
        load_site(PLANT, {})
    (problem,) = caught.value.problems
    assert problem.path == "devices.controller.protocol"
    assert problem.text == "expected a protocol of this release, got 'modbus'; there are none"


class PlainDevice(Model):
    host: str
    unit_id: int = 1


class PlainPoint(Model):
    table: str
    address: int
    type: str = "uint16"
    length: int | None = None


@dataclass(frozen=True)
class Plain:
    """A protocol that says nothing of extents and identities."""

    device_model: type[BaseModel] = PlainDevice
    point_model: type[BaseModel] = PlainPoint

    def check(self, kind: Kind, access: Access, address: Any) -> list[str]:
        return ["expected no address 13"] if address.address == 13 else []


def test_a_protocol_needs_its_models_and_a_check_only(tmp_path: Path) -> None:
    shutil.copytree(PLANT, tmp_path / "p")
    inventory = tmp_path / "p" / "inventory" / "FTN.csv"
    inventory.write_text("name,area,controller.host,depth\nFTN-0001,21231,a,1\nFTN-0002,21231,b,1\n")
    assert load_site(tmp_path / "p", {"modbus": Plain()}).points["FTN", "Run"] == PlainPoint(
        table="discrete_input", address=0
    )
    inventory.write_text("name,area,controller.host,depth\nFTN-0001,21231,a,1\nFTN-0002,21231,a,1\n")
    kind = tmp_path / "p" / "types" / "FTN.yaml"
    text = kind.read_text(encoding="utf-8")
    text = text.replace("{table: coil, address: 1}", "{table: coil, address: 0}").replace(
        "address: 10}", "address: 13}"
    )
    kind.write_text(text, encoding="utf-8")
    with pytest.raises(SiteProblems) as caught:
        load_site(tmp_path / "p", {"modbus": Plain()})
    assert [(p.path, p.text.split(",")[0]) for p in caught.value.problems] == [
        ("FTN-0002.controller", "expected a device of its own"),
        ("tags.Reset.point", "expected an address of its own"),
        ("tags.Mode.point", "expected no address 13"),
    ]


def test_a_check_imports_no_server_and_no_library_of_the_field() -> None:
    code = (
        "import sys\n"
        "from config.load import load_site\n"
        "from config.schema import schema\n"
        "from drivers.dali import address as dali\n"
        "from drivers.modbus import address, place\n"
        "from drivers.bacnet import address as bacnet\n"
        "from drivers.opcua import address as opcua\n"
        "from types import SimpleNamespace as S\n"
        "m = S(device_model=address.ModbusDevice, point_model=place.ModbusPoint, check=place.check)\n"
        "o = S(device_model=opcua.OpcuaDevice, point_model=opcua.OpcuaPoint, check=opcua.check)\n"
        "b = S(device_model=bacnet.BacnetDevice, point_model=bacnet.BacnetPoint, check=bacnet.check)\n"
        "d = S(device_model=dali.DaliDevice, point_model=dali.DaliPoint, check=dali.check)\n"
        "load_site('sennecey', {'bacnet': b, 'dali': d, 'modbus': m, 'opcua': o})\n"
        "print(*sorted({'asyncua', 'pyarrow', 'twisted', 'pymodbus', 'websockets', 'asyncio'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == ""
