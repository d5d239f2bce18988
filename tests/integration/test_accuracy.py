"""The running map's own score, over HTTP."""

from __future__ import annotations

import asyncio
import time
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from pytest_aiohttp import AiohttpClient

from liqstream.client import HeatmapClient
from liqstream.evaluation.market_score import FORECAST, MAP, Asked
from liqstream.evaluation.scoring_data import Span
from liqstream.feeds.bar_replay import ReplayFeed
from liqstream.http import score_api
from liqstream.http.app_keys import MAPS, STORE
from liqstream.http.score_api import KEEP_S, MAX_SCORED_BARS, SCORES, WORKED_OUT, map_span
from liqstream.market import DAY_MS, Candle, LiquidationTotal, MarketEvent, MarketKey
from liqstream.server.app import make_app
from liqstream.settings.load import load_settings
from liqstream.settings.table import Settings
from liqstream.store.positions import PositionsBatch, StoredCoverage, StoredPosition
from liqstream.symbols import INTERVALS_MS
from tests.support.markets import MINUTE_MS, walk

BARS = 8 * 288
HOUR_START_MS = 1_780_002_000_000


def liquidated_market() -> list[MarketEvent]:
    """Eight days of bars, in which every bar liquidates what its range deserves."""
    events = walk(BARS)
    bars = [event for event in events if isinstance(event, Candle)]
    totals = [
        LiquidationTotal(
            bar.exchange,
            bar.symbol,
            bar.interval_ms,
            bar.open_time_ms,
            long_usd=1e8 * (bar.open - bar.low) / bar.open,
            short_usd=1e8 * (bar.high - bar.open) / bar.open,
        )
        for bar in bars
    ]
    return [*events, *totals]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """One symbol, a store of its own."""
    return load_settings(db_path=tmp_path / "market.duckdb", symbols="BTCUSDT", replay="store")


@pytest.fixture
async def client(aiohttp_client: AiohttpClient, settings: Settings) -> TestClient[Any, Any]:
    """A server over that market."""

    async def feeds(*_: object) -> list[ReplayFeed]:
        warmup_ms = BARS * 5 * MINUTE_MS
        events = liquidated_market()
        return [ReplayFeed(events, exchange="binance", symbol="BTCUSDT", speed=1e-6, warmup_ms=warmup_ms)]

    return await aiohttp_client(make_app(settings, feeds))


async def scored(client: TestClient[Any, Any]) -> Any:
    """The score, as soon as it is worked out."""
    while True:
        async with client.get("/api/score/BTCUSDT") as answer:
            content = await answer.json()
            if answer.status == 200:
                return content
            assert (answer.status, answer.headers["Retry-After"]) == (503, "5"), content


async def test_the_score_stands_beside_its_baselines(client: TestClient[Any, Any]) -> None:
    """Two who ask at once wait for one score; both sides, with intervals and baselines."""

    first, second = await asyncio.gather(scored(client), scored(client))
    assert first == second
    assert (first["symbol"], first["exchange"], first["kernel"]) == ("BTCUSDT", "binance", "tiered")
    for side in ("long", "short"):
        assert {"uniform", "uniform_range", "excursion", "extreme", "one_sided", "flat_2", "flat_10"} == set(
            first["sides"][side]["baselines"]
        )
        low, high = first["sides"][side]["model"]["spearman_ci"]
        assert low <= first["sides"][side]["model"]["spearman"] <= high
    async with HeatmapClient(str(client.make_url("/"))) as python:
        read = await python.score("BTC/USDT:USDT", exchange="binance")
        realised = await python.liquidations("BTCUSDT", "12h", interval="15m")
    assert read.mean is not None
    assert (read.n, read.begin, read.hash) == (first["n"], first["from"], first["hash"])
    assert read.mean.best.spearman == first["mean"]["model"]["spearman"]
    assert read.mean.baselines.keys() == first["mean"]["baselines"].keys()
    assert {each.interval_ms for each in realised.totals} == {15 * MINUTE_MS}
    assert sum(each.long_usd for each in realised.totals) > 0


@pytest.fixture
def hourly(tmp_path: Path) -> Settings:
    """The same on bars of an hour."""
    return load_settings(db_path=tmp_path / "hours.duckdb", symbols="BTCUSDT", replay="store", interval="1h")


async def test_the_forecasts_grades_come_after(aiohttp_client: AiohttpClient, hourly: Settings) -> None:
    """The map's score does not wait for them: every key is null, and why, until they are worked out."""
    bars = walk(6 * 24, interval_ms=60 * MINUTE_MS, start_ms=HOUR_START_MS)
    totals = [
        LiquidationTotal(bar.exchange, bar.symbol, bar.interval_ms, bar.open_time_ms, 1e6, 2e6)
        for bar in bars
        if isinstance(bar, Candle)
    ]

    async def feeds(*_: object) -> list[ReplayFeed]:
        warmup_ms = 6 * 24 * 60 * MINUTE_MS
        recorded = [*bars, *totals]
        return [ReplayFeed(recorded, exchange="binance", symbol="BTCUSDT", speed=1e-6, warmup_ms=warmup_ms)]

    client = await aiohttp_client(make_app(hourly, feeds))

    first = await scored(client)
    assert first["mean"]["drawn_map"]["spearman"] is not None
    assert {graded["reason"] for graded in first["forecast"].values()} == {WORKED_OUT}
    await client.app[SCORES].graded(MarketKey("binance", "BTCUSDT"))
    second = await scored(client)
    assert second["forecast"]["1h"]["windows"] > 60
    assert "do not divide 30m" in second["forecast"]["30m"]["reason"]
    assert {"method", "hash"} <= set(second)


