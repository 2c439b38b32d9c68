# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_testkit.py, tests/kit
"""The driver kit: the same claims for every protocol, a level that is computed, and the README's table.

Law of this file: running and counting; the claims are `drivers.testclaims`' and `drivers.testfaults`'.
Never imported by the product.

A driver's own file is four lines:

    KIT = Kit(protocol("modbus"), ModbusPeer, run=run, clock=clock, skips={})

    @pytest.mark.parametrize("claim", KIT.params())
    def test_claim(claim: str) -> None:
        KIT.check(claim)

Levels, as the claims that hold or are skipped with a reason: *bronze* reads and reports what it cannot; *silver* also
writes, recovers by itself and stays within its bounds; *gold* also survives the whole list of faults.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Final

from config.words import Clock
from drivers.base import ProtocolSpec
from drivers.peer import Peer
from drivers.testbench import bench
from drivers.testclaims import BRONZE, SILVER, Claim
from drivers.testfaults import GOLD

Run = Callable[[Coroutine[Any, Any, None]], None]

LEVELS: Final[tuple[tuple[str, tuple[Claim, ...]], ...]] = (("bronze", BRONZE), ("silver", SILVER), ("gold", GOLD))
CLAIMS: Final[dict[str, Claim]] = {claim.__name__: claim for _, claims in LEVELS for claim in claims}


class Kit:
    """All claims about one driver.

    Attributes:
        name: of the protocol, and of the wire where it has several: 'dali (adfweb)'.
        skips: claim -> why this protocol cannot meet it, one sentence.
    """

    def __init__(
        self,
        spec: ProtocolSpec,
        make_peer: Callable[[], Peer],
        run: Run,
        clock: Callable[[], Clock],
        skips: Mapping[str, str] | None = None,
        wire: str = "",
    ) -> None:
        """Nothing is run yet.

        Args:
            run: runs a coroutine to its end, in virtual time, and fails if a task is left behind.
            clock: the clock of the loop that runs.
            wire: which of the protocol's, where it has several.

        Raises:
            ValueError: a skip that names no claim, or has no reason.
        """
        for name, reason in (skips or {}).items():
            if name not in CLAIMS or not reason:
                raise ValueError(f"expected a claim of {', '.join(CLAIMS)} and a reason, got {name!r}: {reason!r}")
        self.spec, self.skips = spec, dict(skips or {})
        self.name = f"{spec.name} ({wire})" if wire else spec.name
        self._make_peer, self._run, self._clock = make_peer, run, clock

    def check(self, name: str) -> None:
        """Run one claim.

        Raises:
            AssertionError: it does not hold; the text says what was expected.
        """

        async def main() -> None:
            async with bench(self.spec, self._make_peer, self._clock()) as made:
                await CLAIMS[name](made)

        self._run(main())

    def params(self) -> list[Any]:
        """The claims for `pytest.mark.parametrize`; skipped ones carry their reason."""
        import pytest

        marks = {name: [pytest.mark.skip(reason=reason)] for name, reason in self.skips.items()}
        return [pytest.param(name, marks=marks.get(name, []), id=name) for name in CLAIMS]

    def broken(self) -> dict[str, str]:
        """Run all claims: name -> what went wrong, for those that do not hold."""
        found: dict[str, str] = {}
        for name in CLAIMS:
            if name in self.skips:
                continue
            try:
                self.check(name)
            except Exception as error:
                found[name] = f"{type(error).__name__}: {error}"
        return found

    def level(self, broken: Mapping[str, str] | None = None) -> str:
        """'gold', 'silver', 'bronze' or 'none', from the claims that hold; computed, never claimed."""
        broken = self.broken() if broken is None else broken
        reached = "none"
        for level, claims in LEVELS:
            if any(claim.__name__ in broken for claim in claims):
                break
            reached = level
        return reached


def driver_table(kits: Sequence[Kit], broken: Mapping[str, Mapping[str, str]] | None = None) -> str:
    """The README's table of drivers: level, claims that hold, named skips.

    Args:
        broken: name of a kit -> what is known not to hold; None: all kits are run to find out.
    """
    lines = ["| driver | level | claims | skipped, and why |", "|---|---|---|---|"]
    for kit in kits:
        found = kit.broken() if broken is None else broken.get(kit.name, {})
        held = len(CLAIMS) - len(found) - len(kit.skips)
        skipped = "; ".join(f"{name.replace('_', ' ')}: {reason}" for name, reason in kit.skips.items()) or "-"
        lines.append(f"| {kit.name} | {kit.level(found)} | {held} of {len(CLAIMS)} | {skipped} |")
    return "\n".join(lines) + "\n"
