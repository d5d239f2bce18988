"""The simulated market in Gate's wire format (USDT futures). Sizes are in contracts.

No document says whether the sign of a liquidation's size is the position's or the order's. It speaks every
reading: "position", "order" or "neither".
"""

from __future__ import annotations

from liqstream.simulator.contracts import CONTRACTS
from liqstream.simulator.dialect import MarketSpan, Message, text
from liqstream.simulator.ledger import Fill
from liqstream.simulator.market import DAY_TURNOVER, Bar, SimulatedMarket
from liqstream.symbols import INTERVALS_MS, interval_name

BAR_OF = {name: INTERVALS_MS[name] for name in ("1m", "5m", "15m", "30m", "1h", "4h", "1d")}
"""It has no others."""


def contract_of(symbol: str) -> str:
    """Gate's name of a symbol."""
    return f"{symbol.removesuffix('USDT')}_USDT"


def symbol_of(contract: str) -> str:
    """Our name of a contract; "" for anything else."""
    return contract.removesuffix("_USDT") + "USDT" if contract.endswith("_USDT") else ""


def size_of(symbol: str) -> float:
    """Base coin of a contract."""
    return CONTRACTS[symbol].quantity_step


def contracts(symbol: str, base: float) -> int:
    """An amount of base coin in contracts, which are whole."""
    return round(base / size_of(symbol))


def channel_of(name: str) -> tuple[str, str]:
    """Channel and symbol of a subscription; the interval is not part of it."""
    channel, _, payload = name.partition("/")
    return channel, symbol_of(payload.rpartition("/")[2])


def is_channel(market: SimulatedMarket, name: str) -> bool:
    """Whether there is such a subscription."""
    channel, *payload = name.split("/")
    if channel in ("futures.public_liquidates", "futures.contract_info"):
        return payload == ["!all"]
    if channel == "futures.candlesticks":
        return len(payload) == 2 and payload[0] in BAR_OF and symbol_of(payload[1]) in market.symbols
    return channel == "futures.tickers" and len(payload) == 1 and symbol_of(payload[0]) in market.symbols


def push(span: MarketSpan, name: str) -> list[Message]:
    """What a subscription says of a round."""
    channel, symbol = channel_of(name)
    results: list[list[Message]] = []
    if channel == "futures.candlesticks":
        interval_ms = BAR_OF[name.split("/")[1]]
        results = [[candle(symbol, interval_ms, bar)] for bar in span.bars(symbol, interval_ms)]
    elif channel == "futures.tickers":
        held = span.open_interest(symbol, span.now_ms)
        results = [[ticker(span.market, symbol, span.now_ms, held)]]
    elif channel == "futures.public_liquidates":
        reading = span.readings.get("gate", "position")
        rows = [
            liquidation(each, fill, reading)
            for each in span.market.symbols
            for fill in span.fills.get(each, ())
        ]
        results = [rows[at : at + 20] for at in range(0, len(rows), 20)]
    head = {"time": span.sent_ms // 1000, "time_ms": span.sent_ms, "channel": channel, "event": "update"}
    return [{**head, "result": result} for result in results]


def signed_size(symbol: str, fill: Fill, reading: str) -> int:
    """The size of a liquidation, with the sign of the position or of the order; of neither it is always +."""
    is_plus = reading == "neither" or (fill.side == "long") == (reading == "position")
    return contracts(symbol, fill.quantity) * (1 if is_plus else -1)


def liquidation(symbol: str, fill: Fill, reading: str) -> Message:
    """A row of the socket."""
    return {
        "contract": contract_of(symbol),
        "price": text(fill.price),
        "size": signed_size(symbol, fill, reading),
        "time": fill.time_ms,
    }


def order(symbol: str, fill: Fill, reading: str) -> Message:
    """A row of GET liq_orders: position and order have opposite signs."""
    size = signed_size(symbol, fill, reading)
    return {
        "time": fill.time_ms // 1000,
        "contract": contract_of(symbol),
        "size": size,
        "order_size": -size,
        "order_price": text(fill.bankruptcy),
        "fill_price": text(fill.price),
        "left": 0,
    }


def candle(symbol: str, interval_ms: int, bar: Bar) -> Message:
    """A bar of the socket; REST has it without a name."""
    return {
        "t": bar.open_time_ms // 1000,
        "o": text(bar.open),
        "h": text(bar.high),
        "l": text(bar.low),
        "c": text(bar.close),
        "v": text(bar.volume_base / size_of(symbol)),
        "sum": text(bar.volume_quote_usd),
        "n": f"{interval_name(interval_ms)}_{contract_of(symbol)}",
    }


def ticker(market: SimulatedMarket, symbol: str, now_ms: int, held: float) -> Message:
    """A row of the tickers, of the socket and of REST."""
    price = text(market.price(symbol, now_ms))
    return {
        "contract": contract_of(symbol),
        "last": price,
        "mark_price": price,
        "index_price": price,
        "funding_rate": text(market.funding_rate(symbol, now_ms)),
        "total_size": text(held / size_of(symbol)),
        "quanto_multiplier": text(size_of(symbol)),
        "volume_24h_quote": text(DAY_TURNOVER * held * market.price(symbol, now_ms)),
    }
