# SPDX-License-Identifier: Apache-2.0
"""drivers/registry.py: one dict, imported only when asked for, errors that name what is missing."""

from __future__ import annotations

import subprocess
import sys

import pytest

from drivers import registry
from drivers.registry import PROTOCOLS, ProtocolUnavailable, protocol, protocols


@pytest.mark.parametrize("name", sorted(PROTOCOLS))
def test_every_line_leads_to_a_protocol_of_that_name(name: str) -> None:
    assert protocol(name).name == name
    assert protocols([name, name]) == {name: protocol(name)}


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ProtocolUnavailable, match=r"protocol 'modbuss': expected one of .*modbus"):
        protocol("modbuss")


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.PROTOCOLS, "carrier-pigeon", "pigeon_library.spec:SPEC")
    with pytest.raises(
        ProtocolUnavailable, match="'carrier-pigeon': the Python package 'pigeon_library' cannot be imp"
    ):
        protocol("carrier-pigeon")


def test_checking_a_site_imports_no_heavy_library() -> None:
    """`vigie check` asks the registry for address models only; asyncua and pyarrow would cost seconds."""
    code = (
        "import sys; from drivers.registry import PROTOCOLS, protocols; protocols(PROTOCOLS);"
        "print([m for m in ('asyncua', 'pyarrow', 'twisted', 'pymodbus', 'yaml') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
