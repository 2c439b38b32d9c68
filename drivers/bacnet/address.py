# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_bacnet_plan.py
"""BACnet as an engineer writes it: where a device is, what it can, and which property a value is.

Law of this file: shapes and ranges only; imports nothing but `config` and the standard's names. No bytes, no sockets.

A device is an instance at a host and port, or behind a router there: then `network` and `mac` say where. Devices with
the same host and port share one socket. An object is written `analog-input 3`; without `property` its present-value is
meant. State 1 of a multi-state object is the first of an Enumeration's values, code 0.
"""

from __future__ import annotations

import builtins
import ipaddress
import re
from typing import Final, Literal

from pydantic import Field, field_validator, model_validator

from config.model import Duration, Model
from config.words import Access, Kind
from drivers.bacnet.names import (
    ANY_INSTANCE,
    COMMANDABLE,
    COV_TYPES,
    MULTI_STATE,
    OBJECT_TYPES,
    PRESENT_VALUE,
    PROPERTIES,
)

USUAL_PORT: Final = 47808
WireType = Literal["real", "double", "unsigned", "integer", "enumerated", "boolean", "text"]
_OBJECT: Final = re.compile(r"([a-z-]+|\d{1,4}) (\d{1,7})")


class BacnetDevice(Model):
    """One BACnet device.

    Attributes:
        host, port: its address, or that of the router or gateway before it.
        instance: of its device object, 0..4194302; what answers with another one is not believed.
        object_name, vendor_name, serial: what its device object must say beside its instance; empty: not compared.
        identity_required: one that does not say who it is counts as another one.
        network, mac: where it is behind a router: network number and MAC address in hex ('0a' on MS/TP); 0 and empty:
            at host and port itself.
        local_host, local_port: where answers are awaited (those of a device on loopback: there); port 0: the system's
            choice, one for each partner. With a port of its own (47808), all devices share that socket.
        bbmd: 'host' or 'host:port' of the broadcast manager we register with as a foreign device, so that what devices
            in other subnets broadcast is heard; an address, no name. With a `local_port` all devices share one
            registration.
        bbmd_ttl: time to live of the registration [s]; renewed after half of it.
        apdu: longest message the device takes and gives [bytes]; on MS/TP 480.
        window: questions in flight to one host and port. Routers to MS/TP bear 1 or 2.
        rpm: it knows ReadPropertyMultiple. One that says it does not is asked property by property in any case.
        flags: read the status flags beside each present-value.
        cov: have changes told: not at all, or by unconfirmed or confirmed notifications.
        lifetime: of a subscription [s]; renewed after half of it.
        reconcile: how often all that is told is read as well, as a proof [s].
        check_priority: after a write, look whether a higher priority holds the present-value.
    """

    host: str = Field(min_length=1, max_length=253)
    port: int = Field(default=USUAL_PORT, ge=1, le=65535)
    instance: int = Field(ge=0, lt=ANY_INSTANCE)
    network: int = Field(default=0, ge=0, le=65534)
    mac: str = Field(default="", pattern=r"^([0-9A-Fa-f]{2}){0,7}$")
    local_host: str = Field(default="0.0.0.0", min_length=1, max_length=253)
    local_port: int = Field(default=0, ge=0, le=65535)
    bbmd: str = Field(default="", max_length=21)
    bbmd_ttl: Duration = Field(default=60.0, ge=10, le=65_535)
    apdu: Literal[50, 128, 206, 480, 1024, 1476] = 1476
    window: int = Field(default=2, ge=1, le=16)
    rpm: bool = True
    flags: bool = True
    cov: Literal["off", "unconfirmed", "confirmed"] = "off"
    lifetime: Duration = Field(default=300.0, ge=60, le=86_400)
    reconcile: Duration = Field(default=900.0, ge=10, le=86_400)
    check_priority: bool = True
    object_name: str = Field(default="", max_length=250)
    vendor_name: str = Field(default="", max_length=250)
    serial: str = Field(default="", max_length=250)
    identity_required: bool = False

    @model_validator(mode="after")
    def _fits(self) -> BacnetDevice:
        if (self.network == 0) != (self.mac == ""):
            raise ValueError(
                f"expected network and mac together (behind a router), or neither, got network {self.network} "
                f"with mac {self.mac!r}"
            )
        return self

    @field_validator("bbmd")
    @classmethod
    def _is_bbmd(cls, text: str) -> str:
        host, _, port = text.partition(":")
        try:
            sound = not text or (bool(ipaddress.IPv4Address(host)) and 0 < int(port or USUAL_PORT) < 65536)
        except ValueError:
            sound = False
        if not sound:
            raise ValueError(f"expected an address such as '10.21.0.1' or '10.21.0.1:47808', got {text!r}")
        return text

    @property
    def broadcaster(self) -> tuple[str, int] | None:
        """Host and port of the BBMD; None: there is none."""
        host, _, port = self.bbmd.partition(":")
        return (host, int(port or USUAL_PORT)) if host else None

    @property
    def identity(self) -> tuple[str, int, int, str]:
        """What makes two devices the same one: an address has one, so that its subscriptions have one owner."""
        return self.host, self.port, self.network, self.mac.lower()

    @property
    def where(self) -> str:
        """For people: 'bacnet 10.21.5.3:47808'."""
        return f"bacnet {self.host}:{self.port}"


