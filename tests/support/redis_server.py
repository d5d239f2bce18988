"""A real redis-server on a free loopback port, to be frozen, killed and brought back."""

from __future__ import annotations

import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

START_TIMEOUT_S = 10.0
_RANDOM = random.SystemRandom()


def free_port() -> int:
    """A TCP port nobody listens on, below those the kernel hands out: such a one may be gone in a moment."""
    while True:
        port = _RANDOM.randrange(15_000, 32_000)
        with socket.socket() as sock:
            try:
                sock.bind(("", port))
            except OSError:
                continue
            return port


@dataclass
class RedisServer:
    """One server process; it keeps its port over restarts and never anything on disk."""

    folder: Path
    port: int = field(default_factory=free_port)
    options: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The REDIS_URL of it."""
        return f"redis://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, empty, and return when it answers."""
        binary = shutil.which("redis-server")
        assert binary, "redis-server is missing: `make test` installs it"
        self.process = subprocess.Popen(
            [
                *(binary, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder)),
                *("--save", "", "--appendonly", "no", "--unixsocket", str(self.folder / "redis.sock")),
                *self.options,
            ],
            stdout=subprocess.DEVNULL,
        )
        until = time.monotonic() + START_TIMEOUT_S
        while not self.answers():
            assert self.process.poll() is None, "redis-server ended at once"
            assert time.monotonic() < until, "redis-server does not answer"
            time.sleep(0.02)

    def answers(self) -> bool:
        """True once it serves."""
        try:
            return self.tell("PING") == b"+PONG"
        except OSError:
            return False

    def tell(self, *words: str) -> bytes:
        """Send one command; returns the first line of the answer."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as sock:
            said = "".join(f"${len(word.encode())}\r\n{word}\r\n" for word in words)
            sock.sendall(f"*{len(words)}\r\n{said}".encode())
            with sock.makefile("rb") as answer:
                return answer.readline().strip()

    def kill(self) -> None:
        """SIGKILL: connections are reset, everything in memory is gone."""
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait()
            self.process = None

    def freeze(self) -> None:
        """SIGSTOP: connections stay, nothing answers."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)


@contextmanager
def running_redis(folder: Path, *options: str) -> Iterator[RedisServer]:
    """A server of its own, killed at the end."""
    server = RedisServer(folder, options=options)
    server.start()
    try:
        yield server
    finally:
        server.kill()


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    """An empty Redis for this test alone."""
    with running_redis(tmp_path) as server:
        yield server
