"""Binance's messages, recorded or as documented, become the records they mean."""

from __future__ import annotations

import asyncio
import csv
from collections.abc import Sequence
from pathlib import Path

import aiohttp
import orjson
import pytest
from aiohttp import web
from yarl import URL

from liqstream.feeds.dedupe import Deduplicator
from liqstream.feeds.exchanges.aster import Aster
from liqstream.feeds.exchanges.binance import Binance
from liqstream.feeds.pacing import Budget
from liqstream.feeds.rest_client import RestClient
from liqstream.market import (
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    Candle,
    FundingRate,
    Liquidation,
    MarketEvent,
    MarkPrice,
)
from liqstream.simulator.clock import MarketClock
from liqstream.simulator.exchange_server import DIALECTS, SimulatedExchange
from tests.support.answering import answering
from tests.support.exchange_messages import kinds, read
from tests.support.exchange_rig import serving
from tests.support.market_start import START_MS
from tests.support.virtual_clock import run_virtually

FIRST_MS = 1_795_003_200_000


@pytest.mark.shared_data
def test_binance_kline_closed_and_open(shared_data: Path) -> None:
    """`x` says whether the bar is closed; volumes and the taker's part are taken."""
    closed = read(shared_data, Binance(), "kline_stream_closed.json")
    assert closed.events == (
        Candle(
            "binance",
            "BTCUSDT",
            60_000,
            1638747660000,
            0.001,
            0.0025,
            0.001,
            0.002,
            volume_base=1000.0,
            volume_quote_usd=1.0,
            taker_buy_base=500.0,
        ),
    )
    forming = read(shared_data, Binance(), "kline_stream_open.json").events[0]
    assert isinstance(forming, Candle)
    assert not forming.closed
    assert forming.low == 0.001  # the example's low is above its open


@pytest.mark.shared_data
def test_binance_force_order(shared_data: Path) -> None:
    """SELL closes a long; what counts is the average price times the filled quantity."""
    parsed = read(shared_data, Binance(), "liquidation_stream.json")
    assert parsed.events == (Liquidation("binance", "BTCUSDT", 1568014460893, "long", 9910.12345678, 0.014),)


@pytest.mark.shared_data
def test_binance_mark_price_trade_and_what_is_not_needed(shared_data: Path) -> None:
    """Marks and trades are data; the book and the day's ticker are known and not needed."""
    mark = read(shared_data, Binance(), "mark_price_stream.json")
    assert mark.events == [MarkPrice("binance", "BTCUSDT", 1562305380000, 11794.15)]
    with pytest.raises(ValueError, match="no time"):  # the example's time is in no unit at all
        read(shared_data, Binance(), "agg_trade_stream.json")
    assert read(shared_data, Binance(), "book_ticker_stream.json").kind == "ignored"
    assert read(shared_data, Binance(), "ticker_stream.json").kind == "ignored"


@pytest.mark.parametrize(
    ("average", "taken"), [("0", 82338.3), ("", 82338.3), (None, 82338.3), ("82651.90", 82651.9)]
)
def test_a_forced_order_without_an_average_price(average: str | None, taken: float) -> None:
    """Its limit price stands until it has one."""
    order = {"s": "BTCUSDT", "S": "SELL", "p": "82338.30", "ap": average, "z": "0.190", "T": 1791565602120}
    (event,) = Binance().read(orjson.dumps({"e": "forceOrder", "E": 1791565603055, "o": order})).events
    assert isinstance(event, Liquidation)
    assert event.price_usd == taken


def test_a_server_that_shuts_down_is_left_at_once() -> None:
    """It says so some minutes before: the socket is handed over without a gap."""
    event = {"e": "serverShutdown", "E": 1_790_000_000_000}
    for message in (event, {"stream": "", "data": event}):
        assert Binance().read(orjson.dumps(message)).kind == "closing"


def test_binance_items_are_read_one_by_one() -> None:
    """A mark whose funding is nonsense is a mark; of a list of messages the good ones are taken."""
    venue = Binance()
    mark = {"e": "markPriceUpdate", "E": 1_790_000_000_000, "s": "BTCUSDT", "p": "1", "r": "x", "T": 0}
    assert len(venue.read(orjson.dumps(mark)).events) == 1
    assert len(venue.read(orjson.dumps([mark | {"p": "NaN"}, mark | {"r": ""}, mark])).events) == 2
    assert venue.bad_items.take()[0] == 3


def test_binance_funding_is_paid_when_the_next_one_is_announced() -> None:
    """The mark stream tells the rate of the coming payment; when its time passes it was paid at the last."""
    venue = Binance()

    def mark(sent_ms: int, rate: str, due_ms: int) -> Sequence[MarketEvent]:
        message = {
            "e": "markPriceUpdate",
            "E": sent_ms,
            "s": "BTCUSDT",
            "p": "1",
            "r": rate,
            "T": due_ms,
        }
        return venue.read(orjson.dumps(message)).events

    hour = 3_600_000
    start = 1_790_000_000_000
    assert kinds(mark(start, "0.0001", start + hour))["FundingRate"] == 0
    assert kinds(mark(start + 1, "0.0003", start + hour))["FundingRate"] == 0
    paid = mark(start + hour + 1, "0.0009", start + 9 * hour)
    assert FundingRate("binance", "BTCUSDT", start + hour, 0.0003) in paid


