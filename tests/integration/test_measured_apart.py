"""What measuring positions changes of everything else on the wire, in REST and in the store: not a byte.

But for realised liquidations, of which it finds some; no map changes by them.
"""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import duckdb
import pytest
from aiohttp.test_utils import TestClient, TestServer

from liqstream.feeds.bar_replay import ReplayFeed
from liqstream.http.app_keys import MAPS, STORE
from liqstream.market import Liquidation, MarketEvent
from liqstream.server.app import make_app
from liqstream.server.positions_setup import take_liquidations
from liqstream.settings.load import load_settings
from liqstream.store.positions import POSITION_TIMES
from tests.support.exchange_rig import simulated_exchange
from tests.support.markets import MINUTE_MS, START_MS, walk
from tests.support.measured_server import app_of, store_now, until_drawn, until_read

pytestmark = pytest.mark.simulated

BARS = 150
EXCHANGES = ("binance", "hyperliquid")
EVENT_MS = START_MS + (BARS * 5 - 1) * MINUTE_MS
FOUND = Liquidation("hyperliquid", "BTCUSDT", EVENT_MS - 1, "long", 100_000.0, 5.0)
"""One that was found: no map is calibrated on it."""
ANSWERS = (
    "/api/heatmap/BTCUSDT",
    "/api/heatmap/BTCUSDT?columns=1",
    "/api/heatmap/BTCUSDT?exchange=hyperliquid",
    "/api/heatmap/BTCUSDT/history?start_time={start}",
    "/liquidations/heatmap-timeseries?symbol=BTCUSDT&start_time={start}",
    "/api/symbols",
    "/prices/klines?symbol=BTCUSDT",
)
PROTOCOLS: tuple[dict[str, Any], ...] = ({}, {"proto": 2, "delta": True})
POSITION = re.compile(rb'"(epoch|seq)":[0-9]+')
"""When the server began, and how many states came before this one while it did."""


async def replays(*_: object) -> list[ReplayFeed]:
    """Two exchanges' history, Hyperliquid's among them; nothing more happens."""
    return [_replay("binance", 80_000.0), _replay("hyperliquid", 9_000.0)]


def _replay(exchange: str, held: float) -> ReplayFeed:
    events: list[MarketEvent] = list(walk(BARS, exchange=exchange, open_interest_base=held))
    events.append(Liquidation(exchange, "BTCUSDT", EVENT_MS, "long", 100_000.0, held / 1e5))
    warmup_ms = BARS * 5 * MINUTE_MS
    return ReplayFeed(events, exchange=exchange, symbol="BTCUSDT", speed=1e-6, warmup_ms=warmup_ms)


async def _until_history_is_in(client: TestClient[Any, Any]) -> None:
    """Both exchanges' maps stand, and the store has everything."""
    app = app_of(client)
    async with asyncio.timeout(60):
        while any(app[MAPS].data_time_ms("BTCUSDT", [name]) < EVENT_MS for name in EXCHANGES):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    await app[STORE].flush()


async def shown(client: TestClient[Any, Any]) -> dict[str, bytes]:
    """Every answer and first message, less the moment the server began."""
    found = {}
    for path in ANSWERS:
        async with client.get(path.format(start=EVENT_MS - 60 * MINUTE_MS)) as answer:
            body = await answer.read()
            assert answer.status == 200, (path, body)
            # Of the binary form the length of its head too, which has that position.
            kept = b"LQH1" + body[8:] if body.startswith(b"LQH1") else body
            found[path] = POSITION.sub(b"", kept)
    for number, protocol in enumerate(PROTOCOLS):
        async with client.ws_connect("/ws/heatmap") as ws:
            await ws.send_json({"action": "subscribe", "symbols": ["BTCUSDT"], **protocol})
            async with asyncio.timeout(60):
                while b'"type":"snapshot"' not in (text := (await ws.receive_str()).encode()):
                    pass
            found[f"ws {number}"] = POSITION.sub(b"", text)
    return found


def stored(path: Path) -> dict[str, list[Any]]:
    """Every row of every table that is not of positions."""
    with duckdb.connect(str(path), read_only=True) as connection:
        names = [row[0] for row in connection.execute("SHOW TABLES").fetchall()]
        return {
            name: sorted(connection.execute(f"FROM {name}").fetchall(), key=str)
            for name in names
            if name not in POSITION_TIMES
        }


async def test_nothing_else_changes(tmp_path: Path) -> None:
    """The same market on two servers, one of which measures positions and has found a liquidation: the same
    bytes, the same rows."""
    found, rows = {}, {}
    async with simulated_exchange(speed=1.0, round_s=1.0, symbols=("BTCUSDT",)) as (_, port):
        for measures in (False, True):
            path = tmp_path / f"{measures}.duckdb"
            settings = await asyncio.to_thread(
                load_settings,
                db_path=path,
                symbols="BTCUSDT",
                positions=measures,
                stale_after_s=3600,
                positions_weight=0,
                positions_url=f"http://127.0.0.1:{port}",
                exchange_ws_urls={"hyperliquid": f"ws://127.0.0.1:{port}"},
                exchange_rest_urls={"hyperliquid": f"http://127.0.0.1:{port}"},
                positions_leaderboard=f"http://127.0.0.1:{port}/Mainnet/leaderboard",
            )
            async with TestClient(TestServer(make_app(settings, replays))) as client:
                if measures:
                    await until_read(client, 40)
                    await until_drawn(client, "BTCUSDT")
                    await store_now(client)
                    take_liquidations(app_of(client), [FOUND])
                await _until_history_is_in(client)
                found[measures] = await shown(client)
            rows[measures] = await asyncio.to_thread(stored, path)
    for asked in found[False]:
        assert found[True][asked] == found[False][asked], asked
    key = (FOUND.exchange, FOUND.symbol, FOUND.time_ms)
    rows[True]["liquidations"] = [row for row in rows[True]["liquidations"] if row[:3] != key]
    for table in rows[False]:
        assert rows[True][table] == rows[False][table], table
    counts = await asyncio.to_thread(_position_rows, tmp_path / "True.duckdb")
    assert all(counts.values()), counts


def _position_rows(path: Path) -> dict[str, int]:
    with duckdb.connect(str(path), read_only=True) as connection:
        return {name: len(connection.execute(f"FROM {name}").fetchall()) for name in POSITION_TIMES}
