"""The simulated market in OKX v5's wire format (linear USDT swaps). Sizes are in contracts."""

from __future__ import annotations

from typing import Any

from liqstream.market import MINUTE_MS
from liqstream.simulator.dialect import MarketSpan, Message, reported_fills, text
from liqstream.simulator.ledger import Fill
from liqstream.simulator.market import FUNDING_MS, Bar, SimulatedMarket
from liqstream.symbols import INTERVALS_MS

CONTRACT_BASE = {"BTCUSDT": 0.01, "ETHUSDT": 0.1, "XRPUSDT": 100.0, "DOGEUSDT": 1000.0, "ADAUSDT": 100.0}
"""Base coin per contract, where it is not 1."""
BAR_OF = {
    {"6h": "6Hutc", "12h": "12Hutc", "1d": "1Dutc"}.get(name, name.replace("h", "H")): ms
    for name, ms in INTERVALS_MS.items()
}
PUBLIC = ("mark-price", "open-interest", "funding-rate", "liquidation-orders", "instruments")
"""Channels of the public socket; bars are on the business socket."""


def instrument_of(symbol: str) -> str:
    """OKX's name of a symbol's swap."""
    return f"{symbol.removesuffix('USDT')}-USDT-SWAP"


def symbol_of(instrument: str) -> str:
    """Our name of a swap; "" for anything else."""
    return instrument.removesuffix("-USDT-SWAP") + "USDT" if instrument.endswith("-USDT-SWAP") else ""


def subscription(arg: Message) -> str:
    """A subscription's arg as one word: channel and instrument, or type of instrument."""
    return f"{arg.get('channel', '')}:{arg.get('instId') or arg.get('instType', '')}"


def arg_of(name: str) -> Message:
    """The arg of a subscription."""
    channel, _, what = name.partition(":")
    return {"channel": channel, ("instType" if what == "SWAP" else "instId"): what}


def channel_of(name: str) -> tuple[str, str]:
    """Kind and symbol of a subscription; the interval is not part of the kind."""
    channel, _, what = name.partition(":")
    return "candle" if channel.startswith("candle") else channel, symbol_of(what)


def is_channel(market: SimulatedMarket, name: str, *, business: bool) -> bool:
    """Whether this socket has such a channel."""
    channel, symbol = channel_of(name)
    if channel in ("liquidation-orders", "instruments"):
        return not business and name.endswith(":SWAP")
    if symbol not in market.symbols:
        return False
    if channel == "candle":
        return business and name.partition(":")[0].removeprefix("candle") in BAR_OF
    return not business and channel in PUBLIC


def push(span: MarketSpan, name: str) -> list[Message]:
    """What a subscription says of a round."""
    channel, symbol = channel_of(name)
    market, now_ms, sent_ms = span.market, span.now_ms, span.sent_ms
    rows: list[Any] = []
    if channel == "candle":
        interval_ms = BAR_OF[name.partition(":")[0].removeprefix("candle")]
        # The forming bar and one that closed come as messages of their own.
        return [
            {"arg": arg_of(name), "data": [candle(symbol, bar)]} for bar in span.bars(symbol, interval_ms)
        ]
    if channel == "liquidation-orders":
        rows = [
            liquidations(each, fills)
            for each in market.symbols
            if (fills := reported_fills(span.fills.get(each, ())))
        ]
    elif channel == "mark-price":
        rows = [mark_price(market, symbol, now_ms, sent_ms)]
    elif channel == "open-interest":
        rows = [open_interest(market, symbol, now_ms, sent_ms, span.open_interest(symbol, now_ms))]
    elif channel == "funding-rate":
        rows = [funding_rate(market, symbol, now_ms, sent_ms)]
    return [{"arg": arg_of(name), "data": rows}] if rows else []


def contracts(symbol: str, base: float) -> str:
    """An amount of base coin in contracts."""
    return text(base / CONTRACT_BASE.get(symbol, 1.0))