class BacnetPoint(Model):
    """One value: a property of an object, or one element of it.

    Attributes:
        object: type and instance: 'analog-input 3'; a type without a name by its number: '200 3'.
        property: by its name, or its number.
        index: element of an array property, 1..; 0 is its length.
        bit: of a bit string, which bit, 0..; None: the whole as a number.
        type: how it is written; by default as its object type says.
        priority: it is written with, 1 (life safety) .. 16.
        release: the raw value that means: give the priority back (write Null) instead of this value.
        cov: have changes of it told, where the device offers that.
        cov_increment: smallest change told; the device's own if None.
    """

    object: str
    property: str | int = "present-value"
    index: int | None = Field(default=None, ge=0, le=65535)
    bit: int | None = Field(default=None, ge=0, le=63)
    type: WireType | None = None
    priority: int = Field(default=8, ge=1, le=16)
    release: float | int | None = None
    cov: bool = True
    cov_increment: float | int | None = Field(default=None, gt=0, le=1e12)

    @field_validator("object")
    @classmethod
    def _is_object(cls, text: str) -> str:
        found = _OBJECT.fullmatch(text)
        if found is None or not (found[1] in OBJECT_TYPES or (found[1].isdecimal() and int(found[1]) <= 1023)):
            raise ValueError(f"expected an object such as 'analog-input 3', got {text!r}")
        if int(found[2]) >= ANY_INSTANCE:
            raise ValueError(f"expected an instance 0..{ANY_INSTANCE - 1}, got {found[2]}")
        return text

    @field_validator("property")
    @classmethod
    def _is_property(cls, name: str | int) -> str | int:
        if isinstance(name, int) and not isinstance(name, bool):
            if not 0 <= name <= 4194303:
                raise ValueError(f"expected a property number 0..4194303, got {name}")
        elif name not in PROPERTIES:
            raise ValueError(f"expected a property such as 'present-value', or its number, got {name!r}")
        return name

    @builtins.property
    def object_type(self) -> int:
        """Its number."""
        name = self.object.partition(" ")[0]
        return OBJECT_TYPES[name] if name in OBJECT_TYPES else int(name)

    @builtins.property
    def oid(self) -> int:
        """The object identifier's 32 bits."""
        return self.object_type << 22 | int(self.object.partition(" ")[2])

    @builtins.property
    def pid(self) -> int:
        """Number of the property."""
        return self.property if isinstance(self.property, int) else PROPERTIES[self.property]

    @builtins.property
    def is_present_value(self) -> bool:
        """True for the value that status flags speak of."""
        return self.pid == PRESENT_VALUE and self.index is None

    @builtins.property
    def is_told(self) -> bool:
        """True if a device may tell its changes (clause 13.1)."""
        return self.cov and self.is_present_value and self.object_type in COV_TYPES

    @builtins.property
    def has_priority(self) -> bool:
        """True if it may stand on a priority array."""
        return self.is_present_value and self.object_type in COMMANDABLE

    def first(self, kind: Kind) -> int:
        """What the device says for code 0: 1 for the states of a multi-state object as an Enumeration, else 0."""
        return int(kind is Kind.Enumeration and self.is_present_value and self.object_type in MULTI_STATE)

    def __str__(self) -> str:
        index = "" if self.index is None else f"[{self.index}]"
        bit = "" if self.bit is None else f" bit {self.bit}"
        name = "" if self.is_present_value else f" {self.property}"
        return f"{self.object}{name}{index}{bit}"


def check(kind: Kind, access: Access, address: BacnetPoint) -> list[str]:
    """Problems of a point that need its kind and access."""
    problems = []
    if kind is Kind.DateTime:
        problems.append("kind: expected anything but DateTime, BACnet's times have no zone")
    if address.bit is not None and (kind is not Kind.Boolean or access.writable):
        problems.append("bit: expected a read-only Boolean, a single bit cannot be written")
    if address.type is not None and not access.writable:
        problems.append("type: it says how a value is written, and this tag is read only; remove it")
    if address.release is not None and not (access.writable and address.has_priority):
        problems.append("release: expected a writable present-value on a priority array")
    if address.cov_increment is not None and not (address.is_told and kind.is_float):
        problems.append("cov_increment: expected a Float or Double present-value whose changes are told")
    return problems
