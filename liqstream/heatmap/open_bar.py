"""The bar that is still open at a moment, as far as it has come."""

from __future__ import annotations

from liqstream.heatmap.live_market import LiveMarket
from liqstream.market import Bars, as_one_bar, join_bars
from liqstream.store.market_store import MarketStore


async def open_bar(store: MarketStore, market: LiveMarket, bar_ms: int, end_ms: int) -> Bars | None:
    """A market's bar of `bar_ms` that is open at `end_ms` (UTC ms); None where nothing of it is known.

    One longer than the model's is made of these: the stored ones that have closed, and the forming one.
    Raises StoreError.
    """
    fine_ms = min(bar_ms, market.interval_ms)
    forming = market.forming_bars() if fine_ms == market.interval_ms else market.forming_minute_bars()
    if forming is not None and forming.open_time_ms[0] >= end_ms:
        forming = None
    if bar_ms == fine_ms:
        return forming
    # A replay's store knows the future.
    closed = await store.bars(
        market.key.exchange,
        market.key.symbol,
        fine_ms,
        start_ms=end_ms - end_ms % bar_ms,
        end_ms=end_ms - fine_ms + 1,
    )
    if forming is not None and not (closed.open_time_ms >= forming.open_time_ms[0]).any():
        closed = join_bars(closed, forming)
    return as_one_bar(closed, bar_ms) if len(closed) else None
