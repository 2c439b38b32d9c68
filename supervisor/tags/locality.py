# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_locality.py
"""Where the site is and what its clocks show: the sun and the local time that expressions ask for.

Law of this file: time is an argument, the zone is handed in; one computation a second at most, whoever asks.

Local time is what a clock on the wall shows: on the night in March it goes from 1:59 to 3:00, on the one in October the
hour from 2 to 3 comes twice.
"""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from config.model import Site
from config.words import NS_PER_S
from supervisor.tags.sun import Sun


class Locality:
    """One place on earth and its time zone.

    Args:
        latitude, longitude: [degrees, WGS 84].
        zone: IANA name.
    Raises:
        ZoneInfoNotFoundError: there is no such zone; `vigie check` says it earlier.
    Attributes:
        sun: over this place.
    """

    def __init__(self, latitude: float, longitude: float, zone: str) -> None:
        self.sun = Sun(latitude, longitude)
        self._zone = ZoneInfo(zone)
        self._second = -1
        self._hour, self._weekday = 0.0, 1

    def local_hour(self, now_ns: int) -> float:
        """Hours shown by the clock, minutes and seconds as a fraction [h, 0 <= hour < 24]."""
        self._read(now_ns)
        return self._hour

    def local_weekday(self, now_ns: int) -> int:
        """Day of the week by the local date: 1 is Monday, 7 Sunday. Source: ISO 8601."""
        self._read(now_ns)
        return self._weekday

    def _read(self, now_ns: int) -> None:
        second = now_ns // NS_PER_S
        if second == self._second:
            return
        local = datetime.fromtimestamp(second, UTC).astimezone(self._zone)
        self._hour = local.hour + local.minute / 60 + local.second / 3600
        self._weekday = local.isoweekday()
        self._second = second


def locality_of(site: Site) -> Locality:
    """Where a site says it is."""
    location = site.model.location
    return Locality(location.latitude, location.longitude, site.model.time_zone)
