"""The stage of every attack: a real server process, and a healthy client that must not notice."""

from __future__ import annotations

import asyncio
import csv
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from liqstream.market import Candle, OpenInterest
from tests.support.markets import walk

HEALTHY_P99_S = 0.25
"""What a healthy client may see while others attack; or twice what it saw before, if that was more."""
CALM_PINGS = 5
"""So many show how quick the server is before the attack."""
BUSY_P99_S = 1.0
"""The same for a dozen pings on a machine that runs other tests: their 99th percentile is the worst one."""


@dataclass
class Victim:
    """A running server and what can be seen of it from outside."""

    process: subprocess.Popen[str]
    host: str
    port: int
    log_path: Path

    @property
    def url(self) -> str:
        """Of its HTTP side."""
        return f"http://{self.host}:{self.port}"

    @property
    def ws_url(self) -> str:
        """Of its socket."""
        return f"ws://{self.host}:{self.port}/ws/heatmap"

    def log(self) -> str:
        """Everything it has logged."""
        return self.log_path.read_text()

    def rss_bytes(self) -> int:
        """Its resident memory."""
        pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def descriptors(self) -> int:
        """How many it has open."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))  # noqa: PTH208 - names are enough

    def metrics(self) -> dict[str, float]:
        """Every series of /metrics, by its full name."""
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        series = (line.rpartition(" ") for line in lines if line and not line.startswith("#"))
        return {name: float(value) for name, _, value in series}

    async def settles(self, descriptors: int, *, within_s: float = 60) -> None:
        """Return once no more than `descriptors` are open. Raises TimeoutError."""
        async with asyncio.timeout(within_s):
            while self.descriptors() > descriptors:
                await asyncio.sleep(0.05)


def write_bars(path: Path, bars: int = 2500) -> None:
    """A recording for the replay: days of history, then a bar every half a second."""
    interest: dict[int, float] = {}
    candles: list[Candle] = []
    for event in walk(bars):
        if isinstance(event, OpenInterest):
            interest[event.time_ms] = event.open_interest_base
        elif isinstance(event, Candle):
            candles.append(event)
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("open_time", "open", "high", "low", "close", "open_interest_base"))
        for bar, held in zip(candles, interest.values(), strict=True):
            rows.writerow((bar.open_time_ms, bar.open, bar.high, bar.low, bar.close, held))


def _variable(name: str) -> str:
    return name if name.startswith("WS_") else f"LIQSTREAM_{name}"


@contextmanager
def attacked(folder: Path, *prefix: str, **settings: str) -> Iterator[Victim]:
    """A server with these settings (LIQSTREAM_ left out), streaming a recording; killed at the end."""
    write_bars(folder / "bars.csv")
    environ = {
        **os.environ,
        "LIQSTREAM_REPLAY": "bars.csv",
        "LIQSTREAM_REPLAY_SPEED": "600",
        "LIQSTREAM_SYMBOLS": "BTCUSDT",
        "LIQSTREAM_PORT": "0",
        "LIQSTREAM_LOG_FORMAT": "json",
        **{
            name if name.startswith(("WS_", "REDIS_")) else f"LIQSTREAM_{name}": value
            for name, value in settings.items()
        },
    }
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [*prefix, sys.executable, "-m", "liqstream", "serve"],
            cwd=folder,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        found = re.search(r"https?://([0-9.]+):([0-9]+)", line)
        assert found, (folder / "log").read_text()
        yield Victim(process, found[1], int(found[2]), folder / "log")
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=15)
        finally:
            process.kill()
            process.stdout.close()
    assert process.returncode == 0, (folder / "log").read_text()
    assert "Traceback" not in (folder / "log").read_text()


@dataclass
class Healthy:
    """A client that only follows a symbol and pings, and what it saw."""

    pongs_s: list[float] = field(default_factory=list)
    snapshots: int = 0

    def p99_s(self) -> float:
        """The 99th percentile from ping to pong."""
        ordered = sorted(self.pongs_s)
        return ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))]


@asynccontextmanager
async def healthy_beside(
    victim: Victim, headers: Mapping[str, str] | None = None, *, p99_s: float = BUSY_P99_S
) -> AsyncIterator[Healthy]:
    """Run a healthy client while the context is open; at its end it must have noticed nothing."""
    seen = Healthy()
    async with aiohttp.ClientSession(headers=headers) as session, session.ws_connect(victim.ws_url) as ws:
        await ws.send_json({"action": "subscribe", "symbols": ["BTCUSDT"], "update_interval": 1})
        ponged = asyncio.Event()

        async def read() -> None:
            async for message in ws:
                kind = message.json()["type"]
                if kind == "snapshot":
                    seen.snapshots += 1
                elif kind == "pong":
                    ponged.set()

        async def ping() -> None:
            while True:
                sent_s = time.monotonic()
                await ws.send_json({"action": "ping"})
                await ponged.wait()
                ponged.clear()
                seen.pongs_s.append(time.monotonic() - sent_s)
                await asyncio.sleep(0.12 if len(seen.pongs_s) >= CALM_PINGS else 0.02)

        reading, pinging = asyncio.create_task(read()), asyncio.create_task(ping())
        try:
            while len(seen.pongs_s) < CALM_PINGS or not seen.snapshots:
                await asyncio.sleep(0.02)
            before = seen.p99_s()
            yield seen
            assert not reading.done(), "the healthy client lost its connection"
            assert not pinging.done()
            during = seen.p99_s()
            assert during <= max(2 * before, p99_s), f"{during:.3f} s, before {before:.3f} s"
        finally:
            for task in (reading, pinging):
                task.cancel()
            await asyncio.wait([reading, pinging])
