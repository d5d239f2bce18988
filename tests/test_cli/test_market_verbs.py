"""`liqstream simulate`, `record` and `replay` as a user types them."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from liqstream.feeds.raw_frames import read_frames
from liqstream.feeds.registry import VENUES
from liqstream.market import MINUTE_MS
from liqstream.store.market_store import MarketStore
from tests.support.market_start import START_MS

pytestmark = pytest.mark.simulated
LIQSTREAM = (sys.executable, "-m", "liqstream")


@pytest.fixture(scope="module")
def simulated_at() -> Iterator[str]:
    """Host and port of a `liqstream simulate`."""
    command = [*LIQSTREAM, "simulate", "--port", "0", "--symbol", "BTC/USDT:USDT", "--tick", "0.1"]
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


def test_the_simulators_time_starts_where_it_is_asked_to(simulated_at: str) -> None:
    """LIQSTREAM_DEMO_START and --start are the same; the tests of markets depend on no calendar."""
    with urllib.request.urlopen(f"http://{simulated_at}/fapi/v1/time", timeout=10) as response:
        server_ms = json.load(response)["serverTime"]
    assert 0 <= server_ms - START_MS < 10 * MINUTE_MS


async def stored_spans(path: Path) -> list[tuple[int, int]]:
    store = await MarketStore.open(path)
    try:
        return list(await store.liquidation_spans("binance", "BTCUSDT", start_ms=0, end_ms=2**62))
    finally:
        await store.close()


def test_record_keeps_frames_and_fills_the_store(simulated_at: str, tmp_path: Path) -> None:
    """What goes over the wires is on disk as it came, and the store has the history."""
    done = run(
        *("record", "--exchange", "binance", "--symbol", "btc-usdt", "--for", "6"),
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
    # When liquidations were listened to is part of it: outside of that nothing is known of them.
    spans = asyncio.run(stored_spans(tmp_path / "market.duckdb"))
    assert spans
    assert all(start_ms < end_ms for start_ms, end_ms in spans)
    assert "frames in" in done.stderr


def test_what_cannot_be_replayed_is_one_line(tmp_path: Path) -> None:
    """No traceback for a file that is no recording."""
    path = tmp_path / "x.jsonl"
    path.write_text("time,open,high\n")
    done = run("replay", path)
    assert done.returncode == 1
    assert done.stderr.strip() == "Error: line 1 is no frame of a recording"


def test_an_unlisted_symbol_is_one_line() -> None:
    """The simulator says what it lists; a market's name is taken in every usual form."""
    done = run("simulate", "--port", "0", "--symbol", "kBONK")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: the simulated exchange does not list BONKUSDT")


def test_a_fault_there_cannot_be_is_one_line(tmp_path: Path) -> None:
    """It names what there is; a list of faults is in force from the first request on."""
    path = tmp_path / "faults.json"
    path.write_text('[{"exchange":"okx","target":"candles","kind":"mute"}]')
    done = run("simulate", "--port", "0", "--symbol", "BTCUSDT", "--faults", path)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: okx has no 'candles'; one of /api/v5/public/time, ")
    path.write_text('[{"exchange":"binance","target":"/fapi/v1/time","kind":"5xx"}]')
    command = [*LIQSTREAM, "simulate", "--port", "0", "--symbol", "BTCUSDT", "--faults", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = re.search(r"http://(\S+)", process.stdout.readline())
        assert found is not None
        with pytest.raises(urllib.error.HTTPError, match="503"):
            urllib.request.urlopen(f"http://{found[1]}/fapi/v1/time", timeout=10)
        process.send_signal(signal.SIGTERM)
        said = process.stdout.read()
        assert process.wait(10) == 0
    assert f"--okx-ws-url ws://{found[1]}" in said


def test_an_unknown_exchange_is_one_line(tmp_path: Path) -> None:
    """With the ones there are."""
    done = run("record", "--exchange", "kraken", "--out", tmp_path, "--db", tmp_path / "market.duckdb")
    assert done.returncode == 1
    assert f"unknown exchange 'kraken'; one of {', '.join(VENUES)}" in done.stderr
    assert "Traceback" not in done.stderr
