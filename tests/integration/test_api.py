"""REST on a real server: the map, its history, prices and liquidations, and a sentence for bad questions."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp.test_utils import TestClient
from pytest_aiohttp import AiohttpClient

from liqstream.app import make_app
from liqstream.feeds.feed import Feed
from liqstream.feeds.replay import ReplayFeed
from liqstream.market import Liquidation, LiquidationTotal, MarketEvent
from liqstream.settings import Settings, load_settings
from tests.markets import MINUTE_MS, START_MS, walk

Client = TestClient[Any, Any]
BARS = 1000
INTERVAL_MS = 5 * MINUTE_MS
END_MS = START_MS + BARS * INTERVAL_MS


def recorded() -> list[MarketEvent]:
    """Bars of some days, and two liquidations near their end."""
    market = ("binance", "BTCUSDT")
    return [
        *walk(BARS),
        Liquidation(*market, END_MS - MINUTE_MS, "long", 100_000.0, 0.5),
        LiquidationTotal(*market, INTERVAL_MS, END_MS - 2 * INTERVAL_MS, 1000.0, 2000.0),
    ]


async def paused_replay(*_: object) -> Sequence[Feed]:
    """Everything is history; nothing more happens."""
    warmup_ms = BARS * INTERVAL_MS
    return [ReplayFeed(recorded(), exchange="binance", symbol="BTCUSDT", speed=1e-6, warmup_ms=warmup_ms)]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """One symbol, a store of its own."""
    return load_settings(db_path=tmp_path / "market.duckdb", symbols="BTCUSDT", replay="store")


@pytest.fixture
async def client(aiohttp_client: AiohttpClient, settings: Settings) -> Client:
    """A server of one symbol over those bars."""
    return await aiohttp_client(make_app(settings, paused_replay))


async def get(client: Client, path: str, status: int = 200, **params: str) -> Any:
    async with client.get(path, params=params) as answer:
        assert answer.status == status, await answer.text()
        return orjson.loads(await answer.read())


async def test_the_latest_map_is_the_v1_snapshot(client: Client) -> None:
    """The same message a subscriber gets, with an ETag that saves the second answer's bytes."""
    snapshot = await get(client, "/api/heatmap/BTCUSDT")
    assert snapshot["type"] == "snapshot"
    assert {"levels", "current_price", "positions_created", "positions_consumed"} <= set(snapshot["data"])
    async with client.get("/api/heatmap/BTCUSDT") as first:
        etag = first.headers["ETag"]
    async with client.get("/api/heatmap/BTCUSDT", headers={"If-None-Match": etag}) as again:
        assert again.status == 304
        assert await again.read() == b""


async def test_columns_and_mix_agree_with_the_levels(client: Client) -> None:
    """One wire state, three ways of saying it; the leverage groups add up to the level."""
    levels = (await get(client, "/api/heatmap/BTCUSDT"))["data"]["levels"]
    columns = await get(client, "/api/heatmap/BTCUSDT", columns="1")
    data, mix = columns["data"], columns["mix"]
    said = {
        (round(data["p0"] + row * data["step"], 6), long, short)
        for row, (long, short) in enumerate(zip(data["long"], data["short"], strict=True))
        if long or short
    }
    assert said == {(level["price"], level["long_density"], level["short_density"]) for level in levels}
    for side in ("long", "short"):
        totals = [sum(groups) for groups in zip(*mix[side], strict=True)]
        assert all(
            abs(total - usd) <= 0.011 * usd + 5 for total, usd in zip(totals, data[side], strict=True) if usd
        )


async def test_history_is_compact_and_its_json_says_the_same(client: Client) -> None:
    """A header, byte planes, candles; and the same matrix for those who ask for JSON."""
    async with client.get("/api/heatmap/BTCUSDT/history", params={"window": "24h"}) as answer:
        body = await answer.read()
        assert answer.content_type == "application/octet-stream"
    assert body[:4] == b"LQH1"
    (size,) = struct.unpack_from("<I", body, 4)
    header = orjson.loads(body[8 : 8 + size])
    cells = header["columns"] * header["rows"]
    assert len(body) == 8 + size + 4 * cells + 16 * header["columns"]
    assert header["t0"] + header["columns"] * header["interval_ms"] >= END_MS
    series = await get(client, "/liquidations/heatmap-timeseries", symbol="BTCUSDT", time_window="24h")
    assert len(series["data"]) == header["columns"]
    assert series["data"][-1]["levels"]
    assert {"timestamp", "levels", "positions_created", "positions_consumed"} == set(series["data"][0])


