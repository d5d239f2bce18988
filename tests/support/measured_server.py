"""A demo server in this process that measures the positions of its own simulated exchange."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from liqstream.http.app_keys import MEASURED_LAYER
from liqstream.positions.collector import PositionsCollector
from liqstream.server.app import make_app
from liqstream.settings.load import load_settings


@asynccontextmanager
async def measured_server(folder: Path, **options: Any) -> AsyncIterator[TestClient[Any, Any]]:
    """A client of it; `options` are settings."""
    given: dict[str, Any] = {
        "db_path": folder / "demo.duckdb",
        "symbols": "BTCUSDT",
        "exchanges": "",
        "positions": True,
        "history_days": 1,
    }
    app = make_app(await asyncio.to_thread(load_settings, **(given | options)))
    async with TestClient(TestServer(app)) as client:
        yield client


def app_of(client: TestClient[Any, Any]) -> web.Application:
    """The application of a server in this process."""
    server = client.server
    assert isinstance(server, TestServer)
    return server.app


async def store_now(client: TestClient[Any, Any]) -> None:
    """Have the collector write what it knows, at the market's time."""
    collector = collector_of(client)
    await collector.keeper.store_now(collector.now_ms())


def collector_of(client: TestClient[Any, Any]) -> PositionsCollector:
    """The collector of a server in this process."""
    return app_of(client)[MEASURED_LAYER].collector


async def until_read(client: TestClient[Any, Any], accounts: int) -> None:
    """Wait until so many accounts have been read."""
    async with asyncio.timeout(60):
        while collector_of(client).tracker.counts.reads < accounts:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def until_drawn(client: TestClient[Any, Any], symbol: str) -> None:
    """Wait until a symbol's levels and its coverage are known."""
    collector = collector_of(client)
    async with asyncio.timeout(60):
        while True:
            levels = collector.levels(symbol)
            if levels is not None and collector.coverage(symbol, levels) is not None:
                return
            await asyncio.sleep(0.05)
