"""liqstream/server/late_stop.py: a process that cannot stop ends all the same, and says what held it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

SCRIPT = """
import asyncio, structlog, sys
from liqstream.server.late_stop import late_stop

structlog.configure(processors=[structlog.processors.JSONRenderer()])

async def goes_on():
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            pass

async def main(within_s):
    with late_stop() as begin:
        task = asyncio.create_task(goes_on(), name="redis-reader")
        unnamed = asyncio.create_task(goes_on())
        await asyncio.sleep(0)
        begin(within_s)
        if within_s < 60:
            task.cancel()
            await task
    sys.stdout.flush()
    import os
    os._exit(3)

asyncio.run(main(float(sys.argv[1])))
"""


@pytest.mark.parametrize(("within_s", "code"), [("0.2", 0), ("300", 3)])
def test_a_stop_that_takes_too_long_is_ended(within_s: str, code: int) -> None:
    """What still runs is named; a stop in time is not touched."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, within_s], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == code, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["event"] for line in lines] == ([] if code else ["stopped_late"])
    for line in lines:
        assert {"redis-reader", "goes_on"} <= set(line["tasks"])
        assert "MainThread" in line["threads"]
