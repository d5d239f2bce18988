"""What could not be fetched stays known, is flagged, and is fetched as soon as it can be."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from liqstream.feeds.dedupe import Deduplicator
from liqstream.feeds.error_reporter import ErrorReporter
from liqstream.feeds.exchange_access import NO_OBSERVERS, Endpoints, ExchangeAccess
from liqstream.feeds.exchange_feed import ExchangeFeed
from liqstream.feeds.exchanges.bybit import Bybit
from liqstream.feeds.exchanges.okx import Okx
from liqstream.feeds.feed import FeedStatus
from liqstream.feeds.gap_filler import GapFiller
from liqstream.feeds.history_backfill import BackfillSpan, HistoryBackfill
from liqstream.feeds.pacing import FeedTiming
from liqstream.feeds.schedule import Schedule
from liqstream.feeds.venue_state import VenueState
from liqstream.market import Candle, Liquidation, MarketEvent, MarketKey, MarkPrice, OpenInterest
from liqstream.supervision.backoff import FullJitter
from liqstream.supervision.clock import SYSTEM_CLOCK
from tests.support.exchange_rig import SYMBOLS, collected, connector, nothing_known
from tests.support.faulty_exchange import faulty_exchange
from tests.support.virtual_clock import run_virtually

HISTORY = 100
"""Records of an hour and a half; live ones of a moment are fewer."""


def refusal() -> web.Response:
    """Bybit is busy, which it says with status 200."""
    return web.json_response({"retCode": 10016, "retMsg": "busy", "result": {}})


async def kept_missing(path: Path) -> dict[str, Any]:
    """What the file says is missing, by symbol."""
    state = VenueState(path, SYSTEM_CLOCK.now_ms)
    await state.sync()
    return state.missing("bybit")


def of_kind(events: list[MarketEvent], kind: type, symbol: str = "BTCUSDT") -> int:
    return sum(isinstance(event, kind) and event.symbol == symbol for event in events)


async def test_past_liquidations_wait_for_the_sizes_of_contracts() -> None:
    """They are asked for before the list of contracts came, and again after it: none of them was lost."""
    asked: list[str] = []

    def answer(request: web.Request) -> web.Response | None:
        asked.append(request.path)
        is_early = not any("candles" in path for path in asked)
        return web.Response(status=503) if is_early and request.path == "/api/v5/public/instruments" else None

    async with faulty_exchange(answer) as (exchange, port):
        before_ms = exchange.clock.now_ms() - 1_800_000

        def is_whole(events: list[MarketEvent]) -> bool:
            return any(isinstance(each, Liquidation) and each.time_ms < before_ms for each in events)

        await collected(connector(port, Okx()), is_whole)
    assert "/api/v5/public/instruments" in asked[: asked.index("/api/v5/public/liquidation-orders")]


async def test_rows_that_cannot_be_read_are_not_there_yet(tmp_path: Path) -> None:
    """A page of them is asked for again; a bad one among others is lost, and the rest is taken."""
    damaged, path = True, tmp_path / "x.venues.json"

    def answer(request: web.Request) -> web.Response | None:
        if not damaged or request.path != "/v5/market/kline":
            return None
        return web.json_response({"retCode": 0, "result": {"list": [["x"] * 7] * 90}})

    async with faulty_exchange(answer) as (_, port):
        feed = connector(port, Bybit(), state_path=path)
        await collected(feed, lambda _: "BTCUSDT" in feed.status.flags)
        assert "rows cannot be read" in feed.status.last_error
        damaged = False
        events = await collected(feed, lambda events: of_kind(events, Candle) >= HISTORY // 2)
    assert of_kind(events, Candle) >= HISTORY // 2


async def test_a_row_that_cannot_be_read_is_asked_for_again(tmp_path: Path) -> None:
    """Its neighbours are taken at once, and it comes as soon as the exchange sends it as it should."""
    lost_ms: set[int] = set()
    damaged = True

    def bend(request: web.Request, body: Any) -> None:
        if not damaged or request.path != "/v5/market/kline" or request.query["symbol"] != "BTCUSDT":
            return
        for row in body["result"]["list"][5:6]:
            lost_ms.add(int(row[0]))
            row[4] = "x"

    def is_whole(events: list[MarketEvent]) -> bool:
        bars = {each.open_time_ms for each in events if isinstance(each, Candle) and each.symbol == "BTCUSDT"}
        return bool(lost_ms) and lost_ms <= bars

    async with faulty_exchange(lambda _: None, bend=bend) as (_, port):
        feed = connector(port, Bybit(), state_path=tmp_path / "x.venues.json")
        events = await collected(feed, lambda _: "BTCUSDT" in feed.status.flags)
        assert "rows that cannot be read: 1" in feed.status.last_error
        assert of_kind(events, Candle) >= HISTORY // 2
        assert not is_whole(events)
        damaged = False
        assert is_whole(await collected(feed, is_whole))


@pytest.mark.parametrize(
    ("path", "kind", "name"),
    [("/v5/market/open-interest", OpenInterest, "open_interest"), ("/v5/market/kline", Candle, "bars")],
)
async def test_a_refused_page_is_fetched_later(tmp_path: Path, path: str, kind: type, name: str) -> None:
    """By another feed after a restart, though the store's newest bar is younger than what is missing."""
    state_path = tmp_path / "x.venues.json"
    refused = True

    def answer(request: web.Request) -> web.Response | None:
        return refusal() if refused and request.path == path else None

    async with faulty_exchange(answer) as (exchange, port):
        feed = connector(port, Bybit(), state_path=state_path)
        missing = await collected(feed, lambda _: "BTCUSDT" in feed.status.flags)
        assert of_kind(missing, kind) < HISTORY
        assert feed.status.flags["BTCUSDT"] == {"missing_past"}
        assert f"BTCUSDT {name.replace('_', ' ')} of the past" in feed.status.last_error
        assert "10016: busy" in feed.status.last_error
        assert name in (await kept_missing(state_path))["BTCUSDT"]
        refused = False
        again = connector(port, Bybit(), state_path=state_path)
        newest = exchange.clock.now_ms() - 60_000
        newest -= newest % 60_000
        past = [
            event
            async for batch in again.backfill(
                {MarketKey("bybit", symbol): newest for symbol in again.symbols}
            )
            for event in batch
        ]
        await again.close()
        found = of_kind(past, kind)
        expected = 35 if kind is OpenInterest else 178
        assert found >= expected
        assert again.status.flags == {}
        assert name not in (await kept_missing(state_path)).get("BTCUSDT", {})


