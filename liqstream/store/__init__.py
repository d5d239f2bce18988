"""Where market data is kept: DuckDB, and the files that fill it."""

from liqstream.store.columns import (
    AppendResult,
    FundingColumns,
    LiquidationColumns,
    LiquidationTotals,
    MarketSummary,
    StoreCounters,
)
from liqstream.store.errors import StoreError, StoreLocked, StoreTooNew
from liqstream.store.market_store import MarketStore

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
