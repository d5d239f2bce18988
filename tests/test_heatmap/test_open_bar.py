"""liqstream/heatmap/open_bar.py: an open bar of stored bars and the forming one."""

from __future__ import annotations

from pathlib import Path

from liqstream.heatmap.live_market import LiveMarket
from liqstream.heatmap.open_bar import open_bar
from liqstream.market import HOUR_MS, Candle, MarketKey
from liqstream.store.market_store import MarketStore
from tests.support.markets import MINUTE_MS, START_MS, walk

BAR_MS = 5 * MINUTE_MS
HOUR_START_MS = START_MS - START_MS % HOUR_MS + HOUR_MS


async def test_an_open_bar_is_made_of_what_has_come(tmp_path: Path) -> None:
    """The closed bars of its hour and the forming one; before that one began, of those that had closed."""
    store = await MarketStore.open(tmp_path / "market.duckdb")
    market = LiveMarket(MarketKey("binance", "BTCUSDT"), BAR_MS)
    end_ms = HOUR_START_MS + 3 * BAR_MS + MINUTE_MS
    assert await open_bar(store, market, HOUR_MS, end_ms) is None
    await store.append(walk(3, start_ms=HOUR_START_MS))
    at_ms = HOUR_START_MS + 3 * BAR_MS
    forming = Candle("binance", "BTCUSDT", BAR_MS, at_ms, 1e5, 2e5, 5e4, 1.1e5, closed=False)
    market.apply(forming, 0.0)
    made = await open_bar(store, market, HOUR_MS, end_ms)
    assert made is not None
    assert (made.open_time_ms.tolist(), made.high.tolist(), made.close.tolist()) == (
        [HOUR_START_MS],
        [2e5],
        [1.1e5],
    )
    before = await open_bar(store, market, HOUR_MS, at_ms - MINUTE_MS)
    assert before is not None
    assert before.high[0] < 2e5
    own = await open_bar(store, market, BAR_MS, end_ms)
    assert own is not None
    assert own.open_time_ms.tolist() == [at_ms]
    assert await open_bar(store, market, BAR_MS, at_ms) is None
    await store.close()
