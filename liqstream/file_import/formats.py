"""The forms of CSV that can be read: which columns make one, and the records of a row."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from liqstream.file_import import fields
from liqstream.market import (
    Candle,
    FundingRate,
    Liquidation,
    LiquidationTotal,
    MarketEvent,
    OpenInterest,
)
from liqstream.market.identity import QUOTES, contract_name
from liqstream.market.record_bounds import LARGEST_USD
from liqstream.symbols import is_symbol

Kind = Literal["bars", "liquidations", "klines", "metrics", "funding"]

KLINE_COLUMNS = (
    "open_time",
    "open",
    "high",
    "low",
    "close",
    "volume",
    "close_time",
    "quote_volume",
    "count",
    "taker_buy_volume",
    "taker_buy_quote_volume",
    "ignore",
)
CAPTURE_COLUMNS = (
    "symbol",
    "side",
    "order_type",
    "time_in_force",
    "original_quantity",
    "price",
    "average_price",
    "order_status",
    "last_fill_quantity",
    "accumulated_fill_quantity",
    "time",
    "usd",
)
"""Captures of Binance's forceOrder stream; they come without a header."""

_NAMES: dict[str, tuple[str, ...]] = {
    "time": (
        *("open_time", "open_time_ms", "start_time", "create_time", "calc_time", "funding_time"),
        *("funding_rate_timestamp", "timestamp", "time", "time_ms", "ts", "unix", "datetime", "date"),
    ),
    "open": ("open",),
    "high": ("high",),
    "low": ("low",),
    "close": ("close",),
    "volume": ("volume", "volume_base", "base_volume"),
    "quote_volume": ("quote_volume", "volume_quote_usd", "quote_asset_volume", "turnover"),
    "taker_buy": (
        "taker_buy_volume",
        "taker_buy_base",
        "taker_buy_base_volume",
        "taker_buy_base_asset_volume",
    ),
    "oi_usd": ("sum_open_interest_value", "open_interest_usd", "open_interest_value", "oi_usd"),
    "oi_base": ("sum_open_interest", "open_interest_base", "open_interest", "oi_ccy"),
    "one_sided": ("one_sided",),
    "funding": ("funding_rate", "last_funding_rate", "rate"),
    "long_usd": ("liquidation_long_usd", "long_usd"),
    "short_usd": ("liquidation_short_usd", "short_usd"),
    "symbol": (
        *("symbol", "instrument", "inst_id", "instrument_id", "instrument_name", "contract", "product_id"),
        *("pair", "trading_pair", "currency_pair", "ticker", "coin", "market"),
    ),
    "exchange": ("exchange", "venue"),
    "interval": ("interval", "timeframe", "time_frame", "period", "bar"),
    "closed": ("confirm", "confirmed", "closed", "is_closed", "final", "is_final"),
    "side": ("side", "position_side"),
    "price": ("average_price", "price", "price_usd"),
    "limit_price": ("price",),
    "quantity": ("accumulated_fill_quantity", "quantity", "quantity_base", "qty", "size"),
    "ignore": ("ignore",),  # of Binance's archives alone
    "occurrence": ("occurrence",),
}
"""What we call a column -> how files call it, the better name first; case and spaces do not matter."""

_OF_TRADES = frozenset(
    {"tickdirection", "trdmatchid", "isbuyermaker", "aggtradeid", "firsttradeid", "lasttradeid"}
)
"""Columns, in small letters, that only files of trades have; the others are those of liquidations too."""

_IN_CONTRACTS = {"quantity": ("size", "quantity_base"), "oi_base": ("openinterest", "open_interest_base")}
"""Our name -> a column, in small letters, that may count contracts, and the one that counts base coin."""

TAKER_FACTOR = 1.001
"""So much more than all that was traded may be bought by takers, as rounded as figures are."""

_TOO_MUCH = f"beyond {LARGEST_USD:g} USD, which no market can have had"

NOT_ENDED = "it has not ended yet"

OI_FACTOR = 1.5
"""Beyond a bar's prices by so much, open interest in coins and in USD are not of one market."""

_DATED = re.compile(r".+USD[TC]?\d{4,}")

_QUOTED_OTHERWISE = re.compile(
    r".{2,}(EUR|GBP|TRY|BRL|JPY|AUD|KRW|BUSD|FDUSD|TUSD)|(BTC|ETH|BNB|SOL|XRP|ADA|DOGE|LTC|TRX)(BTC|ETH|BNB)"
)
"""Names of pairs whose prices are not in USD: no coin is called so."""


@dataclass(frozen=True, slots=True)
class Market:
    """Whose data a file holds; `symbol` is empty where each row names its own."""

    exchange: str
    symbol: str
    interval_ms: int


@dataclass(frozen=True, slots=True)
class Form:
    """A form of CSV. `parse` turns a row's fields, by our names, into records, the row's time first.

    Rows that are `sequential` must run forward in time; `regular` ones are an interval apart.
    """

    name: str
    needs: tuple[str, ...]
    parse: Callable[[dict[str, str], Market], tuple[int, list[MarketEvent]]]
    sequential: bool = True
    on_grid: bool = False
    regular: bool = False


