"""`liqstream simulate`, `record` and `replay` as a user types them."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from liqstream.feeds.frames import read_frames

LIQSTREAM = (sys.executable, "-m", "liqstream")


@pytest.fixture(scope="module")
def simulated_at() -> Iterator[str]:
    """Host and port of a `liqstream simulate`."""
    command = [*LIQSTREAM, "simulate", "--port", "0", "--symbol", "BTCUSDT", "--tick", "0.1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        if process.stdout is None:
            raise RuntimeError("no pipe to the simulator")
        found = re.search(r"http://(\S+)", process.stdout.readline())
        if found is None:
            raise RuntimeError("the simulator did not start")
        yield found[1]
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


def run(*arguments: str | Path, seconds: float = 50) -> subprocess.CompletedProcess[str]:
    command = [*LIQSTREAM, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)


def test_record_keeps_frames_and_fills_the_store(simulated_at: str, tmp_path: Path) -> None:
    """What goes over the wires is on disk as it came, and the store has the history."""
    done = run(
        *("record", "--exchange", "binance", "--symbol", "BTCUSDT", "--for", "6"),
        *("--binance-rest-url", f"http://{simulated_at}", "--binance-ws-url", f"ws://{simulated_at}"),
        *("--out", tmp_path / "frames", "--db", tmp_path / "market.duckdb"),
    )
    assert done.returncode == 0, done.stderr
    (path,) = (tmp_path / "frames").iterdir()
    kinds = [frame.kind for frame in read_frames(path)]
    assert kinds[0] == "header"
    assert kinds.count("connect") == 1
    assert kinds.count("recv") > 10
    assert kinds.count("http") > 5
    assert "frames in" in done.stderr


def test_what_cannot_be_replayed_is_one_line(tmp_path: Path) -> None:
    """No traceback for a file that is no recording."""
    path = tmp_path / "x.jsonl"
    path.write_text("time,open,high\n")
    done = run("replay", path)
    assert done.returncode == 1
    assert done.stderr.strip() == "Error: line 1 is no frame of a recording"


def test_an_unlisted_symbol_is_one_line() -> None:
    """The simulator says what it lists."""
    done = run("simulate", "--port", "0", "--symbol", "PEPEUSDT")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: the simulated exchange does not list PEPEUSDT")


def test_an_unknown_exchange_is_one_line(tmp_path: Path) -> None:
    """With the ones there are."""
    done = run("record", "--exchange", "kraken", "--out", tmp_path, "--db", tmp_path / "market.duckdb")
    assert done.returncode == 1
    assert "unknown exchange 'kraken'; one of binance, bybit, okx, hyperliquid" in done.stderr
    assert "Traceback" not in done.stderr