async def test_klines_are_the_last_bars(client: Client) -> None:
    """As many as asked for, ascending, ending with the newest; coarser ones are aggregated."""
    got = await get(client, "/prices/klines", symbol="BTCUSDT", interval="5m", limit="3")
    assert got["count"] == len(got["data"]) == 3
    hours = await get(client, "/prices/klines", symbol="BTCUSDT", interval="1h", limit="2")
    assert hours["data"][-1]["close"] == got["data"][-1]["close"]
    assert hours["data"][-1]["high"] >= got["data"][-1]["high"]


async def test_realised_liquidations_are_told(client: Client) -> None:
    """Single events and totals per interval, by side."""
    got = await get(client, "/api/liquidations/BTCUSDT", time_window="12h", interval="5m")
    assert [(event["side"], event["notional_usd"]) for event in got["data"]] == [("long", 50_000.0)]
    assert (1000.0, 2000.0) in [(total["long_usd"], total["short_usd"]) for total in got["totals"]]
    assert got["older_omitted"] == 0


async def test_liquidations_beyond_the_limit_are_counted(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is not listed is still told of."""
    monkeypatch.setattr("liqstream.api.MAX_LIQUIDATIONS", 0)
    got = await get(client, "/api/liquidations/BTCUSDT", time_window="12h", interval="5m")
    assert (got["data"], got["older_omitted"]) == ([], 1)


@pytest.mark.parametrize(
    ("path", "params", "says"),
    [
        ("/api/heatmap/DOGEBTC", {}, "one of BTCUSDT"),
        ("/api/heatmap/<script>", {}, "one of BTCUSDT"),
        ("/prices/klines", {}, "symbol is missing"),
        ("/prices/klines", {"symbol": "BTCUSDT", "interval": "7m"}, "one of 1m"),
        ("/prices/klines", {"symbol": "BTCUSDT", "interval": "1m"}, "multiple of 5m"),
        ("/prices/klines", {"symbol": "BTCUSDT", "limit": "-1"}, "from 1 to 1500"),
        ("/prices/klines", {"symbol": "BTCUSDT", "limit": "9" * 400}, "from 1 to 1500"),
        ("/prices/klines", {"symbol": "BTCUSDT", "exchange": "mtgox"}, "one of binance"),
        ("/liquidations/heatmap-timeseries", {"symbol": "BTCUSDT", "time_window": "8d"}, "one of 12h"),
        ("/liquidations/heatmap-timeseries", {"symbol": "BTCUSDT", "price_bin_size": "NaN"}, "above 0"),
        ("/api/heatmap/BTCUSDT/history", {"start_time": "5", "end_time": "4"}, "start_time must be before"),
        ("/api/heatmap/BTCUSDT/history", {"start_time": "1", "interval": "5m"}, "columns"),
        ("/api/heatmap/BTCUSDT/history", {"start_time": "yesterday"}, "whole number"),
    ],
)
async def test_a_bad_question_gets_a_sentence(
    client: Client, path: str, params: dict[str, str], says: str
) -> None:
    """400, in JSON, saying what would be right; never what the client wrote."""
    answer = await get(client, path, 400, **params)
    assert says in answer["error"]
    assert "<script>" not in answer["error"]


async def test_alive_and_ready_are_different_questions(client: Client) -> None:
    """A silent source does not make the server dead, but degraded."""
    assert (await get(client, "/health"))["status"] == "ok"
    ready = await get(client, "/ready")
    assert ready["status"] in ("ready", "degraded")
    assert ready["symbols"]["BTCUSDT"]["source"] == "replay"


async def test_metrics_are_prometheus_text(client: Client) -> None:
    """Scrapable as it stands."""
    async with client.get("/metrics") as answer:
        text = await answer.text()
        assert answer.content_type == "text/plain"
    assert "ws_active_connections" in text


@pytest.mark.parametrize(
    "path",
    ["/static/js/../../setup.cfg", "/static/%2e%2e/setup.cfg", "/static/js/..%2f..%2fsetup.cfg", "/static/"],
)
async def test_only_the_page_s_own_files_are_served(client: Client, path: str) -> None:
    """Files are looked up by name in memory: no path leads out."""
    async with client.get(path) as answer:
        assert answer.status == 404


async def test_a_file_of_the_page_is_served_with_its_type(client: Client) -> None:
    """Scripts as scripts, and not again to who has them."""
    async with client.get("/static/js/websocket-client.js") as answer:
        assert answer.content_type == "text/javascript"
        etag = answer.headers["ETag"]
    async with client.get("/static/js/websocket-client.js", headers={"If-None-Match": etag}) as again:
        assert again.status == 304


async def test_a_map_without_enough_to_be_scored_on_says_so(client: Client) -> None:
    """404 and what is missing, never a made-up number."""
    answer = await get(client, "/api/score/BTCUSDT", 404)
    assert "liquidations" in answer["error"]
