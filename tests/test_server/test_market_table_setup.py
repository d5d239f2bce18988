"""liqstream/server/market_table_setup.py: the leader makes the table, every server of the fleet serves it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from liqstream.server.app import make_app
from liqstream.settings.load import load_settings
from tests.integration.test_api import paused_replay
from tests.support.redis_server import RedisServer, redis_server

__all__ = ["redis_server"]


async def body_of(client: TestClient[Any, Any], path: str) -> dict[str, Any]:
    """The answer once there is one."""
    async with asyncio.timeout(20):
        while True:
            async with client.get(path) as answer:
                if answer.status == 200:
                    body: dict[str, Any] = await answer.json()
                    return body
            await asyncio.sleep(0.05)


@pytest.fixture
def apps(redis_server: RedisServer, tmp_path: Path) -> tuple[web.Application, web.Application]:
    """One that collects, and one that only fans out."""
    fleet = {"symbols": "BTCUSDT", "redis_enabled": True, "redis_url": redis_server.url}
    collects = load_settings(db_path=tmp_path / "m.duckdb", replay="store", **fleet)
    return make_app(collects, paused_replay), make_app(load_settings(role="fanout", **fleet))


async def test_every_server_of_a_fleet_has_the_leader_s_table(
    apps: tuple[web.Application, web.Application],
) -> None:
    """A server without data of its own gives the same, by REST and by the stream, and names the markets."""
    async with TestClient(TestServer(apps[0])) as leader, TestClient(TestServer(apps[1])) as fanout:
        theirs, symbols = await body_of(fanout, "/api/markets"), await body_of(fanout, "/api/symbols")
        (row,) = theirs["markets"]
        assert (row["symbol"], row["venues"], row["source"]) == ("BTCUSDT", ["binance"], "replay")
        assert row["price"] > 0
        assert row["long_liquidated_24h"] > 0
        assert symbols == await body_of(leader, "/api/symbols")
        async with fanout.ws_connect("/ws/heatmap") as ws, asyncio.timeout(20):
            await ws.send_json({"action": "subscribe", "stream": "markets", "proto": 2, "id": 3})
            assert await ws.receive_json() == {"type": "subscribed", "id": 3, "proto": 2, "stream": "markets"}
            table = await ws.receive_json()
            assert table["epoch"] == theirs["epoch"]
            assert {name: values[0] for name, values in table["fields"].items()} == {
                name: value for name, value in row.items() if name != "symbol"
            }
            changes = await ws.receive_json()
            assert (changes["prev_seq"], changes["fields"]) == (table["seq"], {})
