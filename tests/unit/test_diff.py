# SPDX-License-Identifier: Apache-2.0
"""What an engineer is told before a change of plant: exactly what differs, and what is left alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from historian.catalogue import Catalogue
from supervisor.plant.diff import diff
from tests.ground import cabinets
from tests.sites import DEVICES, TAGS, compiled, edited, renamed, sennecey

NEW_CABINET = (
    'CAB-0001,21605,in service,"Armoire du stade, mât 900",FDR-0001,127.21.6.77,15020,,32,11,8,7,5,55,3,true,false\n'
)
FIRST = "CAB-0001,21605,in service"


@pytest.fixture
def catalogue() -> Catalogue:
    return Catalogue(":memory:", "sennecey")


def test_nothing_changed_is_nothing(catalogue: Catalogue) -> None:
    d = diff(compiled(sennecey(), catalogue), compiled(sennecey(), catalogue))
    assert d.empty
    assert list(d.lines()) == [f"{TAGS:,} tags keep their history, 0 are new, 0 end; {DEVICES} devices are not touched"]


def test_an_inserted_cabinet_touches_no_other(tmp_path: Path, catalogue: Catalogue) -> None:
    old = compiled(sennecey(), catalogue)
    new = compiled(
        edited(tmp_path, {"inventory/CAB.csv": (FIRST, NEW_CABINET.replace("CAB-0001", "CAB-0900") + FIRST)}), catalogue
    )
    d = diff(old, new)
    assert list(d.lines()) == [
        "+ equipment 21605/CAB-0900",
        "+ device 21605/CAB-0900.controller",
        f"{TAGS:,} tags keep their history, 56 are new, 0 end; {DEVICES} devices are not touched",
    ]


def test_a_new_address_a_parameter_and_a_life(tmp_path: Path, catalogue: Catalogue) -> None:
    old = compiled(sennecey(), catalogue)
    row = next(
        line for line in (Path(sennecey().folder) / "inventory/CAB.csv").read_text().splitlines() if FIRST in line
    )
    moved = row.replace("127.21.6.1,", "127.21.6.99,").replace("in service", "maintenance")
    d = diff(old, compiled(edited(tmp_path, {"inventory/CAB.csv": (row, moved)}), catalogue))
    assert d.life == (("21605/CAB-0001", "in service", "maintenance"),)
    assert d.devices_changed == (("21605/CAB-0001.controller", "host 127.21.6.1 -> 127.21.6.99"),)
    assert d.devices_same == DEVICES - 1


def test_another_feeder_is_a_change_and_a_renamed_one_is_none(tmp_path: Path, catalogue: Catalogue) -> None:
    old = compiled(sennecey(), catalogue)
    (tmp_path / "fed").mkdir()
    row = next(
        line for line in (Path(sennecey().folder) / "inventory/CAB.csv").read_text().splitlines() if FIRST in line
    )
    fed = edited(tmp_path / "fed", {"inventory/CAB.csv": (row, row.replace("FDR-0001", ""))})
    d = diff(old, compiled(fed, catalogue))
    assert d.fed_by == (("21605/CAB-0001", "21605/FDR-0001", ""),) and not d.empty
    assert "~ equipment 21605/CAB-0001: fed by 21605/FDR-0001 -> none" in list(d.lines())


def test_a_rename_keeps_history_and_says_so(tmp_path: Path, catalogue: Catalogue) -> None:
    d = diff(compiled(sennecey(), catalogue), compiled(renamed(tmp_path, "CAB-0001", "CAB-0101"), catalogue))
    assert d.renamed == (("21605/CAB-0001", "21605/CAB-0101"),)
    assert (d.rows_kept, d.rows_new, d.rows_gone) == (TAGS, 0, 0)
    assert not d.added and not d.removed


def test_plants_of_two_sites_are_not_compared(catalogue: Catalogue) -> None:
    with pytest.raises(ValueError, match="expected two plants of one site"):
        diff(compiled(sennecey(), catalogue), cabinets(["CAB-0001"], 2, Catalogue(":memory:", "ground")))
