# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_opcua_simulator.py
"""What can go wrong with a simulated OPC UA server, in words a person types while the demo runs.

hang [30 s]            questions are heard and never answered
late 5 s               each answer is held that long; later questions are not blocked by it
slow 200 ms            each answer that long after its question, in order
silent [30 s]          subscriptions stop telling anything; all else is answered
no_subscriptions       no subscription is given any more: BadTooManySubscriptions
items 50               so many nodes are watched, further ones are BadTooManyMonitoredItems
forget                 all sessions are forgotten: BadSessionIdInvalid
reset                  all connections are reset once
refuse [30 s]          connections are reset, new ones too
clients 1              so many connections are taken, further ones are reset
restart                the server stops and starts again, its values kept
garble [N]             the next N answers are noise
truncate [N]           the next N answers end in the middle
duplicate [N]          the next N answers are sent twice
wrong_id [N]           the next N answers bear another request's id
busy [N]               the next N questions get BadServerTooBusy
reject ns=2;s=Plan     this node is unknown (accept ns=2;s=Plan turns it back)
heal                   everything back
"""

from __future__ import annotations

from typing import Final

from drivers.knobs import Words

WORDS: Final = Words(
    lasting=("hang", "refuse", "silent"),
    timed=("late", "slow"),
    counted=("garble", "truncate", "duplicate", "wrong_id", "busy"),
    numbered={"clients": (1, 100), "items": (0, 100_000)},
    named=("reject", "accept"),
    plain=("no_subscriptions", "forget", "reset", "restart", "heal"),
)
NAMES: Final = WORDS.names
parse = WORDS.parse
