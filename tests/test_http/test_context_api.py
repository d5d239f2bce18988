"""GET /api/context: sums of the store's rows over columns and exchanges, as of then and as of now."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from pytest_aiohttp import AiohttpClient

from liqstream.client import HeatmapClient
from liqstream.http.history_proxy import add_forwarded_routes
from liqstream.market import (
    HOUR_MS,
    Candle,
    FundingRate,
    Liquidation,
    LiquidationTotal,
    MarketEvent,
)
from liqstream.server.app import make_app
from liqstream.settings.load import load_settings
from liqstream.settings.table import Settings
from tests.support.markets import MINUTE_MS, START_MS, walk
from tests.support.paused_replays import paused_replays

Client = TestClient[Any, Any]
INTERVAL_MS = 5 * MINUTE_MS
BARS = 600
END_MS = START_MS + BARS * INTERVAL_MS
HELD = {"binance": 80_000.0, "bybit": 40_000.0}
PATH = "/api/context/BTCUSDT"


def recorded(exchange: str) -> list[MarketEvent]:
    """Two days of bars with volume, of Bybit 21 h alone; funding every 8 h, both kinds of liquidations."""
    bars = [
        replace(each, volume_base=10.0) if isinstance(each, Candle) else each
        for each in walk(BARS, exchange=exchange, open_interest_base=HELD[exchange])
    ]
    market = (exchange, "BTCUSDT")
    rates = [
        FundingRate(*market, time_ms, 1e-4 * (1 + number))
        for number, time_ms in enumerate(range(START_MS, END_MS, 8 * HOUR_MS))
    ]
    liquidated: list[MarketEvent] = [
        Liquidation(
            *market, END_MS - hours * HOUR_MS, "long" if hours % 3 else "short", 100_000.0, 0.1 * hours
        )
        for hours in range(1, 40)
    ]
    totals = LiquidationTotal(*market, INTERVAL_MS, END_MS - 2 * INTERVAL_MS, 1000.5, HELD[exchange])
    bars = bars[-2 * 250 :] if exchange == "bybit" else bars
    return [*bars, *rates, *liquidated, totals]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """One symbol, a store of its own."""
    return load_settings(db_path=tmp_path / "market.duckdb", symbols="BTCUSDT", replay="store")


@pytest.fixture
async def client(aiohttp_client: AiohttpClient, settings: Settings) -> Client:
    """A server of one symbol on two exchanges."""
    return await aiohttp_client(
        make_app(settings, paused_replays(recorded, HELD, warmup_ms=BARS * INTERVAL_MS))
    )


async def get(client: Client, path: str, **params: str) -> Any:
    async with client.get(path, params=params) as answer:
        assert answer.status == 200, await answer.text()
        return orjson.loads(await answer.read())


ASKED: tuple[dict[str, str], ...] = (
    {"window": "24h"},
    {"window": "3d", "interval": "1h"},
    {"window": "12h", "exchange": "bybit"},
    {
        "start_time": str(END_MS - 30 * HOUR_MS),
        "end_time": str(END_MS - 90 * MINUTE_MS),
        "interval": "15m",
    },
)


async def test_liquidations_are_those_of_their_own_endpoint(client: Client) -> None:
    """Bar by bar, for the same span and exchanges."""
    for asked in ASKED:
        context = (await get(client, PATH, **asked))["liquidations"]
        totals = (await get(client, "/api/liquidations/BTCUSDT", **asked))["totals"]
        assert len(totals) > 1
        assert {context["interval_ms"]} == {total["interval_ms"] for total in totals}
        for name in ("timestamp", "long_usd", "short_usd"):
            assert context[name] == [total[name] for total in totals], (asked, name)


async def test_series_and_figures_of_now(client: Client) -> None:
    """Of the columns of the history, as the exchanges' parts add up; the Python client reads the same."""
    await _series(client)
    await _now(client)
    await _read_by_the_client(client)