@pytest.mark.shared_data
def test_captured_force_orders(shared_data: Path) -> None:
    """All 1,842 distinct captured lines land on the right side at ap x z, and what repeats is counted.

    Five lines differ only in the USD column of whoever captured them: they are 1,837 orders.
    """
    path = shared_data / "force_orders" / "binance_force_orders_20250126_20250206.csv"
    venue, seen = Binance(), Deduplicator(300_000)
    orders: dict[tuple[str, ...], Liquidation] = {}
    fresh = 0
    with path.open(newline="") as file:
        rows = [tuple(row) for row in csv.reader(file)]
    for row in rows:
        parsed = venue.read(force_order(row))
        (event,) = parsed.events
        assert isinstance(event, Liquidation)
        orders[row] = event
        fresh += len(seen.new_records(parsed, (event.symbol,)))
    assert (len(rows), len(orders)) == (3510, 1842)
    assert (fresh, seen.duplicates) == (1837, 3510 - 1837)
    for row, event in orders.items():
        assert event.symbol == f"{row[0]}USDT"
        assert event.side == ("long" if row[1] == "SELL" else "short")
        assert event.notional_usd == pytest.approx(float(row[6]) * float(row[9]))
        assert event.time_ms == int(row[10])


def force_order(row: Sequence[str]) -> bytes:
    """A line of the capture as the message it was made of."""
    names = ("s", "S", "o", "f", "q", "p", "ap", "X", "l", "z")
    order = dict(zip(names, (f"{row[0]}USDT", *row[1:10]), strict=True))
    return orjson.dumps({"e": "forceOrder", "E": int(row[10]) + 1000, "o": {**order, "T": int(row[10])}})


@pytest.mark.parametrize("last", [0, "x", FIRST_MS - 10 * DAY_MS, FIRST_MS])
async def test_asking_for_pages_comes_to_an_end(last: int | str) -> None:
    """Whatever row stands at the end of a page, and where every page is the same."""
    venue, end_ms = Binance(), FIRST_MS + 3000 * MINUTE_MS
    bars = [[FIRST_MS, "1", "1", "1", "1", "1", FIRST_MS, "1", 1, "1"]] * 498
    paid = [{"fundingTime": FIRST_MS, "fundingRate": "0.0001"}] * 999
    pages = [web.json_response([*bars, [last, *bars[0][1:]]]) for _ in range(10)]
    async with answering(*pages) as (rest, asked):
        candles = venue.candles(rest, "BTCUSDT", MINUTE_MS, start_ms=FIRST_MS, end_ms=end_ms)
        assert sum([len(page) async for page in candles]) >= 498
        assert len(asked) <= 8
    pages = [web.json_response([*paid, {**paid[0], "fundingTime": last}]) for _ in range(10)]
    async with answering(*pages) as (rest, asked):
        funding = venue.funding(rest, "BTCUSDT", start_ms=FIRST_MS, end_ms=FIRST_MS + 120 * DAY_MS)
        assert sum([len(page) async for page in funding]) >= 999
        assert len(asked) <= 5


@pytest.mark.parametrize(("days_ago", "questions"), [((40, 31), 0), ((40, 28), 1), ((3, 2), 1)])
async def test_open_interest_is_not_asked_for_from_before_it_is_kept(
    days_ago: tuple[int, int], questions: int
) -> None:
    """A question that begins more than 30 days ago is refused as a whole: an old gap stayed for good."""
    venue = Binance()
    venue.now_ms = lambda: START_MS
    start_ms, end_ms = (START_MS - days * DAY_MS for days in days_ago)
    async with answering(web.json_response([])) as (rest, asked):
        pages = venue.open_interest(rest, "BTCUSDT", HOUR_MS, start_ms=start_ms, end_ms=end_ms)
        _ = [page async for page in pages]
    begins_ms = [int(URL(each.split()[1]).query["startTime"]) for each in asked]
    assert len(begins_ms) == questions
    assert all(begin_ms >= START_MS - 30 * DAY_MS for begin_ms in begins_ms)


@pytest.mark.simulated
@pytest.mark.parametrize("venue", [Binance(), Aster()], ids=["binance", "aster"])
def test_the_funding_of_hundreds_of_markets_is_asked_for_within_its_limit(venue: Binance | Aster) -> None:
    """500 requests in five minutes, whatever the weight leaves: 520 take more than one such window."""
    refused, most, took_s = run_virtually(_funding_of(venue, 520))
    assert refused == 0
    assert most <= 500
    assert 300 < took_s < 600


async def _funding_of(venue: Binance | Aster, markets: int) -> tuple[int, int, float]:
    clock_s = asyncio.get_running_loop().time
    clock = MarketClock(1.0, START_MS, clock_s)
    exchange = await SimulatedExchange.open(("BTCUSDT",), clock=clock, round_s=60.0, history_days=0)
    exchange.marked = False
    async with serving(exchange.app) as port, aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{port}{DIALECTS[venue.name].prefix}"
        rest = RestClient(venue.name, url, session, Budget(venue.limits), venue.refusals)
        began_s = clock_s()
        for _ in range(markets):
            async for _page in venue.funding(rest, "BTCUSDT", start_ms=START_MS - DAY_MS, end_ms=START_MS):
                pass
        usage = exchange.usage[venue.name]
        return usage.refusals, usage.peaks["funding"], clock_s() - began_s
