# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_dali_address.py
"""DALI as an engineer writes it: which line behind which gateway, which gear on it, which of its values.

Law of this file: shapes and ranges only; imports nothing but `config` and this room's tables. No bytes, no sockets.

A *line* is one DALI bus of up to 64 gear. The line itself and each gear on it are devices of the site; those with equal
gateway and line share one connection and one bus budget: one line, one driver. A device without `short_address` is the
line.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final, Literal

from pydantic import Field, model_validator

from config.model import Duration, Model
from config.words import Access, Kind
from drivers.dali.banks import FIELDS
from drivers.dali.frames import FAILURE_BITS, GEAR_MAX, GROUP_MAX, STATUS_BITS

LUNATONE: Final = "lunatone"
LOYTEC: Final = "loytec"
WIRES: Final = ("intesis", "adfweb", LUNATONE, LOYTEC)
_PORTS: Final = {LUNATONE: 80, LOYTEC: 47808}

LEVELS: Final = ("level", "arc_level", "level_set", "arc_level_set")
FAULTS: Final = ("lamp_failure", "gear_failure")
LINE_VALUES: Final = (
    "bus_fault",
    "power_supply",
    "found",
    "bus_load",
    "cycle_time",
    "group_level",
    "line_level",
    "scene",
)
WRITABLE: Final = ("level_set", "arc_level_set", "group_level", "line_level", "scene")
VALUES: Final = (*LEVELS, *STATUS_BITS, *FAILURE_BITS, *FIELDS, *LINE_VALUES)
_BOOLEANS: Final = (*STATUS_BITS, *FAILURE_BITS, "bus_fault", "power_supply")
_COUNTS: Final = ("gear_starts", "lamp_starts")
_WHOLE: Final = ("arc_level", "arc_level_set", "found", "scene")


class DaliDevice(Model):
    """One line, or one gear on it.

    Attributes:
        wire: what stands between: intesis (INMBSDAL, Modbus), adfweb (HD67845, Modbus), lunatone (DALI-2 IoT), loytec
            (L-DALI, BACnet/IP).
        port: 502 for Modbus, 80 for Lunatone, 47808 for BACnet, unless written.
        unit_id: of the gateway, Modbus only.
        instance: of the gateway's device object, BACnet only.
        line: number of the line at the gateway, counted from 0.
        short_address: of the gear, 0..63; none: the line itself.
        curve: dimming curve of the gear.
        gear_max: highest short address looked for when the line is counted.
        poll_share: most of the bus that polls may take, 0.05..0.9; the rest is for commands.
        fault_fresh: age up to which the answer of all gear to "is any lamp failed?" stands for each of them [s].
        gtin, serial: what the gear must say in its memory bank 0; empty: not compared.
        gateway_serial: what a Lunatone gateway must say of itself; of the line, and of each gear on it that is not to
            be believed behind another gateway; empty: not compared.
        identity_required: gear that does not say who it is counts as another one.
        connect_timeout: longest wait for the connection [s].
        user_timeout: how long sent bytes may stay unacknowledged before the system drops the connection [s].
        keepalive: silence after which the system probes the connection [s].
    """

    wire: Literal["intesis", "adfweb", "lunatone", "loytec"]
    host: str = Field(min_length=1, max_length=253)
    port: int = Field(default=0, ge=0, le=65535)
    unit_id: int = Field(default=1, ge=0, le=255)
    instance: int | None = Field(default=None, ge=0, le=4_194_302)
    line: int = Field(default=0, ge=0, le=3)
    short_address: int | None = Field(default=None, ge=0, le=GEAR_MAX)
    curve: Literal["logarithmic", "linear"] = "logarithmic"
    gear_max: int = Field(default=GEAR_MAX, ge=0, le=GEAR_MAX)
    poll_share: float = Field(default=0.5, ge=0.05, le=0.9)
    fault_fresh: Duration = Field(default=2.0, ge=0, le=60)
    gtin: str = Field(default="", pattern=r"^[0-9]{0,14}$")
    serial: str = Field(default="", pattern=r"^[0-9]{0,20}$")
    gateway_serial: str = Field(default="", pattern=r"^[0-9]{0,20}$")
    identity_required: bool = False
    connect_timeout: Duration = Field(default=3.0, ge=0.1, le=60)
    user_timeout: Duration = Field(default=5.0, ge=0.5, le=60)
    keepalive: Duration = Field(default=30.0, ge=1, le=7200)

    @model_validator(mode="after")
    def _usual_port(self) -> DaliDevice:
        if self.port == 0:
            self.__dict__["port"] = _PORTS.get(self.wire, 502)
        return self

    @model_validator(mode="after")
    def _bacnet_has_an_instance(self) -> DaliDevice:
        if (self.wire == LOYTEC) != (self.instance is not None):
            raise ValueError(f"expected an instance with wire {LOYTEC}, and only there")
        return self

    @model_validator(mode="after")
    def _gear_has_a_nameplate(self) -> DaliDevice:
        if (self.gtin or self.serial) and self.short_address is None:
            raise ValueError("expected a short_address beside gtin and serial: a line has neither")
        if self.gateway_serial and self.wire != LUNATONE:
            raise ValueError(f"expected gateway_serial with wire {LUNATONE} only: no other gateway says it")
        return self

    @property
    def link(self) -> tuple[Hashable, ...]:
        """Devices with an equal one share a connection; over Lunatone also the budget of their bus."""
        if self.wire == LUNATONE:
            return self.wire, self.host, self.port, self.line
        return self.wire, self.host, self.port

    @property
    def identity(self) -> tuple[Hashable, ...]:
        """What makes two devices the same one, whatever else is set."""
        return self.host, self.port, self.unit_id, self.line, self.short_address

    @property
    def where(self) -> str:
        """The way to it, for people."""
        return f"{self.host}:{self.port} line {self.line}"


class DaliPoint(Model):
    """One value of a gear or of its line.

    Attributes:
        value: what is meant. Of a gear: `level` and `level_set` in per cent of light, `arc_level` and `arc_level_set`
            in steps 0..254, the bits of QUERY STATUS and of the LED failure status, the numbers of memory banks 202 to
            206. Of the line: its state, its counts, and what is put to a group or to all.
        group: of `group_level`, 0..15.
    """

    value: Literal[VALUES]  # type: ignore[valid-type]
    group: int | None = Field(default=None, ge=0, le=GROUP_MAX)

    @property
    def is_of_gear(self) -> bool:
        """True for a value of one gear."""
        return self.value not in LINE_VALUES

    @property
    def extent(self) -> tuple[str, int, int]:
        """(space, first, last): two points that overlap are the same place twice."""
        number = self.group or 0
        return str(self.value), number, number

    def __str__(self) -> str:
        return str(self.value) if self.group is None else f"{self.value} {self.group}"


def check(kind: Kind, access: Access, address: DaliPoint) -> list[str]:
    """What does not fit together, one sentence each; empty if all is well."""
    found = []
    if (address.value == "group_level") != (address.group is not None):
        found.append("expected a group 0..15 for group_level and for nothing else")
    if access.writable and address.value not in WRITABLE:
        found.append(f"expected access r for {address.value}: DALI gives it, it does not take it")
    if access.readable and address.value == "line_level":
        found.append("expected access w for line_level: what all gear are told has no value to read")
    if address.value in _BOOLEANS and kind is not Kind.Boolean:
        found.append(f"expected kind Boolean for {address.value}, got {kind.name}")
    if address.value in _WHOLE and not (kind.is_integer and kind is not Kind.Boolean):
        found.append(f"expected an integer kind for {address.value}, got {kind.name}")
    if address.value in _COUNTS and kind is not Kind.Boolean and kind.is_integer:
        return found
    if address.value not in (*_BOOLEANS, *_WHOLE) and not kind.is_float:
        found.append(f"expected kind Float or Double for {address.value}, got {kind.name}")
    return found
