"""A server of our own in a process of its own, in a folder of its own: it may be stopped and killed."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from liqstream.client import ClientError

START_TIMEOUT_S = 60.0
DB_NAME = "selftest.duckdb"


@dataclass(slots=True)
class OwnServer:
    """A running `liqstream serve`."""

    process: asyncio.subprocess.Process
    url: str
    folder: Path

    @property
    def db_path(self) -> Path:
        """Its DuckDB file."""
        return self.folder / DB_NAME

    def memory_bytes(self) -> int:
        """Its resident memory. Raises OSError where the system has no /proc."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * 4096


@asynccontextmanager
async def own_server(
    folder: Path, *args: str, env: Mapping[str, str] | None = None
) -> AsyncIterator[OwnServer]:
    """`liqstream serve ARGS` from the moment it listens; killed at the end if it still runs.

    Raises ClientError with the last line of its log if it does not start.
    """
    log_path = folder / "server.log"
    with log_path.open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "liqstream", "serve", "--port", "0", "--db", DB_NAME, *args),
            cwd=folder,
            env={**os.environ, **(env or {})},
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
        )
    try:
        yield OwnServer(process, await _address(process, log_path), folder)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _address(process: asyncio.subprocess.Process, log_path: Path) -> str:
    """Where it listens, read from the first line of its output."""
    output = process.stdout
    line = b""
    if output is not None:
        async with asyncio.timeout(START_TIMEOUT_S):
            line = await output.readline()
    found = re.search(r"http://\S+", line.decode())
    if found is None:
        raise ClientError(f"the server did not start: {await asyncio.to_thread(_last_log_line, log_path)}")
    return found[0]


def _last_log_line(log_path: Path) -> str:
    lines = log_path.read_text().strip().splitlines()
    return lines[-1] if lines else "it logged nothing"
