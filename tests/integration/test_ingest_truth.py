"""What reaches the store is what happened: the simulated exchange's truth against it, row for row."""

from __future__ import annotations

from pathlib import Path

import pytest

from liqstream.feeds.demo import DEMO_EXCHANGE, DemoFeed
from liqstream.feeds.exchanges.bybit import Bybit
from liqstream.feeds.exchanges.hyperliquid import Hyperliquid
from liqstream.feeds.exchanges.okx import Okx
from liqstream.feeds.feed import FeedError
from liqstream.feeds.venue import Venue
from liqstream.market import HOUR_MS, MINUTE_MS, Candle, Liquidation, MarketEvent, OpenInterest
from liqstream.simulator.clock import MarketClock
from liqstream.simulator.ledger import Fill
from tests.support.exchange_rig import collected, connector, eventually, rig, simulated_exchange
from tests.support.market_start import START_MS

pytestmark = pytest.mark.simulated


async def test_one_hour_in_the_store_is_the_truth(tmp_path: Path) -> None:
    """An hour at 1200 times the pace: every bar and every liquidation, and no other."""
    symbols = ("ETHUSDT", "SOLUSDT", "XRPUSDT")
    known_fills = 0
    async with rig(tmp_path, venue=Bybit(), speed=1200.0, symbols=symbols) as at:
        live_from_ms = at.exchange.clock.now_ms()
        end_ms = START_MS + HOUR_MS + MINUTE_MS
        await eventually(lambda: at.exchange.clock.now_ms() > end_ms + 5 * MINUTE_MS)

        async def all_of_it_is_stored() -> bool:
            every = [await at.stored(symbol) for symbol in at.feed.symbols]
            return all(bars.open_time_ms[-1] > end_ms for bars in every)

        await eventually(all_of_it_is_stored)
        assert at.feed.status.reconnects == 0
        for symbol in at.feed.symbols:
            bars = await at.stored(symbol)
            truth = at.true_bars(symbol, at.exchange.market.first_ms, end_ms)
            assert len(truth) == -((at.exchange.market.first_ms - end_ms) // MINUTE_MS)
            assert bars.open_time_ms[: len(truth)].tolist() == [bar.open_time_ms for bar in truth]
            for name in ("open", "high", "low", "close", "volume_base"):
                stored = getattr(bars, name)[: len(truth)].tolist()
                assert stored == [getattr(bar, name) for bar in truth]
            known = await at.store.liquidations(symbol, start_ms=live_from_ms, end_ms=end_ms)
            fills = at.exchange.market.liquidations(symbol, start_ms=live_from_ms, end_ms=end_ms)
            known_fills += len(fills)
            truth_of_fills = sorted((fill.time_ms, fill.bankruptcy) for fill in fills)
            stored_fills = sorted(zip(known.time_ms.tolist(), known.price_usd.tolist(), strict=True))
            assert [time_ms for time_ms, _ in stored_fills] == [time_ms for time_ms, _ in truth_of_fills]
            assert [price for _, price in stored_fills] == pytest.approx(
                [price for _, price in truth_of_fills]
            )
    if not known_fills:
        pytest.skip("nobody was liquidated in this hour")  # of a quiet Sunday; not at the usual instant


async def test_binance_and_bybit_tell_the_same_liquidation_alike() -> None:
    """They write opposite sides for one event; here it is the position that was closed, for both.

    Binance's price is that of the order, Bybit's the bankruptcy price.
    """
    symbols = ("SOLUSDT", "XRPUSDT")
    async with simulated_exchange(speed=7200.0, symbols=symbols) as (exchange, port):

        def enough(events: list[MarketEvent]) -> bool:
            told = [event for event in events if isinstance(event, Liquidation)]
            return len({event.side for event in told}) == 2 and len(told) >= 8

        for feed in (connector(port, None, symbols), connector(port, Bybit(), symbols)):
            events = await collected(feed, enough)
            told = [event for event in events if isinstance(event, Liquidation)]
            fills: list[tuple[str, Fill]] = [
                (symbol, fill)
                for symbol in feed.symbols
                for fill in exchange.market.liquidations(
                    symbol, start_ms=exchange.clock.start_ms, end_ms=exchange.clock.now_ms()
                )
            ]
            for event in told:
                found = [
                    fill
                    for symbol, fill in fills
                    if (symbol, fill.time_ms) == (event.symbol, event.time_ms)
                    and event.price_usd
                    == pytest.approx(fill.bankruptcy if event.exchange == "bybit" else fill.price)
                ]
                assert (event.side, event.quantity_base) in [(fill.side, fill.quantity) for fill in found]


@pytest.mark.parametrize("venue", [Okx, Hyperliquid])
async def test_the_others_bars_are_the_truth(tmp_path: Path, venue: type[Venue]) -> None:
    """Paged backwards, in contracts, or without a word that a bar is closed: each bar as it was."""
    async with rig(tmp_path, venue=venue()) as at:
        await at.next_bars(3)
        await at.check_stored()
        assert at.feed.status.reconnects == at.feed.status.bad_messages == 0


async def test_okx_tells_liquidations_in_contracts() -> None:
    """At the bankruptcy price, one per contract and second; in the records in base coin."""
    symbols = ("ETHUSDT", "XRPUSDT")
    async with simulated_exchange(speed=7200.0, symbols=symbols) as (exchange, port):

        def told(events: list[MarketEvent]) -> list[Liquidation]:
            return [event for event in events if isinstance(event, Liquidation)]

        events = await collected(connector(port, Okx(), symbols), lambda events: len(told(events)) >= 8)
        for event in told(events):
            fills = exchange.market.liquidations(
                event.symbol, start_ms=event.time_ms, end_ms=event.time_ms + 1
            )
            (fill,) = [fill for fill in fills if fill.bankruptcy == pytest.approx(event.price_usd)]
            assert event.side == fill.side
            assert event.quantity_base == pytest.approx(fill.quantity)


async def test_open_interest_and_mark_price_agree_with_the_market() -> None:
    """Polled or streamed, open interest is base coin as of its time."""
    async with simulated_exchange(speed=30.0) as (exchange, port):

        def enough(events: list[MarketEvent]) -> bool:
            live = [event for event in events if isinstance(event, OpenInterest)]
            return sum(event.time_ms > exchange.clock.start_ms for event in live) > 10

        events = await collected(connector(port, Bybit()), enough)
        held = [event for event in events if isinstance(event, OpenInterest) and event.symbol == "ETHUSDT"]
        for event in held:
            if event.time_ms < exchange.market.first_ms + HOUR_MS:
                continue
            truth = exchange.market.open_interest("ETHUSDT", event.time_ms)
            assert event.open_interest_base == pytest.approx(truth, rel=0.02)
            assert event.reported == event.open_interest_base


async def test_the_demo_is_the_ordinary_connector_under_a_name_of_its_own() -> None:
    """A week of history with its liquidations, then a tick a second; nothing of it is called binance."""
    feed = DemoFeed(("BTCUSDT",), interval_ms=5 * MINUTE_MS, clock=MarketClock(start_ms=START_MS))
    try:
        history = [event async for batch in feed.backfill({}) for event in batch]
        assert {event.exchange for event in history} == {DEMO_EXCHANGE}
        bars = [event for event in history if isinstance(event, Candle)]
        assert len(bars) > 7 * 288 - 1
        assert len([event for event in history if isinstance(event, Liquidation)]) > 300
        generator = feed.events()
        live = [event for _ in range(3) for event in await anext(generator)]
        await generator.aclose()
        assert any(isinstance(event, Candle) and not event.closed for event in live)
        assert feed.source == "simulated"
    finally:
        await feed.close()


async def test_a_further_exchange_of_the_demo_has_its_own_name_and_less_open() -> None:
    """So that a newcomer can look at several exchanges, none of them taken for the other."""
    held, clock = {}, MarketClock(start_ms=START_MS)
    for number in (0, 2):
        feed = DemoFeed(("BTCUSDT",), interval_ms=5 * MINUTE_MS, number=number, clock=clock)
        try:
            exchange = await feed.simulated()
            held[feed.exchange] = exchange.market.open_interest("BTCUSDT", exchange.publisher.published_ms)
        finally:
            await feed.close()
    assert list(held) == ["simulated", "simulated-3"]
    assert 0.15 < held["simulated-3"] / held["simulated"] < 0.7


async def test_a_coin_by_the_thousand_is_that_of_its_contract() -> None:
    """Prices, sizes and liquidations of the demo are in single coins; USD are those of the contract."""
    clock = MarketClock(start_ms=START_MS)
    feed = DemoFeed(("PEPEUSDT",), interval_ms=5 * MINUTE_MS, clock=clock)
    try:
        found = [event async for batch in feed.backfill({}) for event in batch]
        exchange = await feed.simulated()
        assert exchange.market.symbols == ("1000PEPEUSDT",)
        bars = [event for event in found if isinstance(event, Candle)]
        assert {each.symbol for each in bars} == {"PEPEUSDT"}
        price = exchange.market.price("1000PEPEUSDT", exchange.publisher.published_ms)
        assert bars[-1].close * 1000 == pytest.approx(price, rel=0.1)
        fills = exchange.market.liquidations(
            "1000PEPEUSDT", start_ms=0, end_ms=exchange.publisher.published_ms
        )
        past = [event for event in found if isinstance(event, Liquidation)]
        assert {each.symbol for each in past} == {"PEPEUSDT"}
        assert sum(each.notional_usd for each in past) == pytest.approx(
            sum(each.price * each.quantity for each in fills), rel=0.02
        )
        assert all(0.3e-5 < each.price_usd < 5e-5 for each in past)
    finally:
        await feed.close()


async def test_the_demo_names_a_symbol_it_does_not_list() -> None:
    """One line."""
    feed = DemoFeed(("BONKUSDT",), interval_ms=5 * MINUTE_MS)
    with pytest.raises(FeedError, match="does not list BONKUSDT"):
        await anext(feed.backfill({}))
