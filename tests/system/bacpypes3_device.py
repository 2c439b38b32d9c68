# SPDX-License-Identifier: Apache-2.0
"""A BACnet device of another maker: bacpypes3 in a process of its own. A line 'ai1 21.5' moves a value."""

from __future__ import annotations

import asyncio
import sys

from bacpypes3.app import Application
from bacpypes3.argparse import SimpleArgumentParser
from bacpypes3.basetypes import EngineeringUnits, Reliability
from bacpypes3.local.analog import AnalogInputObject, AnalogOutputObject
from bacpypes3.local.binary import BinaryOutputObject
from bacpypes3.local.multistate import MultiStateValueObject


async def main(port: str, host: str = "127.0.0.1/24", instance: str = "777") -> None:
    options = SimpleArgumentParser().parse_args(
        ["--name", "other", "--instance", instance, "--address", f"{host}:{port}"]
    )
    app = Application.from_args(options)
    units = EngineeringUnits("degrees-celsius")
    inputs = [
        AnalogInputObject(objectIdentifier=f"analog-input,{i}", objectName=f"ai{i}", presentValue=float(i), units=units,
                          covIncrement=0.1, description="", deviceType="", statusFlags=[0, 0, 0, 0],
                          eventState="normal", outOfService=False)
        for i in range(1, 31)
    ]  # fmt: skip
    inputs[1].statusFlags = [0, 1, 0, 0]
    inputs[1].reliability = Reliability("no-sensor")
    output = AnalogOutputObject(objectIdentifier="analog-output,1", objectName="ao1", presentValue=20.0, units=units,
                                relinquishDefault=20.0, statusFlags=[0, 0, 0, 0], eventState="normal",
                                outOfService=False)  # fmt: skip
    fan = BinaryOutputObject(objectIdentifier="binary-output,1", objectName="bo1", presentValue="inactive",
                             relinquishDefault="inactive", statusFlags=[0, 0, 0, 0], eventState="normal",
                             outOfService=False, polarity="normal")  # fmt: skip
    mode = MultiStateValueObject(objectIdentifier="multi-state-value,1", objectName="msv1", presentValue=2,
                                 numberOfStates=4, relinquishDefault=1, statusFlags=[0, 0, 0, 0],
                                 eventState="normal", outOfService=False)  # fmt: skip
    for each in (*inputs, output, fan, mode):
        app.add_object(each)
    loop = asyncio.get_running_loop()
    await asyncio.sleep(0.5)
    print("READY", flush=True)
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        name, value = line.split()
        inputs[int(name.removeprefix("ai")) - 1].presentValue = float(value)
        print("MOVED", flush=True)
    app.close()


asyncio.run(main(*sys.argv[1:]))
