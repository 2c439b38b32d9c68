# SPDX-License-Identifier: Apache-2.0
"""Simulated road weather stations in explicit time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from supervisor.demo.sky import Sky
from supervisor.demo.stations import FREEZING, ICE, SNOW, SNOWFALL, WeatherStations
from tests.sites import sennecey

SKY = Sky(47.28, 5.11, "Europe/Paris", 3)


def run(stations: WeatherStations, at: datetime, hours: float) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for minute in range(0, round(hours * 60) + 1, 5):
        values = stations.step(SKY.at(int((at + timedelta(minutes=minute)).timestamp()) * 10**9), {})
    return values


def test_every_value_of_a_year_is_within_its_range() -> None:
    tags = sennecey().types["RWS"].tags
    stations = WeatherStations({}, 2, 3)
    for day in range(0, 365, 3):
        for hour in (2, 8, 14, 20):
            at = datetime(2026, 1, 1, hour, tzinfo=UTC) + timedelta(days=day)
            for name, values in stations.step(SKY.at(int(at.timestamp()) * 10**9), {}).items():
                limits = tags[name].range
                if limits is not None:
                    assert limits[0] <= values.min() and values.max() <= limits[1], (name, at)


def test_summer_is_warmer_than_winter_and_noon_brighter_than_night() -> None:
    stations = WeatherStations({}, 1, 3)
    winter = run(stations, datetime(2026, 1, 15, 13, tzinfo=UTC), 0)
    summer = run(WeatherStations({}, 1, 3), datetime(2026, 7, 15, 13, tzinfo=UTC), 0)
    night = run(WeatherStations({}, 1, 3), datetime(2026, 7, 15, 23, tzinfo=UTC), 0)
    assert summer["AirT"][0] > winter["AirT"][0]
    assert summer["Lux"][0] > 10_000 > 1 > night["Lux"][0]


def test_a_person_may_make_it_snow() -> None:
    stations = WeatherStations({}, 2, 3)
    stations.acts()["weather"](0, "snow")
    values = run(stations, datetime(2026, 1, 15, 22, tzinfo=UTC), 3)
    assert (values["PrecType"][0], values["Surf"][0]) == (SNOWFALL, SNOW)
    assert values["Snow"][0] > 1 > values["Snow"][1]
    assert values["AirT"][0] < 0


def test_freezing_rain_makes_ice() -> None:
    stations = WeatherStations({}, 1, 3)
    stations.acts()["weather"](0, "freezing")
    values = run(stations, datetime(2026, 1, 15, 22, tzinfo=UTC), 1)
    assert (values["PrecType"][0], values["Surf"][0]) == (FREEZING, ICE)
    assert values["Ice"][0] > 10


def test_door_and_mistyped_acts() -> None:
    stations = WeatherStations({}, 2, 3)
    stations.acts()["door"](1, "open")
    assert run(stations, datetime(2026, 1, 15, 22, tzinfo=UTC), 0)["Door"].tolist() == [False, True]
    for word in ("weather", "door"):
        with pytest.raises(ValueError, match="expected one of"):
            stations.acts()[word](0, "fog")


def test_the_sky_is_a_function_of_time_and_seed() -> None:
    at = 1_760_000_000 * 10**9
    assert Sky(47.28, 5.11, "Europe/Paris", 3).at(at) == SKY.at(at)
    assert Sky(47.28, 5.11, "Europe/Paris", 4).at(at) != SKY.at(at)


def test_local_hour_follows_the_clock_change() -> None:
    """25 October 2026, 02:00 comes twice in Paris."""
    hours = [SKY.at(int(datetime(2026, 10, 25, h, 30, tzinfo=UTC).timestamp()) * 10**9).hour for h in (0, 1, 2)]
    np.testing.assert_allclose(hours, [2.5, 2.5, 3.5])
