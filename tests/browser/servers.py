"""Servers a test of the page may stop, start again and slow down."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

BARS = "binance_btcusdt_5m_20260525_20260603.csv"


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Server:
    """`liqstream serve ARGS` on a port of its own, which it keeps over restarts."""

    args: tuple[str, ...]
    folder: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    def start(self, **env: str) -> None:
        """Start it and wait until it listens."""
        command = [sys.executable, "-m", "liqstream", "serve", *self.args, "--port", str(self.port)]
        with (self.folder / "stderr.log").open("ab") as log:
            self.process = subprocess.Popen(
                command,
                cwd=self.folder,
                env={**os.environ, **env},
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert re.search(r"http://\S+", line), (self.folder / "stderr.log").read_text()

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self.process is not None
        self.process.send_signal(number)

    def stop(self) -> None:
        """End it and wait for that."""
        if self.process is None:
            return
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        self.process.wait(timeout=20)
        if self.process.stdout is not None:
            self.process.stdout.close()
        self.process = None


@contextmanager
def replay_server(folder: Path, data: Path, *, speed: float = 300, **env: str) -> Iterator[Server]:
    """The recorded BTCUSDT bars, played `speed` market seconds per second; stopped at the end."""
    args = ("--replay", str(data / BARS), "--exchange", "binance", "--symbol", "BTCUSDT")
    server = Server((*args, "--interval", "5m", "--speed", str(speed), "--warmup", "3d"), folder)
    try:
        server.start(**env)
        yield server
    finally:
        server.stop()


_NGINX = """
worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log stderr;
events {{}}
http {{
  access_log off; client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  map $http_upgrade $connection_upgrade {{ default upgrade; "" close; }}
  server {{
    listen 127.0.0.1:{port};
    location /liq/ {{
      proxy_pass {url}/; proxy_http_version 1.1; proxy_buffering off;
      proxy_set_header Host $http_host; proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
    }}
  }}
}}
"""


@contextmanager
def nginx_below_a_path(url: str, folder: Path) -> Iterator[str]:
    """The address of what a server serves, below /liq/ of an nginx."""
    binary = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    assert binary, "nginx is missing: `make test` installs it"
    port = free_port()
    (folder / "nginx.conf").write_text(_NGINX.format(folder=folder, port=port, url=url))
    with subprocess.Popen([binary, "-c", str(folder / "nginx.conf"), "-p", str(folder)]) as nginx:
        try:
            until_s = time.monotonic() + 10
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
                except OSError:
                    assert time.monotonic() < until_s, "nginx does not listen"
            yield f"http://127.0.0.1:{port}/liq/"
        finally:
            nginx.terminate()
            nginx.wait(timeout=10)
