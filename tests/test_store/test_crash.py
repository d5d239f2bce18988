"""kill -9 at any moment: what was acknowledged is there, once, and the file opens."""

from __future__ import annotations

import asyncio
import random
import sys
from pathlib import Path

import numpy as np

from liqstream.store import MarketStore
from tests.support.store_records import STEP_MS, T0

ROOT = Path(__file__).resolve().parents[2]
KILLS = 6


async def acknowledged_before_kill(path: Path, acknowledgements: int, delay_s: float) -> int:
    """Run the appender until it has acknowledged so much, kill it, and return what it acknowledged last."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.support.store_appender",
        str(path),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    for _ in range(acknowledgements):
        assert await process.stdout.readline()
    await asyncio.sleep(delay_s)
    process.kill()
    rest = (await process.stdout.read()).split(b"\n")[:-1]
    await process.wait()
    return int(rest[-1]) if rest else 0


async def test_nothing_acknowledged_is_lost_by_kill_9(tmp_path: Path) -> None:
    """After each kill at a random point every acknowledged bar is in the store exactly once."""
    path = tmp_path / "market.duckdb"
    dice = random.Random(7)
    for _ in range(KILLS):
        acknowledged = await acknowledged_before_kill(path, dice.randrange(1, 30), dice.uniform(0, 0.01))
        store = await MarketStore.open(path)
        bars = await store.bars("binance", "BTCUSDT", STEP_MS)
        await store.close()
        assert len(bars) >= acknowledged
        np.testing.assert_array_equal(bars.open_time_ms, T0 + np.arange(len(bars)) * STEP_MS)


async def test_a_second_process_learns_who_has_the_file(tmp_path: Path) -> None:
    """While one process has the store open, another gets one line with its PID and leaves at once."""
    store = await MarketStore.open(tmp_path / "market.duckdb")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "import asyncio, os, sys, pathlib\n"
        "from liqstream.store import MarketStore, StoreLocked\n"
        "try:\n"
        "    asyncio.run(MarketStore.open(pathlib.Path(sys.argv[1])))\n"
        "except StoreLocked as error:\n"
        "    print(os.getppid(), error)\n",
        str(store.path),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    await store.close()
    parent, message = output.decode().strip().split(" ", 1)
    assert f"in use by process {parent}" in message
    assert "\n" not in message
