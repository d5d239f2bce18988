"""How large an exchange's markets are, all of them by one request: what a choice of markets ranks by.

Sizes are USD, by our symbols: a contract by the thousand counts for its coin. Of open interest one side
counts. Only what is quoted in USDT or settled like it is read; a row that cannot be read is left out.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from liqstream.feeds.parsing import UNREADABLE, Json
from liqstream.feeds.rest_client import RestClient
from liqstream.market.identity import canonical, contract_name
from liqstream.market.record_bounds import LARGEST_USD
from liqstream.symbols import is_symbol


@dataclass(frozen=True, slots=True)
class MarketSize:
    """Open interest and the last day's turnover in USD; None where the exchange does not say."""

    open_interest_usd: float | None = None
    turnover_usd: float | None = None


Sizes: TypeAlias = dict[str, MarketSize]
"""By symbol."""

_TICKERS_WEIGHT = 40.0
"""Of Binance's tickers of all symbols."""


async def binance_style(rest: RestClient) -> Sizes:
    """Turnover, of `/fapi/v1/ticker/24hr`; open interest would be a request for each market."""
    rows = await rest.get("/fapi/v1/ticker/24hr", _TICKERS_WEIGHT)
    return _sizes(rows, lambda row: (str(row["symbol"]), None, _usd(row["quoteVolume"])))


async def bybit(rest: RestClient) -> Sizes:
    """Of `/v5/market/tickers`; where it has no one-sided open interest, half of what both sides hold."""
    rows = (await rest.get("/v5/market/tickers", category="linear"))["result"]["list"]

    def size(row: Json) -> tuple[str, float | None, float | None]:
        held, single = _usd(row["openInterestValue"]), row.get("singleOpenInterest")
        one_side = _usd(single) * _usd(row["markPrice"]) if single else held / 2
        return str(row["symbol"]), one_side, _usd(row["turnover24h"])

    return _sizes(rows, size)


async def okx(rest: RestClient) -> Sizes:
    """Of `/api/v5/public/open-interest`."""
    rows = (await rest.get("/api/v5/public/open-interest", instType="SWAP"))["data"]
    return _sizes(rows, lambda row: (contract_name(str(row["instId"])), _usd(row["oiUsd"]), None))


async def hyperliquid(rest: RestClient) -> Sizes:
    """Of `metaAndAssetCtxs`."""
    meta, contexts = await rest.post("/info", {"type": "metaAndAssetCtxs"}, weight=20)

    def size(pair: Json) -> tuple[str, float | None, float | None]:
        coin, row = pair
        if coin.get("isDelisted"):
            raise ValueError("it is delisted")
        name = contract_name(str(coin["name"]))
        symbol = name if name.endswith("USDT") else f"{name}USDT"
        return symbol, _usd(row["openInterest"]) * _usd(row["markPx"]), _usd(row["dayNtlVlm"])

    return _sizes(zip(meta["universe"], contexts, strict=False), size)


async def gate(rest: RestClient) -> Sizes:
    """Of `/tickers`: open interest in contracts."""
    rows = await rest.get("/api/v4/futures/usdt/tickers")

    def size(row: Json) -> tuple[str, float | None, float | None]:
        held = _usd(row["total_size"]) * _usd(row["quanto_multiplier"]) * _usd(row["mark_price"])
        return contract_name(str(row["contract"])), held, _usd(row["volume_24h_quote"])

    return _sizes(rows, size)


async def bitget(rest: RestClient) -> Sizes:
    """Of `/api/v3/market/tickers`."""
    rows = (await rest.get("/api/v3/market/tickers", category="USDT-FUTURES"))["data"]

    def size(row: Json) -> tuple[str, float | None, float | None]:
        held = _usd(row["openInterest"]) * _usd(row["markPrice"])
        return str(row["symbol"]), held, _usd(row["turnover24h"])

    return _sizes(rows, size)


async def lighter(rest: RestClient) -> Sizes:
    """Of `orderBookDetails`."""
    rows = (await rest.get("/api/v1/orderBookDetails"))["order_book_details"]

    def size(row: Json) -> tuple[str, float | None, float | None]:
        if row.get("market_type", "perp") != "perp":
            raise ValueError("it is of the spot market")
        held = _usd(row["open_interest"]) * _usd(row["last_trade_price"])
        return f"{row['symbol']}USDT", held, _usd(row["daily_quote_token_volume"])

    return _sizes(rows, size)


def _usd(value: object) -> float:
    """A figure that may be text. Raises ValueError for one that is negative or no finite number."""
    number = float(str(value))
    if not (math.isfinite(number) and number >= 0):
        raise ValueError(f"{value!r} is no amount")
    return number


def _sizes(rows: Iterable[Json], size: Callable[[Json], tuple[str, float | None, float | None]]) -> Sizes:
    found: Sizes = {}
    for row in rows:
        try:
            name, held_usd, traded_usd = size(row)
        except UNREADABLE:
            continue
        symbol = canonical(name)
        if any(usd is not None and not usd <= LARGEST_USD for usd in (held_usd, traded_usd)):
            continue  # what no market can hold would lead every ranking
        if not (symbol.endswith("USDT") and is_symbol(symbol)):
            continue
        known = found.get(symbol, MarketSize())
        found[symbol] = MarketSize(
            _sum(known.open_interest_usd, held_usd), _sum(known.turnover_usd, traded_usd)
        )
    if not found:
        raise ValueError("a list of markets without one whose size can be read")
    return found


def _sum(first: float | None, second: float | None) -> float | None:
    """Of a coin's contracts; what is not known adds nothing."""
    return second if first is None else first if second is None else first + second


SIZE_READERS: Mapping[str, Callable[[RestClient], Awaitable[Sizes]]] = {
    "binance": binance_style,
    "aster": binance_style,
    "bybit": bybit,
    "okx": okx,
    "hyperliquid": hyperliquid,
    "gate": gate,
    "bitget": bitget,
    "lighter": lighter,
}
"""By the exchange's name."""
