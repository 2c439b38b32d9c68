# SPDX-License-Identifier: Apache-2.0
"""Any bytes on an RTU line: a proper answer or a typed error, and nothing grows."""

from __future__ import annotations

import asyncio
from typing import cast

from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.base import DriverError
from drivers.modbus import rtu
from drivers.modbus.line import BUFFER_MAX, Pace, RtuConnection
from drivers.modbus.memory import Memory
from drivers.modbus.serving import Rtu
from tests.sim.loop import run

READ = b"\x03\x00\x00\x00\x02"
ANSWER = rtu.frame(1, b"\x03\x04\x00\x01\x00\x02")
PIECES = st.one_of(
    st.binary(max_size=40),
    st.just(ANSWER),
    st.integers(0, len(ANSWER)).map(lambda n: ANSWER[:n]),
    st.tuples(st.integers(0, len(ANSWER) - 1), st.integers(1, 255)).map(
        lambda spot: ANSWER[: spot[0]] + bytes((ANSWER[spot[0]] ^ spot[1],)) + ANSWER[spot[0] + 1 :]
    ),
    st.binary(min_size=2, max_size=253).map(lambda pdu: rtu.frame(2, pdu)),
    st.binary(min_size=600, max_size=900),
)


class Mute(asyncio.Transport):
    """Takes bytes and says nothing."""

    def write(self, data: object) -> None: ...

    def abort(self) -> None: ...


@settings(max_examples=60, deadline=None)
@given(st.lists(PIECES, max_size=12))
def test_a_line_answers_properly_or_says_why_not(pieces: list[bytes]) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        line = RtuConnection(loop, Pace(0.0, 0.05), lambda t: "", lambda t: "", lambda c: None)
        line.connection_made(cast(asyncio.BaseTransport, Mute()))
        asked = loop.create_task(line.ask(1, READ, 1.0))
        await asyncio.sleep(0.01)
        sent = b""
        for piece in pieces:
            sent += piece
            line.data_received(piece)
            assert len(line._rest) <= BUFFER_MAX
            await asyncio.sleep(0.001)
        try:
            pdu = await asked
        except DriverError:
            pass
        else:
            assert rtu.frame(1, pdu) in sent, "only what lay on the line with its checksum"
        assert not line._rest or line._idle is not None
        line.end("done")

    run(main())


@settings(max_examples=100, deadline=None)
@given(st.lists(st.one_of(st.binary(max_size=300), st.just(rtu.frame(1, READ))), max_size=6))
def test_a_simulated_line_hears_only_sound_questions(pieces: list[bytes]) -> None:
    framing, memory = Rtu(), Memory(10)
    rest = b""
    for piece in pieces:
        questions, rest, lost = framing.questions(rest + piece)
        assert len(rest) <= rtu.FRAME_MAX and not lost
        for _, unit, pdu in questions:
            assert rtu.is_sound(rtu.frame(unit, memory.answer(pdu)))
