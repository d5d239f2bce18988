"""The simulated market in Bybit v5's words (linear perpetuals)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from liqstream.simulator.binance_wire import Message, text
from liqstream.simulator.ledger import Fill
from liqstream.simulator.market import FUNDING_MS, Bar, SimulatedMarket
from liqstream.symbols import INTERVALS_MS

INTERVAL_OF = {"D" if name == "1d" else str(ms // 60_000): ms for name, ms in INTERVALS_MS.items()}
PERIOD_OF = {
    "5min": 300_000,
    "15min": 900_000,
    "30min": 1_800_000,
    "1h": 3_600_000,
    "4h": 14_400_000,
    "1d": 86_400_000,
}


def topic_messages(
    market: SimulatedMarket, topic: str, since_ms: int, now_ms: int, *, skew_ms: int, fills: Iterable[Fill]
) -> list[Message]:
    """What a topic (e.g. "kline.5.BTCUSDT") says for the time from `since_ms` to `now_ms`."""
    kind, _, rest = topic.partition(".")
    symbol = rest.rpartition(".")[2]
    sent_ms = now_ms + skew_ms
    if symbol not in market.symbols:
        return []
    if kind == "kline" and rest.partition(".")[0] in INTERVAL_OF:
        interval = rest.partition(".")[0]
        interval_ms = INTERVAL_OF[interval]
        first_ms = since_ms - since_ms % interval_ms
        bars = market.bars(symbol, interval_ms, start_ms=first_ms, end_ms=now_ms + 1, now_ms=now_ms)
        rows = [
            kline(interval, interval_ms, bar, sent_ms)
            for bar in bars
            if not bar.closed or bar.open_time_ms + interval_ms > since_ms
        ]
        return [{"topic": topic, "data": [row], "ts": sent_ms, "type": "snapshot"} for row in rows]
    if kind == "tickers":
        return [ticker(market, topic, symbol, now_ms, sent_ms, whole=False)]
    if kind == "allLiquidation":
        data = [liquidation(symbol, fill) for fill in fills]
        return [{"topic": topic, "type": "snapshot", "ts": sent_ms, "data": data}] if data else []
    return []


def kline(interval: str, interval_ms: int, bar: Bar, sent_ms: int) -> Message:
    return {
        "start": bar.open_time_ms,
        "end": bar.open_time_ms + interval_ms - 1,
        "interval": interval,
        "open": text(bar.open),
        "close": text(bar.close),
        "high": text(bar.high),
        "low": text(bar.low),
        "volume": text(bar.volume_base),
        "turnover": text(bar.volume_quote_usd),
        "confirm": bar.closed,
        "timestamp": sent_ms,
    }


def ticker(
    market: SimulatedMarket,
    topic: str,
    symbol: str,
    now_ms: int,
    sent_ms: int,
    *,
    whole: bool,
    open_interest: float | None = None,
) -> Message:
    """The first message of a subscription is whole; later ones have only what changes."""
    price = market.price(symbol, now_ms)
    held = market.open_interest(symbol, now_ms) if open_interest is None else open_interest
    data = {
        "symbol": symbol,
        "lastPrice": text(price),
        "markPrice": text(price),
        "openInterest": text(held),
        "openInterestValue": text(held * price),
    }
    if whole:
        data |= {
            "indexPrice": text(price),
            "fundingRate": text(market.funding_rate(symbol, now_ms)),
            "nextFundingTime": str((now_ms // FUNDING_MS + 1) * FUNDING_MS),
        }
    kind = "snapshot" if whole else "delta"
    return {"topic": topic, "type": kind, "data": data, "cs": now_ms, "ts": sent_ms}


def liquidation(symbol: str, fill: Fill) -> Message:
    return {
        "T": fill.time_ms,
        "s": symbol,
        "S": "Buy" if fill.side == "long" else "Sell",
        "v": text(fill.quantity),
        "p": text(fill.price),
    }


def kline_row(bar: Bar) -> list[Any]:
    return [
        str(bar.open_time_ms),
        text(bar.open),
        text(bar.high),
        text(bar.low),
        text(bar.close),
        text(bar.volume_base),
        text(bar.volume_quote_usd),
    ]


def answer(result: Message, now_ms: int) -> Message:
    """The envelope of every REST answer."""
    return {"retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": {}, "time": now_ms}


def refusal(code: int, message: str, now_ms: int) -> Message:
    """The envelope of a question that cannot be answered; its HTTP status is 200 all the same."""
    return {"retCode": code, "retMsg": message, "result": {}, "retExtInfo": {}, "time": now_ms}


def instruments(market: SimulatedMarket) -> Message:
    return {
        "category": "linear",
        "nextPageCursor": "",
        "list": [
            {
                "symbol": symbol,
                "contractType": "LinearPerpetual",
                "status": "Trading",
                "baseCoin": symbol.removesuffix("USDT"),
                "quoteCoin": "USDT",
            }
            for symbol in market.symbols
        ],
    }
