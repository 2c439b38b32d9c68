# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_cli_history.py, tests/system/test_history.py
"""Where a tag's past comes from: the running server, or the files of its state folder.

Law of this file: pages in, no words for people but what is wrong.
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from supervisor.clock import SystemClock
from supervisor.control.client import ControlClient, find_state_dir
from supervisor.failure import Failure

if TYPE_CHECKING:
    from historian.store.snapshot import Snapshot
    from supervisor.recording.answers import Series


@dataclass(frozen=True, slots=True)
class Asked:
    """Buckets of a width [s], or of a period of the site's calendar; with what a counter counted in each."""

    width_s: int
    period: str = ""
    consumption: bool = False


class Source(Protocol):
    """Where pages come from."""

    def page(self, tag: str, from_ns: int, until_ns: int, every: Asked | None) -> dict[str, Any]: ...


@contextmanager
def open_source(state: Path | None) -> Iterator[Source]:
    """The running server, or the files of its state folder."""
    folder = find_state_dir(state)
    try:
        control = ControlClient(folder)
    except Failure:  # nobody answers there, perhaps a dead server's socket is left: its files may speak
        if not _readable(folder / "history" / "index.db"):
            raise
    else:
        with control:
            yield Server(control)
        return
    from historian.store.disk import StoreError
    from historian.store.snapshot import open_snapshot

    try:
        with open_snapshot(folder / "history") as snapshot:
            print(f"no server runs with {folder}; read from its files", file=sys.stderr)
            yield Files(folder, snapshot)
    except StoreError as e:
        raise Failure(str(e)) from e


def _readable(path: Path) -> bool:
    return os.access(path, os.R_OK)


class Server:
    def __init__(self, control: ControlClient) -> None:
        self._control = control

    def page(self, tag: str, from_ns: int, until_ns: int, every: Asked | None) -> dict[str, Any]:
        buckets = {} if every is None else {
            "every_s": every.width_s, "period": every.period, "consumption": every.consumption
        }  # fmt: skip
        page: dict[str, Any] = self._control.call("history", tag=tag, from_ns=from_ns, until_ns=until_ns, **buckets)
        return page


class Files:
    """The files alone: names and kinds from the catalogue; units and names of values are the server's to know."""

    def __init__(self, folder: Path, snapshot: Snapshot) -> None:
        self._folder = folder
        self._snapshot = snapshot
        try:
            self._zone = str(json.loads((folder / "history" / "about.json").read_text())["time_zone"])
        except (OSError, ValueError, KeyError, TypeError):
            self._zone = "UTC"

    def page(self, tag: str, from_ns: int, until_ns: int, every: Asked | None) -> dict[str, Any]:
        from supervisor.recording.answers import Every, bucket_page, gaps_within, raw_page

        series, reader = self._series(tag), self._snapshot.reader
        if every is None:
            page = raw_page(reader, series, from_ns, until_ns)
        else:
            buckets = Every(every.width_s, every.period, self._zone, every.consumption)
            page = bucket_page(reader, series, from_ns, until_ns, buckets, SystemClock().wall_ns())
        gaps = gaps_within(self._snapshot.gaps, from_ns, until_ns)
        return {**series.document(self._zone), "gaps": gaps, **page}

    def _series(self, tag: str) -> Series:
        from historian.catalogue import series_of
        from supervisor.recording.answers import Series

        try:
            found = series_of(self._folder / "catalogue.sqlite", tag)
        except sqlite3.Error as e:
            raise Failure(f"{self._folder / 'catalogue.sqlite'}: {e}") from e
        if found is None:
            raise Failure(f"no tag '{tag[:200]}' ever had a history in {self._folder}")
        number, kind = found
        return Series(tag, number, kind)
