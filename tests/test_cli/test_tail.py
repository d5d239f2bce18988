"""`liqstream tail`: a map on any terminal, JSON lines for a pipe, one clear line for anything wrong."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from aiohttp.test_utils import unused_port
from rich.console import Console

from liqstream.cli.terminal_map import cluster_line, head_line, map_lines, usd_text
from liqstream.client import Levels, Snapshot

TAIL = (sys.executable, "-m", "liqstream", "tail")


def snapshot(*, stale: bool = False, source: str = "live") -> Snapshot:
    long_usd = [0, 2e6, 5e5, 1e6, 0, 0, 0, 0]
    short_usd = [0, 0, 0, 0, 0, 8e5, 4e6, 0]
    return Snapshot(
        symbol="BTCUSDT",
        time=datetime(2026, 1, 1, tzinfo=UTC),
        epoch=1,
        seq=7,
        skipped=2,
        stale=stale,
        source=source,
        quality=("gap",),
        current_price=98_210.0,
        positions_created=1,
        positions_consumed=0,
        grid=Levels.of(98_000, 50, long_usd, short_usd),
    )


@pytest.mark.parametrize(
    ("usd", "text"), [(0, "0"), (950, "950"), (1500, "1.5K"), (20e6, "20M"), (9.99e6, "10M"), (1.2e9, "1.2B")]
)
def test_usd_in_few_characters(usd: float, text: str) -> None:
    """Two figures and a unit."""
    assert usd_text(usd) == text


@pytest.mark.parametrize("width", [20, 40, 80, 200])
@pytest.mark.parametrize("rows", [1, 4, 100])
def test_the_map_fits_any_terminal(width: int, rows: int) -> None:
    """No line is longer than the terminal, no more lines than asked for."""
    console = Console(width=width, no_color=True)
    lines = map_lines(snapshot(), width=width, rows=rows, ascii_only=False)
    assert len(lines) <= rows
    with console.capture() as shown:
        console.print(*lines, sep="\n")
    assert all(len(line) <= width for line in shown.get().splitlines())


def test_the_map_without_unicode() -> None:
    """A terminal of ASCII gets ASCII."""
    lines = map_lines(snapshot(), width=60, rows=8, ascii_only=True)
    assert all(line.plain.isascii() for line in lines)
    assert sum("#" in line.plain for line in lines) == 5
    assert lines[3].plain.startswith(">")


def test_doubts_come_first() -> None:
    """SIMULATED and STALE stand in the head line, at 40 columns too."""
    head = head_line(snapshot(stale=True, source="simulated"), age_s=3, width=40).plain
    assert "SIMULATED" in head
    assert "STALE" in head
    assert "SIMULATED" not in head_line(snapshot(), age_s=3, width=100).plain
    assert "+0.09% 4.0M" in cluster_line(snapshot()).plain
    assert "\x1b" not in head_line(snapshot(source="\x1b[2Jlive"), age_s=3, width=100).plain


def test_json_lines_in_a_pipe_that_closes(demo_url: str) -> None:
    """`tail --json | head -1` gives one whole snapshot, and tail ends without a word."""
    with subprocess.Popen(
        [*TAIL, "BTC-USDT,ETHUSDT.P", "--url", demo_url, "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as tail:
        assert tail.stdout is not None
        assert tail.stderr is not None
        line = json.loads(tail.stdout.readline())
        tail.stdout.close()
        assert tail.wait(timeout=10) == 0
        assert tail.stderr.read() == b""
    assert line["symbol"] in ("BTCUSDT", "ETHUSDT")
    assert line["source"] == "simulated"
    assert len(line["long"]) == len(line["short"]) > 100


def test_ctrl_c_ends_it_cleanly(demo_url: str) -> None:
    """No traceback, exit code 0."""
    with subprocess.Popen(
        [*TAIL, "BTCUSDT", "--url", demo_url], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as tail:
        assert tail.stdout is not None
        assert b"BTCUSDT" in tail.stdout.readline()
        tail.send_signal(signal.SIGINT)
        _, said = tail.communicate(timeout=10)
    assert said == b""
    assert tail.returncode == 0


def test_on_a_terminal_of_40_columns_without_colour(demo_url: str) -> None:
    """A live map that is redrawn in place."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": "40", "LINES": "20", "NO_COLOR": "1", "TERM": "xterm"}
    # One snapshot ends it at once: what is left on the terminal must show it all the same.
    command = [*TAIL, "BTCUSDT", "--url", demo_url, "--count", "1"]
    with subprocess.Popen(command, stdout=theirs, stderr=subprocess.PIPE, env=environment) as tail:
        os.close(theirs)
        drawn = b""
        try:
            while chunk := os.read(ours, 65536):
                drawn += chunk
        except OSError:  # the terminal is gone once its last writer is
            pass
        os.close(ours)
        assert tail.wait(timeout=10) == 0
    assert b"BTCUSDT" in drawn
    assert "█".encode() in drawn


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (("BTCUSDT", "--url", "ws://127.0.0.1:{port}"), "cannot connect to ws://127.0.0.1:{port}/ws/heatmap"),
        (("BTCUSDT", "--url", "gopher://x"), "is no address of a server"),
        (("NOSUCH", "--url", "{demo}"), "unknown symbol 'NOSUCH'"),
    ],
)
def test_what_is_wrong_is_one_line(args: tuple[str, ...], sentence: str, demo_url: str) -> None:
    """No server, no address, no such symbol: exit code 1."""
    known = {"port": str(unused_port()), "demo": demo_url}
    done = subprocess.run(
        [*TAIL, *(arg.format(**known) for arg in args)],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert sentence.format(**known) in done.stderr
    assert len(done.stderr.splitlines()) == 1
