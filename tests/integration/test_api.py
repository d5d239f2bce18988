"""REST on a real server: the map, its history, prices and liquidations, and a sentence for bad questions."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from pytest_aiohttp import AiohttpClient

from liqstream.admission.http_guard import http_guard
from liqstream.admission.policy import ADMISSION, AdmissionPolicy
from liqstream.admission.tokens import new_token, token_line
from liqstream.client.history import decode_history
from liqstream.feeds.bar_replay import ReplayFeed
from liqstream.feeds.feed import Feed
from liqstream.heatmap.quantise import QUANTISED_USD
from liqstream.heatmap.snapshot import iso_utc
from liqstream.http.history_proxy import add_forwarded_routes
from liqstream.market import Liquidation, LiquidationTotal, MarketEvent
from liqstream.server.app import make_app
from liqstream.settings.load import load_settings
from liqstream.settings.table import Settings
from tests.support.lqh1 import decoded
from tests.support.markets import MINUTE_MS, START_MS, walk

Client = TestClient[Any, Any]
pytestmark = pytest.mark.asyncio(loop_scope="module")
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


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """One symbol, a store of its own."""
    db_path = tmp_path_factory.mktemp("api") / "market.duckdb"
    return load_settings(db_path=db_path, symbols="BTCUSDT", replay="store")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(settings: Settings) -> AsyncIterator[Client]:
    """A server of one symbol over those bars, for all tests that only ask."""
    async with TestClient(TestServer(make_app(settings, paused_replay))) as asking:
        yield asking


async def get(client: Client, path: str, status: int = 200, **params: str) -> Any:
    async with client.get(path, params=params) as answer:
        assert answer.status == status, await answer.text()
        return orjson.loads(await answer.read())


async def streamed(client: Client, **options: Any) -> dict[str, Any]:
    """The first snapshot of BTCUSDT that a subscriber gets."""
    async with client.ws_connect("/ws/heatmap") as ws, asyncio.timeout(10):
        await ws.send_json({"action": "subscribe", "symbols": ["BTCUSDT"], **options})
        while True:
            message: dict[str, Any] = await ws.receive_json()
            if message["type"] == "snapshot":
                return message


@pytest.mark.parametrize(("query", "options"), [("", {}), ("?columns=1", {"proto": 2})])
async def test_the_latest_map_is_the_streamed_snapshot(
    client: Client, query: str, options: dict[str, Any]
) -> None:
    """REST has all that a subscriber is sent, but for what depends on the subscriber, and adds the
    exchanges."""
    message = await streamed(client, **options)
    answer = await get(client, f"/api/heatmap/BTCUSDT{query}")
    assert message.pop("skipped") == 0
    if query:
        assert message.pop("type") == "snapshot"
        assert answer.pop("mix") is not None
    assert answer.pop("checked_days") == 0
    assert answer.pop("note") == "not checked on this market yet (0 of 14 days)"
    assert answer.pop("exchanges") == answer.pop("all_exchanges") == ["binance"]
    assert json.dumps(answer, sort_keys=True) == json.dumps(message, sort_keys=True)


async def test_a_map_that_is_known_is_not_sent_again(client: Client) -> None:
    """An ETag saves the second answer's bytes."""
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


async def test_a_history_can_keep_the_leverage_groups_apart(client: Client) -> None:
    """`leverage=1`: named in the header, and added up the whole; refused as JSON, which has no place."""
    path, params = "/api/heatmap/BTCUSDT/history", {"window": "24h"}
    async with client.get(path, params=params) as answer:
        whole, *sides, candles = decoded(await answer.read())
    async with client.get(path, params={**params, "leverage": "1"}) as answer:
        head, *parts, same = decoded(await answer.read())
    assert head["groups"] == ["to 10x", "to 25x", "to 50x", "to 100x", "above 100x"]
    assert "groups" not in whole
    np.testing.assert_array_equal(same, candles)
    for side, part in zip(sides, parts, strict=True):
        groups = QUANTISED_USD[part.reshape(head["columns"], 5, head["rows"])]
        expected = QUANTISED_USD[side]
        # Of the whole, finished columns may be a step off; and each figure is rounded by half a step.
        assert (np.abs(groups.sum(axis=1) - expected) <= 0.04 * expected + 5 * 500).all()
    headers = {"Accept": "application/json"}
    async with client.get(path, params={**params, "leverage": "1"}, headers=headers) as answer:
        assert answer.status == 400
        assert "compact form" in (await answer.json())["error"]