def column_positions(header: Sequence[str]) -> dict[str, int]:
    """Our name -> index, for the columns we know."""
    found = {_plain(name): index for index, name in reversed(list(enumerate(header)))}
    positions: dict[str, int] = {}
    for ours, names in _NAMES.items():
        known = next((found[name] for name in map(_plain, names) if name in found), None)
        if known is not None:
            positions[ours] = known
    return positions


def foreign_columns(form: Form, header: Sequence[str], exchange: str) -> str:
    """Why columns of a form hold something else than their names say; "" if they do not."""
    names, positions = [_plain(name) for name in header], column_positions(header)
    if form is LIQUIDATIONS and not _OF_TRADES.isdisjoint(names):
        return "its columns are those of trades, not of liquidations"
    if (
        exchange == "gate"
        and names[positions.get("volume", 0)] == "volume"
        and "quote_volume" not in positions
    ):
        return "gate counts volume in contracts; volume_base in base coin is needed, or no volume"
    if exchange in fields.EXCHANGES_THAT_COUNT_CONTRACTS:
        for ours, at in positions.items():
            doubtful, right = _IN_CONTRACTS.get(ours, ("", ""))
            if names[at] == doubtful and (ours in form.needs or form is BARS):
                return f"{exchange} counts {header[at].strip()} in contracts; {right} in base coin is needed"
    return ""


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _bar(row: dict[str, str], market: Market) -> tuple[int, list[MarketEvent]]:
    open_time_ms = fields.time_ms(row["time"], "open_time")
    opened, high, low, close = (fields.price(row[name], name) for name in ("open", "high", "low", "close"))
    if not low <= min(opened, close) <= max(opened, close) <= high:
        raise ValueError(f"high {high:g} and low {low:g} do not span open {opened:g} and close {close:g}")
    volume, bought = (fields.optional_amount(row.get(name), name) for name in ("volume", "taker_buy"))
    if volume is not None and (bought or 0.0) > volume * TAKER_FACTOR:
        raise ValueError(f"of {volume:g} that were traded takers cannot have bought {bought:g}")
    if fields.is_false(row.get("closed")):
        raise ValueError(NOT_ENDED)
    candle = Candle(
        market.exchange,
        row_symbol(row, market),
        fields.interval_ms(row.get("interval")) or market.interval_ms,
        open_time_ms,
        opened,
        high,
        low,
        close,
        volume,
        fields.optional_amount(row.get("quote_volume"), "quote_volume"),
        bought,
    )
    # Open interest and totals come before the bar: at the bar's close, a reader in order knows all of them.
    records: list[MarketEvent] = [*_bar_open_interest(row, candle), *_bar_totals(row, candle)]
    rate = row.get("funding", "")
    if not fields.is_absent(rate):
        value = fields.number(rate, "funding_rate")
        records.append(FundingRate(market.exchange, candle.symbol, open_time_ms, value))
    return open_time_ms, [*records, candle]


def _bar_open_interest(row: dict[str, str], candle: Candle) -> list[OpenInterest]:
    """The open interest at the bar's close; a file's 0 means it was not known."""
    closes_ms = candle.open_time_ms + candle.interval_ms
    sides = fields.sides_counted(row.get("one_sided"), candle.exchange)
    base = (fields.optional_amount(row.get("oi_base"), "open interest") or 0.0) / sides
    usd = (fields.optional_amount(row.get("oi_usd"), "open interest") or 0.0) / sides
    if base and usd and not candle.low / OI_FACTOR <= usd / base <= candle.high * OI_FACTOR:
        raise ValueError(f"open interest is {base:g} coins and {usd:g} USD at a price of {candle.close:g}")
    if max(usd, base * candle.close) > LARGEST_USD:
        raise ValueError(f"open interest is {_TOO_MUCH}")
    if base:
        return [OpenInterest(candle.exchange, candle.symbol, closes_ms, base, base, "base")]
    if usd:
        return [OpenInterest(candle.exchange, candle.symbol, closes_ms, usd / candle.close, usd, "usd")]
    return []


def _bar_totals(row: dict[str, str], candle: Candle) -> list[LiquidationTotal]:
    if fields.is_absent(row.get("long_usd")) or fields.is_absent(row.get("short_usd")):
        return []
    market = Market(candle.exchange, candle.symbol, candle.interval_ms)
    return [_total_of(row, market, candle.open_time_ms)]


def _total_of(row: dict[str, str], market: Market, open_time_ms: int) -> LiquidationTotal:
    return LiquidationTotal(
        market.exchange,
        market.symbol,
        market.interval_ms,
        open_time_ms,
        fields.amount(row["long_usd"], "long_usd"),
        fields.amount(row["short_usd"], "short_usd"),
    )


def _total(row: dict[str, str], market: Market) -> tuple[int, list[MarketEvent]]:
    open_time_ms = fields.time_ms(row["time"], "open_time")
    named = Market(market.exchange, row_symbol(row, market), market.interval_ms)
    return open_time_ms, [_total_of(row, named, open_time_ms)]


