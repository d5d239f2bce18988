"""Tables of markets for tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from liqstream.heatmap.market_table import FIELDS, MarketTable

EPOCH = 1_766_932_200_000
SYMBOLS = ("BTCUSDT", "ETHUSDT")


def table(
    seq: int, *, epoch: int = EPOCH, symbols: tuple[str, ...] = SYMBOLS, **fields: Sequence[Any]
) -> MarketTable:
    """A table of two markets, by default without figures."""
    empty: dict[str, Sequence[Any]] = {name: [None] * len(symbols) for name in FIELDS}
    known: dict[str, Sequence[Any]] = {
        "venues": [["binance"]] * len(symbols),
        "source": ["simulated"] * len(symbols),
    }
    stale: dict[str, Sequence[Any]] = {"stale": [False] * len(symbols)}
    return MarketTable(EPOCH + 1000 * seq, epoch, seq, symbols, empty | known | stale | fields)
