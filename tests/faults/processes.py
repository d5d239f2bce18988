"""The processes of a fleet under test: servers on ports they keep, and nginx with an instance of our conf."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from tests.faults.clock_market import SILENCE_FILE
from tests.faults.node import CLOCK_FILE, CLOCK_SIGNAL, TAKEN
from tests.support.redis_server import free_port

ROOT = Path(__file__).resolve().parents[2]
START_TIMEOUT_S = 90.0
STOP_TIMEOUT_S = 12.0
STEP_TIMEOUT_S = 5.0


@dataclass
class Node:
    """One server of the fleet; its log is everything it ever said, over restarts."""

    name: str
    folder: Path
    env: dict[str, str]
    port: int = field(default_factory=free_port)
    process: asyncio.subprocess.Process | None = None
    frozen: bool = False

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log_path(self) -> Path:
        """What it wrote to stderr: JSON lines."""
        return self.folder / f"{self.name}.log"

    @property
    def silence(self) -> Path:
        """While this file exists, its market says nothing."""
        return self.folder / f"{self.name}.silent"

    @property
    def clock(self) -> Path:
        """Milliseconds its clock is off, taken over at a start and by `step_clock`."""
        return self.folder / f"{self.name}.clock"

    async def start(self) -> None:
        """Start it and return when it listens."""
        with self.log_path.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.faults.node"),
                cwd=ROOT,
                env={
                    **os.environ,
                    "LIQSTREAM_PORT": str(self.port),
                    "LIQSTREAM_DB": str(self.folder / f"{self.name}.duckdb"),
                    "LIQSTREAM_LOG_FORMAT": "json",
                    "LIQSTREAM_LOG_LEVEL": "debug",
                    SILENCE_FILE: str(self.silence),
                    CLOCK_FILE: str(self.clock),
                    **self.env,
                },
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )
        assert self.process.stdout is not None
        async with asyncio.timeout(START_TIMEOUT_S):
            line = await self.process.stdout.readline()
        assert line, f"{self.name} did not start: {self.log_path.read_text()[-2000:]}"

    def tell(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self.process is not None
        self.frozen = number is signal.SIGSTOP or (self.frozen and number is not signal.SIGCONT)
        self.process.send_signal(number)

    async def step_clock(self, offset_ms: int) -> None:
        """Put its clock off by so much, and return when it is."""
        self.clock.write_text(str(offset_ms))
        self.tell(CLOCK_SIGNAL)
        async with asyncio.timeout(STEP_TIMEOUT_S):
            while self.clock.with_suffix(TAKEN).read_text() != str(offset_ms):  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Signal it and wait for its end; returns the exit code."""
        if self.process is None:
            return 0
        if self.frozen:
            self.tell(signal.SIGCONT)
        if self.process.returncode is None:
            self.tell(number)
        async with asyncio.timeout(STOP_TIMEOUT_S):
            code = await self.process.wait()
        self.process = None
        return code

    async def kill(self) -> None:
        """SIGKILL it, whatever it is doing."""
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()

    async def ask(self, path: str) -> Any:
        """Its JSON answer to a GET."""
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session,
            session.get(self.url + path) as answer,
        ):
            return await answer.json()

    async def metric(self, name: str) -> float:
        """The sum of a metric's series, 0 if there is none."""
        async with aiohttp.ClientSession() as session, session.get(self.url + "/metrics") as answer:
            lines = (await answer.text()).splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if re.match(rf"{name}[{{ ]", line))

    def descriptors(self) -> int:
        """Open file descriptors."""
        assert self.process is not None
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def rss_bytes(self) -> int:
        """Resident memory."""
        assert self.process is not None
        pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")


@dataclass
class Nginx:
    """The real nginx with config/nginx.conf, on free ports in front of `upstreams`."""

    folder: Path
    upstreams: Sequence[int]
    port: int = field(default_factory=free_port)
    process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def conf(self) -> str:
        """Our conf with nothing changed but addresses and the pid file."""
        text = (ROOT / "config" / "nginx.conf").read_text()
        for example, port in zip(("8001", "8002"), self.upstreams, strict=True):
            text = text.replace(f"server 127.0.0.1:{example} ", f"server 127.0.0.1:{port} ")
        text = re.sub(r"listen 8000 ", f"listen 127.0.0.1:{self.port} ", text)
        return text.replace("/tmp/liqstream-nginx.pid", str(self.folder / "nginx.pid"))

    async def start(self) -> None:
        """Start it and return when it answers."""
        path = os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin"
        binary = shutil.which("nginx", path=path)
        assert binary, "nginx is missing: `make test` installs it"
        conf = self.folder / "nginx.conf"
        conf.write_text(self.conf())
        with (self.folder / "nginx.log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *(binary, "-c", str(conf), "-p", str(self.folder), "-g", "daemon off;"),
                stderr=log,
                start_new_session=True,
            )
        until_s = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except OSError:
                assert self.process.returncode is None, (self.folder / "nginx.log").read_text()
                assert time.monotonic() < until_s, "nginx does not listen"
                await asyncio.sleep(0.02)
            else:
                writer.close()
                return

    def reload(self) -> None:
        """New workers take over, old ones end within worker_shutdown_timeout."""
        assert self.process is not None
        self.process.send_signal(signal.SIGHUP)

    async def kill(self) -> None:
        """SIGKILL master and workers."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            await self.process.wait()
            self.process = None
