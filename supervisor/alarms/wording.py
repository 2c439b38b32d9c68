# SPDX-License-Identifier: Apache-2.0
# Tests: tests/sim/test_alarm_identity.py
"""The sentence of an alarm: the rule's own text, and for an alarm on identity who answers in whose place.

Law of this file: pure; one sentence for lists, events and the journal.
"""

from __future__ import annotations

from config.model import AlarmRule
from historian.base import Plain

_ANSWERS_AS = {"fr": "{0} : {1} répond comme {2}", "en": "{0}: {1} answers as {2}"}


def wording(model: AlarmRule, name: str, value: Plain) -> dict[str, str]:
    """The sentence in both languages.

    Args:
        name: of the condition: '21605/CAB-0142/Comm_Identity'.
        value: as it is shown beside the alarm; on identity: who answers.
    """
    texts = {"fr": model.text.fr, "en": model.text.en}
    if model.on != "identity" or not isinstance(value, str):
        return texts
    equipment = name.split("/")[-2]
    return {locale: _ANSWERS_AS[locale].format(text, equipment, value) for locale, text in texts.items()}
