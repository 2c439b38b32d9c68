# SPDX-License-Identifier: Apache-2.0
"""The report at the control socket: what people hide is told, and counting it holds up nobody."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from config.model import Role
from supervisor.alarms.counting import WAITING_MAX
from supervisor.alarms.report import Tally
from supervisor.people import User
from tests.desk import Post
from tests.unit.test_control_alarms import LEA, call, told


def test_the_report_tells_what_people_hide(tmp_path: Path) -> None:
    async def tell(post: Post) -> None:
        await call(post, "shelve", condition="CAB-0002/V", seconds=3600, note="travaux")
        await call(post, "alarm_remove", LEA, condition="CAB-0001/V", work_order="OT 12", days=1)
        await post.scan()
        report = await call(post, "alarm_report", hours=1)
        assert report["acts"] == {"shelved": 1, "out of service": 1, "disabled": 0}
        assert report["hidden"]["now"] == report["acts"] and report["hidden"]["overdue_total"] == 0
        await post.scan(2 * 86_400)
        late = (await call(post, "alarm_report", hours=72))["hidden"]
        assert late["now"] == {"shelved": 0, "out of service": 1, "disabled": 0}
        assert [(o["name"], o["work_order"]) for o in late["overdue"]] == [("21000/CAB-0001/V", "OT 12")]
        abroad = User("ida", Role.SUPERVISOR, sees=frozenset({"21605"}))
        theirs = await call(post, "alarm_report", abroad, hours=72)
        assert not any(theirs["hidden"]["now"].values()) and theirs["hidden"]["overdue"] == []
        assert not any(theirs["acts"].values()) and theirs["areas"] == []

    told(tmp_path, tell)


def test_reports_are_counted_off_the_loop_one_after_another_and_so_many_may_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A month of a bad city takes seconds to count: the scan must not stand still meanwhile."""
    threads: list[str] = []
    made: dict[str, Callable[..., Any]] = {name: getattr(Tally, name) for name in ("add", "document", "shared")}
    for name, method in made.items():

        def seen(self: Tally, *args: Any, method: Callable[..., Any] = method) -> Any:
            threads.append(threading.current_thread().name)
            return method(self, *args)

        monkeypatch.setattr(Tally, name, seen)

    async def tell(post: Post) -> None:
        asked = [call(post, "alarm_report") for _ in range(WAITING_MAX + 1)]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert [a["annunciated"] for a in answers[:-1] if isinstance(a, dict)] == [3] * WAITING_MAX
        assert "reports wait already; try again later" in str(answers[-1])
        assert (await call(post, "alarm_report"))["annunciated"] == 3 and post.desk.counting.waiting == 0

    told(tmp_path, tell)
    assert threads and threading.current_thread().name not in threads