def _metric(row: dict[str, str], market: Market) -> tuple[int, list[MarketEvent]]:
    at_ms = fields.time_ms(row["time"], "create_time")
    sides = fields.sides_counted(row.get("one_sided"), market.exchange)
    base = fields.price(row["oi_base"], "sum_open_interest") / sides
    if (fields.optional_amount(row.get("oi_usd"), "open interest") or 0.0) / sides > LARGEST_USD:
        raise ValueError(f"open interest is {_TOO_MUCH}")
    symbol = row_symbol(row, market)
    return at_ms, [OpenInterest(market.exchange, symbol, at_ms, base, base, "base")]


def _funding(row: dict[str, str], market: Market) -> tuple[int, list[MarketEvent]]:
    at_ms = fields.time_ms(row["time"], "time")
    rate = fields.number(row["funding"], "funding_rate")
    return at_ms, [FundingRate(market.exchange, row_symbol(row, market), at_ms, rate)]


def _liquidation(row: dict[str, str], market: Market) -> tuple[int, list[MarketEvent]]:
    at_ms = fields.time_ms(row["time"], "time")
    # An order that is reported before its fill has an average price of 0: its limit price then stands.
    has_average = fields.optional_amount(row["price"], "average_price") or "limit_price" not in row
    liquidation = Liquidation(
        market.exchange,
        row_symbol(row, market),
        at_ms,
        "long" if fields.is_long(row["side"], market.exchange) else "short",
        fields.price(row["price" if has_average else "limit_price"], "price"),
        fields.price(row["quantity"], "quantity"),
    )
    return at_ms, [liquidation]


def row_symbol(row: dict[str, str], market: Market) -> str:
    """The symbol a row is of; captures leave the quote's USDT out. Raises ValueError.

    Also in the forms BTC-USDT-SWAP, BTC_USDT, BTC/USDT:USDT and kPEPE.
    """
    if not fields.is_absent(named := row.get("exchange")) and not _is_of(named or "", market.exchange):
        raise ValueError(f"it is of {fields.shown(named or '')}, not of {market.exchange}")
    text = contract_name(row.get("symbol", "").strip())
    if fields.is_absent(text) or text == market.symbol or f"{text}USDT" == market.symbol:
        symbol = market.symbol
        if not symbol:
            raise ValueError("symbol is empty; name it with --symbol")
    else:
        symbol = text if text.endswith(QUOTES) and text not in QUOTES else f"{text}USDT"
    if not is_symbol(symbol) or (symbol != text and _DATED.fullmatch(text)):
        raise ValueError(f"symbol is none: {fields.shown(text)}")
    if why := foreign_market(text or symbol, market.exchange):
        raise ValueError(why)
    return symbol


def foreign_market(symbol: str, exchange: str) -> str:
    """Why a symbol's prices are not in USD, or its amounts not in base coin; "" where they are."""
    if _QUOTED_OTHERWISE.fullmatch(symbol):
        return f"{symbol} is not quoted in USD; a USDT or USDC perpetual is needed"
    if exchange in fields.EXCHANGES_WITH_COIN_MARGIN and symbol.endswith("USD"):
        return f"{symbol} of {exchange} is margined in coins; a USDT or USDC perpetual is needed"
    return ""


def _is_of(named: str, exchange: str) -> bool:
    """Whether a name such as binance-futures, or ours, is an exchange's."""
    return re.split(r"[^a-z0-9]", named.strip().lower())[0] == exchange.partition("-")[0]


BARS = Form("bars", ("time", "open", "high", "low", "close"), _bar, on_grid=True, regular=True)
TOTALS = Form("liquidation totals", ("time", "long_usd", "short_usd"), _total, on_grid=True)
LIQUIDATIONS = Form("liquidations", ("time", "side", "price", "quantity"), _liquidation, sequential=False)
METRICS = Form("metrics", ("time", "oi_base"), _metric)

FUNDING = Form("funding", ("time", "funding"), _funding)

FORMS: dict[Kind, tuple[Form, ...]] = {
    "bars": (BARS,),
    "klines": (BARS,),
    "metrics": (METRICS,),
    "liquidations": (LIQUIDATIONS, TOTALS),
    "funding": (FUNDING,),
}

HEADERLESS: dict[Kind, tuple[str, ...]] = {
    "bars": KLINE_COLUMNS,
    "klines": KLINE_COLUMNS,
    "liquidations": CAPTURE_COLUMNS,
}
"""Columns of the forms that may come without a header."""

EXPECTED: dict[Kind, str] = {
    "bars": "open_time,open,high,low,close (and volume, sum_open_interest_value, funding_rate, ...)",
    "klines": "open_time,open,high,low,close,volume,close_time,... or the same 12 columns without a header",
    "metrics": "create_time,symbol,sum_open_interest,sum_open_interest_value,...",
    "funding": "time,funding_rate",
    "liquidations": "time,side,price,quantity or open_time,long_usd,short_usd",
}
