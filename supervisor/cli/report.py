# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_cli_alarms.py
"""How well something did over a time. `vigie report alarms`: the alarm system itself, by the measures of ISA-18.2.

  vigie report alarms                 the last day
  vigie report alarms --days 30
  vigie report alarms --plot FILE.svg   the same as a page of pictures; also FILE.png

Counted is what was put before a person. One alarm in ten minutes can be treated, more than ten are a flood. Chattering:
annunciated three times or more within a minute. Fleeting: gone within five seconds, before anybody acknowledged it.
Stale: standing for more than a day. Each measure stands beside its target for one desk over a month (ISA-18.2); the
load of each desk and each commune is called what EEMUA 191 calls it. An upset is the alarm of what feeds others, or the
begin of a flood. Hidden by people is what was shelved, put out of service or disabled; to be right, that takes a person
and a reason. The hours are those of this terminal.
"""

from __future__ import annotations

import argparse
from collections import Counter
from datetime import UTC, datetime
from typing import Any, Final

from supervisor.cli import ask, report_plot
from supervisor.cli.alarms import SIGNS, add_language, alarms_table, local

_BAR: Final = 40
_SHARED_MAX: Final = 50


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("subject", choices=("alarms",), help="what to report on")
    parser.add_argument("--days", type=float, default=1.0, help="how far back (default: 1)")
    parser.add_argument("--plot", metavar="FILE", help="draw it too: FILE.svg or FILE.png")
    add_language(parser)
    ask.add_server(parser)


def run(args: argparse.Namespace) -> int:
    with ask.connect(args) as control:
        report = control.call("alarm_report", hours=max(1, round(args.days * 24)))
    if args.plot is not None:
        report_plot.draw(report, args.plot)
    if args.json:
        ask.print_json(report)
        return 0
    console = ask.console()
    for line in head(report):
        console.print(ask.plain(line))
    for made in (measured(report["measures"]), priorities(report["shares"])):
        console.print()
        console.print(made)
    for title, rows in (("desk", report["desks"]), ("area", report["areas"])):
        if rows:
            console.print()
            console.print(shared(title, rows))
    console.print()
    for line in (*upsets(report), *hidden(report)):
        console.print(ask.plain(line))
    for title in ("top", "chattering", "fleeting"):
        rows = report[title]
        console.print()
        console.print(f"{'top ten' if title == 'top' else title}:{'' if rows else ' none'}")
        if rows:
            console.print(_ranked(rows, args.lang))
    console.print()
    console.print(f"standing for more than a day: {report['stale_total']:,}")
    if report["stale"]:
        console.print(alarms_table(report["stale"][:50], args.lang))
    return 0


def head(r: dict[str, Any]) -> list[str]:
    """Rates and a bar for each hour (of a day or less) or day."""
    priorities = ", ".join(f"{SIGNS.get(p, p)}: {n:,}" for p, n in r["priorities"].items()) or "none"
    lines = [
        f"from       {r['from']} until {r['until']}" + ("" if r["complete"] else "  (only the newest records)"),
        f"announced  {r['annunciated']:,}: {priorities}",
        f"per day    {r['per_day']:.1f}",
        f"per hour   {r['per_hour']:.2f}, at most {r['per_hour_max']:,}",
        f"per 10 min {r['per_10_min']:.2f}, at most {r['per_10_min_max']:,}; in flood {r['in_flood']:.1%} of the time",
    ]
    acks = r["acks"]
    if acks["count"]:
        lines.append(
            f"acknowledged {acks['count']:,}: half within {acks['p50_s']:,.0f} s, nine of ten within "
            f"{acks['p90_s']:,.0f} s, later than 10 min: {acks['late']:,}"
        )
    return lines + bars(r["hours"])


def measured(rows: list[dict[str, Any]]) -> Any:
    """Each measure beside its target."""
    made = ask.table(("measure", "value", "target", "manageable", "met"), right=("value", "target", "manageable"))
    for r in rows:
        share = r["name"].endswith("_share") or r["name"] == "in_flood"
        shown = [_number(r[key], share=share) for key in ("value", "target", "maximum")]
        made.add_row(r["title"], shown[0], f"<= {shown[1]}", shown[2] and f"<= {shown[2]}", r["met"])
    return made


