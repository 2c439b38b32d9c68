# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_permit.py
"""The permit: the right to write to the field, with an epoch and a deadline.

Law of this file: a permit lives exactly as long as the proof of life it was made from; nothing here can stretch it.

A post with a peer wins its epoch from a consensus store; a site without a peer gives itself a **standing permit**: the
epoch grows by one at each start. Both have the same deadline and the same proof, so that only the source differs. Who
may be the one writer of such a site is decided by the exclusive lock on its state folder (`supervisor.state`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from config.durable import write_whole
from config.words import Permit
from supervisor.commands.proof import ProofOfLife
from supervisor.failure import Failure

EPOCH_MAX: Final = 2**63 - 1  # what the journal can hold


class PermitSource(Protocol):
    """Where permits come from."""

    def current(self) -> Permit:
        """The permit of this instant; it may already be past its deadline. Cheap: asked for every command."""
        ...


@dataclass(frozen=True, slots=True)
class LivePermit(Permit):
    """A permit that is renewed by its holder's proof of life, and ends with it.

    A write may wait a second for its link behind a device that hangs. It leaves with the proof of the instant it
    leaves, not with that of the instant it was asked for; and if the proof ends while it waits, it does not leave.

    Attributes:
        deadline_s: as it was when the permit was handed out.
        until_s: tells the deadline of now [s of `Clock.boot_s`].
    """

    until_s: Callable[[], float] = field(compare=False)

    def valid(self, boot_s: float) -> bool:
        """As `Permit.valid`, by the proof of now."""
        return boot_s < self.until_s()


@dataclass(frozen=True, slots=True)
class ExpiringPermit(Permit):
    """A permit for one command: it ends with the post's, and with the time that the command may wait.

    Attributes:
        given: the post's permit.
        expires_s: no byte may leave at or after this instant [s of `Clock.boot_s`].
        tell_late: called when it is asked for too late: nothing left then.
    """

    given: Permit
    expires_s: float
    tell_late: Callable[[], None] = field(compare=False)

    def valid(self, boot_s: float) -> bool:
        """As `Permit.valid`, by both."""
        if boot_s >= self.expires_s:
            self.tell_late()
            return False
        return self.given.valid(boot_s)


class StandingPermit:
    """Permits of a site without a peer."""

    def __init__(self, epoch: int, proof: ProofOfLife) -> None:
        self._epoch = epoch
        self._proof = proof

    def current(self) -> Permit:
        """As `PermitSource.current`: the deadline is the instant at which the proof of life becomes too old."""
        return LivePermit(self._epoch, self._proof.good_until_s, lambda: self._proof.good_until_s)


def next_epoch(folder: Path) -> int:
    """Count this start in `folder`/epoch and return its number, 1 and up. The caller holds the folder's lock. Blocking.

    Raises:
        Failure: the file is damaged or cannot be replaced. An epoch that is guessed could be one that was used.
    """
    path = folder / "epoch"
    try:
        text = path.read_text("ascii") if path.exists() else "0"
        if not text.strip().isdecimal() or len(text) > 20 or int(text) >= EPOCH_MAX:
            raise Failure(f"{path}: expected the number of the last start; restore the file from a backup")
        epoch = int(text) + 1
        write_whole(path, f"{epoch}\n".encode(), 0o600)
    except UnicodeDecodeError:
        raise Failure(f"{path}: expected the number of the last start; restore the file from a backup") from None
    except OSError as e:
        raise Failure(f"{path}: cannot count this start: {e.strerror}; free space or repair the disk") from e
    return epoch
