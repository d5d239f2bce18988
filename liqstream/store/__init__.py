"""Where market data is kept: one DuckDB file behind one writer thread."""

from liqstream.store.errors import StoreError, StoreLocked, StoreTooNew
from liqstream.store.market_store import MarketStore
from liqstream.store.results import (
    AppendResult,
    FundingColumns,
    LiquidationColumns,
    LiquidationTotals,
    MarketSummary,
    StoreCounters,
)

__all__ = [
    "AppendResult",
    "FundingColumns",
    "LiquidationColumns",
    "LiquidationTotals",
    "MarketStore",
    "MarketSummary",
    "StoreCounters",
    "StoreError",
    "StoreLocked",
    "StoreTooNew",
]