async def test_a_refused_page_is_fetched_by_the_running_feed(tmp_path: Path) -> None:
    """The flag and the error go with it; the other kinds did not wait for it."""
    refused = True

    def answer(request: web.Request) -> web.Response | None:
        return refusal() if refused and request.path == "/v5/market/open-interest" else None

    async with faulty_exchange(answer) as (_, port):
        feed = connector(port, Bybit(), state_path=tmp_path / "x.venues.json")

        def flagged_then_whole(events: list[MarketEvent]) -> bool:
            nonlocal refused
            if feed.status.flags.get("ETHUSDT") and of_kind(events, Candle, "ETHUSDT") > HISTORY:
                refused = False
            return not refused and not feed.status.flags and feed.status.last_error == ""

        events = await collected(feed, flagged_then_whole)
        assert of_kind(events, OpenInterest, "ETHUSDT") > 35


async def test_what_an_exchange_does_not_have_is_not_asked_for_again_at_once() -> None:
    """It is shown and flagged; everything else is fetched."""
    asked = 0

    def answer(request: web.Request) -> web.Response | None:
        nonlocal asked
        if request.path != "/v5/market/funding/history":
            return None
        asked += 1
        return web.json_response({"retCode": 10001, "retMsg": "no such symbol", "result": {}})

    async with faulty_exchange(answer, speed=1.0) as (_, port):
        feed = connector(port, Bybit())
        loop = asyncio.get_running_loop()
        until_s = loop.time() + 3.0
        await collected(feed, lambda _: loop.time() > until_s)
        assert feed.status.flags == {symbol: {"missing_past"} for symbol in feed.symbols}
        assert "10001: no such symbol" in feed.status.last_error
    assert 2 <= asked <= 6


async def test_an_odd_answer_to_what_time_it_is() -> None:
    """Bars are fetched and live records come all the same; the cause is shown."""
    bodies = ('{"retCode":10016}', "{}", "[]", "<html>", '{"result":{"timeNano":"x"}}')
    await asyncio.gather(*(_history_comes_where_the_time_is(body) for body in bodies))


async def _history_comes_where_the_time_is(body: str) -> None:
    def answer(request: web.Request) -> web.Response | None:
        return web.Response(text=body) if request.path == "/v5/market/time" else None

    async with faulty_exchange(answer, speed=1.0) as (_, port):
        feed: ExchangeFeed = connector(port, Bybit())
        await collected(feed, lambda events: feed.status.connected and of_kind(events, Candle) > HISTORY)
        assert "time is unknown" in feed.status.last_error


