"""Hyperliquid's messages, recorded or as documented, become the records they mean."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import orjson
import pytest
from aiohttp import web

from liqstream.feeds.exchanges.hyperliquid import Hyperliquid
from liqstream.market import DAY_MS, HOUR_MS, Candle, FundingRate, MarketEvent, MarkPrice, OpenInterest
from tests.support.answering import answering
from tests.support.documented_exchange import (
    FIRST_MS,
    NOW_MS,
    STEP_MS,
    check_history,
    documented,
    hyperliquid_bar,
    received,
)
from tests.support.exchange_messages import read


@pytest.mark.parametrize(("days_ago", "questions"), [((300, 209), 0), ((300, 207), 1), ((3, 2), 1)])
async def test_bars_are_not_asked_for_from_before_they_are_kept(
    days_ago: tuple[int, int], questions: int
) -> None:
    """It keeps 5000, of hours 208 days, counted from now and not from the end of a gap."""
    venue = Hyperliquid()
    venue.now_ms = lambda: NOW_MS
    start_ms, end_ms = (NOW_MS - days * DAY_MS for days in days_ago)
    async with answering(web.json_response([])) as (rest, asked):
        pages = venue.candles(rest, "BTCUSDT", HOUR_MS, start_ms=start_ms, end_ms=end_ms)
        _ = [page async for page in pages]
    assert len(asked) == questions


async def test_ninety_days_of_funding_are_complete() -> None:
    """500 payments come in an answer, oldest first: the next page begins after the last."""
    day_ms = 24 * HOUR_MS
    times = [FIRST_MS + number * HOUR_MS for number in range(90 * 24)]
    pages = [times[start : start + 500] for start in range(0, len(times), 500)]
    rows = [[{"coin": "BTC", "fundingRate": "0.00001", "time": at} for at in page] for page in pages]
    async with answering(*map(web.json_response, rows)) as (rest, asked):
        found = [
            rate.time_ms
            async for page in Hyperliquid().funding(
                rest, "BTCUSDT", start_ms=FIRST_MS, end_ms=FIRST_MS + 90 * day_ms
            )
            for rate in page
            if isinstance(rate, FundingRate)
        ]
    assert found == times
    assert len(asked) == 5


@pytest.mark.parametrize("last", [0, "x", FIRST_MS])
async def test_asking_for_funding_comes_to_an_end(last: int | str) -> None:
    """Where every page is the same, also with a last row that cannot be read."""
    row = {"coin": "BTC", "fundingRate": "0.00001", "time": FIRST_MS}
    pages = [web.json_response([*[row] * 499, {**row, "time": last}]) for _ in range(8)]
    async with answering(*pages) as (rest, asked):
        end_ms = FIRST_MS + 90 * 24 * HOUR_MS
        funding = Hyperliquid().funding(rest, "BTCUSDT", start_ms=FIRST_MS, end_ms=end_ms)
        assert [page async for page in funding]
    assert len(asked) <= 6


async def test_a_contract_that_is_none_costs_the_others_nothing() -> None:
    """Their places in the list are kept: contexts refer to them."""
    universe = [None, {"name": "BTC"}, "ETH", {"szDecimals": 1}, {"name": "SOL"}]
    contexts = [{"openInterest": str(at), "markPx": str(at)} for at in range(1, 6)]
    venue = Hyperliquid()
    listed, present = {"universe": universe}, [{"universe": universe}, contexts]
    async with answering(web.json_response(listed), web.json_response(present)) as (rest, _):
        assert set(await venue.instruments(rest)) == {"BTCUSDT", "SOLUSDT"}
        _, mark = await venue.present(rest, "SOLUSDT")
    assert isinstance(mark, MarkPrice)
    assert mark.price_usd == 5.0
    assert venue.bad_items.take()[0] == 3


@pytest.mark.shared_data
def test_hyperliquid_messages(shared_data: Path) -> None:
    """All contexts at once are matched to the universe by their order; fills are private."""
    venue = Hyperliquid()
    venue.now_ms = lambda: 1_791_565_600_000
    folder = shared_data / "exchange_messages" / "hyperliquid"
    meta = orjson.loads((folder / "http_meta_perp_sample.json").read_bytes())
    assert set(venue.read_universe(meta)) == {"BTCUSDT", "ETHUSDT", "ATOMUSDT"}
    parsed = read(shared_data, venue, "ws_all_dexs_asset_ctxs.json")
    assert parsed.events[:2] == [
        OpenInterest("hyperliquid", "BTCUSDT", 1_791_565_600_000, 27353.17682, 27353.17682),
        MarkPrice("hyperliquid", "BTCUSDT", 1_791_565_600_000, 77562.0),
    ]
    assert parsed.events[2].symbol == "ETHUSDT"
    assert read(shared_data, venue, "ws_user_fill_liquidation.json").kind == "ignored"
    rates = venue.read_funding(orjson.loads((folder / "http_funding_history.json").read_bytes()))
    assert [rate.rate for rate in rates] == [0.0000125, -0.0000081, 0.0000033]


def test_hyperliquid_bar_is_closed_by_the_next_one() -> None:
    """The stream never says that a bar is over; after half a minute without a word of it, nobody knows."""
    now_ms = [1_791_565_679_000]
    venue = Hyperliquid()
    venue.now_ms = lambda: now_ms[0]

    def bar(open_ms: int, close: str) -> Sequence[MarketEvent]:
        data = {"t": open_ms, "T": open_ms + 59_999, "s": "BTC", "i": "1m"}
        data |= {"o": "10", "c": close, "h": "12", "l": "9", "v": "3", "n": 1}
        return venue.read(orjson.dumps({"channel": "candle", "data": data})).events

    start = 1_791_565_620_000
    assert [event.closed for event in bar(start, "11") if isinstance(event, Candle)] == [False]
    second = [event for event in bar(start + 60_000, "10") if isinstance(event, Candle)]
    assert [(event.open_time_ms, event.close, event.closed) for event in second] == [
        (start, 11.0, True),
        (start + 60_000, 10.0, False),
    ]
    # Not the next one, and not in time: what was seen last of a bar need not be how it ended.
    for open_ms, silent_ms in ((start + 3 * 60_000, 0), (start + 4 * 60_000, 30_001)):
        now_ms[0] += silent_ms
        assert [event.closed for event in bar(open_ms, "10") if isinstance(event, Candle)] == [False]


def test_what_is_no_record_of_hyperliquid() -> None:
    """Some connections begin with words; a second subscription is answered as an error, and is one."""
    venue = Hyperliquid()
    assert venue.read("Websocket connection established.").kind == "control"
    for words, kind in (("Already subscribed: {}", "control"), ("Invalid subscription {}", "refused")):
        assert venue.read(orjson.dumps({"channel": "error", "data": words})).kind == kind


def test_bars_come_alone_or_as_a_list() -> None:
    """The documents have a list; what of it cannot be read costs itself alone."""
    venue = Hyperliquid()
    bars = [{"i": "5m"}, hyperliquid_bar(FIRST_MS), hyperliquid_bar(FIRST_MS + STEP_MS)]
    events = venue.read(orjson.dumps({"channel": "candle", "data": bars})).events
    assert [each.closed for each in events if isinstance(each, Candle)] == [False, True, False]
    assert venue.bad_items.take()[0] == 1


def test_a_bar_that_a_break_cut_off_is_not_closed() -> None:
    """What it had come to before the break need not be its end: the next bar does not close it."""
    venue = Hyperliquid()
    start = FIRST_MS // STEP_MS * STEP_MS

    def bar(open_ms: int) -> list[bool]:
        message = {"channel": "candle", "data": hyperliquid_bar(open_ms)}
        return [
            event.closed for event in venue.read(orjson.dumps(message)).events if isinstance(event, Candle)
        ]

    assert bar(start) == [False]
    venue.note_break()
    assert bar(start + STEP_MS) == [False]
    assert bar(start + 2 * STEP_MS) == [True, False]


async def test_hyperliquid_history_and_live() -> None:
    """Its coins are our USDT symbols; a bar is closed by the next one."""
    context = {"coin": "BTC", "ctx": {"openInterest": "27353.1", "markPx": "77562.0", "funding": "0"}}
    pushed = [
        {"channel": "subscriptionResponse", "data": {}},
        {"channel": "activeAssetCtx", "data": context},
        {"channel": "candle", "data": hyperliquid_bar(NOW_MS)},
        {"channel": "candle", "data": hyperliquid_bar(NOW_MS + STEP_MS)},
    ]
    async with documented(pushed) as (server, port):
        events = await received(Hyperliquid(), port, ("BTCUSDT",), server, questions=2, count=4)
        live = [e for e in events if isinstance(e, Candle) and e.open_time_ms >= NOW_MS]
        assert (NOW_MS, True) in {(bar.open_time_ms, bar.closed) for bar in live}
        check_history([e for e in events if e not in live], "BTCUSDT")
        (held,) = [e for e in events if isinstance(e, OpenInterest)]
        (mark,) = [e for e in events if isinstance(e, MarkPrice)]
        assert (held.open_interest_base, mark.price_usd) == (27353.1, 77562.0)
        # The message bears no time: it is as of the exchange's clock, not ours.
        assert NOW_MS + STEP_MS - 1 <= held.time_ms <= mark.time_ms < NOW_MS + 2 * STEP_MS
        assert FundingRate("hyperliquid", "BTCUSDT", FIRST_MS + HOUR_MS, 0.00001) in events
        kinds = [said["subscription"]["type"] for said in server.subscribed]
        assert kinds[:2] == ["candle", "activeAssetCtx"]
