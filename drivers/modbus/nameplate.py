# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_modbus_nameplate.py
"""Who a Modbus device says it is: Read Device Identification (43/14), and a serial number in registers.

Law of this file: these two questions and their answers; what follows is the host's. Source: Modbus Application Protocol
V1.1b3, 6.21.

What the device refuses it does not say. An answer may come in several parts (`more follows`); of a device that tells
more than `PARTS_MAX` of them the rest is not read.
"""

from __future__ import annotations

from typing import Final

from config.words import Access, Kind
from drivers.base import Busy, DeviceSilent, DriverError, Point
from drivers.identity import Declared, Identity
from drivers.modbus.address import ModbusDevice
from drivers.modbus.codec import CannotDecode, decode
from drivers.modbus.link import ModbusLink
from drivers.modbus.place import ModbusPoint
from drivers.modbus.plan import make_body

FUNCTION: Final = 0x2B
MEI: Final = 0x0E
BASIC, REGULAR = 1, 2
"""Which objects are asked for: vendor, product and revision; or all that have a name in the standard."""
PARTS_MAX: Final = 8
OBJECTS: Final = {0: "vendor", 1: "product", 2: "revision", 4: "product name", 5: "model", 6: "application"}
BUSY: Final = (5, 6)
GATEWAY: Final = (10, 11)


class NoAnswer(ValueError):
    """It is no answer to this question; the text says why."""


def objects(answer: bytes) -> tuple[dict[str, str], int | None]:
    """Objects that an answer to 43/14 tells, by name, and from which the next part begins; None: that was all.

    Raises:
        NoAnswer: another function, or lengths that do not fit.
    """
    if len(answer) < 7 or answer[:2] != bytes((FUNCTION, MEI)):
        raise NoAnswer(f"expected an answer of function 43/14, got {answer[:4].hex(' ')}")
    more, following, count = answer[4], answer[5], answer[6]
    found: dict[str, str] = {}
    at = 7
    for _ in range(count):
        if at + 2 > len(answer) or at + 2 + answer[at + 1] > len(answer):
            raise NoAnswer(f"expected {count} objects, the answer ends in the middle of one")
        number, size = answer[at], answer[at + 1]
        if number in OBJECTS:
            found[OBJECTS[number]] = answer[at + 2 : at + 2 + size].split(b"\0", 1)[0].decode("latin-1").strip()
        at += 2 + size
    return found, following if more == 0xFF else None


class Nameplate:
    """What one unit says of itself.

    Attributes:
        declared: what it must say.
    """

    def __init__(self, name: str, device: ModbusDevice, link: ModbusLink) -> None:
        self._name, self._device, self._link = name, device, link
        self.declared = Declared.of(
            device.identity_required,
            serial=device.serial,
            vendor=device.vendor_name,
            product=device.product_code,
            application=device.application_name,
        )

    async def ask(self, timeout_s: float) -> Identity:
        """The serial number where it is known which registers hold it, and 43/14 where that, or nothing, is declared.

        Raises:
            LinkDown, DeviceSilent, Busy.
        """
        said: dict[str, str] = {}
        if self._device.serial_at is not None:
            said["serial"] = await self._serial(self._device.serial_at, timeout_s)
        wanted = self.declared.texts.keys() - {"serial"}
        if wanted or (not self.declared.texts and not self._device.is_rtu):
            said |= await self._identification(timeout_s)
        return {name: text for name, text in said.items() if text}

    async def _serial(self, at: ModbusPoint, timeout_s: float) -> str:
        body = make_body([Point("serial", _kind(at), Access.R, at, None)], [0])
        answer = await self._put(body.question, f"serial number at {at}", timeout_s)
        if not (answer.startswith(body.head) and len(answer) == body.answer_len):
            return ""
        try:
            return str(decode(at, answer[2:])).strip()
        except CannotDecode:
            return ""

    async def _identification(self, timeout_s: float) -> dict[str, str]:
        category = REGULAR if self._device.application_name else BASIC
        said: dict[str, str] = {}
        first: int | None = 0
        for _ in range(PARTS_MAX):
            if first is None:
                break
            answer = await self._put(bytes((FUNCTION, MEI, category, first)), "43/14", timeout_s)
            if not answer:
                break
            try:
                more, first = objects(answer)
            except NoAnswer as error:
                raise DeviceSilent(f"{self._name}: 43/14: {error}") from error
            said |= more
        return said

    async def _put(self, question: bytes, what: str, timeout_s: float) -> bytes:
        """The answer to a question; empty: refused.

        Raises:
            LinkDown, DeviceSilent, Busy.
        """
        where = f"{self._name}: {what}"
        try:
            answer = await self._link.ask(self._device.unit_id, question, timeout_s)
        except DriverError as error:
            raise type(error)(f"{where}: {error}") from error
        if len(answer) != 2 or answer[0] != question[0] | 0x80:
            return answer
        if answer[1] in BUSY:
            raise Busy(f"{where}: exception {answer[1]}")
        if answer[1] in GATEWAY:
            raise DeviceSilent(f"{where}: exception {answer[1]} of the gateway")
        return b""


def _kind(at: ModbusPoint) -> Kind:
    return Kind.String if at.type == "string" else Kind.UInt64 if at.type == "uint64" else Kind.Int64
