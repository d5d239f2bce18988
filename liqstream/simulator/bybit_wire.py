"""The simulated market in Bybit v5's wire format (linear perpetuals)."""

from __future__ import annotations

from typing import Any

from liqstream.simulator.dialect import MarketSpan, Message, text
from liqstream.simulator.ledger import Fill
from liqstream.simulator.market import DAY_TURNOVER, FUNDING_MS, Bar, SimulatedMarket
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


def channel_of(topic: str) -> tuple[str, str]:
    """Kind and symbol of a topic, e.g. "kline.5.BTCUSDT"."""
    return topic.partition(".")[0], topic.rpartition(".")[2]


def is_topic(market: SimulatedMarket, topic: str) -> bool:
    """Whether there is such a topic; one that there is not has the whole message rejected."""
    kind, symbol = channel_of(topic)
    interval = topic.split(".")[1]
    known = kind in ("tickers", "allLiquidation") or (kind == "kline" and interval in INTERVAL_OF)
    return known and symbol in market.symbols


def topic_messages(span: MarketSpan, topic: str) -> list[Message]:
    """What a topic says of a round."""
    kind, symbol = channel_of(topic)
    sent_ms = span.sent_ms
    if not is_topic(span.market, topic):
        return []
    if kind == "kline":
        interval = topic.split(".")[1]
        interval_ms = INTERVAL_OF[interval]
        rows = [kline(interval, interval_ms, bar, sent_ms) for bar in span.bars(symbol, interval_ms)]
        return [{"topic": topic, "data": [row], "ts": sent_ms, "type": "snapshot"} for row in rows]
    if kind == "tickers":
        held = span.open_interest(symbol, span.now_ms)
        return [ticker(span.market, topic, span.now_ms, sent_ms, whole=False, open_interest=held)]
    data = [liquidation(symbol, fill) for fill in span.fills.get(symbol, ())]
    return [{"topic": topic, "type": "snapshot", "ts": sent_ms, "data": data}] if data else []


def kline(interval: str, interval_ms: int, bar: Bar, sent_ms: int) -> Message:
    """One bar of a `kline` topic; `confirm` is true once it is closed."""
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
    market: SimulatedMarket, topic: str, now_ms: int, sent_ms: int, *, whole: bool, open_interest: float
) -> Message:
    """The first message of a subscription is whole; later ones have only what changes."""
    symbol = channel_of(topic)[1]
    price, held = market.price(symbol, now_ms), open_interest
    data = {
        "symbol": symbol,
        "lastPrice": text(price),
        "markPrice": text(price),
        **both_sides(held),
        "openInterestValue": text(held * price),
    }
    if whole:
        data |= {
            "indexPrice": text(price),
            "fundingRate": text(market.funding_rate(symbol, now_ms)),
            "nextFundingTime": str((now_ms // FUNDING_MS + 1) * FUNDING_MS),
            "turnover24h": text(DAY_TURNOVER * held * price),
        }
    kind = "snapshot" if whole else "delta"
    return {"topic": topic, "type": kind, "data": data, "cs": now_ms, "ts": sent_ms}


def both_sides(held: float) -> dict[str, str]:
    """Open interest as Bybit tells it: of both sides and of one, both in base coin."""
    return {"openInterest": text(2 * held), "singleOpenInterest": text(held)}


def liquidation(symbol: str, fill: Fill) -> Message:
    """One fill of an `allLiquidation` topic; `S` is the side of the position, Buy for a long, `p` the price
    at which its margin is gone."""
    return {
        "T": fill.time_ms,
        "s": symbol,
        "S": "Buy" if fill.side == "long" else "Sell",
        "v": text(fill.quantity),
        "p": text(fill.bankruptcy),
    }


def kline_row(bar: Bar) -> list[Any]:
    """A row of GET /v5/market/kline."""
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
    """The result of GET /v5/market/instruments-info, on one page."""
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
            for symbol in market.listed
        ],
    }
