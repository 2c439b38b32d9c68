# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_cli_history.py, tests/system/test_history.py
"""What a tag was: samples, or values over buckets of time, from the running server or, where none runs, its files.

  vigie history 21605/CAB-0003/V1                                     the last hour, every stored sample
  vigie history 21605/CAB-0003/P --from 2026-03-01 --to 2026-03-02    a day
  vigie history 21605/CAB-0003/P --last '30 d' --every '1 d'          lowest, highest and mean value of each day
  vigie history 21605/CAB-0003/E_act --last '1 y' --every month --aggregate consumption    what a meter counted
  vigie history 21605/CAB-0003/P1 21605/CAB-0003/P2 --every '15 min'  several tags beside each other
  vigie history 21605/CAB-0003/P --last '7 d' --plot -                a curve in the terminal; also FILE.svg, FILE.png
  vigie history 21605/CAB-0003/Ep --last '31 d' --format csv          for a spreadsheet; also parquet

Times are in the site's zone, in and out. The quality stands beside each value; a value that was not good is not shown
as good, and a time in which nothing was recorded is a line of its own with its cause, never a value.
"""

from __future__ import annotations

import argparse
import csv
import re
import shutil
import sys
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from supervisor.cli import ask, times
from supervisor.cli.history_source import Asked, Source, open_source
from supervisor.cli.plot import Curve, png, shows, svg, terminal
from supervisor.clock import SystemClock
from supervisor.failure import Failure

_NS: Final = 1_000_000_000
_DURATION: Final = re.compile(r"(\d{1,6}) ?(s|min|h|d|y)")
_UNITS_S: Final = {"s": 1, "min": 60, "h": 3600, "d": 86_400, "y": 366 * 86_400}
_PERIODS: Final = {"1d": "day", "day": "day", "1week": "week", "week": "week", "7d": "week",
                   "1month": "month", "month": "month"}  # fmt: skip
AGGREGATES: Final = ("min", "max", "mean", "last", "count", "good", "consumption")
AGGREGATE: Final = "min,max,mean"
ROWS_MAX: Final = 1_000_000
"""Most rows of one answer; what is left out is said."""
_TABLE_MAX: Final = 1000
_COLUMNS_OF_SAMPLES: Final = ("time_ns", "value", "status", "lag_s", "note")
_KINDS: Final = {"status": "String", "note": "String", "count": "Int64"}


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "tags",
        metavar="TAG",
        nargs="+",
        help="'<area>/<equipment>/<tag>'; several stand beside each other with --every",
    )
    parser.add_argument("--from", dest="since", metavar="TIME", help=f"not before: {times.EXPECTED}")
    parser.add_argument("--to", dest="until", metavar="TIME", help="before (default: now)")
    parser.add_argument("--last", metavar="DURATION", help="'30 min', '2 h', '7 d': so long before --to (default: 1 h)")
    parser.add_argument("--every", metavar="DURATION", help="one line for each '15 min', '1 h', day, week, month")
    parser.add_argument("--aggregate", default=AGGREGATE, help=f"of --every: {','.join(AGGREGATES)}")
    parser.add_argument("--format", choices=("table", "csv", "parquet"), default="table")
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="where csv or parquet goes (default: standard output)"
    )
    parser.add_argument("--plot", metavar="FILE", help="draw it: FILE.svg, FILE.png, or - for this terminal")
    ask.add_server(parser)


def run(args: argparse.Namespace) -> int:
    if len(args.tags) > 1:
        return _run_several(args)
    (tag,) = args.tags
    with open_source(args.state) as source:
        about = source.page(tag, 0, 0, None)
        zone = ZoneInfo(about["zone"])
        from_ns, until_ns = _span(args, zone)
        every = _every(args)
        if args.plot is not None:
            _plot(args.plot, source, about, from_ns, until_ns, zone)
            return 0
        if every is not None and not every.period:
            from_ns = aligned(from_ns, every.width_s, zone)
        columns, more = _gather(source, tag, from_ns, until_ns, every)
    chosen = _COLUMNS_OF_SAMPLES if every is None else ("time_ns", *_aggregates(args.aggregate), "status")
    gaps = columns.pop("gaps")
    if args.json:
        ask.print_json({**{k: about[k] for k in ("tag", "title", "kind", "unit", "zone")}, "more": more, "gaps": gaps,
                        "lost": columns["lost"],
                        **{name: columns[name] for name in chosen}})  # fmt: skip
    elif args.format == "table":
        _print_table(columns, chosen, gaps, about, zone, more)
    else:
        _write(args, _with_gaps(columns, chosen, gaps), chosen, about, zone)
    if more and not args.json:
        print(f"only the first {ROWS_MAX:,} lines; ask for a shorter time or for --every", file=sys.stderr)
    return 0


