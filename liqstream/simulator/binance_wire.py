"""The simulated market in Binance USD-M's wire format."""

from __future__ import annotations

from typing import Any

from liqstream.market import MINUTE_MS
from liqstream.simulator.contracts import CONTRACTS
from liqstream.simulator.dialect import MarketSpan, Message, reported_fills, text
from liqstream.simulator.ledger import Fill
from liqstream.simulator.market import FUNDING_MS, Bar, SimulatedMarket
from liqstream.symbols import INTERVALS_MS, interval_name


def channel_of(stream: str) -> tuple[str, str]:
    """Kind and symbol of a stream, e.g. "btcusdt@kline_5m"."""
    name, _, kind = stream.partition("@")
    return kind.partition("@")[0].partition("_")[0], name.upper()


def stream_messages(span: MarketSpan, stream: str) -> list[Message]:
    """What a stream says of a round; nothing for a stream that does not exist."""
    kind = stream.partition("@")[2]
    channel, symbol = channel_of(stream)
    market = span.market
    messages: list[Message] = []
    if symbol not in market.symbols:
        return messages
    if channel == "kline" and kind.removeprefix("kline_") in INTERVALS_MS:
        interval_ms = INTERVALS_MS[kind.removeprefix("kline_")]
        bars = span.bars(symbol, interval_ms)
        messages = [kline(symbol, interval_ms, bar, span.sent_ms) for bar in bars]
    elif kind in ("markPrice", "markPrice@1s"):
        messages = [mark_price(market, symbol, span.now_ms, span.sent_ms)]
    elif kind == "forceOrder":
        fills = reported_fills(span.fills.get(symbol, ()))
        messages = [force_order(symbol, fill, fill.time_ms + 1000 + span.skew_ms) for fill in fills]
    elif kind == "aggTrade":
        messages = [agg_trade(market, symbol, span.now_ms, span.sent_ms)]
    return [{"stream": stream, "data": message} for message in messages]


def kline(symbol: str, interval_ms: int, bar: Bar, sent_ms: int) -> Message:
    """A `kline` stream message; `x` is true once the bar is closed."""
    return {
        "e": "kline",
        "E": sent_ms,
        "s": symbol,
        "k": {
            "t": bar.open_time_ms,
            "T": bar.open_time_ms + interval_ms - 1,
            "s": symbol,
            "i": interval_name(interval_ms),
            "f": 1,
            "L": 2,
            "o": text(bar.open),
            "c": text(bar.close),
            "h": text(bar.high),
            "l": text(bar.low),
            "v": text(bar.volume_base),
            "n": 2,
            "x": bar.closed,
            "q": text(bar.volume_quote_usd),
            "V": text(bar.taker_buy_base),
            "Q": text(bar.taker_buy_quote_usd),
            "B": "0",
        },
    }


def mark_price(market: SimulatedMarket, symbol: str, now_ms: int, sent_ms: int) -> Message:
    """A `markPriceUpdate` message: price in USD, rate and time of the coming funding payment."""
    price = text(market.price(symbol, now_ms))
    return {
        "e": "markPriceUpdate",
        "E": sent_ms,
        "s": symbol,
        "p": price,
        "i": price,
        "P": price,
        "r": text(market.funding_rate(symbol, now_ms)),
        "T": (now_ms // FUNDING_MS + 1) * FUNDING_MS,
        "st": 1,
    }


def force_order(symbol: str, fill: Fill, sent_ms: int) -> Message:
    """A `forceOrder` message; `S` is the side of the order, SELL for a long."""
    return {
        "e": "forceOrder",
        "E": sent_ms,
        "o": {
            "s": symbol,
            "S": "SELL" if fill.side == "long" else "BUY",
            "o": "LIMIT",
            "f": "IOC",
            "q": text(fill.quantity),
            "p": text(fill.bankruptcy),
            "ap": text(fill.price),
            "X": "FILLED",
            "l": text(fill.quantity),
            "z": text(fill.quantity),
            "T": fill.time_ms,
            "ps": symbol,
            "st": 1,
        },
    }


def agg_trade(market: SimulatedMarket, symbol: str, now_ms: int, sent_ms: int) -> Message:
    """An `aggTrade` message of ten quantity steps at the price of `now_ms`."""
    return {
        "e": "aggTrade",
        "E": sent_ms,
        "a": now_ms,
        "s": symbol,
        "p": text(market.price(symbol, now_ms)),
        "q": text(CONTRACTS[symbol].quantity_step * 10),
        "f": now_ms,
        "l": now_ms,
        "T": now_ms,
        "m": now_ms % 2 == 0,
        "st": 1,
    }


def kline_row(interval_ms: int, bar: Bar) -> list[Any]:
    """A row of GET /fapi/v1/klines."""
    return [
        bar.open_time_ms,
        text(bar.open),
        text(bar.high),
        text(bar.low),
        text(bar.close),
        text(bar.volume_base),
        bar.open_time_ms + interval_ms - 1,
        text(bar.volume_quote_usd),
        2,
        text(bar.taker_buy_base),
        text(bar.taker_buy_quote_usd),
        "0",
    ]


def exchange_info(market: SimulatedMarket, now_ms: int) -> Message:
    """The body of GET /fapi/v1/exchangeInfo: every listed contract, as a trading perpetual."""
    return {
        "timezone": "UTC",
        "serverTime": now_ms,
        "symbols": [
            {
                "symbol": symbol,
                "pair": symbol,
                "contractType": "PERPETUAL",
                "status": "TRADING",
                "baseAsset": symbol.removesuffix("USDT"),
                "quoteAsset": "USDT",
                "marginAsset": "USDT",
            }
            for symbol in market.listed
        ],
    }


def open_interest_rows(
    market: SimulatedMarket, symbol: str, period_ms: int, *, start_ms: int, end_ms: int, limit: int
) -> list[Message]:
    """The last `limit` readings in the span, ascending; one at each end of a period."""
    first_ms = -(-max(start_ms, market.first_ms + MINUTE_MS) // period_ms) * period_ms
    times = range(first_ms, end_ms + 1, period_ms)[-limit:]
    rows = []
    for time_ms in times:
        held = market.open_interest(symbol, time_ms)
        price = market.price(symbol, time_ms)
        rows.append(
            {
                "symbol": symbol,
                "sumOpenInterest": text(held),
                "sumOpenInterestValue": text(held * price),
                "timestamp": time_ms,
            }
        )
    return rows


def funding_rows(
    market: SimulatedMarket, symbol: str, *, start_ms: int, end_ms: int, limit: int
) -> list[Message]:
    """The payments in the span, ascending."""
    first_ms = -(-max(start_ms, market.first_ms + MINUTE_MS) // FUNDING_MS) * FUNDING_MS
    return [
        {
            "symbol": symbol,
            "fundingTime": time_ms,
            "fundingRate": text(market.funding_rate(symbol, time_ms)),
            "markPrice": text(market.price(symbol, time_ms)),
        }
        for time_ms in range(first_ms, end_ms + 1, FUNDING_MS)
    ][:limit]
