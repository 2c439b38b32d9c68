# SPDX-License-Identifier: Apache-2.0
"""The permit lives exactly as long as the proof of life; each start has its own epoch."""

import asyncio
import os
import stat
from pathlib import Path

import pytest

from config.durable import write_whole
from supervisor.commands.guard import guard_permit
from supervisor.commands.permit import EPOCH_MAX, ExpiringPermit, StandingPermit, next_epoch
from supervisor.commands.proof import ProofOfLife
from supervisor.failure import Failure
from tests.sim import loop as sim


class HandClock:
    now_s = 100.0

    def wall_ns(self) -> int:
        return 0

    def boot_s(self) -> float:
        return self.now_s


def test_no_permit_before_every_part_has_shown_life() -> None:
    clock = HandClock()
    proof = ProofOfLife(clock, ("scan", "journal"))
    permits = StandingPermit(7, proof)
    assert not permits.current().valid(clock.now_s)
    proof.beat("scan")
    assert not permits.current().valid(clock.now_s)
    assert proof.late() == ["journal"]
    proof.beat("journal")
    assert permits.current().valid(clock.now_s)
    assert permits.current().epoch == 7
    assert proof.late() == []


def test_one_silent_part_ends_the_permit_at_its_age_and_not_later() -> None:
    clock = HandClock()
    proof = ProofOfLife(clock, ("scan", "journal"), age_max_s=1.0)
    permits = StandingPermit(1, proof)
    proof.beat("journal")
    proof.beat("scan")
    early = permits.current()
    clock.now_s = 100.5
    proof.beat("scan")
    assert permits.current() == early, "the journal has not beaten since"
    assert early.valid(100.999)
    assert not early.valid(101.0)
    clock.now_s = 101.0
    assert proof.late() == ["journal"]
    assert not early.valid(clock.now_s)
    proof.beat("journal")
    assert permits.current().deadline_s == 101.5


def test_a_permit_that_waited_is_as_good_as_the_proof_of_the_instant_it_is_used() -> None:
    clock = HandClock()
    proof = ProofOfLife(clock, ("scan",), age_max_s=1.0)
    proof.beat("scan")
    waiting = StandingPermit(1, proof).current()
    clock.now_s = 100.9
    proof.beat("scan")
    assert waiting.valid(101.8), "renewed while it waited"
    assert not waiting.valid(101.9)


def test_a_permit_for_one_command_ends_with_its_time_too_and_says_that_it_was_late() -> None:
    clock, said = HandClock(), []
    proof = ProofOfLife(clock, ("scan",), age_max_s=1.0)
    proof.beat("scan")
    given = StandingPermit(1, proof).current()
    permit = ExpiringPermit(given.epoch, given.deadline_s, given, 100.5, lambda: said.append("late"))
    assert permit.valid(100.4) and not said
    assert not permit.valid(100.5) and said == ["late"]
    longer = ExpiringPermit(given.epoch, given.deadline_s, given, 200.0, lambda: said.append("late"))
    assert not longer.valid(101.0) and said == ["late"], "the post's own end is another matter"


def test_nothing_to_prove_life_is_no_permit_and_a_stranger_is_an_error() -> None:
    clock = HandClock()
    proof = ProofOfLife(clock, ())
    assert not StandingPermit(1, proof).current().valid(clock.now_s)
    with pytest.raises(KeyError, match="expected one of"):
        proof.beat("scan")


def test_each_start_has_the_next_epoch(tmp_path: Path) -> None:
    assert [next_epoch(tmp_path) for _ in range(3)] == [1, 2, 3]
    assert (tmp_path / "epoch").read_text() == "3\n"
    assert stat.S_IMODE((tmp_path / "epoch").stat().st_mode) == 0o600


@pytest.mark.parametrize("content", [b"", b"-1\n", b"x", b"\xff\xfe", b"1" * 30, b"%d" % EPOCH_MAX, b"1.5"])
def test_a_damaged_epoch_is_never_guessed(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "epoch").write_bytes(content)
    with pytest.raises(Failure, match="expected the number of the last start"):
        next_epoch(tmp_path)
    assert (tmp_path / "epoch").read_bytes() == content


def test_an_epoch_that_cannot_be_kept_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "epoch.new").mkdir()
    with pytest.raises(Failure, match="cannot count this start"):
        next_epoch(tmp_path)


def test_a_file_is_replaced_whole_with_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"old")
    os.chmod(path, 0o666)
    write_whole(path, b"new", 0o600)
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_permit_that_ends_cuts_the_field_once_and_again_the_next_time() -> None:
    async def main() -> None:
        clock = sim.clock()
        proof = ProofOfLife(clock, ("scan",), age_max_s=1.0)
        cuts: list[float] = []

        def cut() -> int:
            cuts.append(clock.boot_s())
            return len(cuts)

        guard = asyncio.create_task(guard_permit(StandingPermit(1, proof), clock, cut, look_s=0.125))
        await asyncio.sleep(5)
        assert cuts == [], "a permit that was never held cannot end"
        for _ in range(2):
            proof.beat("scan")
            await asyncio.sleep(5)
        assert cuts == [6.0, 11.0]
        guard.cancel()
        await asyncio.gather(guard, return_exceptions=True)

    sim.run(main())
