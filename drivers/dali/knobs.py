# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_dali_simulator.py
"""What can go wrong with a simulated Lunatone gateway and its bus, in words a person types while the demo runs.

hang [30 s]            frames are heard and never answered, nor those under way
late 5 s               each answer is held that long; later frames are not blocked by it
slow 200 ms            each answer that long after its frame, in order
reset                  all connections are reset once
refuse [30 s]          connections are reset, new ones too
clients 1              so many connections are taken, further ones are reset
restart                the gateway stops and starts again
garble [N]             the next N answers are noise
truncate [N]           the next N answers end in the middle
duplicate [N]          the next N answers are sent twice
wrong_id [N]           the next N answers are another line's
busy [N]               the next N frames find the buffer full
lamp 5                 the lamp of gear 5 fails (whole 5 turns it back)
gear 5                 gear 5 itself fails (whole 5)
dead 5                 gear 5 neither hears nor answers (whole 5)
short                  both wires of the bus touch
unpowered              the bus has no voltage
power_cycle            the mains of all gear was off and on
heal                   everything back
"""

from __future__ import annotations

from typing import Final

from drivers.knobs import Words

WORDS: Final = Words(
    lasting=("hang", "refuse"),
    timed=("late", "slow"),
    counted=("garble", "truncate", "duplicate", "wrong_id", "busy"),
    numbered={**dict.fromkeys(("lamp", "gear", "dead", "whole"), (0, 63)), "clients": (1, 100)},
    plain=("reset", "restart", "short", "unpowered", "power_cycle", "heal"),
)
NAMES: Final = WORDS.names
parse = WORDS.parse
