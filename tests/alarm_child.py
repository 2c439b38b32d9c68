# SPDX-License-Identifier: Apache-2.0
"""Posts in a storm, to be killed. Every answer to an action goes to stdout when it is given.

A line EPOCH on stdin forks a post, which says 'begun PID'; 'dead' is said once it was killed. All is imported once.

Field and operators go on at random for ever: voltages and trips come and go, alarms are acknowledged and shelved.
"""

import asyncio
import os
import random
import sys
from pathlib import Path

from supervisor.alarms.events import Acknowledge, Shelve
from supervisor.clock import SystemClock
from tests.desk import ANNE, Post, S

CABINETS = 60


async def storm(folder: Path, epoch: int, seed: int) -> None:
    rng = random.Random(seed)
    post = Post(folder, CABINETS, clock=SystemClock())
    post.epoch = epoch - 1
    await post.open()
    os.write(1, f"begun {os.getpid()}\n".encode())
    actions: set[asyncio.Task[None]] = set()
    while True:
        for _ in range(rng.choice((1, 5, 40))):
            cabinet = f"CAB-{rng.randrange(CABINETS) + 1:04d}"
            post.set(f"{cabinet}/V", rng.choice((230, 255, 270)))
            post.set(f"{cabinet}/Trip", rng.random() < 0.1)
        post.desk.watch(post.table, post.clock.wall_ns())
        for condition, entry in rng.sample(list(post.desk.shown), min(3, len(post.desk.shown.entries))):
            name = post.desk.book.name(condition)
            if not entry.live.state.acked:
                actions.add(asyncio.create_task(ack(post, name, entry.live.state.occurrence_ns)))
            elif not entry.live.state.shelved and rng.random() < 0.2:
                actions.add(asyncio.create_task(shelve(post, name)))
        await asyncio.sleep(rng.choice((0, 0.001, 0.004)))
        for task in [t for t in actions if t.done()]:
            actions.discard(task)
            task.result()


async def ack(post: Post, name: str, occurrence_ns: int) -> None:
    if await post.desk.act(name, Acknowledge(occurrence_ns), ANNE) is None:
        os.write(1, f"ack {name} {occurrence_ns}\n".encode())


async def shelve(post: Post, name: str) -> None:
    if await post.desk.act(name, Shelve(3600 * S, "storm"), ANNE) is None:
        os.write(1, f"shelve {name} 0\n".encode())


if __name__ == "__main__":
    for line in iter(sys.stdin.readline, ""):
        if (child := os.fork()) == 0:
            asyncio.run(storm(Path(sys.argv[1]), int(line), int(line)))
        os.waitpid(child, 0)
        os.write(1, b"dead\n")
