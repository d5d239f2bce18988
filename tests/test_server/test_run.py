"""A server process: how it ends, and what it says when it cannot start."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

SERVE = (sys.executable, "-m", "liqstream", "serve", "--demo", "--symbol", "BTCUSDT", "--port", "0")


def spawn(folder: Path, **environment: str) -> subprocess.Popen[str]:
    """A server in `folder`, with its database there."""
    return subprocess.Popen(
        [*SERVE, "--db", "x.duckdb"],
        cwd=folder,
        env={
            "LIQSTREAM_LOG_FORMAT": "json",
            "LIQSTREAM_HISTORY_DAYS": "1",
            "PATH": "/usr/bin:/bin",
            **environment,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_server_that_is_stopped_ends_with_0(number: signal.Signals, tmp_path: Path) -> None:
    """It announces its address once its port is open, and names the signal that stops it."""
    with spawn(tmp_path) as server:
        assert server.stdout is not None
        assert re.search(r"http://127\.0\.0\.1:[0-9]+", server.stdout.readline())
        server.send_signal(number)
        _, log = server.communicate(timeout=20)
    assert server.returncode == 0, log
    events = [json.loads(line) for line in log.splitlines()]
    assert [e["signal"] for e in events if e["event"] == "stopping"] == [number.name]


@pytest.mark.long
def test_answers_that_nobody_reads_do_not_hold_up_a_stop(tmp_path: Path) -> None:
    """A history and metrics, of which the peers take the first bytes alone."""
    history = "/liquidations/heatmap-timeseries?symbol=BTCUSDT&time_window=7d&interval=5m"
    with (
        spawn(tmp_path, LIQSTREAM_METRICS_HOST="127.0.0.1", LIQSTREAM_METRICS_PORT="0") as server,
        closing(socket.socket()) as reader,
        closing(socket.socket()) as scraper,
    ):
        assert server.stdout is not None
        assert server.stderr is not None
        found = re.search(r"http://127\.0\.0\.1:([0-9]+)", server.stdout.readline())
        assert found is not None
        lines = (json.loads(line) for line in server.stderr)
        metrics_port = next(line["address"] for line in lines if line["event"] == "metrics_port").rsplit(":")[
            -1
        ]
        for peer, port, path, count in (
            (reader, found[1], history, 3),
            (scraper, metrics_port, "/metrics", 200),
        ):
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            peer.connect(("127.0.0.1", int(port)))
            peer.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode() * count)
            assert peer.recv(12) == b"HTTP/1.1 200"
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=40)
    assert server.returncode == 0


BUSY = """
import os, signal, sys, threading
from liqstream.server.run import run
from liqstream.settings.load import load_settings

threading.Thread(target=threading.Event().wait).start()
settings = load_settings(symbols="BTCUSDT", port=0, db_path=sys.argv[1])
sys.exit(run(settings, announce=lambda _address: os.kill(os.getpid(), signal.SIGTERM)))
"""


def test_threads_that_are_still_at_work_do_not_hold_up_a_stop(tmp_path: Path) -> None:
    """Python would wait for each of them."""
    done = subprocess.run(
        [sys.executable, "-c", BUSY, tmp_path / "x.duckdb"], cwd=tmp_path, timeout=150, check=False
    )
    assert done.returncode == 0


def test_a_server_that_cannot_start_ends_with_1_and_one_line(tmp_path: Path) -> None:
    """The line says what is wrong, before anything else is done, and no traceback follows."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        metrics = {"LIQSTREAM_METRICS_HOST": "127.0.0.1", "LIQSTREAM_METRICS_PORT": str(port)}
        for environment, reason in (
            ({"LIQSTREAM_TLS_KEY": "key.pem"}, "LIQSTREAM_TLS_KEY without LIQSTREAM_TLS_CERT"),
            (metrics, "cannot use LIQSTREAM_METRICS_HOST=127.0.0.1: Address already in use"),
        ):
            with spawn(tmp_path, **environment) as server:
                _, log = server.communicate(timeout=20)
            assert server.returncode == 1
            (line,) = log.splitlines()
            assert reason in json.loads(line)["reason"]
    assert not (tmp_path / "x.duckdb").exists()
