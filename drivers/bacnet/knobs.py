# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_bacnet_simulator.py, tests/kit/test_bacnet.py
"""What can go wrong with a simulated BACnet device, in words a person types while the demo runs.

hang [30 s]            questions are heard and never answered
late 5 s               each answer is held that long; later questions are not blocked by it
slow 200 ms            each answer that long after its question, in order
refuse [30 s]          nothing is heard: the device is off
silent [30 s]          changes are not told any more; all else is answered
no_room                no subscription is taken any more: resources, no-space-to-add-list-element
no_rpm                 ReadPropertyMultiple is not known: reject, unrecognized-service
small [N]              answers are N bytes at most (206): abort, segmentation-not-supported
forget                 all subscriptions are forgotten, and nobody is told
restart                the device stops and starts again: subscriptions are gone, it says I-Am
garble [N]             the next N answers are noise
truncate [N]           the next N answers end in the middle
duplicate [N]          the next N answers are sent twice
wrong_id [N]           the next N answers come from another device behind the same address
busy [N]               the next N questions get the abort out-of-resources
reject analog-input 3  this object is unknown (accept analog-input 3 turns it back)
hold 5                 every present-value is held by that priority (release turns it back)
deny 8                 writes with that priority are refused: write-access-denied
heal                   everything back
"""

from __future__ import annotations

from typing import Final

from drivers.knobs import Words

WORDS: Final = Words(
    lasting=("hang", "refuse", "silent"),
    timed=("late", "slow"),
    counted=("garble", "truncate", "duplicate", "wrong_id", "busy", "small", "hold", "deny"),
    named=("reject", "accept"),
    plain=("no_room", "no_rpm", "forget", "restart", "release", "heal"),
    defaults={"small": 206, "hold": 5, "deny": 8},
)
NAMES: Final = WORDS.names
parse = WORDS.parse
