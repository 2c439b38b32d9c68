# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_bacnet_simulator.py, tests/kit/test_bacnet.py
"""The objects of a simulated device: their properties, priority arrays, and who wants to be told.

Law of this file: no sockets. What the values mean is the demo plant's business; this is their door.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from drivers.bacnet import tags
from drivers.bacnet.address import BacnetPoint
from drivers.bacnet.names import (
    COV_INCREMENT,
    DEVICE,
    OBJECT_IDENTIFIER,
    OBJECT_LIST,
    OBJECT_NAME,
    OBJECT_TYPES,
    PRESENT_VALUE,
    PRIORITY_ARRAY,
    PROPERTIES,
    RELIABILITY,
    RELINQUISH_DEFAULT,
    SERVICES_SUPPORTED,
    STATUS_FLAGS,
    SYSTEM_STATUS,
    object_type_name,
)  # fmt: skip
from drivers.bacnet.quality import FAULT
from drivers.bacnet.tags import BITS, ENUMERATED, NULL, OBJECT, REAL, TEXT, UNSIGNED, Primitive

PRIORITIES: Final = 16
SERVICES_BITS: Final = 40


class Refused(Exception):
    """The device says no: error class and code."""

    def __init__(self, class_: int, code: int) -> None:
        super().__init__(f"{class_}/{code}")
        self.class_, self.code = class_, code


UNKNOWN_OBJECT: Final = (1, 31)
UNKNOWN_PROPERTY: Final = (2, 32)
WRITE_DENIED: Final = (2, 40)
INVALID_TYPE: Final = (2, 9)
INVALID_INDEX: Final = (2, 42)
NO_ARRAY: Final = (2, 50)


@dataclass(slots=True, eq=False)
class Object:
    """One object.

    Attributes:
        tag: application tag of its present-value.
        own: its value where no priority is in force (relinquish-default), or at all.
        priorities: the priority array; None: it has none, and is written directly if `writable`.
        flags, reliability: as the standard numbers them; a reliability sets the fault flag by itself.
        increment: smallest change that is told.
        more: further properties: number -> (tag, value).
    """

    type: int
    instance: int
    tag: int
    own: Primitive
    writable: bool = False
    priorities: list[Primitive] | None = None
    flags: int = 0
    reliability: int = 0
    increment: float = 0.0
    more: dict[int, tuple[int, Primitive]] = field(default_factory=dict)
    told: tuple[Primitive, int] | None = None

    @property
    def oid(self) -> int:
        """The object identifier's 32 bits."""
        return self.type << 22 | self.instance

    @property
    def name(self) -> str:
        """'analog-input 3'."""
        return f"{object_type_name(self.type)} {self.instance}"

    @property
    def value(self) -> Primitive:
        """Present-value: the highest priority in force, else its own."""
        return next((v for v in self.priorities or () if v is not None), self.own)

    @property
    def all_flags(self) -> int:
        """Status flags as they are told."""
        return self.flags | (FAULT if self.reliability else 0)

    def encoded(self, pid: int, index: int | None) -> bytes:
        """A property as it is sent.

        Raises:
            Refused.
        """
        if pid == PRIORITY_ARRAY and self.priorities is not None:
            shown = [tags.encode(NULL if v is None else self.tag, v) for v in self.priorities]
            return _element(shown, index)
        simple = self._simple(pid)
        if simple is None:
            raise Refused(*UNKNOWN_PROPERTY)
        if index is not None:
            raise Refused(*NO_ARRAY)
        return tags.encode(*simple)

    def _simple(self, pid: int) -> tuple[int, Primitive] | None:
        known: dict[int, tuple[int, Primitive]] = {
            PRESENT_VALUE: (self.tag if self.value is not None else NULL, self.value),
            STATUS_FLAGS: (BITS, self.all_flags),
            RELIABILITY: (ENUMERATED, self.reliability),
            OBJECT_NAME: (TEXT, self.name),
            OBJECT_IDENTIFIER: (OBJECT, self.oid),
            PROPERTIES["object-type"]: (ENUMERATED, self.type),
            COV_INCREMENT: (REAL, self.increment),
        }
        if self.priorities is not None:
            known[RELINQUISH_DEFAULT] = (self.tag, self.own)
        return {**known, **self.more}.get(pid)

    def write(self, pid: int, value: tags.Value, priority: int) -> None:
        """As WriteProperty.

        Raises:
            Refused.
        """
        if pid == PRESENT_VALUE and self.priorities is not None:
            if value.tag not in (NULL, self.tag):
                raise Refused(*INVALID_TYPE)
            self.priorities[priority - 1] = value.value
        elif pid == PRESENT_VALUE and self.writable:
            if value.tag != self.tag:
                raise Refused(*INVALID_TYPE)
            self.own = value.value
        elif pid in self.more and self.writable:
            if value.tag != self.more[pid][0]:
                raise Refused(*INVALID_TYPE)
            self.more[pid] = (value.tag, value.value)
        elif self._simple(pid) is None:
            raise Refused(*UNKNOWN_PROPERTY)
        else:
            raise Refused(*WRITE_DENIED)

    def has_changed(self) -> bool:
        """True if the value is as far from what was last told as the increment says."""
        now = (self.value, self.all_flags)
        if self.told is None or self.told[1] != now[1]:
            return True
        value, told = now[0], self.told[0]
        if isinstance(value, float) and isinstance(told, float):
            return value != told and not abs(value - told) < self.increment
        return value != told


