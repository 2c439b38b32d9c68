# SPDX-License-Identifier: Apache-2.0
"""Settings of alarm rules that somebody changed in a file: told once, at the next start, with what was and what is."""

from __future__ import annotations

from pathlib import Path

from config.model import AlarmRule
from historian.base import DATA_LENGTH_MAX, Query, Record, RecordKind
from supervisor.alarms.settings import TABLE, changes, settings
from supervisor.cli.report import hidden
from tests.desk import RULES, TEXT, Post, story
from tests.unit.test_control_alarms import call


async def told(post: Post) -> list[Record]:
    found = await post.journal.query(Query(kinds=frozenset({RecordKind.CONFIG})))
    return [e.record for e in found.entries]


async def started_with(post: Post, **rules: dict[str, object] | None) -> None:
    """Stop; some rules are others, or no more; start."""
    await post.close()
    made = {n: r for n, r in (RULES | rules).items() if r is not None}
    post.rules = {n: AlarmRule.model_validate({"text": TEXT} | r) for n, r in made.items()}
    await post.open()


def test_a_changed_setting_is_told_once_with_what_was_and_what_is(tmp_path: Path) -> None:
    async def tell(post: Post) -> None:
        assert await told(post) == [], "the first start knows no others"
        await started_with(post)
        assert await told(post) == [] and "settings" not in post.desk.found
        await started_with(post, V=RULES["V"] | {"high": 260, "on_delay": "5 s"})
        (record,) = await told(post)
        assert record.text == "alarm setting CAB/V: high 253 -> 260, on_delay - -> 5.0"
        assert dict(record.data) == {
            "what": "alarm setting", "rule": "CAB/V", "high": "253 -> 260", "on_delay": "- -> 5.0",
        }  # fmt: skip
        assert (record.user, record.subject) == ("vigie", "") and "alarm settings changed: 1" in post.desk.found
        await started_with(post, V=RULES["V"] | {"high": 260, "on_delay": "5 s", "text": {"fr": "x", "en": "y"}})
        assert len(await told(post)) == 1, "a text is no setting, and nothing is told twice"

    story(tmp_path, tell)


def test_a_rule_that_is_new_and_one_that_is_no_more(tmp_path: Path) -> None:
    async def tell(post: Post) -> None:
        await started_with(post, V=None, High=RULES["V"])
        assert [r.text for r in await told(post)] == ["alarm rule CAB/High is new", "alarm rule CAB/V is no more"]
        assert [key for key, _ in await post.journal.rows(TABLE)] == [b"CAB/High", b"CAB/Loss", b"CAB/Trip"]

    story(tmp_path, tell)


def test_what_cannot_be_journalled_now_is_told_at_the_next_start(tmp_path: Path) -> None:
    async def tell(post: Post) -> None:
        await post.close()
        post.rules["V"] = AlarmRule.model_validate({"text": TEXT} | RULES["V"] | {"high": 260})
        post.refuses = True
        await post.open()
        assert await told(post) == []
        await post.close()
        post.refuses = False
        await post.open()
        assert len(await told(post)) == 1

    story(tmp_path, tell)


def test_the_report_lists_them(tmp_path: Path) -> None:
    async def tell(post: Post) -> None:
        await started_with(post, V=RULES["V"] | {"priority": "P4"})
        await post.scan()
        report = await call(post, "alarm_report", hours=1)
        assert report["settings_total"] == 1
        assert report["settings"][0]["text"] == "alarm setting CAB/V: priority P3 -> P4"
        assert "alarm settings changed: 1; each needs its change record" in hidden(report)

    story(tmp_path, tell)


def test_what_is_damaged_or_has_more_settings_than_a_record_holds_is_told_all_the_same() -> None:
    now = {"T/R": b'{"high":3}'}
    ((damaged,), _) = changes([(b"T/R", b"\xff{")], now, 5)
    assert damaged.text == "alarm setting T/R: high - -> 3"
    ((other,), rows) = changes([(b"T/R", b"[]"), (b"T/\xff", b"{}")][:1], now, 5)
    assert other.data["high"] == "- -> 3" and [row.payload for row in rows] == [now["T/R"]]
    many = b"{" + b",".join(b'"k%02d":"%s"' % (i, b"v" * 600) for i in range(40)) + b"}"
    ((record,), _) = changes([(b"T/R", many)], now, 5)
    assert len(record.data) == DATA_LENGTH_MAX


def test_only_rules_with_equipment_and_only_what_is_no_default(tmp_path: Path) -> None:
    async def tell(post: Post) -> None:
        assert (
            settings(post.desk.book)["CAB/Trip"]
            == b'{"on":"discrete","tag":"Trip","equals":true,"priority":"P1","latching":true}'
        )

    story(tmp_path, tell)
