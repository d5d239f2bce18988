"""Lighter's messages, as documented, become the records they mean; its open interest waits for its proof."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from aiohttp import web

from liqstream.feeds.exchanges.lighter import Lighter
from liqstream.feeds.trial import ENOUGH, OFF
from liqstream.market import (
    HOUR_MS,
    MINUTE_MS,
    Candle,
    FundingRate,
    Liquidation,
    MarketEvent,
    MarkPrice,
    OpenInterest,
)
from tests.support.answering import answering

MESSAGES = Path(__file__).parent / "messages" / "lighter"
AT_MS = 1_795_000_000_123
YEAR_S = 365 * 86_400
START_MS = 1_795_003_200_000


def message(name: str) -> bytes:
    return (MESSAGES / f"{name}.json").read_bytes()


def details(held: float) -> web.Response:
    row = {"symbol": "ETH", "market_id": 0, "market_type": "perp", "status": "active", "open_interest": held}
    return web.json_response({"code": 200, "order_book_details": [row]})


def test_lighter_liquidations() -> None:
    """A maker's ask was bought: a short. A deleveraging is none, and the list may be null."""
    venue = Lighter()
    assert venue.read(message("trade")).events == [
        Liquidation("lighter", "ETHUSDT", 1_795_000_000_654, "short", 2181.8, 0.1)
    ]
    push = orjson.loads(message("trade"))
    push["liquidation_trades"][0]["is_maker_ask"] = False
    (event,) = venue.read(orjson.dumps(push)).events
    assert isinstance(event, Liquidation)
    assert event.side == "long"
    push["liquidation_trades"][0]["is_maker_ask"] = "no"
    assert (venue.read(orjson.dumps(push)).events, venue.bad_items.take()[0]) == ([], 1)
    assert venue.read(orjson.dumps(push | {"liquidation_trades": None})).kind == "data"
    assert venue.read(orjson.dumps(push | {"type": "subscribed/trade"})).events == ()


def test_lighter_bars_and_control() -> None:
    """A bar is closed by the next; a ping is answered; a second subscription harms nobody."""
    venue = Lighter()
    (bar,) = venue.read(message("candle")).events
    assert isinstance(bar, Candle)
    assert (bar.symbol, bar.interval_ms, bar.volume_quote_usd, bar.closed) == (
        "ETHUSDT",
        300_000,
        43_756.2,
        False,
    )
    assert venue.read('{"type":"ping"}').reply == '{"type":"pong"}'
    assert venue.read('{"error":{"code":30003,"message":"Already Subscribed"}}').kind == "control"
    refusal = venue.read('{"error":{"code":30005,"message":"Invalid Channel: trade/9"}}').refusal
    assert refusal is not None
    assert venue.refusals.of_code(refusal.code, refusal.text).kind == "item"
    assert venue.refusals.of_code("30009", "").kind == "passing"


def test_lighter_topics() -> None:
    """By the numbers of the markets; a read-only address stays as it is."""
    venue = Lighter()
    topics = venue.topics(("BTCUSDT", "XUSDT"), 5 * MINUTE_MS)
    assert [topic.name for topic in topics] == ["trade/1", "candle/1/5m", "market_stats/all"]
    assert orjson.loads(venue.subscription(topics[:1], "s1")) == {"type": "subscribe", "channel": "trade/1"}
    read_only = f"{venue.ws_url}/stream?readonly=true"
    assert [venue.sockets(topics, url)[0].url for url in (venue.ws_url, read_only)] == [
        f"{venue.ws_url}/stream",
        read_only,
    ]
    assert venue.publishes_liquidations


@pytest.mark.parametrize(
    ("shown", "verdict"), [(52_000.5, "it is in base coin"), (52_000.5 * 3500, "it is in USD"), (52.0, OFF)]
)
async def test_open_interest_waits_for_its_proof(shown: float, verdict: str) -> None:
    """Base coin or USD: held until one is what orderBookDetails has; REST's own is used meanwhile."""
    venue, push = Lighter(), orjson.loads(message("market_stats"))
    push["market_stats"]["0"]["open_interest"] = str(shown)
    mark = MarkPrice("lighter", "ETHUSDT", AT_MS, 3500.0)
    is_off = verdict == OFF
    times = [AT_MS + number * 300_000 for number in range(3 if is_off else 1)]
    later = [times[-1] + 5000, times[-1] + 60_000] if is_off else []
    async with answering(*(details(52_000.0) for _ in range(len(times) + len(later)))) as (rest, asked):
        found: Sequence[MarketEvent] = ()
        for at_ms in times:
            push["timestamp"] = at_ms
            for _ in range(ENOUGH):
                assert venue.read(orjson.dumps(push)).events == [replace(mark, time_ms=at_ms)]
            found = await venue.examine(rest, ("ETHUSDT",), at_ms)
            (*_, held) = found
            assert isinstance(held, OpenInterest)
            assert held.open_interest_base == pytest.approx(52_000, rel=0.001)
        assert venue.trials["open interest"].verdict == verdict
        assert len(found) == (1 if is_off else ENOUGH)
        assert len(venue.read(orjson.dumps(push)).events) == (1 if is_off else 2)
        # Off, it is asked for once a minute.
        asks = [len(await venue.examine(rest, ("ETHUSDT",), at_ms)) for at_ms in later]
        assert asks == ([0, 1] if is_off else [])
    assert len(asked) == (4 if is_off else 1)