def priorities(rows: list[dict[str, Any]]) -> Any:
    """Configured against announced."""
    made = ask.table(("priority", "rules", "announced", "target"), right=("rules", "announced", "target"))
    for r in rows:
        both = [f"{r[of]:,} ({r[f'{of}_share']:.1%})" for of in ("configured", "announced")]
        made.add_row(f"{SIGNS.get(r['priority'], r['priority'])}", *both, f"about {r['target']:.0%}")
    return made


def shared(title: str, rows: list[dict[str, Any]]) -> Any:
    """What each desk, or each area, had to bear."""
    heads = (
        title,
        "announced",
        "per day",
        "hour at most",
        "10 min at most",
        "in flood",
        "stale",
        "half acked in",
        "load",
    )
    made = ask.table(heads, right=heads[1:-1])
    for r in rows[:_SHARED_MAX]:
        p50 = r["acks"]["p50_s"]
        made.add_row(
            ask.plain(r.get("title") or r["name"] or "-"),
            f"{r['annunciated']:,}",
            f"{r['per_day']:,.1f}",
            f"{r['per_hour_max']:,}",
            f"{r['per_10_min_max']:,}",
            f"{r['in_flood']:.1%}",
            f"{r['stale_total']:,}",
            "-" if p50 is None else f"{p50:,.0f} s",
            r["grade"],
        )
    return made


def upsets(r: dict[str, Any]) -> list[str]:
    """'upsets: 2', and each with what came in its first ten minutes, the worst first."""
    lines = [f"upsets: {r['upsets_total']:,}" if r["upsets_total"] else "upsets: none"]
    for u in r["upsets"]:
        at = f"{datetime.fromtimestamp(u['at'] // 1_000_000_000, UTC).astimezone():%Y-%m-%d %H:%M:%S}"
        lines.append(f"  {at}  {u['count']:>6,} in 10 min  {u['grade']:<10}  {u['name'] or 'a flood'}")
    return lines


def hidden(r: dict[str, Any]) -> list[str]:
    """What people hid in the time, what they hide now, and what lacks its right to be hidden."""
    now = r["hidden"]
    lines = [f"hidden by people: {_each(r['acts'])}; now {_each(now['now'])}"]
    lines.append(f"  without the right to: {r['unauthorised_total']:,}")
    lines += [f"    {w['name']} {w['what']}: expected {w['lacks']}" for w in r["unauthorised"]]
    lines.append(f"  out of service past their review: {now['overdue_total']:,}")
    lines += [f"    {o['name']} ({o['work_order']}), due {local(o['review'], date=True)}" for o in now["overdue"]]
    lines.append(f"alarm settings changed: {r['settings_total']:,}; each needs its change record")
    lines += [f"  {local(s['time'], date=True)}  {s['text']}" for s in r["settings"]]
    return lines


def _each(counts: dict[str, int]) -> str:
    return ", ".join(f"{n:,} {what}" for what, n in counts.items())


def _number(value: float | None, *, share: bool) -> str:
    if value is None:
        return ""
    return f"{value:.1%}" if share else f"{value:,.1f}".removesuffix(".0")


def bars(hours: list[list[int]]) -> list[str]:
    """'2026-03-01 18 h    12 ############', by day where there are more than two days."""
    times = [(datetime.fromtimestamp(ns // 1_000_000_000, UTC).astimezone(), n) for ns, n in hours]
    by_day = len({at.date() for at, _ in times}) > 2
    # In the night when clocks go back an hour comes twice: then its zone says which.
    zones = "" if len({at.utcoffset() for at, _ in times}) < 2 else " %Z"
    counts: Counter[str] = Counter()
    for at, n in times:
        counts[f"{at:%Y-%m-%d}" if by_day else at.strftime(f"%Y-%m-%d %H h{zones}")] += n
    most = max(counts.values(), default=1)
    return [f"{label} {n:>6,} {'#' * max(1, round(n / most * _BAR))}" for label, n in counts.items()]


def _ranked(rows: list[dict[str, Any]], language: str) -> Any:
    made = ask.table(("alarm", "text", "times", "share", "per minute"), right=("times", "share", "per minute"))
    for r in rows:
        share, minute = r.get("share"), r.get("per_minute_max")
        made.add_row(
            ask.plain(r["name"]),
            ask.plain(r["text"][language] if r["text"] else "-"),
            f"{r['count']:,}",
            "-" if share is None else f"{share:.1%}",
            "-" if minute is None else str(minute),
        )
    return made
