"""Which record goes into which table, and what makes two records the same one."""

from __future__ import annotations

from dataclasses import dataclass

from liqstream.market import (
    Candle,
    FundingRate,
    Liquidation,
    LiquidationSpan,
    LiquidationTotal,
    OpenInterest,
)


@dataclass(frozen=True, slots=True)
class Table:
    """A table's columns carry the names of the record's fields.

    Rows with the same `key` are one fact; its `values` are replaced by later ones, its `optional` columns
    only by later ones that are known.
    """

    name: str
    record: type
    time: str
    key: tuple[str, ...]
    values: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    texts: tuple[str, ...] = ("exchange", "symbol")
    integers: tuple[str, ...] = ()
    booleans: tuple[str, ...] = ()
    counted: bool = False
    """Equal records of one call are different ones; the key's last column, `occurrence`, counts them."""

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns, the key first."""
        return (*self.key, *self.values, *self.optional)

    @property
    def market(self) -> tuple[str, ...]:
        """The columns, first of the key, of the series a row belongs to."""
        return self.key[: self.key.index(self.time)]


CANDLES = Table(
    "candles",
    Candle,
    "open_time_ms",
    key=("exchange", "symbol", "interval_ms", "open_time_ms"),
    values=("open", "high", "low", "close"),
    optional=("volume_base", "volume_quote_usd", "taker_buy_base"),
    integers=("interval_ms", "open_time_ms"),
)
OPEN_INTEREST = Table(
    "open_interest",
    OpenInterest,
    "time_ms",
    key=("exchange", "symbol", "time_ms"),
    values=("open_interest_base", "reported", "reported_unit", "one_sided"),
    texts=("exchange", "symbol", "reported_unit"),
    integers=("time_ms",),
    booleans=("one_sided",),
)
LIQUIDATIONS = Table(
    "liquidations",
    Liquidation,
    "time_ms",
    key=("exchange", "symbol", "time_ms", "side", "price_usd", "quantity_base", "occurrence"),
    texts=("exchange", "symbol", "side"),
    integers=("time_ms", "occurrence"),
    counted=True,
)
LIQUIDATION_TOTALS = Table(
    "liquidation_totals",
    LiquidationTotal,
    "open_time_ms",
    key=("exchange", "symbol", "interval_ms", "open_time_ms"),
    values=("long_usd", "short_usd"),
    integers=("interval_ms", "open_time_ms"),
)
LIQUIDATION_SPANS = Table(
    "liquidation_spans",
    LiquidationSpan,
    "start_ms",
    key=("exchange", "symbol", "start_ms"),
    values=("end_ms",),
    integers=("start_ms", "end_ms"),
)
FUNDING = Table(
    "funding",
    FundingRate,
    "time_ms",
    key=("exchange", "symbol", "time_ms"),
    values=("rate",),
    integers=("time_ms",),
)

TABLES = (CANDLES, OPEN_INTEREST, LIQUIDATIONS, LIQUIDATION_TOTALS, LIQUIDATION_SPANS, FUNDING)