async def _series(client: Client) -> None:
    """Open interest is the exchanges' at their own closes, and says of how many."""
    asked = {"window": "48h", "interval": "1h"}
    context = await get(client, PATH, **asked)
    history = await get(client, "/liquidations/heatmap-timeseries", symbol="BTCUSDT", **asked)
    assert context["columns"] == len(history["data"]) == 48
    names = ("open_interest_usd", "open_interest_exchanges", "funding_rate", "volume_usd")
    assert {len(context[name]) for name in names} == {48}
    counted = context["open_interest_exchanges"]
    assert set(counted) == {1, 2}
    joined = counted.index(2)
    assert counted == sorted(counted)
    parts = [await get(client, PATH, exchange=name, **asked) for name in HELD]
    for row in (joined, 47):
        assert context["open_interest_usd"][row] == pytest.approx(
            sum(part["open_interest_usd"][row] for part in parts), abs=2
        )
    assert parts[1]["open_interest_usd"][0] is None
    kline = (await get(client, "/prices/klines", symbol="BTCUSDT", exchange="binance", limit="1"))["data"][-1]
    held = HELD["binance"] * (1 + 0.001 * (BARS - 1))
    assert parts[0]["open_interest_usd"][-1] == pytest.approx(held * kline["close"], abs=1)
    assert parts[0]["volume_usd"][-2] == pytest.approx(12 * 10 * 100_000, rel=0.2)
    rates = [rate for rate in context["funding_rate"] if rate is not None]
    assert rates == sorted(rates)
    assert rates[-1] == pytest.approx(1e-4 * (1 + (END_MS - START_MS - 1) // (8 * HOUR_MS)))


async def _now(client: Client) -> None:
    """Changes are of coins, of the exchanges that were known then."""
    now = (await get(client, PATH, window="24h"))["now"]
    binance, bybit = now["exchanges"]
    assert now["open_interest_usd"] == pytest.approx(
        binance["open_interest_usd"] + bybit["open_interest_usd"], abs=2
    )
    assert binance["open_interest_usd"] == pytest.approx(2 * bybit["open_interest_usd"], rel=0.1)
    assert now["open_interest_1h"] == pytest.approx(100 * (1.599 / 1.587 - 1), abs=0.06)
    assert now["open_interest_24h"] == pytest.approx(100 * (1.599 / 1.311 - 1), abs=0.2)
    # A day of Bybit's bars is not there.
    assert bybit["volume_24h_usd"] is None
    assert now["volume_24h_usd"] == binance["volume_24h_usd"] == pytest.approx(288 * 10 * 100_000, rel=0.2)
    assert now["funding_exchange"] == "binance"
    assert (now["next_funding_time"], now["funding_time"]) == (None, START_MS + 48 * HOUR_MS)


async def test_it_answers_like_the_other_endpoints(client: Client, aiohttp_client: AiohttpClient) -> None:
    """Compressed, known by its ETag, refused with a sentence, passed on by a server without history."""
    asked = {"window": "24h"}
    headers = {"Accept-Encoding": "gzip"}
    async with client.get(PATH, params=asked, headers=headers) as answer:
        assert answer.headers["Content-Encoding"] == "gzip"
        etag = answer.headers["ETag"]
    async with client.get(PATH, params=asked, headers={"If-None-Match": etag}) as answer:
        assert answer.status == 304
    for query, said in (("?interval=7m", "unknown interval"), ("?exchange=nowhere", "unknown exchange")):
        async with client.get(PATH + query) as answer:
            assert answer.status == 400
            assert said in (await answer.json())["error"]
    app = web.Application()
    add_forwarded_routes(app, str(client.make_url("/")))
    fanout = await aiohttp_client(app)
    assert await get(fanout, PATH, **asked) == await get(client, PATH, **asked)


async def _read_by_the_client(client: Client) -> None:
    async with HeatmapClient(str(client.make_url("/"))) as reader:
        context = await reader.context("BTCUSDT", window="48h", interval="1h", exchanges=("bybit",))
    assert context.exchanges == ["bybit"]
    assert len(context.open_time_ms) == len(context.open_interest_usd) == 48
    assert context.open_time_ms[1] - context.open_time_ms[0] == HOUR_MS
    assert context.open_interest_usd[0] != context.open_interest_usd[0]
    assert context.liquidations.long_usd.sum() > 0
    assert context.now.next_funding_time is None
    assert "BTCUSDT" in repr(context)
