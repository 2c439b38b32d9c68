# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_dali_banks.py
"""Memory banks of gear: who it is (0), energy (202 to 204), diagnostics of gear (205) and light source (206).

Law of this file: pure tables. Source: IEC 62386-102:2014, table 9 (bank 0); DiiA Part 252 (energy) and Part 253
(diagnostics), versions 1.1.

Numbers lie with their most significant byte first. A *scaled* number begins with a signed power of ten, -6..6. All ones
(MASK) means: not implemented; one less (TMASK): not known for the time being.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

SCALE_MAX: Final = 6
TEMPERATURE_OFFSET: Final = 60


@dataclass(frozen=True, slots=True)
class Field:
    """One number in a bank.

    Attributes:
        first, last: locations, scale byte included.
        factor: of a number without scale byte, to the unit of its name.
        offset: added to it.
    """

    bank: int
    first: int
    last: int
    scaled: bool = False
    factor: float = 1.0
    offset: float = 0.0


def _energy(bank: int) -> tuple[Field, Field]:
    return Field(bank, 0x04, 0x0A, scaled=True), Field(bank, 0x0B, 0x0F, scaled=True)


_active, _apparent, _load = _energy(202), _energy(203), _energy(204)

FIELDS: Final[Mapping[str, Field]] = {
    "active_energy": _active[0],  # Wh
    "active_power": _active[1],  # W
    "apparent_energy": _apparent[0],  # VAh
    "apparent_power": _apparent[1],  # VA
    "load_energy": _load[0],  # Wh
    "load_power": _load[1],  # W
    "gear_on_time": Field(205, 0x04, 0x07),  # s
    "gear_starts": Field(205, 0x08, 0x0A),
    "supply_voltage": Field(205, 0x0B, 0x0C, factor=0.1),  # V
    "supply_frequency": Field(205, 0x0D, 0x0D),  # Hz
    "power_factor": Field(205, 0x0E, 0x0E, factor=0.01),
    "gear_temperature": Field(205, 0x1B, 0x1B, offset=-TEMPERATURE_OFFSET),  # degC
    "output_current": Field(205, 0x1C, 0x1C),  # %
    "lamp_starts": Field(206, 0x07, 0x09),
    "lamp_on_time": Field(206, 0x0E, 0x11),  # s
    "lamp_voltage": Field(206, 0x12, 0x13, factor=0.1),  # V
    "lamp_current": Field(206, 0x14, 0x15, factor=0.001),  # A
}


NAMEPLATE: Final[Mapping[str, tuple[int, int]]] = {"gtin": (0x03, 0x08), "serial": (0x0B, 0x12)}
"""First and last location in bank 0 of what a gear is called: its GTIN, and the number of this very one. The most
significant byte first."""


def nameplate(data: Sequence[int | None]) -> str:
    """A number of bank 0 as it is printed on the gear; '' where it has none, zero, or all ones (not given)."""
    raw = bytes(byte for byte in data if byte is not None)
    number = int.from_bytes(raw)
    return "" if len(raw) != len(data) or number in (0, 256 ** len(raw) - 1) else str(number)


class NotKnown(Exception):
    """The gear has no number there; the text says why."""


def decode(field: Field, data: Sequence[int | None]) -> float:
    """The number of a field.

    Args:
        data: its bytes; None for a location that gave no answer.

    Raises:
        NotKnown: MASK, TMASK, a missing byte, or a scale outside -6..6.
    """
    if None in data or len(data) != field.last - field.first + 1:
        raise NotKnown(f"bank {field.bank} has no location {field.first}..{field.last}")
    raw = bytes(byte for byte in data if byte is not None)
    scale = 0
    if field.scaled:
        scale, raw = int.from_bytes(raw[:1], signed=True), raw[1:]
        if not -SCALE_MAX <= scale <= SCALE_MAX:
            raise NotKnown(f"bank {field.bank}, location {field.first}: expected a scale of -6..6, got {scale}")
    number, mask = int.from_bytes(raw), 256 ** len(raw) - 1
    if number == mask:
        raise NotKnown("the gear does not measure it (MASK)")
    if number == mask - 1:
        raise NotKnown("the gear does not know it for the time being (TMASK)")
    if field.scaled:
        return float(number * 10**scale if scale >= 0 else number / 10**-scale)
    return number / round(1 / field.factor) + field.offset if field.factor < 1 else number + field.offset


def encode(field: Field, value: float, scale: int = 0) -> bytes:
    """The bytes of a number, as a gear would hold it; for simulators and tests.

    Raises:
        ValueError: it does not fit.
    """
    size = field.last - field.first + (0 if field.scaled else 1)
    number = round(value / 10**scale if field.scaled else (value - field.offset) / field.factor)
    if not 0 <= number < 256**size - 2:
        raise ValueError(f"expected 0..{256**size - 3} in bank {field.bank}, location {field.first}, got {number}")
    return (scale.to_bytes(1, signed=True) if field.scaled else b"") + number.to_bytes(size)
