# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_units.py
"""Engineering units: how they are written, and their codes.

Law of this file: a table. A unit stands here once, in the one spelling used in YAML, on the wire and on screens.

Codes are the common codes of UNECE Recommendation 20 (revision 17); OPC UA numbers them by the bytes of the code.
Units that only this trade knows ('pts') have none and number -1. Source: OPC 10000-8, 5.6.4.3 (EUInformation).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Unit:
    """One unit.

    Attributes:
        symbol: as written: 'kWh'.
        code: UNECE common code, '' if there is none.
        name: in English, for the description of an OPC UA variable.
    """

    symbol: str
    code: str
    name: str

    @property
    def id(self) -> int:
        """OPC UA's unitId: the bytes of the code as one number; -1 without a code."""
        return int.from_bytes(self.code.encode("ascii"), "big") if self.code else -1


_TABLE: Final = (
    ("%", "P1", "per cent"),
    ("ppm", "59", "parts per million"),
    ("pts", "", "points"),
    ("V", "VLT", "volt"),
    ("mV", "2Z", "millivolt"),
    ("kV", "KVT", "kilovolt"),
    ("A", "AMP", "ampere"),
    ("mA", "4K", "milliampere"),
    ("kA", "B22", "kiloampere"),
    ("Ah", "AMH", "ampere hour"),
    ("Ω", "OHM", "ohm"),
    ("kΩ", "B49", "kiloohm"),
    ("MΩ", "B75", "megaohm"),
    ("W", "WTT", "watt"),
    ("kW", "KWT", "kilowatt"),
    ("MW", "MAW", "megawatt"),
    ("var", "D44", "var"),
    ("kvar", "KVR", "kilovar"),
    ("VA", "D46", "volt-ampere"),
    ("kVA", "KVA", "kilovolt-ampere"),
    ("Wh", "WHR", "watt hour"),
    ("kWh", "KWH", "kilowatt hour"),
    ("MWh", "MWH", "megawatt hour"),
    ("kvarh", "K3", "kilovar hour"),
    ("kWh/m2.y", "", "kilowatt hour per square metre and year"),
    ("Hz", "HTZ", "hertz"),
    ("kHz", "KHZ", "kilohertz"),
    ("lx", "LUX", "lux"),
    ("lm", "LUM", "lumen"),
    ("cd/m2", "A24", "candela per square metre"),
    ("°C", "CEL", "degree Celsius"),
    ("K", "KEL", "kelvin"),
    ("mm", "MMT", "millimetre"),
    ("cm", "CMT", "centimetre"),
    ("m", "MTR", "metre"),
    ("km", "KMT", "kilometre"),
    ("m2", "MTK", "square metre"),
    ("l", "LTR", "litre"),
    ("m3", "MTQ", "cubic metre"),
    ("l/s", "G51", "litre per second"),
    ("l/min", "L2", "litre per minute"),
    ("m3/h", "MQH", "cubic metre per hour"),
    ("g", "GRM", "gram"),
    ("kg", "KGM", "kilogram"),
    ("t", "TNE", "tonne"),
    ("g/m2", "GM", "gram per square metre"),
    ("m/s", "MTS", "metre per second"),
    ("km/h", "KMH", "kilometre per hour"),
    ("mm/h", "H67", "millimetre per hour"),
    ("deg", "DD", "degree of angle"),
    ("Pa", "PAL", "pascal"),
    ("hPa", "A97", "hectopascal"),
    ("kPa", "KPA", "kilopascal"),
    ("bar", "BAR", "bar"),
    ("mbar", "MBR", "millibar"),
    ("W/m2", "D54", "watt per square metre"),
    ("dB", "2N", "decibel"),
    ("dBm", "DBM", "decibel-milliwatt"),
    ("µs", "B98", "microsecond"),
    ("ms", "C26", "millisecond"),
    ("s", "SEC", "second"),
    ("min", "MIN", "minute"),
    ("h", "HUR", "hour"),
    ("d", "DAY", "day"),
    ("y", "ANN", "year"),
    ("1/s", "C97", "per second"),
    ("1/min", "C94", "per minute"),
    ("1/10 min", "", "per ten minutes"),
    ("1/h", "H10", "per hour"),
    ("rpm", "RPM", "revolutions per minute"),
    ("veh/6 min", "", "vehicles per six minutes"),
    ("veh/h", "", "vehicles per hour"),
    ("kbit/s", "C74", "kilobit per second"),
    ("Mbit/s", "E20", "megabit per second"),
    ("MB", "4L", "megabyte"),
    ("GB", "E34", "gigabyte"),
)
UNITS: Final[dict[str, Unit]] = {symbol: Unit(symbol, code, name) for symbol, code, name in _TABLE}

# What people write instead, where the likeness of letters alone would miss the unit or find a wrong one.
_MEANT: Final[dict[str, str]] = {
    "degc": "°C",
    "deg c": "°C",
    "celsius": "°C",
    "c": "°C",
    "ºc": "°C",
    "°": "deg",
    "ohm": "Ω",
    "lux": "lx",
    "percent": "%",
    "pct": "%",
    "hour": "h",
    "hours": "h",
    "hr": "h",
    "hrs": "h",
    "sec": "s",
    "seconds": "s",
    "minutes": "min",
    "day": "d",
    "days": "d",
    "j": "d",
    "volt": "V",
    "volts": "V",
    "amp": "A",
    "amps": "A",
    "kmh": "km/h",
    "m³": "m3",
    "m²": "m2",
    "m^3": "m3",
    "m^2": "m2",
    "us": "µs",
    "μs": "µs",
    "kbps": "kbit/s",
    "mbps": "Mbit/s",
    "lumen": "lm",
    "watt": "W",
    "tr/min": "rpm",
}


def meant_by(word: str) -> str | None:
    """The unit someone means who writes `word`; None if it is not among the usual slips."""
    folded = word.strip().casefold()
    return _MEANT.get(folded) or next((symbol for symbol in UNITS if symbol.casefold() == folded), None)
