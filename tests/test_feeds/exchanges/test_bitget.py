"""Bitget's messages, as documented, become the records they mean; its amounts wait for their proof."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from aiohttp import web

from liqstream.feeds.exchanges.bitget import Bitget
from liqstream.feeds.exchanges.okx import Okx
from liqstream.feeds.trial import ENOUGH
from liqstream.feeds.venue import Venue
from liqstream.market import (
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    Candle,
    FundingRate,
    Liquidation,
    MarkPrice,
    OpenInterest,
)
from tests.support.answering import answering

MESSAGES = Path(__file__).parent / "messages" / "bitget"
AT_MS = 1_795_000_000_123
START_MS = 1_795_003_200_000
PAST = {"start_ms": START_MS, "end_ms": START_MS + 150 * MINUTE_MS}


def message(name: str) -> bytes:
    return (MESSAGES / f"{name}.json").read_bytes()


def answer(data: object) -> web.Response:
    return web.json_response({"code": "00000", "msg": "success", "requestTime": AT_MS, "data": data})


def test_bitget_ticker_and_kline() -> None:
    """A time of "" or "0" announces no funding; a first message of bars is the past but for its last."""
    venue = Bitget()
    assert venue.read(message("ticker")).events == [
        MarkPrice("bitget", "BTCUSDT", AT_MS, 98_950.7),
        OpenInterest("bitget", "BTCUSDT", AT_MS, 34_278.06, 34_278.06),
    ]
    for time in ("", "0"):
        ticker = orjson.loads(message("ticker"))
        ticker["data"][0]["nextFundingTime"] = time
        assert len(venue.read(orjson.dumps(ticker)).events) == 2
    assert venue.bad_items.take()[0] == 0
    (bar,) = venue.read(message("kline")).events
    assert isinstance(bar, Candle)
    assert (bar.open_time_ms, bar.close, bar.volume_base, bar.closed) == (
        1_795_000_200_000,
        98_955.5,
        12.5,
        False,
    )
    past = orjson.loads(message("kline")) | {"action": "snapshot"}
    past["data"].append(past["data"][0] | {"start": "1795000500000"})
    closed, forming = venue.read(orjson.dumps(past)).events
    assert isinstance(closed, Candle)
    assert isinstance(forming, Candle)
    assert (closed.closed, forming.open_time_ms) == (True, 1_795_000_500_000)
    assert len(Bitget().read(orjson.dumps(past)).events) == 1
    assert venue.read("pong").kind == "control"


@pytest.mark.parametrize("with_arg", [True, False])
def test_an_amount_waits_for_its_proof(with_arg: bool) -> None:
    """Base or quote coin: held until one is proven. Documents leave the message's `arg` out."""
    venue, push = Bitget(), orjson.loads(message("liquidation"))
    if not with_arg:
        del push["arg"]
    assert venue.read(orjson.dumps(push)).events == []
    trial = venue.trials["liquidations"]
    (held,) = trial.pending(("BTCUSDT",))
    base, quote = held.readings.values()
    assert base == Liquidation("bitget", "BTCUSDT", 1_795_000_000_162, "long", 89_000.0, 37.722858)
    assert quote.quantity_base == pytest.approx(37.722858 / 89_000)
    trial.note(ENOUGH, {trial.question.readings[1]})
    assert trial.settle(AT_MS) == [quote]
    assert venue.read(message("liquidation")).events == [quote]


def test_bitget_refusals_name_their_topic() -> None:
    """By the `arg` they repeat."""
    venue = Bitget()
    topics = venue.topics(("BTCUSDT",), MINUTE_MS)
    sent = orjson.loads(venue.subscription(topics, "s1"))
    assert sent["args"] == [
        {"instType": "usdt-futures", "topic": "kline", "symbol": "BTCUSDT", "interval": "1m"},
        {"instType": "usdt-futures", "topic": "ticker", "symbol": "BTCUSDT"},
        {"instType": "usdt-futures", "topic": "liquidation"},
    ]
    error = {"event": "error", "arg": sent["args"][0], "code": 30001, "msg": "no such channel"}
    refusal = venue.read(orjson.dumps(error)).refusal
    assert refusal is not None
    assert (refusal.code, refusal.text) == ("30001", "no such channel kline BTCUSDT 1m")
    assert [venue.refusals.of_code(code, "").kind for code in ("30001", "30007")] == ["item", "passing"]


