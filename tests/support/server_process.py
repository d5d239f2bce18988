"""A liqstream server as its users run it: a process of its own, on a free port, in a folder of its own."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

COMMAND = (sys.executable, "-m", "liqstream")
START_TIMEOUT_S = 40


class ServerDidNotStartError(Exception):
    """The process ended before it listened; carries what it said."""


@dataclass
class ServerProcess:
    """A running server."""

    process: asyncio.subprocess.Process
    url: str
    log_path: Path

    @property
    def ws_url(self) -> str:
        """The WebSocket endpoint."""
        return f"{self.url.replace('http', 'ws', 1)}/ws/heatmap"

    def log(self) -> str:
        """What it has written to stderr so far."""
        return self.log_path.read_text()

    async def stop(self, number: signal.Signals = signal.SIGTERM, *, timeout_s: float = 15) -> int:
        """Send a signal and wait for the exit code."""
        self.process.send_signal(number)
        async with asyncio.timeout(timeout_s):
            return await self.process.wait()


async def spawn(*args: str, cwd: Path, env: dict[str, str] | None = None) -> asyncio.subprocess.Process:
    """Start `liqstream ARGS` with stdout piped and stderr in `cwd/stderr.log`."""
    with (cwd / "stderr.log").open("wb") as log:
        return await asyncio.create_subprocess_exec(
            *COMMAND,
            *args,
            cwd=cwd,
            env={**os.environ, **(env or {})},
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
        )


@asynccontextmanager
async def served(*args: str, cwd: Path, env: dict[str, str] | None = None) -> AsyncIterator[ServerProcess]:
    """`liqstream serve ARGS` from the moment it listens; killed at the end if it still runs."""
    process = await spawn("serve", "--port", "0", *args, cwd=cwd, env=env)
    assert process.stdout is not None
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            line = (await process.stdout.readline()).decode()
        found = re.search(r"http://\S+", line)
        if found is None:
            raise ServerDidNotStartError((cwd / "stderr.log").read_text())
        yield ServerProcess(process, found[0], cwd / "stderr.log")
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
