"""liqstream/heatmap/market_context.py: read once for many and bounded; what is announced, what is unknown."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from liqstream.heatmap.live_maps import LiveMaps
from liqstream.heatmap.live_market import LiveMarket
from liqstream.heatmap.market_context import (
    KEEP_S,
    MAX_KEPT_COLUMNS,
    MarketContext,
    MarketContexts,
    funding_of_largest,
)
from liqstream.heatmap.market_map import MapModel
from liqstream.market import DAY_MS, HOUR_MS, Candle, ComingFunding, FundingRate, MarketKey
from liqstream.model.kernel import tiered
from liqstream.store.day_figures import DayFigures
from liqstream.store.market_store import MarketStore
from tests.support.markets import MINUTE_MS, START_MS, walk

BAR_MS = 5 * MINUTE_MS
HOURS = 30
END_MS = START_MS + HOURS * HOUR_MS
KEY = MarketKey("binance", "BTCUSDT")
GAP_MS = END_MS - 20 * HOUR_MS
"""Five hours of bars after it are missing."""


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[MarketStore]:
    """A store with a day of bars, a gap in them, and one payment of funding."""
    opened = await MarketStore.open(tmp_path / "market.duckdb")
    bars = [
        each
        for each in walk(HOURS * HOUR_MS // BAR_MS)
        if not (isinstance(each, Candle) and 0 <= each.open_time_ms - GAP_MS < 5 * HOUR_MS)
    ]
    await opened.append([*bars, FundingRate("binance", "BTCUSDT", END_MS - 28 * HOUR_MS, 7e-4)])
    yield opened
    await opened.close()


@pytest.fixture
async def maps(store: MarketStore) -> AsyncIterator[LiveMaps]:
    """The live map of that store."""
    model = MapModel(tiered(), interval_ms=BAR_MS, history_days=14)
    made = LiveMaps(store, model, stale_after_s=15, epoch=7, clock_s=lambda: 0.0)
    await made.reload(KEY)
    yield made
    made.close()


async def the_context(contexts: MarketContexts, span_ms: int, step_ms: int = BAR_MS) -> MarketContext:
    return await contexts.of("BTCUSDT", start_ms=END_MS - span_ms, end_ms=END_MS, interval_ms=step_ms)


async def test_equal_questions_cost_one_reading_for_a_while(store: MarketStore, maps: LiveMaps) -> None:
    """Also at once; the store is asked again later, and what is kept is bounded."""
    clock = [0.0]
    contexts = MarketContexts(store, maps, clock_s=lambda: clock[0])
    first, same = await asyncio.gather(the_context(contexts, HOUR_MS), the_context(contexts, HOUR_MS))
    assert first is same
    clock[0] += KEEP_S - 1
    assert await the_context(contexts, HOUR_MS) is first
    clock[0] += 1
    assert await the_context(contexts, HOUR_MS) is not first
    for number in range(MAX_KEPT_COLUMNS // 100_000 + 2):
        await the_context(contexts, (100_000 + number) * MINUTE_MS, MINUTE_MS)
    assert sum(count for _, _, count in contexts._kept.values()) <= MAX_KEPT_COLUMNS
    await contexts.close()


async def test_the_next_funding_stands_until_it_is_due(store: MarketStore, maps: LiveMaps) -> None:
    """One that is over, too far ahead or impossible is not; a rate paid more than a day ago is none."""
    market = maps.market(KEY)
    for due_ms, rate, is_told in (
        (END_MS + HOUR_MS, -2e-4, True),
        (END_MS, 3e-4, False),
        (END_MS + 2 * DAY_MS, 3e-4, False),
        (END_MS + HOUR_MS, 3.0, False),
    ):
        market.coming_funding = ComingFunding(END_MS - 1000, due_ms, rate)
        contexts = MarketContexts(store, maps)
        context = await the_context(contexts, 29 * HOUR_MS, HOUR_MS)
        told = context.now.exchanges[0]
        assert (told.next_funding_ms, told.funding_rate) == ((due_ms, rate) if is_told else (None, None))
        if is_told:
            assert np.isfinite(context.funding_rate).tolist() == [*[True] * 25, *[False] * 4]
        await contexts.close()


def test_the_funding_of_a_market_is_that_of_its_largest_exchange() -> None:
    """Of those with any; one whose open interest is not known is the least."""
    sizes = {"a": math.nan, "b": 2.0, "c": 3.0, "d": 9.0}
    markets = [
        LiveMarket(MarketKey(name, "BTCUSDT"), BAR_MS, open_interest_base=size, price_usd=1.0)
        for name, size in sizes.items()
    ]
    rates = {"a": 1e-4, "b": 2e-4, "c": 3e-4, "d": None}
    days = {MarketKey(name, "BTCUSDT"): DayFigures(funding_rate=rate) for name, rate in rates.items()}
    assert funding_of_largest(markets, days, END_MS).rate == 3e-4
    assert funding_of_largest([markets[0], markets[3]], days, END_MS).rate == 1e-4
    assert funding_of_largest(markets[3:], days, END_MS).rate is None
    markets[1].open_interest_base, markets[1].coming_funding = 8.0, ComingFunding(1, END_MS + 1, -1e-4)
    assert funding_of_largest(markets, days, END_MS) == (-1e-4, 1, END_MS + 1)


async def test_open_interest_is_carried_over_short_gaps_alone(store: MarketStore, maps: LiveMaps) -> None:
    """Two hours at most; volume that no source tells is not known, nor the day's."""
    contexts = MarketContexts(store, maps)
    context = await the_context(contexts, 24 * HOUR_MS, 30 * MINUTE_MS)
    known = np.isfinite(context.open_interest_usd)
    first = (GAP_MS - context.start_ms) // context.interval_ms
    assert known.tolist() == [not first + 4 <= column < first + 10 for column in range(48)]
    assert context.open_interest_exchanges.tolist() == known.astype(int).tolist()
    assert np.isnan(context.volume_usd).all()
    assert context.now.exchanges[0].volume_24h_usd is None
    assert not context.partial
    assert (await the_context(contexts, 25 * HOUR_MS, 2 * HOUR_MS)).partial
    await contexts.close()
