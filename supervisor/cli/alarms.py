# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_cli_alarms.py
"""The alarms of the running server, the urgent and unacknowledged ones first.

  vigie alarms                       what stands before the operators
  vigie alarms 'CAB-*'               of all cabinets; also 'CAB-0003/V1_limits' or '21605/*/*'
  vigie alarms --shelved             who shelved what, until when; --suppressed, --out-of-service likewise
  vigie alarms --history CAB-0003    what the journal tells, oldest first
  vigie alarms --lang en             texts in English

P1 to P4 have a sign each (■ ▲ ● ○). A '?' behind the state: its inputs are lost, the state is the last known. '+7'
behind a text: it holds back seven others, listed with --children. The last column is the event to acknowledge by
('vigie ack'); 'not recorded' stands there while the journal cannot be written.
"""

from __future__ import annotations

import argparse
from datetime import datetime
from typing import Any, Final

from supervisor.cli import ask, times

SIGNS: Final = {"P1": "■ 1", "P2": "▲ 2", "P3": "● 3", "P4": "○ 4"}
_LISTS: Final = ("active", "shelved", "suppressed", "out-of-service")
_HEADS: Final = {
    "fr": ("prio", "état", "apparue", "depuis", "commune", "équipement", "alarme", "valeur / seuil", "pupitre",
           "acquittée par", "événement"),
    "en": ("prio", "state", "raised", "for", "area", "equipment", "alarm", "value / limit", "desk", "acked by",
           "event"),
}  # fmt: skip
_STATES: Final = {
    "fr": {
        "A": "normale",
        "B": "à acquitter",
        "C": "acquittée",
        "D": "revenue, à acquitter",
        "E": "mémorisée, à acquitter",
        "F": "mémorisée, à réarmer",
        "G": "en veille",
        "H": "masquée",
        "I": "hors service",
        "disabled": "désactivée",
    },
    "en": {
        "A": "normal",
        "B": "unacknowledged",
        "C": "acknowledged",
        "D": "returned, unacknowledged",
        "E": "latched, unacknowledged",
        "F": "latched, to be reset",
        "G": "shelved",
        "H": "suppressed",
        "I": "out of service",
        "disabled": "disabled",
    },
}
_UNTIL: Final = {"fr": "jusqu'à", "en": "until"}
_NOT_RECORDED: Final = {"fr": "non inscrite", "en": "not recorded"}


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("pattern", metavar="PATTERN", nargs="?", default="", help="which alarms (default: all)")
    which = parser.add_mutually_exclusive_group()
    for name in _LISTS:
        which.add_argument(f"--{name}", dest="list", action="store_const", const=name, help=f"only {name} ones")
    which.add_argument(
        "--unacked", dest="list", action="store_const", const="unacked", help="only those to acknowledge"
    )
    which.add_argument("--history", dest="list", action="store_const", const="history", help="the journal's records")
    parser.set_defaults(list="active")
    parser.add_argument("--children", action="store_true", help="also name what each holds back")
    parser.add_argument("--limit", type=int, default=200, help="at most so many (default: 200, most: 1000)")
    add_language(parser)
    ask.add_server(parser)


