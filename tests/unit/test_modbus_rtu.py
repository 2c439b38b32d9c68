# SPDX-License-Identifier: Apache-2.0
"""RTU frames against published vectors, and what an engineer may write about each transport."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from drivers.modbus import rtu
from drivers.modbus.address import ModbusDevice
from drivers.modbus.link import pace
from drivers.modbus.protocol import PROTOCOL


def test_the_checksum_is_the_published_one() -> None:
    assert rtu.crc16(b"123456789") == 0x4B37  # CRC-16/MODBUS check value
    assert rtu.frame(1, bytes.fromhex("03000000 0a")) == bytes.fromhex("01030000000ac5cd")
    assert rtu.is_sound(bytes.fromhex("01030000000ac5cd"))
    assert not rtu.is_sound(bytes.fromhex("01030000000bc5cd")) and not rtu.is_sound(b"\x01\x03")


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("01 0000 0013", "01 03 010203"),
        ("02 0000 0008", "02 01 ff"),
        ("03 0000 0002", "03 04 00010002"),
        ("04 0000 007d", "04 fa" + "00" * 250),
        ("05 0001 ff00", "05 0001 ff00"),
        ("06 0001 1234", "06 0001 1234"),
        ("0f 0001 0009 02 0101", "0f 0001 0009"),
        ("10 0001 0002 04 00010002", "10 0001 0002"),
        ("16 0001 ff00 00ff", "16 0001 ff00 00ff"),
    ],
)
def test_the_length_of_a_frame_is_told_from_its_function(question: str, answer: str) -> None:
    asked, said = rtu.frame(9, bytes.fromhex(question)), rtu.frame(9, bytes.fromhex(answer))
    assert rtu.question_length(asked) == len(asked)
    assert rtu.answer_length(said) == len(said) == rtu.expected_length(bytes.fromhex(question))
    refusal = rtu.frame(9, bytes((asked[1] | 0x80, 2)))
    assert rtu.answer_length(refusal) == len(refusal) == 5
    assert rtu.answer_length(said[:2]) is None and rtu.question_length(asked[:1]) is None


def test_a_function_nobody_knows_has_no_length() -> None:
    assert rtu.answer_length(b"\x01\x2b\x00") == rtu.question_length(b"\x01\x2b") == rtu.expected_length(b"\x2b") == 0


def test_the_silence_of_a_line_follows_its_speed() -> None:
    assert rtu.silence_s(9600) == pytest.approx(0.00401, rel=0.01)
    assert rtu.silence_s(115200) == 0.00175
    serial = {"transport": "serial", "serial_port": "/dev/ttyS0", "baud_rate": 1200}
    assert pace(ModbusDevice.model_validate(serial)).turnaround_s == pytest.approx(0.032, rel=0.01)
    assert pace(ModbusDevice.model_validate({**serial, "turnaround": "20 ms"})).turnaround_s == 0.02
    assert pace(ModbusDevice.model_validate({"transport": "rtu_tcp", "host": "a"})).turnaround_s == 0


SERIAL = {"transport": "serial", "serial_port": "/dev/ttyS0"}
THROUGH = {"transport": "rtu_tcp", "host": "10.0.0.1"}


@pytest.mark.parametrize(
    ("bad", "place", "text"),
    [
        ({}, "host", "required"),
        ({"transport": "serial"}, "serial_port", "required"),
        ({**SERIAL, "host": "a"}, "host", "expected no host for transport serial; it belongs to tcp and rtu_tcp"),
        ({**SERIAL, "keepalive": "9 s"}, "keepalive", "expected no keepalive for transport serial"),
        ({"host": "a", "baud_rate": 9600}, "baud_rate", "expected no baud_rate for transport tcp; it belongs to seria"),
        ({**THROUGH, "parity": "odd"}, "parity", "expected no parity for transport rtu_tcp"),
        ({"host": "a", "turnaround": "5 ms"}, "turnaround", "expected no turnaround for transport tcp"),
        ({**THROUGH, "window": 4}, "window", "expected window 1 for transport rtu_tcp: an RTU line takes one"),
        ({**SERIAL, "unit_id": 0}, "unit_id", "expected unit_id 1..255 for transport serial: 0 is for all"),
        ({**SERIAL, "stop_bits": 3}, "stop_bits", "1 or 2"),
        ({**SERIAL, "baud_rate": 50}, "baud_rate", "greater than or equal to 300"),
        ({"transport": "udp", "host": "a"}, "transport", "'tcp', 'rtu_tcp' or 'serial'"),
    ],
)
def test_a_key_of_another_transport_is_refused_where_it_stands(bad: dict[str, Any], place: str, text: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        ModbusDevice.model_validate(bad)
    [error] = refusal.value.errors()
    assert error["loc"] == (place,) and text in error["msg"]


def test_who_shares_a_connection_and_who_is_the_same() -> None:
    def device(**keys: Any) -> ModbusDevice:
        return ModbusDevice.model_validate(keys)

    one, two = device(**SERIAL, unit_id=1), device(**SERIAL, unit_id=2, gap_max=0)
    tcp, through = device(host="10.0.0.1"), device(**THROUGH)
    assert PROTOCOL.link_key(one) == PROTOCOL.link_key(two) and one.identity != two.identity
    assert len({PROTOCOL.link_key(d) for d in (one, tcp, through)}) == 3
    assert tcp.identity == through.identity, "one port cannot speak two protocols"
    assert (one.where, tcp.where) == ("/dev/ttyS0", "10.0.0.1:502")


def test_devices_of_one_line_must_agree_on_it() -> None:
    class Still:
        def wall_ns(self) -> int:
            return 0

        def boot_s(self) -> float:
            return 0.0

    one = ModbusDevice.model_validate({**SERIAL, "unit_id": 1})
    other = ModbusDevice.model_validate({**SERIAL, "unit_id": 2, "baud_rate": 9600})
    link = PROTOCOL.make_link(one, Still())
    PROTOCOL.make_driver("M-1.meter", one, (), link, Still())
    with pytest.raises(ValueError, match=r"M-2.meter: expected 19200 baud, even parity, 1 stop bits as the other"):
        PROTOCOL.make_driver("M-2.meter", other, (), link, Still())


def test_what_a_device_needs_depends_on_its_transport() -> None:
    assert ModbusDevice.keys_needed({}) == ["host"]
    assert ModbusDevice.keys_needed({"transport": "serial", "baud_rate": 9600}) == ["serial_port"]
    assert ModbusDevice.keys_needed({"transport": "rtu_tcp", "host": None}) == []
    assert ModbusDevice.keys_needed({"transport": None}) == [], "each row says it, and is judged by itself"
