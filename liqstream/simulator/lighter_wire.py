"""The simulated market in Lighter's wire format (perpetuals margined in USDC). Markets have numbers.

Whether the stream's open interest is in base coin or in USD has changed. It speaks every reading: "base",
"usd" or "neither" (contracts of a thousandth of a coin).
"""

from __future__ import annotations

from liqstream.market import HOUR_MS, MINUTE_MS
from liqstream.simulator import bracket_wire
from liqstream.simulator.dialect import MarketSpan, Message, text
from liqstream.simulator.ledger import Fill
from liqstream.simulator.market import DAY_TURNOVER, FUNDING_MS, Bar, SimulatedMarket
from liqstream.symbols import INTERVALS_MS

BAR_OF = {name: INTERVALS_MS[name] for name in ("1m", "5m", "15m", "30m", "1h", "4h", "12h", "1d")}
CHANNELS = ("trade", "candle", "market_stats")
NUMBERS = {"ETHUSDT": 0, "BTCUSDT": 1, "SOLUSDT": 2, "DOGEUSDT": 3, "XRPUSDT": 7, "LINKUSDT": 8}
_FIRST_OTHER = 20


def number_of(market: SimulatedMarket, symbol: str) -> int:
    """The number of a market."""
    return NUMBERS.get(symbol, _FIRST_OTHER + market.symbols.index(symbol))


def symbol_of(market: SimulatedMarket, number: str) -> str:
    """The symbol of a market's number; "" if there is none."""
    found = {str(number_of(market, symbol)): symbol for symbol in market.symbols}
    return found.get(number, "")


def channel_of(name: str) -> tuple[str, str]:
    """Kind and symbol of a subscription; numbers that no market has of old are of none."""
    kind, number, *_ = [*name.split("/"), ""]
    known = {str(each): symbol for symbol, each in NUMBERS.items()}
    return kind, known.get(number, "")


def is_channel(market: SimulatedMarket, name: str) -> bool:
    """Whether there is such a subscription."""
    kind, *rest = name.split("/")
    if kind == "market_stats":
        return rest == ["all"]
    if not rest or not symbol_of(market, rest[0]):
        return False
    return (kind == "trade" and len(rest) == 1) or (kind == "candle" and len(rest) == 2 and rest[1] in BAR_OF)


def push(span: MarketSpan, name: str) -> list[Message]:
    """What a subscription says of a round."""
    kind, *rest = name.split("/")
    head = {"type": f"update/{kind}", "channel": name.replace("/", ":"), "timestamp": span.sent_ms}
    if kind == "market_stats":
        reading = span.readings.get("lighter", "base")
        rows = {
            str(number_of(span.market, symbol)): figures(span, symbol, reading)
            for symbol in span.market.symbols
        }
        return [{**head, "market_stats": rows}]
    symbol = symbol_of(span.market, rest[0])
    if kind == "candle":
        return [{**head, "candles": [candle(bar)]} for bar in span.bars(symbol, BAR_OF[rest[1]])]
    number = number_of(span.market, symbol)
    trades = [liquidation(number, fill) for fill in span.fills.get(symbol, ())]
    # A round without one is a message too: there are always other trades.
    return [{**head, "trades": [], "liquidation_trades": trades or None}]


def figures(span: MarketSpan, symbol: str, reading: str) -> Message:
    """A market's part of market_stats."""
    price, held = span.market.price(symbol, span.now_ms), span.open_interest(symbol, span.now_ms)
    shown = {"base": held, "usd": held * price, "neither": held * 1000}[reading]
    return {
        "market_id": number_of(span.market, symbol),
        "symbol": symbol.removesuffix("USDT"),
        "mark_price": text(price),
        "index_price": text(price),
        "last_trade_price": text(price),
        "open_interest": text(shown),
        "current_funding_rate": text(hourly_rate(span.market, symbol, span.now_ms) * 100),
    }


def liquidation(number: int, fill: Fill) -> Message:
    """A trade that closed a position: where a short was closed, the taker bought from the maker's ask."""
    return {
        "trade_id_str": str(fill.time_ms),
        "type": "liquidation",
        "market_id": number,
        "size": text(fill.quantity),
        "price": text(fill.price),
        "is_maker_ask": fill.side == "short",
        "timestamp": fill.time_ms,
    }


def candle(bar: Bar) -> Message:
    """A bar of the candle channel and of GET candles; nothing tells whether it is closed."""
    return {
        "t": bar.open_time_ms,
        "o": bar.open,
        "h": bar.high,
        "l": bar.low,
        "c": bar.close,
        "v": bar.volume_base,
        "V": bar.volume_quote_usd,
    }


def details(market: SimulatedMarket, symbol: str, now_ms: int, held: float) -> Message:
    """A row of orderBookDetails; open interest in base coin."""
    price = market.price(symbol, now_ms)
    return {
        "symbol": symbol.removesuffix("USDT"),
        "market_id": number_of(market, symbol),
        "market_type": "perp",
        "status": "active",
        "open_interest": held,
        "last_trade_price": price,
        "daily_quote_token_volume": DAY_TURNOVER * held * price,
        **bracket_wire.lighter(symbol),
    }


def hourly_rate(market: SimulatedMarket, symbol: str, at_ms: int) -> float:
    """It pays every hour; the market's rate is for eight."""
    return market.funding_rate(symbol, at_ms) * HOUR_MS / FUNDING_MS


def funding_rows(
    market: SimulatedMarket, symbol: str, *, start_ms: int, end_ms: int, limit: int
) -> list[Message]:
    """The last `limit` payments of the span, in per cent, with the side that pays."""
    first_ms = -(-max(start_ms, market.first_ms + MINUTE_MS) // HOUR_MS) * HOUR_MS
    rows = []
    for time_ms in range(first_ms, end_ms + 1, HOUR_MS)[-limit:]:
        rate = hourly_rate(market, symbol, time_ms) * 100
        side = "long" if rate >= 0 else "short"
        rows.append({"timestamp": time_ms // 1000, "rate": text(abs(rate)), "direction": side})
    return rows
