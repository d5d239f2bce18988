"""The server as a process: it starts, serves, says plainly why it cannot, and ends when told to."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.attack.harness import write_bars
from tests.support.server_process import ServerProcess, served, spawn

REPLAY = ("--exchange", "binance", "--symbol", "BTCUSDT", "--interval", "5m", "--warmup", "3d")
RECORDED = ("--replay", "bars.csv", "--speed", "600", *REPLAY)
"""A market that is there at once; what it says is of no importance."""


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """A folder with the recording of RECORDED."""
    write_bars(tmp_path / "bars.csv", 1200)
    return tmp_path


async def first_snapshot(server: ServerProcess, symbol: str = "BTCUSDT") -> dict[str, Any]:
    async with aiohttp.ClientSession() as session, session.ws_connect(server.ws_url) as ws:
        await ws.send_json({"action": "subscribe", "symbols": [symbol], "update_interval": 1})
        async with asyncio.timeout(1):
            message: dict[str, Any] = await ws.receive_json()
    return message


async def ready_state(session: aiohttp.ClientSession) -> dict[str, Any]:
    """What /ready says once it says ready: the feed's own socket may open a moment after ours."""
    async with asyncio.timeout(20):
        while True:
            async with session.get("/ready") as answer:
                state: dict[str, Any] = await answer.json()
            if state["status"] == "ready":
                return state
            await asyncio.sleep(0.1)


def assert_is_a_map(snapshot: dict[str, Any]) -> None:
    data = snapshot["data"]
    longs = [level["price"] for level in data["levels"] if level["long_density"]]
    shorts = [level["price"] for level in data["levels"] if level["short_density"]]
    assert longs
    assert shorts
    assert max(longs) < data["current_price"] < min(shorts)


@pytest.mark.simulated
async def test_demo_streams_within_a_second_and_says_simulated(tmp_path: Path) -> None:
    """No settings, no network: a map of a simulated market, called by its name."""
    async with served("--demo", cwd=tmp_path) as server:
        snapshot = await first_snapshot(server)
        assert_is_a_map(snapshot)
        assert snapshot["source"] == "simulated"
        async with aiohttp.ClientSession(server.url) as session:
            ready = await ready_state(session)
            async with session.get("/") as answer:
                page = await answer.text()
        assert ready["symbols"]["BTCUSDT"]["source"] == "simulated"
        assert 'data-source="simulated"' in page
        assert await server.stop() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_ends_in_time_even_with_a_client_that_reads_nothing(
    recorded: Path, number: signal.Signals
) -> None:
    """Clients are told to come back (1001 or 1012); the stalled one is not waited for."""
    async with served(*RECORDED, cwd=recorded) as server:
        stalled = await _stalled_client(server)
        async with aiohttp.ClientSession() as session, session.ws_connect(server.ws_url) as ws:
            await ws.send_json({"action": "subscribe", "symbols": ["BTCUSDT"], "update_interval": 1})
            await ws.receive_json()
            stopping = asyncio.ensure_future(server.stop(number, timeout_s=10))
            async with asyncio.timeout(10):
                while (await ws.receive()).type is aiohttp.WSMsgType.TEXT:
                    pass
            assert ws.close_code in (1001, 1012)
            assert await stopping == 0
        stalled.close()


async def _stalled_client(server: ServerProcess) -> socket.socket:
    """A client that subscribes and then never reads."""
    host, port = server.url.removeprefix("http://").split(":")
    loop = asyncio.get_running_loop()
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.setblocking(False)
    await loop.sock_connect(client, (host, int(port)))
    await loop.sock_sendall(
        client,
        b"GET /ws/heatmap HTTP/1.1\r\nHost: %b\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        % f"{host}:{port}".encode(),
    )
    text = json.dumps({"action": "subscribe", "symbols": ["BTCUSDT"], "update_interval": 1}).encode()
    await loop.sock_sendall(client, bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text)
    return client


@pytest.mark.shared_data
async def test_a_recording_and_the_same_bars_from_the_store_give_the_same_stream(
    tmp_path: Path, shared_data: Path
) -> None:
    """Real BTCUSDT from a file, and imported and replayed from the store: the same first snapshots."""
    bars = shared_data / "binance_btcusdt_5m_20260525_20260603.csv"
    importing = await spawn(
        *("import", "bars", str(bars), "--exchange", "binance", "--symbol", "BTCUSDT", "--interval", "5m"),
        *("--db", "imported.duckdb"),
        cwd=tmp_path,
    )
    assert await importing.wait() == 0
    seen = []
    for replay in (("--replay", str(bars), "--db", "played.duckdb"), ("--replay", "--db", "imported.duckdb")):
        async with served(*replay, *REPLAY, "--speed", "0.000001", cwd=tmp_path) as server:
            snapshot = await first_snapshot(server)
            assert_is_a_map(snapshot)
            assert snapshot["source"] == "replay"
            # However long a busy machine takes to answer: in a quarter of an hour a millisecond passes.
            seen.append((snapshot["timestamp"], snapshot["data"]))
    assert seen[0] == seen[1]


async def _refusal(*args: str, cwd: Path, env: dict[str, str] | None = None) -> str:
    """The one line of a server that does not start."""
    process = await spawn("serve", *args, cwd=cwd, env=env)
    async with asyncio.timeout(30):
        assert await process.wait() == 1
    text = (cwd / "stderr.log").read_text()
    assert "Traceback" not in text
    errors = [line for line in text.splitlines() if "cannot start" in line or line.startswith("Error:")]
    assert len(errors) == 1, text
    return errors[0]


async def test_a_port_that_is_taken_is_one_line(recorded: Path) -> None:
    """And exit code 1."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert f"127.0.0.1:{port}" in await _refusal(*RECORDED, "--port", port, cwd=recorded)


async def test_a_second_server_on_the_same_file_is_one_line(recorded: Path) -> None:
    """DuckDB lets one process in; the other is told which one."""
    async with served(*RECORDED, "--db", "market.duckdb", cwd=recorded) as server:
        other = recorded / "other"
        other.mkdir()
        (other / "bars.csv").symlink_to(recorded / "bars.csv")
        line = await _refusal(*RECORDED, "--port", "0", "--db", "../market.duckdb", cwd=other)
        assert "market.duckdb" in line
        assert str(server.process.pid) in line


async def test_a_bad_setting_is_one_line(tmp_path: Path) -> None:
    """It names the variable, the value and what is allowed."""
    line = await _refusal(cwd=tmp_path, env={"WS_UPDATE_INTERVAL": "never"})
    assert "WS_UPDATE_INTERVAL=never" in line


async def test_a_missing_recording_is_one_line(tmp_path: Path) -> None:
    """It names the file."""
    assert "nowhere.csv" in await _refusal("--replay", "nowhere.csv", "--port", "0", cwd=tmp_path)


async def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    """It names the place. (A file stands where the folder should be: root may write anywhere else.)"""
    (tmp_path / "data").write_text("no folder")
    assert "data" in await _refusal("--demo", "--port", "0", cwd=tmp_path)
