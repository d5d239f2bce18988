"""A server that is told to stop while it starts ends at once, with 0."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.simulated

SERVE = (
    "-m",
    "liqstream",
    "serve",
    "--demo",
    "--symbol",
    "BTCUSDT,ETHUSDT",
    "--port",
    "0",
    "--db",
    "x.duckdb",
)


def catches(pid: int, number: signal.Signals) -> bool:
    """Whether a process has a handler of its own for a signal."""
    status = Path(f"/proc/{pid}/status").read_text()
    (caught,) = (line.split()[1] for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(int(caught, 16) >> (number - 1) & 1)


def test_it_ends_in_every_phase_of_the_start(tmp_path: Path) -> None:
    """In its imports, while the store opens, while it learns the past, and just after; not by a reload."""
    began_s = time.monotonic()
    servers = {}
    for delay_s in (0.0, 0.5, 2.0, 5.0):
        folder = tmp_path / str(delay_s)
        folder.mkdir()
        with (folder / "log").open("w") as log:
            servers[delay_s] = subprocess.Popen(
                [sys.executable, *SERVE], cwd=folder, stdout=subprocess.DEVNULL, stderr=log
            )
    try:
        for delay_s, server in servers.items():
            # The interpreter's own first moments are not ours.
            while not catches(server.pid, signal.SIGTERM) or time.monotonic() < began_s + delay_s:
                time.sleep(0.01)
            server.send_signal(signal.SIGHUP)  # a reload, of what is not there yet, is no reason to end
            told_s = time.monotonic()
            server.send_signal(signal.SIGINT if delay_s == 2.0 else signal.SIGTERM)
            log_text = (tmp_path / str(delay_s) / "log").read_text
            assert server.wait(timeout=60) == 0, log_text()
            assert "Traceback" not in log_text()
            assert time.monotonic() - told_s < 10.0  # 2 s on a machine with nothing else to do
    finally:
        for server in servers.values():
            server.kill()
            server.wait()