def _element(shown: list[bytes], index: int | None) -> bytes:
    """An array, its length (0) or one element."""
    if index is None:
        return b"".join(shown)
    if index == 0:
        return tags.encode(UNSIGNED, len(shown))
    if index > len(shown):
        raise Refused(*INVALID_INDEX)
    return shown[index - 1]


class Objects:
    """All objects of one device.

    Attributes:
        instance: of the device object.
        services: bits of protocol-services-supported.
        system_status: as the standard numbers it.
        changed: called with an object whose value or flags may have changed.
    """

    def __init__(self, instance: int, name: str, rpm: bool = True) -> None:
        self.instance, self.name = instance, name
        self.services = 1 << 5 | 1 << 12 | 1 << 15 | 1 << 38 | (1 << 14 if rpm else 0)
        self.system_status = 0
        self.changed: Callable[[Object], None] = lambda each: None
        self._all: dict[int, Object] = {}

    def __iter__(self) -> Iterator[Object]:
        return iter(self._all.values())

    def __contains__(self, oid: int) -> bool:
        return oid in self._all

    def add(self, text: str, tag: int, value: Primitive, writable: bool = False, commanded: bool = False) -> Object:
        """An object by its name: 'analog-input 3'.

        Raises:
            ValueError: there is one, or it is no such name.
        """
        type_name, _, instance = text.partition(" ")
        type_ = OBJECT_TYPES.get(type_name)
        if type_ is None or not instance.isdecimal() or type_ << 22 | int(instance) in self._all:
            raise ValueError(f"expected a new object such as 'analog-input 3', got {text!r}")
        array: list[Primitive] | None = [None] * PRIORITIES if commanded else None
        made = Object(type_, int(instance), tag, value, writable or commanded, array)
        self._all[made.oid] = made
        return made

    def remove(self, oid: int) -> Object | None:
        """Forget an object."""
        return self._all.pop(oid, None)

    def of(self, address: BacnetPoint) -> Object:
        """The object of a point.

        Raises:
            KeyError.
        """
        return self._all[address.oid]

    def find(self, oid: int) -> Object:
        """The object with this identifier.

        Raises:
            Refused.
        """
        found = self._all.get(oid)
        if found is None:
            raise Refused(*UNKNOWN_OBJECT)
        return found

    def hold(self, each: Object, value: Primitive) -> None:
        """The field moves: an object has a new value of its own."""
        each.own = value
        self.changed(each)

    def device(self, pid: int, index: int | None) -> bytes:
        """A property of the device object.

        Raises:
            Refused.
        """
        own = DEVICE << 22 | self.instance
        if pid == OBJECT_LIST:
            return _element([tags.encode(OBJECT, oid) for oid in (own, *self._all)], index)
        if pid == SERVICES_SUPPORTED:
            content = tags.bit_content(self.services, SERVICES_BITS)
            return tags.tag(BITS, False, len(content)) + content
        known: dict[int, tuple[int, Primitive]] = {
            OBJECT_IDENTIFIER: (OBJECT, own),
            OBJECT_NAME: (TEXT, self.name),
            SYSTEM_STATUS: (ENUMERATED, self.system_status),
            PROPERTIES["vendor-name"]: (TEXT, "Vigie"),
            PROPERTIES["model-name"]: (TEXT, "simulated"),
        }
        if pid not in known:
            raise Refused(*UNKNOWN_PROPERTY)
        return tags.encode(*known[pid])