async def test_an_empty_history_is_asked_for_again(tmp_path: Path) -> None:
    """Hours of open interest without a single reading are an answer that was not meant; it says so."""
    empty = True

    def answer(request: web.Request) -> web.Response | None:
        if not empty or request.path != "/v5/market/open-interest":
            return None
        return web.json_response({"retCode": 0, "retMsg": "OK", "result": {"list": []}})

    async with faulty_exchange(answer) as (_, port):
        feed = connector(port, Bybit(), state_path=tmp_path / "x.venues.json")

        def named_then_whole(events: list[MarketEvent]) -> bool:
            nonlocal empty
            named = "open interest of the past: there is none" in feed.status.last_error
            if named and "missing_past" in feed.status.flags.get("BTCUSDT", ()):
                empty = False
            return not empty and not feed.status.flags and feed.status.last_error == ""

        events = await collected(feed, named_then_whole)
        assert of_kind(events, OpenInterest) > 35


async def test_an_impossible_record_is_fetched_as_it_is(tmp_path: Path) -> None:
    """A closed bar, or open interest of 0 of the past; not what the exchange cannot have closed yet."""
    async with faulty_exchange(lambda _: None) as (exchange, port):
        feed = connector(port, Bybit(), state_path=tmp_path / "x.venues.json")
        market = exchange.market
        now_ms = exchange.clock.now_ms()
        newest_ms = now_ms - now_ms % 60_000
        past = [event async for batch in feed.backfill(nothing_known(feed)) for event in batch]
        closed = [event for event in past if isinstance(event, Candle) and event.symbol == "BTCUSDT"]
        held = [event for event in past if isinstance(event, OpenInterest) and event.symbol == "BTCUSDT"]
        feed.note_refused(replace(closed[50], high=1e12))
        feed.note_refused(replace(held[5], open_interest_base=0.0))
        feed.note_refused(replace(closed[50], open_time_ms=newest_ms + 70 * 365 * 86_400_000))
        assert market.first_ms < closed[50].open_time_ms

        def came(events: list[MarketEvent]) -> bool:
            return closed[50] in events and held[5] in events

        events = await collected(feed, came)
        assert closed[49] not in events


@asynccontextmanager
async def filler(port: int, timing: FeedTiming) -> AsyncIterator[tuple[GapFiller, HistoryBackfill]]:
    """What fills the gaps of a feed of Bybit, and what it asks with."""
    venue, status = Bybit(), FeedStatus()
    access = ExchangeAccess(venue, Endpoints(f"http://127.0.0.1:{port}"), timing, NO_OBSERVERS, status)
    reporter = ErrorReporter("bybit", status, SYSTEM_CLOCK.now_ms)
    span = BackfillSpan(60_000, 1)
    backfill = HistoryBackfill(venue, SYMBOLS, Deduplicator(60_000), reporter, access.state, span)
    await access.measure_clock()
    yield GapFiller(access, backfill, reporter, timing, lambda: SYMBOLS, lambda: None), backfill
    await access.close()


async def test_what_a_clock_that_was_ahead_missed_is_not_asked_for() -> None:
    """There is none of it yet: asked for, it would be missed until its time has come."""
    async with (
        faulty_exchange(lambda _: None) as (exchange, port),
        filler(port, FeedTiming()) as (gaps, past),
    ):
        now_ms = exchange.clock.now_ms()
        for kind in ("bars", "open_interest", "funding"):
            past.missing.add("BTCUSDT", kind, now_ms - 3_600_000, now_ms + 20 * 3_600_000)
        assert [batch async for batch in gaps.fetch()]
        until_ms = exchange.clock.now_ms() + 600_000
        assert all(end <= until_ms for _, spans in past.missing.items() for _, end in spans)
        assert past.history_percent() == {}


async def test_what_a_late_bar_s_question_did_not_get_is_asked_for_again() -> None:
    """No bar that comes shows such a gap: it is noted before the question."""
    refused = True

    def answer(request: web.Request) -> web.Response | None:
        return refusal() if refused and request.path == "/v5/market/kline" else None

    timing = FeedTiming(make_schedule=lambda: Schedule(FullJitter(cap_s=0.05)))
    async with faulty_exchange(answer) as (_, port), filler(port, timing) as (gaps, _):
        assert [batch async for batch in gaps.fetch_symbol("BTCUSDT") if isinstance(batch[0], Candle)] == []
        refused, came = False, asyncio.Event()
        run = asyncio.create_task(
            gaps.run(lambda batch: came.set() if isinstance(batch[0], Candle) else None, lambda: None)
        )
        async with asyncio.timeout(20):
            await came.wait()
        run.cancel()
        await asyncio.wait({run})


def test_what_comes_impossible_by_rest_too_is_asked_for_by_the_schedule() -> None:
    """Not again and again without a wait, as long as it comes so: for an hour."""
    assert 6 <= run_virtually(_asked_while_all_is_refused()) <= 60