def candle(symbol: str, bar: Bar) -> list[str]:
    """A row of a candle channel and of GET /api/v5/market/candles."""
    return [
        str(bar.open_time_ms),
        text(bar.open),
        text(bar.high),
        text(bar.low),
        text(bar.close),
        contracts(symbol, bar.volume_base),
        text(bar.volume_base),
        text(bar.volume_quote_usd),
        "1" if bar.closed else "0",
    ]


def mark_price(market: SimulatedMarket, symbol: str, now_ms: int, sent_ms: int) -> Message:
    """A row of the mark-price channel."""
    price = text(market.price(symbol, now_ms))
    return {"instType": "SWAP", "instId": instrument_of(symbol), "markPx": price, "ts": str(sent_ms)}


def open_interest(market: SimulatedMarket, symbol: str, now_ms: int, sent_ms: int, held: float) -> Message:
    """A row of the open-interest channel: contracts, base coin and USD, of one side."""
    return {
        "instType": "SWAP",
        "instId": instrument_of(symbol),
        "oi": contracts(symbol, held),
        "oiCcy": text(held),
        "oiUsd": text(held * market.price(symbol, now_ms)),
        "ts": str(sent_ms),
    }


def funding_rate(market: SimulatedMarket, symbol: str, now_ms: int, sent_ms: int) -> Message:
    """A row of the funding-rate channel."""
    due_ms = (now_ms // FUNDING_MS + 1) * FUNDING_MS
    return {
        "instType": "SWAP",
        "instId": instrument_of(symbol),
        "fundingRate": text(market.funding_rate(symbol, now_ms)),
        "nextFundingRate": "",
        "fundingTime": str(due_ms),
        "nextFundingTime": str(due_ms + FUNDING_MS),
        "ts": str(sent_ms),
    }


def liquidations(symbol: str, fills: list[Fill]) -> Message:
    """A row of the liquidation-orders channel; `side` is that of the order, `posSide` of the position."""
    base = symbol.removesuffix("USDT")
    return {
        "instType": "SWAP",
        "instId": instrument_of(symbol),
        "uly": f"{base}-USDT",
        "instFamily": f"{base}-USDT",
        "details": [
            {
                "side": "sell" if fill.side == "long" else "buy",
                "posSide": fill.side,
                "bkPx": text(fill.bankruptcy),
                "sz": contracts(symbol, fill.quantity),
                "bkLoss": "0",
                "ccy": "",
                "ts": str(fill.time_ms),
            }
            for fill in fills
        ],
    }


def instruments(market: SimulatedMarket) -> list[Message]:
    """The rows of GET /api/v5/public/instruments."""
    return [
        {
            "instType": "SWAP",
            "instId": instrument_of(symbol),
            "uly": f"{symbol.removesuffix('USDT')}-USDT",
            "instFamily": f"{symbol.removesuffix('USDT')}-USDT",
            "ctType": "linear",
            "ctVal": text(CONTRACT_BASE.get(symbol, 1.0)),
            "ctMult": "1",
            "ctValCcy": symbol.removesuffix("USDT"),
            "settleCcy": "USDT",
            "baseCcy": "",
            "quoteCcy": "",
            "state": "live",
            "lotSz": "0.01",
            "expTime": "",
        }
        for symbol in market.listed
    ]


def funding_rows(market: SimulatedMarket, symbol: str, *, start_ms: int, end_ms: int) -> list[Message]:
    """The payments due in the span, ascending."""
    first_ms = -(-max(start_ms, market.first_ms + MINUTE_MS) // FUNDING_MS) * FUNDING_MS
    return [
        {
            "instType": "SWAP",
            "instId": instrument_of(symbol),
            "fundingRate": text(market.funding_rate(symbol, time_ms)),
            "realizedRate": text(market.funding_rate(symbol, time_ms)),
            "fundingTime": str(time_ms),
            "method": "current_period",
        }
        for time_ms in range(first_ms, end_ms + 1, FUNDING_MS)
    ]
