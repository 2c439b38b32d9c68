# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_modbus_rtu.py, tests/property/test_modbus_rtu_hostile.py
"""RTU frames: unit, function and data, checksum; where a frame ends.

Law of this file: pure; bytes in, bytes and numbers out. No sockets, no time.

Theory of operation. An RTU frame carries neither length nor transaction id; on the line it ends with a silence of 3.5
characters. Behind a driver or a network that silence is lost, so the length is told from the function:

    answer      1..4      unit function count data crc          5 + count
                5 6 15 16 unit function address value crc       8
                22        unit function address and or crc      10
                >= 0x80   unit function code crc                5
    question    1..6      8
                15 16     unit function address n count data crc  9 + count
                22        10

Source: Modbus over Serial Line V1.02, 2.5.1 (frame, timing) and 6.2.2 (checksum).
"""

from __future__ import annotations

from typing import Final

FRAME_MIN: Final = 4  # unit, function, checksum
FRAME_MAX: Final = 256
EXCEPTION_LEN: Final = 5
READS: Final = (1, 2, 3, 4)
PLAIN_WRITES: Final = (5, 6, 15, 16)
MASK_WRITE: Final = 22
BITS_PER_CHARACTER: Final = 11  # start, eight data, parity or a second stop, stop
FAST_BAUD: Final = 19200  # above it the silences are fixed
FAST_SILENCE_S: Final = 0.00175


def _table() -> tuple[int, ...]:
    found = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ 0xA001 if value & 1 else value >> 1
        found.append(value)
    return tuple(found)


_CRC: Final = _table()


def crc16(data: bytes) -> int:
    """Checksum of a frame without its last two bytes; it is sent low byte first."""
    crc = 0xFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC[(crc ^ byte) & 0xFF]
    return crc


def frame(unit: int, pdu: bytes) -> bytes:
    """A whole frame around a PDU."""
    body = bytes((unit,)) + pdu
    return body + crc16(body).to_bytes(2, "little")


def is_sound(data: bytes) -> bool:
    """True if the last two bytes are the checksum of the others."""
    return len(data) >= FRAME_MIN and crc16(data[:-2]) == data[-2] | data[-1] << 8


def answer_length(data: bytes) -> int | None:
    """Length of the answer that begins with `data`; None: too short to say; 0: no function we know."""
    if len(data) < 3:
        return None
    function = data[1]
    if function >= 0x80:
        return EXCEPTION_LEN
    if function in READS:
        return EXCEPTION_LEN + data[2]
    return _fixed(function)


def expected_length(pdu: bytes) -> int:
    """Length of the good answer to a question; 0 if the function is not known."""
    function = pdu[0]
    if function in READS:
        quantity = pdu[3] << 8 | pdu[4]
        return EXCEPTION_LEN + ((quantity + 7) // 8 if function <= 2 else 2 * quantity)
    return _fixed(function)


def question_length(data: bytes) -> int | None:
    """Length of the question that begins with `data`; None: too short to say; 0: no function we know."""
    if len(data) < 2:
        return None
    function = data[1]
    if function in (15, 16):
        return 9 + data[6] if len(data) >= 7 else None
    return 8 if function in READS else _fixed(function)


def _fixed(function: int) -> int:
    if function in PLAIN_WRITES:
        return 8
    return 10 if function == MASK_WRITE else 0


def character_s(baud_rate: int) -> float:
    """Time of one character on the line [s]."""
    return BITS_PER_CHARACTER / baud_rate


def silence_s(baud_rate: int) -> float:
    """The silence that ends a frame: 3.5 characters, above 19200 baud 1.75 ms [s]."""
    return FAST_SILENCE_S if baud_rate > FAST_BAUD else 3.5 * character_s(baud_rate)