async def test_bitget_instruments() -> None:
    """Perpetuals in USDT; the end of one that will be delisted."""
    one = {
        "type": "perpetual",
        "quoteCoin": "USDT",
        "status": "online",
        "quantityMultiplier": "0.01",
        "offTime": "",
    }
    rows = [
        {"symbol": "ETHUSDT", **one},
        {"symbol": "OLDUSDT", **one, "status": "offline", "offTime": str(START_MS)},
        {"symbol": "BTCUSDT26", **one, "type": "delivery"},
        {"symbol": "BADUSDT", **one, "quantityMultiplier": "0"},
    ]
    venue = Bitget()
    async with answering(answer(rows), table=Bitget.refusals) as (rest, _):
        found = await venue.instruments(rest)
    assert {name: (each.tradable, each.delists_at_ms) for name, each in found.items()} == {
        "ETHUSDT": (True, None),
        "OLDUSDT": (False, START_MS),
    }
    assert venue.bad_items.take()[0] == 1


async def test_bitget_history() -> None:
    """Pages newest first are put in order; what is beyond a span is left out."""
    venue = Bitget()
    venue.now_ms = lambda: START_MS + 200 * MINUTE_MS
    bars = [[str(START_MS + at * MINUTE_MS), "1", "2", "1", "2", "10", "15"] for at in range(151)][::-1]
    ahead_ms = START_MS + 70 * 365 * 86_400_000
    times = (ahead_ms, START_MS + HOUR_MS, START_MS - HOUR_MS)
    paid = [{"symbol": "BTCUSDT", "fundingRate": "0.0001", "fundingRateTimestamp": str(at)} for at in times]
    async with answering(
        answer(bars[50:]), answer(bars[:51]), answer({"resultList": paid}), table=Bitget.refusals
    ) as (rest, asked):
        pages = [page async for page in venue.candles(rest, "BTCUSDT", MINUTE_MS, **PAST)]
        opens = [bar.open_time_ms for page in pages for bar in page]
        assert opens == list(range(START_MS, START_MS + 150 * MINUTE_MS, MINUTE_MS))
        rates = [each async for page in venue.funding(rest, "BTCUSDT", **PAST) for each in page]
        # What cannot be is the guard's to refuse, where it is counted.
        right = FundingRate("bitget", "BTCUSDT", START_MS + HOUR_MS, 0.0001)
        assert rates == [right, replace(right, time_ms=ahead_ms)]
    assert ["history-candles" in path for path in asked] == [True, False, False]


@pytest.mark.parametrize("venue", [Bitget(), Okx()], ids=["bitget", "okx"])
async def test_an_old_gap_is_asked_of_the_history_alone(venue: Venue) -> None:
    """The path of the newest bars has no old ones: its empty answer would be the last word on the gap."""
    venue.now_ms = lambda: START_MS + 30 * DAY_MS
    empty = {"code": "0", "data": []}
    async with answering(*[web.json_response(empty) for _ in range(2)]) as (rest, asked):
        _ = [page async for page in venue.candles(rest, "BTCUSDT", MINUTE_MS, **PAST)]
    assert asked
    assert all("/history-candles?" in path for path in asked)


async def test_bitget_past_liquidations_follow_the_cursor() -> None:
    """Until one is older than the span."""
    venue = Bitget()
    trial = venue.trials["liquidations"]
    trial.note(ENOUGH, {trial.question.readings[0]})
    trial.settle(0)

    def page(newest: int) -> web.Response:
        rows = [
            {
                "symbol": "BTCUSDT",
                "side": "sell",
                "price": "90000",
                "amount": "0.5",
                "ts": str(START_MS + (newest - at) * 1000),
            }
            for at in range(100)
        ]
        rows[0] |= {"ts": str(START_MS + 70 * 365 * 86_400_000)} if newest == 50 else {}
        return answer({"list": rows, "cursor": str(newest)})

    # A time that cannot be costs that one, and is counted.
    async with answering(page(149), page(50), table=Bitget.refusals) as (rest, asked):
        pages = venue.past_liquidations(rest, "BTCUSDT", **PAST)
        found = [each async for events in pages for each in events]
    assert len(asked) == 2
    assert "cursor=149" in asked[1]
    assert len(found) == 150
    assert venue.bad_items.take()[0] == 1
    assert Liquidation("bitget", "BTCUSDT", START_MS, "short", 90_000.0, 0.5) in found
