"""What a record can say at most, judged by the record alone: prices, amounts, times on their grid."""

from __future__ import annotations

import math

from liqstream.market.records import (
    Candle,
    FundingRate,
    Liquidation,
    LiquidationSpan,
    LiquidationTotal,
    MarketEvent,
    MarkPrice,
    OpenInterest,
)

LOWEST_PRICE_USD, HIGHEST_PRICE_USD = 1e-12, 1e9
LARGEST_USD, LARGEST_SIZE_BASE = 1e12, 1e15
"""Most that one record, or one position, can be about."""

_KINDS: dict[type, str] = {
    Candle: "bar",
    OpenInterest: "open_interest",
    Liquidation: "liquidation",
    LiquidationTotal: "liquidation_total",
    LiquidationSpan: "liquidation_span",
    FundingRate: "funding",
    MarkPrice: "mark_price",
}


def kind_of(record: MarketEvent) -> str:
    """What kind of record it is, as refusals are counted."""
    return _KINDS[type(record)]


def unsound(record: MarketEvent) -> str:
    """Why no market can have sent this: "price", "size", "grid" or "rate"; "" if one can."""
    match record:
        case Candle():
            return _unsound_candle(record)
        case MarkPrice():
            return "" if is_price(record.price_usd) else "price"
        case Liquidation():
            if not is_price(record.price_usd):
                return "price"
            return "" if record.quantity_base > 0 and _is_usd(record.notional_usd) else "size"
        case LiquidationTotal():
            if record.interval_ms <= 0 or record.open_time_ms % record.interval_ms:
                return "grid"
            return "" if _is_usd(record.long_usd) and _is_usd(record.short_usd) else "size"
        case OpenInterest():
            reported_usd = record.reported if record.reported_unit == "usd" else 0.0
            is_size = 0 <= record.open_interest_base <= LARGEST_USD / LOWEST_PRICE_USD
            return "" if is_size and math.isfinite(record.reported) and _is_usd(reported_usd) else "size"
        case LiquidationSpan():
            return "" if record.start_ms <= record.end_ms else "size"
        case FundingRate():
            return "" if abs(record.rate) <= 1 else "rate"


def _unsound_candle(candle: Candle) -> str:
    if not (candle.is_sound and candle.low >= LOWEST_PRICE_USD and candle.high <= HIGHEST_PRICE_USD):
        return "price"
    if candle.interval_ms <= 0 or candle.open_time_ms % candle.interval_ms:
        return "grid"
    base = (candle.volume_base, candle.taker_buy_base)
    usd = (*(volume * candle.close for volume in base if volume is not None), candle.volume_quote_usd or 0.0)
    return "" if all(map(_is_usd, usd)) else "size"


def is_price(value: float) -> bool:
    """Whether a coin can cost so much, USD."""
    return LOWEST_PRICE_USD <= value <= HIGHEST_PRICE_USD


def _is_usd(value: float) -> bool:
    return 0 <= value <= LARGEST_USD


def time_of(record: MarketEvent) -> int:
    """A record's time, UTC ms: when a bar or a total opened, when all else happened."""
    match record:
        case Candle() | LiquidationTotal():
            return record.open_time_ms
        case LiquidationSpan():
            return record.end_ms
        case _:
            return record.time_ms


def price_range(record: MarketEvent) -> tuple[float, float]:
    """The lowest and the highest price of a record; NaN where it has none."""
    match record:
        case Candle():
            return record.low, record.high
        case MarkPrice() | Liquidation():
            return record.price_usd, record.price_usd
        case _:
            return math.nan, math.nan


def last_price(record: MarketEvent) -> float:
    """The price a record ends at; NaN where it has none."""
    return record.close if isinstance(record, Candle) else price_range(record)[0]


def ratio(one: float, other: float) -> float:
    """How many times the larger of two positive numbers is the smaller."""
    return max(one / other, other / one)


def same_bar(one: Candle, other: Candle) -> bool:
    """Whether two bars of a market are states of the same one."""
    return one.open_time_ms == other.open_time_ms and one.interval_ms == other.interval_ms
