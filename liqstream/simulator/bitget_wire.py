"""The simulated market in Bitget's wire format (v3, USDT futures).

No document says whether a liquidation's amount is in base or quote coin. It speaks every reading: "base",
"quote" or "neither" (contracts of a thousandth of the quantity step).
"""

from __future__ import annotations

from collections.abc import Iterable

from liqstream.simulator.contracts import CONTRACTS
from liqstream.simulator.dialect import MarketSpan, Message, text
from liqstream.simulator.ledger import Fill
from liqstream.simulator.market import DAY_TURNOVER, FUNDING_MS, Bar, SimulatedMarket
from liqstream.symbols import INTERVALS_MS

BAR_OF = {name if name.endswith("m") else name.upper(): ms for name, ms in INTERVALS_MS.items()}
CHANNELS = ("kline", "ticker", "liquidation")
_NEITHER = 0.00037
"""Of the quantity step: what is smaller than a step in either unit."""


def subscription(arg: Message) -> str:
    """A subscription's arg as one word: topic, symbol and interval."""
    return "/".join(str(arg[name]) for name in ("topic", "symbol", "interval") if name in arg)


def arg_of(name: str) -> Message:
    """The arg of a subscription."""
    parts = zip(("topic", "symbol", "interval"), name.split("/"), strict=False)
    return {"instType": "usdt-futures", **dict(parts)}


def channel_of(name: str) -> tuple[str, str]:
    """Topic and symbol of a subscription."""
    topic, symbol, *_ = [*name.split("/"), ""]
    return topic, symbol


def is_channel(market: SimulatedMarket, name: str) -> bool:
    """Whether there is such a subscription."""
    topic, *rest = name.split("/")
    if topic == "liquidation":
        return not rest
    if not rest or rest[0] not in market.symbols:
        return False
    return (topic == "ticker" and len(rest) == 1) or (
        topic == "kline" and len(rest) == 2 and rest[1] in BAR_OF
    )


def push(span: MarketSpan, name: str) -> list[Message]:
    """What a subscription says of a round."""
    topic, symbol = channel_of(name)
    parts: list[list[Message]] = []
    if topic == "kline":
        parts = [[kline(bar)] for bar in span.bars(symbol, BAR_OF[name.rpartition("/")[2]])]
    elif topic == "ticker":
        parts = [[ticker(span.market, symbol, span.now_ms, span.open_interest(symbol, span.now_ms))]]
    elif topic == "liquidation":
        reading = span.readings.get("bitget", "base")
        rows = [
            liquidation(each, fill, reading)
            for each in span.market.symbols
            for fill in largest(span.fills.get(each, ()))
        ]
        parts = [rows] if rows else []
    return [{"action": "update", "arg": arg_of(name), "data": rows, "ts": span.sent_ms} for rows in parts]


def largest(fills: Iterable[Fill]) -> list[Fill]:
    """The largest long and the largest short of each second, ascending."""
    found: dict[tuple[int, str], Fill] = {}
    for fill in fills:
        key = (fill.time_ms // 1000, fill.side)
        if key not in found or fill.quantity > found[key].quantity:
            found[key] = fill
    return sorted(found.values(), key=lambda fill: fill.time_ms)


def liquidation(symbol: str, fill: Fill, reading: str) -> Message:
    """A row of socket and REST; buy closed a long."""
    amount = round(fill.quantity, 8)
    if reading == "quote":
        amount = round(fill.quantity * fill.price, 6)
    elif reading == "neither":
        amount = CONTRACTS[symbol].quantity_step * _NEITHER
    return {
        "symbol": symbol,
        "side": "buy" if fill.side == "long" else "sell",
        "price": text(fill.bankruptcy),
        "amount": text(amount),
        "ts": str(fill.time_ms),
    }


def kline(bar: Bar) -> Message:
    """A bar of the kline topic; nothing tells whether it is closed."""
    return {
        "start": str(bar.open_time_ms),
        "open": text(bar.open),
        "close": text(bar.close),
        "high": text(bar.high),
        "low": text(bar.low),
        "volume": text(bar.volume_base),
        "turnover": text(bar.volume_quote_usd),
    }


def candle(bar: Bar) -> list[str]:
    """A row of GET candles."""
    figures = (bar.open, bar.high, bar.low, bar.close, bar.volume_base, bar.volume_quote_usd)
    return [str(bar.open_time_ms), *map(text, figures)]


def ticker(market: SimulatedMarket, symbol: str, now_ms: int, held: float) -> Message:
    """A row of the tickers, of socket and REST; open interest in base coin."""
    price = text(market.price(symbol, now_ms))
    return {
        "symbol": symbol,
        "lastPrice": price,
        "markPrice": price,
        "indexPrice": price,
        "openInterest": text(held),
        "fundingRate": text(market.funding_rate(symbol, now_ms)),
        "nextFundingTime": str((now_ms // FUNDING_MS + 1) * FUNDING_MS),
        "turnover24h": text(DAY_TURNOVER * held * market.price(symbol, now_ms)),
    }


def instruments(market: SimulatedMarket) -> list[Message]:
    """The rows of GET instruments."""
    return [
        {
            "symbol": symbol,
            "category": "USDT-FUTURES",
            "baseCoin": symbol.removesuffix("USDT"),
            "quoteCoin": "USDT",
            "type": "perpetual",
            "status": "online",
            "quantityMultiplier": text(CONTRACTS[symbol].quantity_step),
            "offTime": "",
        }
        for symbol in market.listed
    ]