def _run_several(args: argparse.Namespace) -> int:
    """Several tags in the same buckets, one column each: the aggregate, and null where it is not Good or unknown."""
    names = _aggregates("mean" if args.aggregate == AGGREGATE else args.aggregate)
    if args.every is None or len(names) > 1 or len(set(args.tags)) < len(args.tags) or args.plot is not None:
        raise Failure("several different tags need --every and one --aggregate (default: mean), and are not plotted")
    with open_source(args.state) as source:
        first = source.page(args.tags[0], 0, 0, None)
        zone = ZoneInfo(first["zone"])
        from_ns, until_ns = _span(args, zone)
        every = _every(args)
        if every is not None and not every.period:
            from_ns = aligned(from_ns, every.width_s, zone)
        found = [_gather(source, tag, from_ns, until_ns, every) for tag in args.tags]
    columns: dict[str, Any] = {"time_ns": found[0][0]["time_ns"]}
    columns |= {tag: c[names[0]] for tag, (c, _) in zip(args.tags, found, strict=True)}
    about = {"tag": names[0], "title": f"of {len(args.tags)} tags", "unit": None, "kind": "several", "zone": zone.key}
    more = any(m for _, m in found)
    if args.json:
        statuses = {tag: c["status"] for tag, (c, _) in zip(args.tags, found, strict=True)}
        values = {tag: columns[tag] for tag in args.tags}
        ask.print_json({"aggregate": names[0], "zone": zone.key, "more": more, "time_ns": columns["time_ns"],
                        "values": values, "status": statuses})  # fmt: skip
    elif args.format == "table":
        _print_table(columns, tuple(columns), [], about, zone, more)
    else:
        _write(args, _with_gaps(columns, tuple(columns), []), tuple(columns), about, zone)
    return 0


# --- times


def _span(args: argparse.Namespace, zone: ZoneInfo) -> tuple[int, int]:
    now_ns = SystemClock().wall_ns()
    if args.since is not None and args.last is not None:
        raise Failure("--from and --last exclude each other")
    until_ns = now_ns if args.until is None else _when("--to", args.until, now_ns, zone)
    if args.since is None:
        from_ns = max(0, until_ns - _duration("--last", args.last or "1 h") * _NS)
    else:
        from_ns = _when("--from", args.since, now_ns, zone)
    if from_ns < 0:
        raise Failure(f"--from: expected a time of 1970 or later, got {times.shown(from_ns, zone)}")
    if from_ns >= until_ns:
        raise Failure(f"expected a beginning before the end, got {times.shown(from_ns, zone)} to "
                      f"{times.shown(until_ns, zone)}")  # fmt: skip
    return from_ns, until_ns


