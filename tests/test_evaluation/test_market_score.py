"""liqstream/evaluation/market_score.py: what the store allows is scored, what is missing is named."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from liqstream.evaluation.market_score import BY_PRICE, FORECAST, MAP, Asked, method_of_score, score_market
from liqstream.evaluation.score_stored import scoring_data
from liqstream.evaluation.scoring_data import ScoreError
from liqstream.market import (
    Candle,
    Liquidation,
    LiquidationSpan,
    LiquidationTotal,
    MarketEvent,
    MarketKey,
)
from liqstream.model.kernel import tiered
from liqstream.store.market_store import MarketStore
from tests.support.markets import walk

MARKET = MarketKey("binance", "BTCUSDT")
QUARTER_MS = 900_000


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[MarketStore]:
    """Three days of bars of a quarter of an hour, liquidations in each on the last one."""
    made = await MarketStore.open(tmp_path / "market.duckdb")
    records = walk(288, interval_ms=QUARTER_MS)
    bars = [record for record in records if isinstance(record, Candle)]
    await made.append(records)
    listened = LiquidationSpan(
        "binance", "BTCUSDT", bars[192].open_time_ms, bars[-1].open_time_ms + QUARTER_MS
    )
    liquidated: list[MarketEvent] = [listened]
    for bar in bars[192:]:
        time_ms = bar.open_time_ms + 1
        liquidated.append(Liquidation("binance", "BTCUSDT", time_ms, "long", bar.low, 1.0))
        liquidated.append(Liquidation("binance", "BTCUSDT", time_ms, "short", bar.high, 1.0))
    await made.append(liquidated)
    yield made
    await made.close()


async def test_parts_are_scored_alone(store: MarketStore) -> None:
    """What was not asked for is not there."""
    found = await score_market(store, MARKET, tiered(), Asked(parts=frozenset({BY_PRICE})))
    assert set(found) == {"symbol", "exchange", "kernel", "by_price"}
    assert found["by_price"]["events"] > 50
    found = await score_market(store, MARKET, tiered(), Asked(parts=frozenset({FORECAST})))
    assert set(found["forecast"]) == {"30m", "1h", "4h"}


async def test_what_the_store_allows_is_scored_and_the_rest_named(store: MarketStore) -> None:
    """A day of totals is too little for the map's table; prices are scored all the same."""
    found = await score_market(store, MARKET, tiered(), Asked())
    assert found["sides"] is None
    assert "too short a span" in found["reason"]
    assert found["by_price"]["bits"]["map"] is not None


async def test_minutes_beside_the_models_bars_change_no_score(store: MarketStore) -> None:
    """Where longer bars hold their time too, they are the ones that are scored."""
    before = (await scoring_data(store, MARKET)).bars
    last_ms = int(before.open_time_ms[-1])
    minutes = [
        Candle("binance", "BTCUSDT", 60_000, last_ms + (i - 200) * 60_000, 1e5, 1e5, 1e5, 1e5)
        for i in range(214)
    ]
    await store.append(minutes)
    after = (await scoring_data(store, MARKET)).bars
    assert (after.interval_ms, len(after)) == (QUARTER_MS, len(before))


async def test_a_few_fine_totals_do_not_hide_the_coarse_ones(store: MarketStore) -> None:
    """Of totals at several intervals those are scored that hardly any time lacks; an hour of which a part was
    given is none."""
    first_ms = int((await scoring_data(store, MARKET)).bars.open_time_ms[0])

    def totals(interval_ms: int, count: int) -> list[MarketEvent]:
        return [
            LiquidationTotal("binance", "BTCUSDT", interval_ms, first_ms + i * interval_ms, 1.0, 1.0)
            for i in range(count)
        ]

    await store.append(totals(2 * QUARTER_MS, 145))
    await store.append(totals(QUARTER_MS, 4))
    assert (await scoring_data(store, MARKET)).realised.interval_ms == 2 * QUARTER_MS
    hours = (await scoring_data(store, MARKET, interval_ms=4 * QUARTER_MS)).realised
    assert len(hours.open_time_ms) == 72
    # Hours of months before, of which there are no quarters of an hour to be scored on.
    month_ms = 2880 * QUARTER_MS
    of_before = [
        LiquidationTotal(
            "binance", "BTCUSDT", 4 * QUARTER_MS, first_ms - month_ms + i * 4 * QUARTER_MS, 1.0, 1.0
        )
        for i in range(700)
    ]
    await store.append(of_before)
    assert (await scoring_data(store, MARKET)).realised.interval_ms == 2 * QUARTER_MS
    await store.append(totals(QUARTER_MS, 280))
    assert (await scoring_data(store, MARKET)).realised.interval_ms == QUARTER_MS


async def test_a_stray_total_does_not_hide_the_events_that_were_listened_to(store: MarketStore) -> None:
    """What is known for longer is scored, and of that kind alone; of as long the totals."""
    listened = (await scoring_data(store, MARKET)).realised
    assert not listened.given_as_totals
    first_ms = int(listened.open_time_ms[0])

    def total(index: int) -> LiquidationTotal:
        return LiquidationTotal(
            "binance", "BTCUSDT", 2 * QUARTER_MS, first_ms + index * 2 * QUARTER_MS, 1.0, 1.0
        )

    await store.append([total(3)])
    for interval_ms in (None, 2 * QUARTER_MS):
        beside = (await scoring_data(store, MARKET, interval_ms=interval_ms)).realised
        assert not beside.given_as_totals
        assert set(listened.open_time_ms) - set(beside.open_time_ms) == {total(3).open_time_ms}
    await store.append([total(index) for index in range(len(listened.open_time_ms) // 2)])
    given = (await scoring_data(store, MARKET)).realised
    assert given.given_as_totals
    assert set(given.long_usd) == {1.0}


async def test_nothing_at_all_is_an_error(store: MarketStore) -> None:
    """So is an interval that was asked for and cannot be scored."""
    with pytest.raises(ScoreError, match="no bars of ETHUSDT"):
        await score_market(store, MarketKey("binance", "ETHUSDT"), tiered(), Asked(parts=frozenset({MAP})))
    with pytest.raises(ScoreError, match="cannot be scored on bars of 15m"):
        await score_market(store, MARKET, tiered(), Asked(interval_ms=300_000))


def test_the_hash_is_of_the_constants() -> None:
    """The same from call to call; its name counts up when the method changes."""
    assert method_of_score() == method_of_score()
    assert set(method_of_score()) == {"method", "hash"}
