"""The table of markets: a row of figures per market, as the scanner shows them, in columns.

Each figure is rounded to what is shown, so that most of them stay as they are from one table to the next.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeAlias

from liqstream.heatmap.clusters import find_clusters, imbalance, next_big
from liqstream.heatmap.live_market import LiveMarket
from liqstream.heatmap.price_grid import Grid
from liqstream.heatmap.quantise import UsdArray
from liqstream.heatmap.snapshot import StreamPosition
from liqstream.market import MarketKey

Value: TypeAlias = float | int | str | bool | list[str] | None
"""A figure; None where it is not known."""

FIELDS = (
    "price",
    "price_24h",
    "above_price",
    "above_usd",
    "below_price",
    "below_usd",
    "imbalance_2",
    "imbalance_5",
    "long_liquidated_24h",
    "short_liquidated_24h",
    "open_interest",
    "open_interest_1h",
    "open_interest_24h",
    "funding",
    "funding_time",
    "venues",
    "source",
    "stale",
    "history_percent",
)
"""The columns, in their order."""

_PRICE_DIGITS = 7
_USD_DIGITS = 3


@dataclass(frozen=True)
class MarketTable:
    """One state of the table: value i of every field is of symbol i.

    `timestamp_ms` is the data's time. `epoch` is that of the generator whose maps the figures are of, `seq`
    counts the tables of that epoch from 1.
    """

    timestamp_ms: int
    epoch: int
    seq: int
    symbols: tuple[str, ...]
    fields: Mapping[str, Sequence[Value]]

    @cached_property
    def position(self) -> StreamPosition:
        """The table's place in its stream."""
        return StreamPosition(self.epoch, self.seq)

    def rows(self) -> list[dict[str, Value]]:
        """The markets as objects, in the order of the symbols."""
        columns = zip(*(self.fields[name] for name in FIELDS), strict=True)
        return [
            {"symbol": symbol, **dict(zip(FIELDS, values, strict=True))}
            for symbol, values in zip(self.symbols, columns, strict=True)
        ]

    def marked_stale(self) -> MarketTable:
        """The same figures as the next table, every market stale."""
        return replace(self, seq=self.seq + 1, fields={**self.fields, "stale": [True] * len(self.symbols)})

    def changes(self, base: MarketTable) -> dict[str, dict[str, list[Any]]]:
        """By field the indices whose values are others than in `base`, a table of the same symbols."""
        found: dict[str, dict[str, list[Any]]] = {}
        for name, values in self.fields.items():
            before = base.fields[name]
            indices = [row for row, value in enumerate(values) if value != before[row]]
            if indices:
                found[name] = {"i": indices, "v": [values[row] for row in indices]}
        return found


def map_figures(grid: Grid, long_usd: UsdArray, short_usd: UsdArray, price_usd: float) -> dict[str, Value]:
    """What a map says of its market: the next big clusters, and the imbalance within 2 and 5 %."""
    above = next_big(find_clusters("short", long_usd, short_usd, grid), price_usd)
    below = next_big(find_clusters("long", long_usd, short_usd, grid), price_usd)
    return {
        "above_price": None if above is None else significant(above.price, _PRICE_DIGITS),
        "above_usd": None if above is None else significant(above.usd, _USD_DIGITS),
        "below_price": None if below is None else significant(below.price, _PRICE_DIGITS),
        "below_usd": None if below is None else significant(below.usd, _USD_DIGITS),
        "imbalance_2": fixed(imbalance(long_usd, short_usd, grid, price_usd, 0.02), 2),
        "imbalance_5": fixed(imbalance(long_usd, short_usd, grid, price_usd, 0.05), 2),
    }


def price_figure(usd: float | None) -> Value:
    """A price as it is shown; None where it is not known."""
    return significant(usd, _PRICE_DIGITS)


def usd_figure(usd: float | None) -> Value:
    """An amount as it is shown, to three digits; None where it is not known."""
    return significant(usd, _USD_DIGITS)


def percent_change(now: float | None, before: float | None) -> Value:
    """From `before` to `now` in percent, to a tenth; None where either is not known."""
    if now is None or before is None or not before > 0:
        return None
    return fixed(100 * (now / before - 1), 1)


def open_interest_change(markets: Sequence[LiveMarket], before: Mapping[MarketKey, float | None]) -> Value:
    """The change of open interest in percent, of the exchanges whose open interest of then is known."""
    known = [
        (each.open_interest_base, then)
        for each in markets
        if math.isfinite(each.open_interest_base) and (then := before[each.key]) is not None
    ]
    return percent_change(sum(now for now, _ in known), sum(then for _, then in known))


def significant(value: float | None, digits: int) -> Value:
    """A number to so many digits, an int where it is whole; None for what is no finite number."""
    if value is None or not math.isfinite(value):
        return None
    return _plain(float(f"{value:.{digits}g}"))


def fixed(value: float | None, decimals: int) -> Value:
    """A number to so many decimals, an int where it is whole; None for what is no finite number."""
    if value is None or not math.isfinite(value):
        return None
    return _plain(round(value, decimals))


def _plain(value: float) -> int | float:
    return int(value) if value.is_integer() and abs(value) < 1e15 else value
