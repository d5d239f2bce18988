"""A server without snapshots sends its clients elsewhere, and takes them in again once it has some."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
from aiohttp import WSServerHandshakeError
from pytest_aiohttp import AiohttpClient
from structlog.testing import capture_logs

from liqstream.heatmap.live_maps import LiveMaps
from liqstream.heatmap.snapshot import HeatmapSnapshot
from liqstream.server import app as app_module
from liqstream.server import stream_watch
from liqstream.server.app import make_app
from liqstream.settings.table import Settings
from liqstream.supervision.clock import Clock
from liqstream.supervision.supervise import Supervisor
from tests.integration.test_api import paused_replay

SUBSCRIBE = {"action": "subscribe", "symbols": ["BTCUSDT"], "update_interval": 1, "proto": 2}


@pytest.fixture(autouse=True)
async def fast(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """Waits and limits a hundred times as fast."""
    monkeypatch.setattr(app_module, "Supervisor", partial(Supervisor, clock=Clock(speed=100.0)))
    monkeypatch.setattr(app_module, "StreamWatch", partial(stream_watch.StreamWatch, look_every_s=0.01))
    with capture_logs():
        yield


async def test_clients_are_sent_away_while_the_stream_is_down(
    aiohttp_client: AiohttpClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After 30 s: 503 `failed`, a warning and 1013, 503 for new sockets; then it is over by itself."""
    broken = False
    made = LiveMaps.get_latest_heatmap_snapshot

    async def make(maps: LiveMaps, symbol: str) -> HeatmapSnapshot | None:
        if broken:
            raise ZeroDivisionError("impossible value")
        return await made(maps, symbol)

    monkeypatch.setattr(LiveMaps, "get_latest_heatmap_snapshot", make)
    app = make_app(
        Settings(db_path=tmp_path / "x.duckdb", symbols=("BTCUSDT",), replay="store"), paused_replay
    )
    client = await aiohttp_client(app)
    async with asyncio.timeout(20), client.ws_connect("/ws/heatmap") as ws:
        await ws.send_json(SUBSCRIBE)
        assert [(await ws.receive_json())["type"] for _ in range(2)] == ["subscribed", "snapshot"]
        broken = True
        warning = await ws.receive_json()
        while warning["type"] == "heartbeat":
            warning = await ws.receive_json()
        assert (warning["type"], warning["code"]) == ("warning", "STREAM_FAILED")
        assert 0 <= warning["retry_after_ms"] <= 2000
        await ws.receive()
        assert ws.close_code == 1013
        with pytest.raises(WSServerHandshakeError) as refused:
            await client.ws_connect("/ws/heatmap")
        assert refused.value.status == 503
        assert refused.value.headers is not None
        assert "Retry-After" in refused.value.headers
        async with client.get("/ready") as response:
            report = await response.json()
        assert (response.status, report["status"]) == (503, "failed")
        assert "ZeroDivisionError" in report["tasks"]["stream"]["last_error"]
        async with client.get("/health") as response:
            assert response.status == 200
        broken = False
        while True:
            async with client.get("/ready") as response:
                if response.status == 200:
                    break
        async with client.ws_connect("/ws/heatmap") as again:
            await again.send_json(SUBSCRIBE)
            assert [(await again.receive_json())["type"] for _ in range(2)] == ["subscribed", "snapshot"]


async def test_a_server_whose_maps_cannot_be_made_starts(
    aiohttp_client: AiohttpClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the store holds may be what the model refuses: that is no reason to end."""

    async def fail(_maps: LiveMaps, _symbol: str) -> None:
        raise OverflowError("impossible value")

    monkeypatch.setattr(LiveMaps, "get_latest_heatmap_snapshot", fail)
    app = make_app(
        Settings(db_path=tmp_path / "x.duckdb", symbols=("BTCUSDT",), replay="store"), paused_replay
    )
    client = await aiohttp_client(app)
    async with client.get("/ready") as response:
        report = await response.json()
    assert report["status"] in ("degraded", "failed")
    assert "OverflowError" in report["tasks"]["stream"]["last_error"]
