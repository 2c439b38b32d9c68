# SPDX-License-Identifier: Apache-2.0
"""The state folder belongs to one site and one running server."""

from __future__ import annotations

from pathlib import Path

import pytest

from supervisor.failure import Failure
from supervisor.state import StateFolder


def test_a_second_server_is_turned_away_and_told_why(tmp_path: Path) -> None:
    first = StateFolder(tmp_path / "state", "sennecey")
    with pytest.raises(Failure, match=r"another Vigie server \(process \d+\) uses .*state; stop it"):
        StateFolder(tmp_path / "state", "sennecey")
    first.close()
    first.close()
    StateFolder(tmp_path / "state", "sennecey").close()


def test_a_folder_of_another_site_is_refused_and_left_alone(tmp_path: Path) -> None:
    StateFolder(tmp_path, "sennecey").close()
    with pytest.raises(Failure, match="holds the state of site 'sennecey', not of 'dijon-24'"):
        StateFolder(tmp_path, "dijon-24")
    StateFolder(tmp_path, "sennecey").close()


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Failure, match=r"cannot use the state folder .*; give another with --state"):
        StateFolder(tmp_path / "file" / "state", "sennecey")


def test_a_marker_that_is_no_text_is_another_site_s(tmp_path: Path) -> None:
    (tmp_path / "site").write_bytes(b"\xff\xfe")
    with pytest.raises(Failure, match="not of 'sennecey'; give --state another folder"):
        StateFolder(tmp_path, "sennecey")


@pytest.mark.parametrize(
    ("root", "later", "why"),
    [
        ("epoch", "journal/journal.sqlite", "could repeat one that is journalled"),
        ("catalogue.sqlite", "checkpoint", "tags would be given the past of others"),
        ("catalogue.sqlite", "history/about.json", "tags would be given the past of others"),
    ],
)
@pytest.mark.parametrize("how", ["missing", "empty"])
def test_a_folder_without_what_the_rest_stands_on_is_no_beginning(
    tmp_path: Path, root: str, later: str, why: str, how: str
) -> None:
    """A restore that forgot a file: starting over with a new one would mix up what the others say."""
    (tmp_path / later).parent.mkdir(exist_ok=True)
    (tmp_path / later).write_text("something")
    if how == "empty":
        (tmp_path / root).touch()
    with pytest.raises(Failure, match=f"{root} is missing or empty, but .*{later} is there: .*{why}; restore it"):
        StateFolder(tmp_path, "hand")
    (tmp_path / root).write_text("restored")
    StateFolder(tmp_path, "hand").close()
