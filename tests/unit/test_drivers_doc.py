# SPDX-License-Identifier: Apache-2.0
"""docs/drivers.md says what the code says."""

from __future__ import annotations

from pathlib import Path

from drivers.link import diagram
from drivers.sink import HostLimits
from drivers.testkit import CLAIMS, LEVELS, driver_table
from tests.kit import test_bacnet, test_dali, test_modbus, test_modbus_rtu, test_opcua

TEXT = (Path(__file__).parents[2] / "docs" / "drivers.md").read_text(encoding="utf-8")


def test_the_diagram_is_the_table() -> None:
    assert "\n".join(f"    {line}" for line in diagram().splitlines()) in TEXT


def test_every_claim_is_listed_with_its_level() -> None:
    for level, claims in LEVELS:
        for claim in claims:
            assert f"| {level} | {claim.__name__.replace('_', ' ')} | {claim.__doc__} |" in TEXT


def test_the_readme_has_the_table_of_the_kits() -> None:
    """Levels as they are while every test of tests/kit passes: each claim there is one."""
    modbus = [test_modbus.KIT, test_modbus_rtu.KIT, test_modbus_rtu.SERIAL_KIT]
    dali = [test_dali.KIT, test_dali.INTESIS, test_dali.ADFWEB, test_dali.LOYTEC]
    kits = [*modbus, test_opcua.KIT, test_bacnet.KIT, *dali]
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    assert driver_table(kits, broken={}) in readme
    assert f"The kit tests {len(CLAIMS)} claims" in readme


def test_the_named_bounds_are_those_of_the_host() -> None:
    limits = HostLimits()
    assert f"`in_flight_max` {limits.in_flight_max}, `connects_max` {limits.connects_max}" in TEXT
    assert f"`patience_s` ({limits.patience_s} s)" in TEXT
    assert f"After {limits.demote_after} silent slots a device is asked one question every {limits.probe_s:g} s" in TEXT
    assert (limits.backoff.min_s, limits.backoff.max_s) == (1.0, 60.0) and "1-2 s, then up to 4, 8 ... 60 s" in TEXT