async def _asked_while_all_is_refused() -> int:
    asked, is_too_often = 0, asyncio.Event()

    def answer(request: web.Request) -> web.Response | None:
        nonlocal asked
        asked += request.path == "/v5/market/kline"
        if asked > 200:
            is_too_often.set()
        return None

    timing = FeedTiming(make_schedule=lambda: Schedule(FullJitter(random=random.Random(1))))
    async with faulty_exchange(answer, speed=1.0) as (_, port), filler(port, timing) as (gaps, _):

        def refuse(batch: Sequence[MarketEvent]) -> None:
            for record in batch:
                gaps.note_refused(record)

        run = asyncio.create_task(gaps.run(refuse, lambda: None))
        gaps.note_gap()
        with suppress(TimeoutError):
            async with asyncio.timeout(120):
                await is_too_often.wait()
        run.cancel()
        await asyncio.wait({run})
    return asked


async def test_bars_refused_while_they_are_delivered_are_still_missing() -> None:
    """Where a contract's size was listed wrongly, all that was asked for since the start is."""
    async with (
        faulty_exchange(lambda _: None, speed=1.0) as (_, port),
        filler(port, FeedTiming()) as (gaps, past),
    ):
        refused: list[int] = []
        async for batch in gaps.fetch():
            for record in batch:
                if isinstance(record, Candle) and record.symbol == "BTCUSDT" and len(refused) < 10:
                    gaps.note_refused(record)
                    refused.append(record.open_time_ms)
        assert past.missing.spans("ETHUSDT", "bars") == []
        assert past.missing.spans("BTCUSDT", "bars") == [(refused[0], refused[-1] + 60_000)]
        gaps.note_wrong_sizes({"ETHUSDT": refused[5]})
        for kind in ("bars", "open_interest"):
            ((start_ms, end_ms),) = past.missing.spans("ETHUSDT", kind)
            assert start_ms <= refused[0]
            assert end_ms > refused[-1]


async def test_more_open_interest_than_any_market_has_is_asked_for_again() -> None:
    """Where there was no price to refuse it by when it came; it says so until it comes as it is."""
    is_wrong = True

    def answer(request: web.Request) -> web.Response | None:
        if not is_wrong or request.path != "/v5/market/open-interest":
            return None
        row = {"openInterest": "6e16", "singleOpenInterest": "3e16", "timestamp": request.query["startTime"]}
        return web.json_response({"retCode": 0, "retMsg": "OK", "result": {"list": [row]}})

    async with faulty_exchange(answer) as (_, port):
        feed = connector(port, Bybit())

        def named_then_whole(events: list[MarketEvent]) -> bool:
            nonlocal is_wrong
            if "BTCUSDT open interest of the past: more than any market has" in feed.status.last_error:
                is_wrong = False
            return not is_wrong and not feed.status.flags and feed.status.last_error == ""

        events = await collected(feed, named_then_whole)
        assert of_kind(events, OpenInterest) > 35


async def test_the_past_of_what_is_watched_comes_first_and_its_progress_is_shown() -> None:
    """The second symbol here; how much is there grows to all of it, symbol by symbol."""
    async with faulty_exchange(lambda _: None) as (_, port):
        feed = connector(port, Bybit())
        feed.watched_by = lambda: {SYMBOLS[1]}
        came: dict[str, None] = {}
        shown: list[dict[str, int]] = []
        async for batch in feed.backfill(nothing_known(feed)):
            came |= dict.fromkeys(event.symbol for event in batch)
            shown.append(dict(feed.status.history_percent))
        await feed.close()
        assert list(came) == [SYMBOLS[1], SYMBOLS[0]]
        assert shown[0] == {SYMBOLS[0]: 0, SYMBOLS[1]: 0}
        assert {SYMBOLS[0]: 0} in shown
        assert feed.status.history_percent == {}


async def test_a_record_that_is_late_has_the_clock_read_again() -> None:
    """After the machine was suspended its clock is behind, and everything that comes is refused."""
    read = asyncio.Semaphore(0)

    def answer(request: web.Request) -> web.Response | None:
        if request.path == "/v5/market/time":
            read.release()
        return None

    timing = FeedTiming(make_schedule=lambda: Schedule(FullJitter(cap_s=0.05)))
    async with faulty_exchange(answer) as (exchange, port), filler(port, timing) as (gaps, _):
        run = asyncio.create_task(gaps.run(lambda _: None, lambda: None))
        async with asyncio.timeout(20):
            await read.acquire()  # by `filler`
            gaps.note_refused(MarkPrice("bybit", "BTCUSDT", exchange.clock.now_ms() + 86_400_000, 1.0))
            await read.acquire()
        run.cancel()
        await asyncio.wait({run})