def aligned(from_ns: int, every_s: int, zone: ZoneInfo) -> int:
    """Where the bucket begins that holds `from_ns`: days at midnight of the zone, hours at the full hour [UTC ns]."""
    offset = datetime.fromtimestamp(from_ns // _NS, zone).utcoffset()
    shift_s = 0 if offset is None else int(offset.total_seconds())
    return ((from_ns // _NS + shift_s) // every_s * every_s - shift_s) * _NS


def _when(option: str, text: str, now_ns: int, zone: ZoneInfo) -> int:
    try:
        return times.when(text, now_ns, zone)
    except ValueError as e:
        raise Failure(f"{option}: {e}") from None


def _duration(option: str, text: str) -> int:
    match = _DURATION.fullmatch(text.strip())
    if match is None or int(match[1]) == 0:
        raise Failure(f"{option}: expected a duration such as 15 min, 2 h, 7 d; got '{text[:60]}'")
    return int(match[1]) * _UNITS_S[match[2]]


def _every(args: argparse.Namespace) -> Asked | None:
    if args.every is None:
        return None
    consumption = "consumption" in _aggregates(args.aggregate)
    if period := _PERIODS.get(args.every.replace(" ", "")):
        return Asked(0, period, consumption)
    return Asked(_duration("--every", args.every), "", consumption)


def _aggregates(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if not names or set(names) - set(AGGREGATES):
        raise Failure(f"--aggregate: expected some of {', '.join(AGGREGATES)}; got '{text[:60]}'")
    return names


def _gather(source: Source, tag: str, from_ns: int, until_ns: int, every: Asked | None) -> tuple[dict[str, Any], bool]:
    """All pages as one, at most ROWS_MAX rows, and whether there is more."""
    page = source.page(tag, from_ns, until_ns, every)
    columns = {name: values for name, values in page.items() if isinstance(values, list)}
    while page["next_ns"] is not None and len(columns["time_ns"]) < ROWS_MAX:
        page = source.page(tag, page["next_ns"], until_ns, every)
        for name in columns:
            if name != "gaps":
                columns[name] += page[name]
    if columns.setdefault("lost", []):
        print("part of it was stored and cannot be read any more; see 'vigie verify history'", file=sys.stderr)
    return columns, page["next_ns"] is not None


# --- how it looks


def _with_gaps(columns: dict[str, Any], chosen: tuple[str, ...], gaps: list[list[Any]]) -> list[list[Any]]:
    """Rows in order of time; a gap, and a time of which part is lost, is a row without a value that says so."""
    rows = [list(row) for row in zip(*(columns[name] for name in chosen), strict=True)]
    if "note" in chosen:
        for start, _end, cause in gaps:
            rows.append([start, None, "NotRecorded", None, cause])
        for start, _end in columns["lost"]:
            rows.append([start, None, "BadDataLost", None, "stored, cannot be read any more"])
        rows.sort(key=lambda row: int(row[0]))
    return rows


def _print_table(
    columns: dict[str, Any], chosen: tuple[str, ...], gaps: list[list[Any]], about: dict[str, Any], zone: ZoneInfo,
    more: bool,
) -> None:  # fmt: skip
    rows = _with_gaps(columns, chosen, gaps)
    made = ask.table(["time", *(_head(name, about["unit"]) for name in chosen[1:])], right=AGGREGATES)
    for row in rows[-_TABLE_MAX:]:
        made.add_row(times.shown(row[0], zone), *(ask.plain(_cell(value)) for value in row[1:]))
    print(f"{about['tag']}  {about['title']}  ({zone.key})")
    ask.console().print(made)
    hidden = len(rows) - _TABLE_MAX
    print(ask.count(len(rows), "line") + (f"; the last {_TABLE_MAX:,} are shown" if hidden > 0 else ""))
    for start, end, cause in gaps:
        print(f"not recorded from {times.shown(start, zone)} to {times.shown(end, zone)}: {cause}")
    for start, end in columns.get("lost", ()):
        print(f"lost: part of {times.shown(start, zone)} to {times.shown(end, zone)} cannot be read any more")


def _head(name: str, unit: str | None) -> str:
    return f"{name} [{unit}]" if unit and name in ("value", "min", "max", "mean", "last", "consumption") else name


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.9g}" if isinstance(value, float) else str(value)


def _write(
    args: argparse.Namespace, rows: list[list[Any]], chosen: tuple[str, ...], about: dict[str, Any], zone: ZoneInfo
) -> None:
    try:
        if args.format == "csv":
            _write_csv(args.output, rows, chosen, zone)
        else:
            _write_parquet(args.output, rows, chosen, about, zone)
    except OSError as e:
        if isinstance(e, BrokenPipeError):
            raise
        raise Failure(f"{args.output}: {e.strerror}") from e


def _write_csv(path: Path | None, rows: list[list[Any]], chosen: tuple[str, ...], zone: ZoneInfo) -> None:
    file = sys.stdout if path is None else path.open("w", newline="")
    try:
        writer = csv.writer(file)
        writer.writerow(["time", "utc", *chosen[1:]])
        for row in rows:
            writer.writerow([times.shown(row[0], zone), times.utc(row[0]), *map(_cell, row[1:])])
    finally:
        if path is not None:
            file.close()


def _write_parquet(
    path: Path | None, rows: list[list[Any]], chosen: tuple[str, ...], about: dict[str, Any], zone: ZoneInfo
) -> None:
    from historian.store.export import parquet

    if path is None and sys.stdout.isatty():
        raise Failure("Parquet is nothing for a terminal; name a file with --output")
    columns = {name: [row[i] for row in rows] for i, name in enumerate(chosen)}
    told = {"tag": about["tag"], "unit": about["unit"] or "", "kind": about["kind"]}
    numbers = "Int64" if about["tag"] == "count" else "Double"  # of several tags, each has a column of the aggregate
    kinds = {name: _KINDS.get(name, numbers) for name in chosen} | {"value": about["kind"]}
    content = parquet(columns, kinds, zone.key, told)
    if path is None:
        sys.stdout.buffer.write(content)
    else:
        path.write_bytes(content)


def _plot(target: str, source: Source, about: dict[str, Any], from_ns: int, until_ns: int, zone: ZoneInfo) -> None:
    if about["kind"] == "String":
        raise Failure(f"{about['tag']} holds texts; a curve needs numbers")
    width = max(20, shutil.get_terminal_size((100, 24)).columns - 14) if target == "-" else 480
    every_s = max(1, -(-(until_ns - from_ns) // (width * _NS)))
    columns, _ = _gather(source, about["tag"], from_ns // _NS * _NS, until_ns, Asked(every_s))
    marks = [times.shown(ns, zone)[:16] for ns in (from_ns, (from_ns + until_ns) // 2, until_ns)]
    title = f"{about['tag']}  {about['title']}  ({zone.key})"
    curve = Curve(title, about["unit"] or "", columns["min"], columns["max"], columns["mean"],
                  (marks[0], marks[1], marks[2]))  # fmt: skip
    if target == "-":
        print("\n".join(terminal(curve, plain=not shows(sys.stdout.encoding))))
        return
    try:
        if target.endswith(".png"):
            png(curve, Path(target))
        elif target.endswith(".svg"):
            Path(target).write_text(svg(curve), encoding="utf-8")
        else:
            raise Failure(f"--plot: expected FILE.svg, FILE.png or -, got '{target[:60]}'")
    except OSError as e:
        raise Failure(f"{target}: {e.strerror}") from e