def add_language(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--lang", choices=("fr", "en"), default="fr", help="language of texts (default: fr)")


def run(args: argparse.Namespace) -> int:
    limit = max(1, min(args.limit, 1000))
    with ask.connect(args) as control:
        if args.list == "history":
            answer = control.call("alarm_history", pattern=args.pattern, limit=limit)
        else:
            answer = control.call("alarms", pattern=args.pattern, list=args.list, limit=limit)
    if args.json:
        ask.print_json(answer)
        return 0
    console = ask.console()
    if args.list == "history":
        console.print(history_table(answer["records"], args.lang))
        if not answer["complete"]:
            print("older records were not compared with this pattern; name one equipment or alarm to find all of it")
        return 0
    for sentence in answer["errors"]:
        console.print(ask.plain(f"ERROR  {sentence}"))
    alarms = answer["alarms"]
    if alarms:
        console.print(alarms_table(alarms, args.lang))
    if args.children:
        for line in children_lines(alarms, args.lang):
            console.print(ask.plain(line))
    total = answer["total"]
    print(ask.count(total, "alarm") if len(alarms) == total else f"{len(alarms):,} of {total:,} alarms; narrow PATTERN")
    return 0


_CHATTERS: Final = {"fr": "(bat : « vigie shelve » la met en veille)", "en": "(chatters: 'vigie shelve' puts it aside)"}


def alarms_table(alarms: list[dict[str, Any]], language: str) -> Any:
    """A plain table, one line each."""
    heads = _HEADS[language]
    made = ask.table(heads, right=(heads[3],))
    for a in alarms:
        made.add_row(
            SIGNS.get(a["priority"], a["priority"]),
            ask.plain(state_text(a, language)),
            local(a["raised"]),
            ask.age(a["elapsed_s"]),
            ask.plain(a["area_title"]),
            ask.plain(a["equipment"]),
            ask.plain(alarm_text(a, language)),
            value_text(a),
            a["owner_desk"] or "-",
            ask.plain(a["acked_by"] or "-"),
            a["event"] if a["recorded"] else _NOT_RECORDED[language],
        )
    return made


def state_text(a: dict[str, Any], language: str) -> str:
    """'en veille jusqu'à 14:05', 'masquée (21605/CAB-0003/Supply_Loss)', 'à acquitter ?'."""
    text = _STATES[language].get(a["state"], a["state"])
    if a["state"] == "G":
        text += f" {_UNTIL[language]} {local(a['shelved_until'])}"
        text += f" ({a['shelved_by']})" if a["shelved_by"] else ""
    elif a["state"] == "H" and a["suppressed_by"]:
        text += f" ({', '.join(a['suppressed_by'])})"
    elif a["state"] == "I":
        text += f" ({a['work_order']})"
    return text if a["known"] else f"{text} ?"


def alarm_text(a: dict[str, Any], language: str) -> str:
    text: str = a["text"][language]
    family = a["children"]
    held = len(family["suppressed"]) if family else 0
    text += f" +{held}" if held else ""
    text += f" {_CHATTERS[language]}" if a["chattering"] else ""
    return text + (f" [{a['comment']}]" if a["comment"] else "")


def value_text(a: dict[str, Any]) -> Any:
    """'192.4 V / 196': the value when it was announced, and the limit it passed."""
    if a["value"] is None:
        return "-"
    text = ask.value({"value": a["value"], "unit": a["unit"]})
    return ask.plain(text if a["limit"] is None else f"{text} / {a['limit']:.7g}")


def children_lines(alarms: list[dict[str, Any]], language: str) -> list[str]:
    """What each parent holds back, and how much it blinds."""
    blind = {"fr": "règles inconnues", "en": "rules unknown"}[language]
    lines = []
    for a in alarms:
        if not (family := a["children"]):
            continue
        lines.append(f"{a['name']}: {len(family['suppressed'])}, {family['unknown']} {blind}")
        lines += [f"    {name}" for name in family["suppressed"]]
    return lines


def history_table(records: list[dict[str, Any]], language: str) -> Any:
    made = ask.table(("time", "event", "what", "prio", "alarm", "text", "who", "detail"))
    for r in records:
        data = r["data"]
        detail = "; ".join(str(data[k]) for k in ("detail", "comment") if data.get(k))
        what = f"{r['what']} {data.get('before', '')}→{data.get('after', '')}" if "after" in data else r["what"]
        made.add_row(
            local(r["time"], date=True),
            r["event"],
            ask.plain(what),
            SIGNS.get(str(data.get("priority")), "-"),
            ask.plain(r["name"]),
            ask.plain(r["text"][language]),
            ask.plain(r["user"]),
            ask.plain(detail),
        )
    return made


def local(iso: str | None, *, date: bool = False) -> str:
    """A time in the zone of this terminal: '01.03. 18:30:05', with its year if asked for."""
    if iso is None:
        return "-"
    at = datetime.fromisoformat(iso).astimezone()
    return (f"{at:%Y-%m-%d %H:%M:%S}" if date else f"{at:%d.%m. %H:%M:%S}") + times.which(at)
