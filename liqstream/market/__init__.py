"""The vocabulary of markets: USD, base coin, UTC epoch milliseconds."""

from liqstream.market.bars import Bars, FloatArray, TimeArray, join_bars
from liqstream.market.records import (
    DAY_MS,
    HOUR_MS,
    LAST_DATE_MS,
    MINUTE_MS,
    PRESENT_MS,
    Candle,
    ComingFunding,
    FundingRate,
    Liquidation,
    LiquidationSpan,
    LiquidationTotal,
    MarketEvent,
    MarketKey,
    MarkPrice,
    OpenInterest,
    Side,
    Source,
)
from liqstream.market.resample import as_one_bar

__all__ = [
    "DAY_MS",
    "HOUR_MS",
    "LAST_DATE_MS",
    "MINUTE_MS",
    "PRESENT_MS",
    "Bars",
    "Candle",
    "ComingFunding",
    "FloatArray",
    "FundingRate",
    "Liquidation",
    "LiquidationSpan",
    "LiquidationTotal",
    "MarkPrice",
    "MarketEvent",
    "MarketKey",
    "OpenInterest",
    "Side",
    "Source",
    "TimeArray",
    "as_one_bar",
    "join_bars",
]
