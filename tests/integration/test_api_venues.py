"""REST on a server of three venues: `?exchange=` picks some of them, in every answer alike."""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
import pytest_asyncio
from aiohttp.test_utils import TestClient, TestServer

from liqstream.client import ClientError, HeatmapClient
from liqstream.http import score_api
from liqstream.market import Liquidation, LiquidationTotal, MarketEvent
from liqstream.server.app import make_app
from liqstream.settings.load import load_settings
from tests.support.markets import MINUTE_MS, START_MS, walk
from tests.support.paused_replays import paused_replays

Client = TestClient[Any, Any]
pytestmark = pytest.mark.asyncio(loop_scope="module")
BARS = 600
INTERVAL_MS = 5 * MINUTE_MS
END_MS = START_MS + BARS * INTERVAL_MS
VENUES = {"binance": 80_000.0, "bybit": 40_000.0, "okx": 10_000.0}
"""Venue -> its open interest, by which their maps can be told apart."""
ANSWERS = (
    "/api/heatmap/BTCUSDT",
    "/api/heatmap/BTCUSDT?columns=1",
    "/api/heatmap/BTCUSDT/history",
    "/liquidations/heatmap-timeseries?symbol=BTCUSDT",
    "/api/liquidations/BTCUSDT",
    "/api/context/BTCUSDT",
    "/prices/klines?symbol=BTCUSDT",
    "/api/score/BTCUSDT",
)


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The score is waited for, however busy the machine is."""
    monkeypatch.setattr(score_api, "WAIT_S", 100)


def recorded(exchange: str) -> list[MarketEvent]:
    """A walk of each, okx an hour behind and lower; a liquidation and a total of each."""
    late_ms = 60 * MINUTE_MS if exchange == "okx" else 0
    price = 95_000.0 if exchange == "okx" else 100_000.0
    bars = walk(
        BARS - late_ms // INTERVAL_MS, exchange=exchange, price=price, open_interest_base=VENUES[exchange]
    )
    end_ms = END_MS - late_ms
    return [
        *bars,
        Liquidation(exchange, "BTCUSDT", end_ms - MINUTE_MS, "long", price, VENUES[exchange] / 1e6),
        LiquidationTotal(exchange, "BTCUSDT", INTERVAL_MS, end_ms - 2 * INTERVAL_MS, VENUES[exchange], 0.0),
    ]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Client]:
    """A server of one symbol on three venues, for tests that only ask."""
    db_path = tmp_path_factory.mktemp("venues") / "market.duckdb"
    settings = load_settings(db_path=db_path, symbols="BTCUSDT", replay="store")
    app = make_app(settings, paused_replays(recorded, VENUES, warmup_ms=BARS * INTERVAL_MS))
    async with TestClient(TestServer(app)) as asking:
        yield asking


async def get(client: Client, path: str, status: int = 200, **params: str) -> Any:
    async with client.get(path, params=params) as answer:
        assert answer.status == status, await answer.text()
        return orjson.loads(await answer.read())


async def columns(client: Client, exchange: str = "binance,bybit,okx") -> Any:
    return await get(client, "/api/heatmap/BTCUSDT", columns="1", exchange=exchange)


async def test_levels_are_those_of_the_venues_param(client: Client) -> None:
    """Each venue alone, two of them, all: they add up, and the mix and the v1 form say the same."""
    each = {name: await columns(client, name) for name in VENUES}
    pair, whole = (
        await columns(client, "bybit,binance"),
        await get(client, "/api/heatmap/BTCUSDT", columns="1"),
    )
    for side in ("long", "short"):
        total = {name: sum(said["data"][side]) for name, said in each.items()}
        assert total["binance"] == pytest.approx(2 * total["bybit"], rel=0.02)
        assert 0 < total["okx"] < total["bybit"] / 3
        assert sum(pair["data"][side]) == pytest.approx(total["binance"] + total["bybit"], rel=0.02)
        assert sum(whole["data"][side]) == pytest.approx(sum(total.values()), rel=0.02)
    for said in (*each.values(), pair, whole):
        for side in ("long", "short"):
            mixed = [sum(groups) for groups in zip(*said["mix"][side], strict=True)]
            assert sum(mixed) == pytest.approx(sum(said["data"][side]), rel=0.02)
    levels = (await get(client, "/api/heatmap/BTCUSDT", exchange="okx"))["data"]["levels"]
    assert [level["long_density"] for level in levels if level["long_density"]] == [
        usd for usd in each["okx"]["data"]["long"] if usd
    ]


async def test_the_answer_says_whose_it_is(client: Client) -> None:
    """Its venues in the server's order, all there are, and that venue's own price, time and checksum."""
    okx, whole = await columns(client, "okx"), await columns(client)
    assert (okx["exchanges"], whole["exchanges"]) == (["okx"], list(VENUES))
    assert okx["all_exchanges"] == whole["all_exchanges"] == list(VENUES)
    assert (await columns(client, "bybit,binance"))["exchanges"] == ["binance", "bybit"]
    assert okx["data"]["current_price"] < whole["data"]["current_price"]
    assert okx["timestamp"] < whole["timestamp"]
    assert okx["checksum"] != whole["checksum"]
    assert (okx["epoch"], okx["seq"]) == (whole["epoch"], whole["seq"])
    assert (okx["data"]["p0"], okx["data"]["step"]) == (whole["data"]["p0"], whole["data"]["step"])
    plain = await get(client, "/api/heatmap/BTCUSDT", exchange="okx")
    assert (plain["type"], plain["exchanges"]) == ("snapshot", ["okx"])


async def test_history_and_bars_end_with_the_venue_s_own_data(client: Client) -> None:
    """A venue that is behind is not drawn with an empty end; its candles are its own."""
    async with client.get("/api/heatmap/BTCUSDT/history?window=12h&exchange=okx") as answer:
        body = await answer.read()
    header = orjson.loads(body[8 : 8 + struct.unpack_from("<I", body, 4)[0]])
    assert header["exchanges"] == ["okx"]
    assert header["t0"] + header["columns"] * header["interval_ms"] <= END_MS - 50 * MINUTE_MS
    series = await get(client, "/liquidations/heatmap-timeseries", symbol="BTCUSDT", exchange="okx")
    assert series["meta"]["exchanges"] == ["okx"]
    assert series["meta"]["end_time"] < (await columns(client))["timestamp"]
    okx = await get(client, "/prices/klines", symbol="BTCUSDT", limit="1", exchange="okx")
    first = await get(client, "/prices/klines", symbol="BTCUSDT", limit="1", exchange="okx,binance")
    assert (okx["exchange"], first["exchange"]) == ("okx", "binance")
    assert okx["data"][0]["close"] == (await columns(client, "okx"))["data"]["current_price"]
    assert first["data"][0]["close"] == (await columns(client))["data"]["current_price"]


async def test_liquidations_are_those_of_the_venues_param(client: Client) -> None:
    """Single events and totals alike."""
    both = await get(client, "/api/liquidations/BTCUSDT", window="12h", interval="5m", exchange="okx,bybit")
    assert both["exchanges"] == ["bybit", "okx"]
    assert [event["exchange"] for event in both["data"]] == ["okx", "bybit"]
    assert sum(total["long_usd"] for total in both["totals"]) == pytest.approx(
        50_000.0 + sum(event["notional_usd"] for event in both["data"])
    )
    everything = await get(client, "/api/liquidations/BTCUSDT", window="12h", interval="5m")
    assert {event["exchange"] for event in everything["data"]} == set(VENUES) == set(everything["exchanges"])


@pytest.mark.parametrize("exchange", ["mtgox", "binance,<b>", "", ",", "binance;bybit"])
async def test_an_unknown_venue_is_a_400_that_names_those_there_are(client: Client, exchange: str) -> None:
    """Everywhere the same sentence, never what the client wrote."""
    for path in ANSWERS:
        answer = await get(client, path, 400, exchange=exchange)
        assert answer == {"error": "unknown exchange; one of binance, bybit, okx"}


async def test_a_venue_may_be_named_twice_and_in_capitals(client: Client) -> None:
    """The answer is that of the venue named once."""
    for path in ANSWERS:
        said = set()
        for exchange in ("okx", "okx,okx", " OKX ,"):
            async with client.get(path, params={"exchange": exchange}) as answer:
                said.add((answer.status, await answer.read()))
        assert len(said) == 1


async def test_the_python_client_asks_for_some_venues(client: Client) -> None:
    """The newest map and the past alike; of a venue that is not there it hears which are."""
    async with HeatmapClient(str(client.make_url("/")), patient=True) as ours:
        okx, whole = await ours.latest("BTCUSDT", exchanges=["okx"]), await ours.latest("BTCUSDT")
        assert 0 < okx.long_usd.sum() < whole.long_usd.sum() / 5
        assert (await ours.history("BTCUSDT", "12h", exchanges=["okx", "bybit"])).exchanges == (
            "bybit",
            "okx",
        )
        with pytest.raises(ClientError, match="binance, bybit, okx"):
            await ours.latest("BTCUSDT", exchanges=["mtgox"])