async def test_klines_are_the_last_bars(client: Client) -> None:
    """As many as asked for, ascending, ending with the newest; coarser ones are aggregated."""
    got = await get(client, "/prices/klines", symbol="BTCUSDT", interval="5m", limit="3")
    assert got["count"] == len(got["data"]) == 3
    hours = await get(client, "/prices/klines", symbol="BTCUSDT", interval="1h", limit="2")
    assert hours["data"][-1]["close"] == got["data"][-1]["close"]
    assert hours["data"][-1]["high"] >= got["data"][-1]["high"]


async def test_realised_liquidations_are_listed(client: Client) -> None:
    """Single events and totals per interval, by side."""
    got = await get(client, "/api/liquidations/BTCUSDT", time_window="12h", interval="5m")
    assert [(event["side"], event["notional_usd"]) for event in got["data"]] == [("long", 50_000.0)]
    assert (1000.0, 2000.0) in [(total["long_usd"], total["short_usd"]) for total in got["totals"]]
    assert got["older_omitted"] == 0


async def test_liquidations_beyond_the_limit_are_counted(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is not listed is still told of."""
    monkeypatch.setattr("liqstream.http.heatmap_api.MAX_LIQUIDATIONS", 0)
    got = await get(client, "/api/liquidations/BTCUSDT", time_window="12h", interval="5m")
    assert (got["data"], got["older_omitted"]) == ([], 1)


@pytest.mark.asyncio(loop_scope="function")
async def test_totals_of_longer_intervals_are_not_left_out(
    aiohttp_client: AiohttpClient, tmp_path: Path
) -> None:
    """Where only coarser ones are stored, all rows are of the finest interval that has them, and name it."""
    half_hour_ms = 6 * INTERVAL_MS
    end_ms = END_MS - END_MS % half_hour_ms

    async def with_half_hours(*_: object) -> Sequence[Feed]:
        records = [
            *walk(BARS),
            LiquidationTotal("binance", "BTCUSDT", half_hour_ms, end_ms - 2 * half_hour_ms, 3000.0, 4000.0),
        ]
        span_ms = BARS * INTERVAL_MS
        feed = ReplayFeed(records, exchange="binance", symbol="BTCUSDT", speed=1e-6, warmup_ms=span_ms)
        return [feed]

    settings = await asyncio.to_thread(
        lambda: load_settings(db_path=tmp_path / "market.duckdb", symbols="BTCUSDT", replay="store")
    )
    client = await aiohttp_client(make_app(settings, with_half_hours))
    for interval, expected_ms in (("15m", half_hour_ms), ("30m", half_hour_ms), ("1h", 2 * half_hour_ms)):
        got = await get(client, "/api/liquidations/BTCUSDT", window="3d", interval=interval)
        (total,) = got["totals"]
        assert (total["interval_ms"], total["long_usd"], total["short_usd"]) == (expected_ms, 3000, 4000)


@pytest.mark.parametrize("times", [{"start_time": str(END_MS + 1)}, {"start_time": "1", "end_time": "2"}])
async def test_a_span_without_data_is_empty(client: Client, times: dict[str, str]) -> None:
    """Before the first record or after the last: 200, nothing in it, and no time to come back."""
    series = await get(client, "/liquidations/heatmap-timeseries", 200, symbol="BTCUSDT", **times)
    assert (series["data"], series["meta"]["columns"]) == ([], 0)
    async with client.get("/api/heatmap/BTCUSDT/history", params=times) as answer:
        history = decode_history(await answer.read())
        assert history.long_usd.shape == (0, len(history.prices))
    liquidations = await get(client, "/api/liquidations/BTCUSDT", 200, **times)
    assert (liquidations["data"], liquidations["totals"]) == ([], [])
    assert (await get(client, "/prices/klines", 200, symbol="BTCUSDT", **times))["data"] == []


async def test_a_window_can_end_in_the_past(client: Client) -> None:
    """`end_time` moves the window; nothing after it is in there."""
    end_ms = END_MS - 20 * INTERVAL_MS
    series = await get(
        client,
        "/liquidations/heatmap-timeseries",
        symbol="BTCUSDT",
        time_window="12h",
        end_time=str(end_ms),
    )
    assert series["meta"]["columns"] == 12 * 12
    assert series["meta"]["end_time"] == iso_utc(end_ms)


@pytest.mark.parametrize(
    ("path", "params", "says"),
    [
        ("/api/heatmap/DOGEBTC", {}, "one of BTCUSDT"),
        ("/api/heatmap/<script>", {}, "one of BTCUSDT"),
        ("/prices/klines", {}, "symbol is missing"),
        ("/prices/klines", {"symbol": "BTCUSDT", "interval": "7m"}, "one of 1m"),
        ("/prices/klines", {"symbol": "BTCUSDT", "interval": "3m"}, "1m, or a multiple of 5m"),
        ("/prices/klines", {"symbol": "BTCUSDT", "limit": "-1"}, "from 1 to 1500"),
        ("/prices/klines", {"symbol": "BTCUSDT", "limit": "9" * 400}, "from 1 to 1500"),
        ("/prices/klines", {"symbol": "BTCUSDT", "exchange": "mtgox"}, "one of binance"),
        (
            "/liquidations/heatmap-timeseries",
            {"symbol": "BTCUSDT", "time_window": "8d"},
            "one of 1h, 4h, 12h",
        ),
        ("/liquidations/heatmap-timeseries", {"symbol": "BTCUSDT", "price_bin_size": "NaN"}, "1e-12 to"),
        ("/api/heatmap/BTCUSDT/history", {"start_time": "5", "end_time": "4"}, "start_time must be before"),
        (
            "/api/heatmap/BTCUSDT/history",
            {"start_time": "1", "interval": "5m"},
            "columns, more than 10000; a span",
        ),
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


@pytest.mark.asyncio(loop_scope="function")
async def test_a_server_without_history_serves_holders_of_a_token_as_the_producer_does(
    aiohttp_client: AiohttpClient, tmp_path: Path
) -> None:
    """Whoever shows a token gets the history through it; nobody else does, and the producer sees who asks."""
    token = new_token()
    await asyncio.to_thread((tmp_path / "tokens").write_text, token_line("bot", token))
    shared = {"tokens_file": str(tmp_path / "tokens"), "trusted_proxies": "127.0.0.1"}
    settings = await asyncio.to_thread(
        lambda: load_settings(db_path=tmp_path / "p.duckdb", symbols="BTCUSDT", replay="store", **shared)
    )
    producer = make_app(settings, paused_replay)
    fanout = web.Application(middlewares=[http_guard])
    fanout[ADMISSION] = AdmissionPolicy(settings)
    await asyncio.to_thread(fanout[ADMISSION].tokens.reload)
    asked = await aiohttp_client(producer)
    add_forwarded_routes(fanout, str(asked.make_url("/")))
    client = await aiohttp_client(fanout)
    bearer = {"Authorization": f"Bearer {token}", "X-Forwarded-For": "203.0.113.9"}
    for path in ("/api/heatmap/BTCUSDT/history?window=12h&_=1", "/prices/klines?symbol=BTCUSDT"):
        async with client.get(path, headers=bearer) as through, asked.get(path, headers=bearer) as direct:
            assert (through.status, await through.read()) == (200, await direct.read())
        async with client.get(path) as answer:
            assert answer.status == 401
    assert "203.0.113.9 bot" in producer[ADMISSION].requests._buckets
