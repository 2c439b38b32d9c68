# SPDX-License-Identifier: Apache-2.0
"""The calculated tags of the shipped types, as their YAML says them: bound and computed for one equipment each."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import config
from config.model import TypeModel
from config.source import read_yaml
from config.words import StatusCode, cell_of
from supervisor.tags.calc import Program
from supervisor.tags.locality import Locality
from supervisor.tags.pool import StringPool
from supervisor.tags.table import TagTable
from tests.plants import TypeSpec, make_plant, tag

S = 1_000_000_000
T0 = 1_750_000_000 * S
FOLDER = Path(config.__file__).parent / "types"


class One:
    """One equipment of a shipped type with every parameter at its default and every input 0 and Good."""

    def __init__(self, name: str) -> None:
        document, problems = read_yaml(FOLDER / f"{name}.yaml", name)
        assert document is not None and not problems
        model = TypeModel.model_validate(document.data)
        tags = {
            label: tag(m.kind.name, calc=m.calc, values=m.values or (), span=m.range or (float("nan"),) * 2)
            for label, m in model.tags.items()
        }
        parameters = {p: [m.default] for p, m in model.parameters.items() if m.default is not None}
        self.plant = make_plant({name: TypeSpec(tags, parameters)}, {name: [f"21605/{name}-0001"]})
        self.type = self.plant.types[name]
        self.table = TagTable(self.plant, StringPool(), T0)
        self.program = Program(self.plant, Locality(47.322, 5.041, "Europe/Paris"))
        self.set(**{label: 0.0 for label, m in model.tags.items() if m.calc is None})

    def set(self, **values: float) -> None:
        for label, value in values.items():
            block = self.type.blocks[label]
            named = block.info.values.index(value) if isinstance(value, str) else value
            self.table.put(block.rows, np.array([cell_of(block.info.kind, named)]), np.zeros(1, np.uint32), T0)

    def run(self, second: float = 0.0) -> None:
        self.program.run(self.table, T0 + round(second * S))

    def __getitem__(self, label: str) -> object:
        block = self.type.blocks[label]
        value = self.table.value(block.start)
        return block.info.values[int(value)] if block.info.values and value is not None else value  # type: ignore[call-overload]


def test_every_calculated_tag_of_every_type_computes() -> None:
    found = 0
    for path in sorted(FOLDER.glob("*.yaml")):
        one = One(path.stem)
        one.run()
        for label, block in one.type.blocks.items():
            if block.info.calc is not None:
                young = "7 d" in str(block.info.calc)  # a week has to pass before it knows
                expected = StatusCode.UncertainSubNormal if young else StatusCode.Good
                assert one.table.status[block.start] == expected, label
                found += 1
    assert found >= 5


def test_cabinet_by_day_by_night_dimmed_and_tripped() -> None:
    cab = One("CAB")
    cab.set(DimSet=100.0)
    cab.run()
    assert (cab["State"], cab["P_exp"], cab["P_dev"]) == ("off", 0.0, 0.0)
    cab.set(K1_Fb=1, K2_Fb=1, K3_Fb=1, K4_Fb=1, P=1.815)
    cab.run()
    assert cab["State"] == "on"
    assert cab["P_exp"] == pytest.approx(30 * 55 / 1000)
    assert cab["P_dev"] == pytest.approx(10.0)
    cab.set(DimSet=70.0)
    cab.run()
    assert cab["State"] == "dim"
    assert cab["P_exp"] == pytest.approx(30 * (0.5 + 54.5 * 0.7) / 1000)
    cab.set(K3_Trip=1)
    cab.run()
    assert cab["State"] == "fault"


def test_cabinet_counts_its_hours() -> None:
    cab = One("CAB")
    cab.set(K4_Fb=1)
    for minute in range(61):
        cab.run(minute * 60.0)
    assert cab["RunH"] == pytest.approx(1.0)


def test_weather_station_that_repeats_itself_for_two_hours_is_stale() -> None:
    rws = One("RWS")
    rws.set(AirT=3.2, RH=80.0)
    for minute in range(120):
        rws.run(minute * 60.0)
        assert rws["Stale"] is False
    rws.run(7200.0)
    assert rws["Stale"] is True
    rws.set(AirT=3.1)
    rws.run(7201.0)
    assert rws["Stale"] is False
