# SPDX-License-Identifier: Apache-2.0
"""A BBMD of another maker, or a foreign device of it: bacpypes3 in a process of its own.

`bacpypes3_bbmd.py PORT` is the BBMD, device 888: a line 'table' prints who is registered with it.
`bacpypes3_bbmd.py PORT BBMD_PORT` is device 777, registered with it: a line 'i-am' makes it say so to all.
"""

from __future__ import annotations

import asyncio
import sys

from bacpypes3.app import Application
from bacpypes3.argparse import SimpleArgumentParser
from bacpypes3.ipv4.link import BBMDLinkLayer
from bacpypes3.pdu import GlobalBroadcast


def made(port: str, bbmd: str) -> Application:
    here = f"127.0.0.1/24:{port}"
    way = ["--foreign", f"127.0.0.1:{bbmd}", "--ttl", "30"] if bbmd else ["--bbmd", f"127.0.0.1:{port}"]
    words = ["--name", "other", "--instance", "777" if bbmd else "888", "--address", here, *way]
    return Application.from_args(SimpleArgumentParser().parse_args(words))


async def main(port: str, bbmd: str = "") -> None:
    app = made(port, bbmd)
    loop = asyncio.get_running_loop()
    await asyncio.sleep(0.5)
    print("READY", flush=True)
    while line := (await loop.run_in_executor(None, sys.stdin.readline)).strip():
        if line == "i-am":
            app.i_am(address=GlobalBroadcast())
            print("DONE", flush=True)
        else:
            [layer] = [each for each in app.link_layers.values() if isinstance(each, BBMDLinkLayer)]
            print(f"TABLE {len(layer.bbmdFDT)}", flush=True)
    app.close()


asyncio.run(main(*sys.argv[1:]))