@pytest.mark.parametrize(("bar", "days"), [("1m", 18), ("5m", 90), ("1h", 1083)])
def test_a_long_store_is_scored_on_its_newest_part(bar: str, days: int) -> None:
    """A request waits for no more bars than a core takes in some seconds; nothing is before 1970."""
    now_ms, bar_ms = 1_800_000_000_000, INTERVALS_MS[bar]
    span = map_span(now_ms, bar_ms)
    assert span.from_ms == now_ms - MAX_SCORED_BARS * bar_ms
    assert (span.to_ms, (now_ms - span.from_ms) // DAY_MS) == (now_ms, days)
    assert map_span(1000, bar_ms).from_ms == 0


async def test_the_map_is_scored_on_that_span(
    client: TestClient[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the newest bars there are; the forecast's grades learn from all."""
    asked: dict[frozenset[str], Span] = {}

    async def note(_store: object, _market: object, _kernel: object, what: Asked, **_: object) -> Any:
        asked[what.parts] = what.span
        return {"forecast": {}}

    monkeypatch.setattr(score_api, "score_market", note)
    async with client.get("/api/score/BTCUSDT") as answer:
        assert answer.status == 200
    await client.app[SCORES].graded(MarketKey("binance", "BTCUSDT"))
    to_ms = client.app[MAPS].data_time_ms("BTCUSDT")
    assert asked == {
        frozenset({MAP}): map_span(to_ms, 5 * MINUTE_MS),
        frozenset({FORECAST}): Span(None, to_ms),
    }


async def test_a_request_waits_for_no_long_score(
    client: TestClient[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """503 and when to ask again until the first is there; an older one while a newer is worked out."""
    going_on, made = asyncio.Event(), count()

    async def work(*_: object, **__: object) -> Any:
        await going_on.wait()
        return {"forecast": {}, "number": next(made)}

    now_s = [0.0]
    monkeypatch.setattr(score_api, "score_market", work)
    monkeypatch.setattr(score_api, "WAIT_S", 0.05)
    monkeypatch.setattr(client.app[SCORES], "clock_s", lambda: now_s[0])
    async with client.get("/api/score/BTCUSDT") as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
        assert "being worked out" in (await answer.json())["error"]
    going_on.set()
    monkeypatch.setattr(score_api, "WAIT_S", 10)
    first = (await scored(client))["number"]
    going_on.clear()
    now_s[0] += KEEP_S
    assert (await scored(client))["number"] == first
    going_on.set()
    async with asyncio.timeout(10):
        while (await scored(client))["number"] == first:
            pass


async def test_measured_positions_judge_the_map(client: TestClient[Any, Any]) -> None:
    """Every key is there, before there is anything to look at too; nothing else can judge it."""
    path = "/api/score/BTCUSDT?against=measured"
    async with client.get(path) as answer:
        before = await answer.json()
        assert answer.status == 200
    assert before["mean"] is None
    assert "no bars of BTCUSDT on hyperliquid" in before["reason"]
    for query in ("against=liquidations", "against=measured&exchange=binance"):
        async with client.get(f"/api/score/BTCUSDT?{query}") as answer:
            assert answer.status == 400

    store, scores = client.app[STORE], client.app[SCORES]
    end_ms = client.app[MAPS].data_time_ms("BTCUSDT") // (30 * MINUTE_MS) * 30 * MINUTE_MS
    bars = walk(2 * 288, start_ms=end_ms - 2 * DAY_MS, exchange="hyperliquid")
    await store.append(bars)
    close = next(bar.close for bar in reversed(bars) if isinstance(bar, Candle))
    positions = [
        StoredPosition(
            "BTCUSDT", f"0x{number:040x}", end_ms - DAY_MS // 2, 1.0, close, close * (0.99 - number / 400),
            10.0, isolated=True,
        )
        for number in range(20)
    ]  # fmt: skip
    covered = [
        StoredCoverage("BTCUSDT", end_ms - ago * 30 * MINUTE_MS - 1, 0.4, 0.1, 0.4, 0.1, 1.0, 1e4, 20)
        for ago in range(12)
    ]
    await store.append_positions(PositionsBatch((), positions, (), covered))
    scores.clock_s = lambda: time.monotonic() + KEEP_S
    async with client.get(path) as answer:
        found = await answer.json()
    while "being worked out" in str(found["reason"]):
        async with client.get(path) as answer:
            found = await answer.json()
    assert set(found) == set(before)
    assert found["looks"] == found["judged"]["long"] == 12
    assert found["judged"]["short"] == 0
    assert found["sides"]["long"]["accounts"] == 20
    assert found["verdict"] == "settling: 1 of 14 days"
    assert "40 % of longs" in found["sentence"]
    async with HeatmapClient(str(client.make_url("/"))) as python:
        read = await python.measured_score("BTC/USDT:USDT")
    assert (read.sentence, read.judged, read.hash) == (found["sentence"], found["judged"], found["hash"])
