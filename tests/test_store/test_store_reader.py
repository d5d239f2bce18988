"""liqstream/store/store_reader.py: reads go through the guard, which learns what it left out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from liqstream.market import Liquidation, MarketKey
from liqstream.market.refusal_count import Refusal
from liqstream.store.market_store import MarketStore
from tests.support.store_records import STEP_MS, T0, candle

MARKET = MarketKey("binance", "BTCUSDT")


async def test_left_out_rows_are_counted_once_and_flag_their_market(tmp_path: Path) -> None:
    """However often they are read; they are still in the file."""
    store = await MarketStore.open(tmp_path / "market.duckdb")
    await store.append([candle(0), candle(1, close=9e6), candle(2), replace(candle(3), high=1e12)])
    await store.append([Liquidation("binance", "BTCUSDT", T0, "long", 1e200, 1e200)])
    for _ in range(2):
        await store.bars("binance", "BTCUSDT", STEP_MS)
        await store.check_rows(MARKET)
    bars = await store.bars("binance", "BTCUSDT", STEP_MS)
    assert bars.open_time_ms.tolist() == [T0, T0 + 2 * STEP_MS]
    assert store.guard.refused == {
        Refusal("binance", "BTCUSDT", "bar", "stored"): 1,
        Refusal("binance", "BTCUSDT", "candles", "stored"): 1,
        Refusal("binance", "BTCUSDT", "liquidations", "stored"): 1,
    }
    assert store.guard.is_flagged(MARKET)
    assert await store.newest_bar_ms("binance", "BTCUSDT", STEP_MS) == T0 + 2 * STEP_MS
    assert not len(await store.liquidation_totals("BTCUSDT", STEP_MS))
    assert await store.count_liquidations("BTCUSDT", start_ms=0, end_ms=2**62) == 0
    await store.close()


async def test_opening_tells_the_guard_what_times_are_stored(tmp_path: Path) -> None:
    """So that a computer whose clock is late can read what it has."""
    path = tmp_path / "market.duckdb"
    first = await MarketStore.open(path)
    ahead = [replace(candle(40_000_000), symbol=symbol) for symbol in ("BTCUSDT", "ETHUSDT")]
    await first.append(ahead)
    assert not len(await first.bars("binance", "BTCUSDT", STEP_MS))
    await first.close()
    again = await MarketStore.open(path)
    assert len(await again.bars("binance", "BTCUSDT", STEP_MS)) == 1
    await again.close()