async def test_lighter_history() -> None:
    """Funding in per cent with the side that pays, times in seconds; bars in milliseconds, and rows without
    a price where nobody traded."""
    venue = Lighter()
    bar = {"o": 1, "h": 2, "l": 1, "c": 2, "v": 10, "V": 15}
    rows: dict[int, dict[str, int | None]] = {at: {**bar} for at in (1, 0, 60)}
    rows |= {2: dict.fromkeys(bar, 0), 3: {"o": None, "c": None}}
    bars = [{"t": START_MS + at * MINUTE_MS, **row} for at, row in rows.items()]
    paid = [
        {"timestamp": START_MS // 1000, "rate": "0.0012", "direction": "short"},
        {"timestamp": START_MS // 1000 + 3600, "rate": "0.0012", "direction": "long"},
        {"timestamp": START_MS // 1000 + 7200, "rate": "0.0012", "direction": "long"},
        {"timestamp": START_MS // 1000 + 70 * YEAR_S, "rate": "0.0012", "direction": "long"},
    ]
    answers = ({"code": 200, "c": bars}, {"code": 200, "fundings": paid})
    async with answering(*map(web.json_response, answers)) as (rest, asked):
        span = {"start_ms": START_MS, "end_ms": START_MS + HOUR_MS}
        pages = [page async for page in venue.candles(rest, "ETHUSDT", MINUTE_MS, **span)]
        assert [each.open_time_ms for page in pages for each in page] == [START_MS, START_MS + MINUTE_MS]
        span["end_ms"] += MINUTE_MS
        rates = [each async for page in venue.funding(rest, "ETHUSDT", **span) for each in page]
    assert rates == [
        FundingRate("lighter", "ETHUSDT", START_MS, pytest.approx(-0.000012)),  # type: ignore[arg-type]
        FundingRate("lighter", "ETHUSDT", START_MS + HOUR_MS, pytest.approx(0.000012)),  # type: ignore[arg-type]
        # What cannot be is the guard's to refuse, where it is counted.
        FundingRate("lighter", "ETHUSDT", START_MS + 70 * YEAR_S * 1000, pytest.approx(0.000012)),  # type: ignore[arg-type]
    ]
    assert "market_id=0" in asked[0]
    assert venue.bad_items.take()[0] == 0


async def test_lighter_instruments() -> None:
    """Perpetuals, by their numbers, which are kept."""
    one = {"market_type": "perp", "status": "active"}
    rows = [
        {"symbol": "SOL", "market_id": 2, **one},
        {"symbol": "OLD", "market_id": 9, **one, "status": "inactive"},
        {"symbol": "LIT", "market_id": 2049, **one, "market_type": "spot"},
        {"symbol": "BAD", "market_id": "x", **one},
    ]
    venue = Lighter()
    async with answering(web.json_response({"code": 200, "order_book_details": rows})) as (rest, _):
        found = await venue.instruments(rest)
    assert {name: each.tradable for name, each in found.items()} == {"SOLUSDT": True, "OLDUSDT": False}
    assert venue.topics(("SOLUSDT",), MINUTE_MS)[0].name == "trade/2"
    assert venue.bad_items.take()[0] == 1


@pytest.mark.parametrize("is_first", [True, False])
async def test_a_market_that_was_listed_anew_has_its_new_number(is_first: bool) -> None:
    """Wherever the old one stands in the list, whose figures are not the market's."""
    rows = [
        {"symbol": "ETH", "market_id": 77, "market_type": "perp", "status": "active"},
        {"symbol": "ETH", "market_id": 0, "market_type": "perp", "status": "inactive"},
    ]
    venue, listed = Lighter(), rows if is_first else rows[::-1]
    async with answering(web.json_response({"code": 200, "order_book_details": listed})) as (rest, _):
        assert (await venue.instruments(rest))["ETHUSDT"].tradable
    assert venue.topics(("ETHUSDT",), MINUTE_MS)[0].name == "trade/77"
    stats = {"0": {"market_id": 0, "mark_price": "1"}, "77": {"market_id": 77, "mark_price": "2"}}
    message = {"type": "update/market_stats", "timestamp": AT_MS, "market_stats": stats}
    assert venue.read(orjson.dumps(message)).events == [MarkPrice("lighter", "ETHUSDT", AT_MS, 2.0)]


def test_lighter_s_list_is_read_more_often_than_hourly() -> None:
    """No channel tells that a market has another number now, or is not traded."""
    assert Lighter.list_every_s <= 300.0


def test_lighter_is_sent_no_more_than_it_takes_in_a_minute() -> None:
    """200 messages: a hundred markets are two hundred subscriptions of one message each."""
    assert 60 / Lighter.send_every_s + 60 / (Lighter.keepalive or (1.0, ""))[0] <= 0.8 * 200
