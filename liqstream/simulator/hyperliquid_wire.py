"""The simulated market in Hyperliquid's wire format (perpetuals margined in USDC, without liquidations)."""

from __future__ import annotations

from liqstream.market import HOUR_MS, MINUTE_MS
from liqstream.simulator import hyperliquid_account_wire as account_wire
from liqstream.simulator.dialect import MarketSpan, Message, text
from liqstream.simulator.hyperliquid_account_wire import coin_of, symbol_of
from liqstream.simulator.market import DAY_TURNOVER, FUNDING_MS, Bar, SimulatedMarket
from liqstream.symbols import INTERVALS_MS, interval_name

OF_ALL_COINS = frozenset({"allDexsAssetCtxs", "userFills"})
ACCOUNT_CHANNELS = OF_ALL_COINS | {"trades"}
"""Channels that name accounts, or serve their levels; a feed of bars subscribes to none of them."""

BAR_OF = {name: ms for name, ms in INTERVALS_MS.items() if name != "6h"}
"""It has no bars of six hours."""


def subscription(wanted: Message) -> str:
    """A subscription as one word."""
    return ":".join(str(wanted[name]) for name in ("type", "coin", "interval", "user") if name in wanted)


def channel_of(name: str) -> tuple[str, str]:
    """Kind and symbol of a subscription; a user's fills and all contexts are of no single symbol."""
    channel, coin, *_ = [*name.split(":"), ""]
    return channel, symbol_of(coin) if coin and channel not in OF_ALL_COINS else ""


def is_channel(market: SimulatedMarket, name: str) -> bool:
    """Whether there is such a subscription."""
    channel, symbol = channel_of(name)
    if channel in OF_ALL_COINS:
        return True
    known = channel in ("activeAssetCtx", "trades") or (
        channel == "candle" and name.rpartition(":")[2] in BAR_OF
    )
    return known and symbol in market.symbols


def push(span: MarketSpan, name: str) -> list[Message]:
    """What a subscription says of a round. A bar's last state comes once more after it has closed."""
    channel, symbol = channel_of(name)
    if channel in ACCOUNT_CHANNELS:
        return account_messages(span, channel, symbol or name.partition(":")[2])
    if channel == "activeAssetCtx":
        held = span.open_interest(symbol, span.now_ms)
        context = asset_context(span.market, symbol, span.now_ms, held)
        return [{"channel": channel, "data": {"coin": coin_of(symbol), "ctx": context}}]
    interval_ms = BAR_OF[name.rpartition(":")[2]]
    bars = span.bars(symbol, interval_ms)
    return [{"channel": "candle", "data": candle(symbol, interval_ms, bar)} for bar in bars]


def account_messages(span: MarketSpan, channel: str, about: str) -> list[Message]:
    """What the channels of accounts say of a round: trades of a symbol, a user's fills, all contexts."""
    market, since_ms, now_ms = span.market, span.since_ms, span.now_ms
    if channel == "allDexsAssetCtxs":
        contexts = [
            asset_context(market, symbol, now_ms, span.open_interest(symbol, now_ms))
            for symbol in market.symbols
        ]
        return [{"channel": channel, "data": {"ctxs": [["", contexts]]}}]
    if channel == "trades":
        trades = [account_wire.trade(each) for each in market.accounts.prints(about, since_ms, now_ms)]
        return [{"channel": channel, "data": trades}] if trades else []
    fills = fills_of(market, about, since_ms, now_ms)
    return [{"channel": channel, "data": {"user": about, "fills": fills}}] if fills else []


def fills_of(market: SimulatedMarket, user: str, since_ms: int, until_ms: int) -> list[Message]:
    """A user's fills with since_ms < time <= until_ms, oldest first."""
    found = [
        each
        for symbol in market.symbols
        for each in market.accounts.prints(symbol, since_ms, until_ms)
        if user in (each.trader, each.maker)
    ]
    return [account_wire.fill(each, user) for each in sorted(found, key=lambda each: each.time_ms)]


def candle(symbol: str, interval_ms: int, bar: Bar) -> Message:
    """A bar of the candle channel and of candleSnapshot; nothing tells whether it is closed."""
    return {
        "t": bar.open_time_ms,
        "T": bar.open_time_ms + interval_ms - 1,
        "s": coin_of(symbol),
        "i": interval_name(interval_ms),
        "o": text(bar.open),
        "c": text(bar.close),
        "h": text(bar.high),
        "l": text(bar.low),
        "v": text(bar.volume_base),
        "n": 2,
    }


def asset_context(market: SimulatedMarket, symbol: str, now_ms: int, held: float) -> Message:
    """Price, funding per hour and open interest in base coin; it carries no time."""
    price = text(market.price(symbol, now_ms))
    return {
        "funding": text(hourly_rate(market, symbol, now_ms)),
        "openInterest": text(held),
        "prevDayPx": price,
        "dayNtlVlm": text(DAY_TURNOVER * held * market.price(symbol, now_ms)),
        "premium": "0",
        "oraclePx": price,
        "markPx": price,
        "midPx": price,
        "impactPxs": [price, price],
        "dayBaseVlm": "0",
    }


def hourly_rate(market: SimulatedMarket, symbol: str, at_ms: int) -> float:
    """It pays every hour; the market's rate is for eight."""
    return market.funding_rate(symbol, at_ms) * HOUR_MS / FUNDING_MS


def funding_rows(
    market: SimulatedMarket, symbol: str, *, start_ms: int, end_ms: int, limit: int
) -> list[Message]:
    """The first `limit` payments in the span, ascending."""
    first_ms = -(-max(start_ms, market.first_ms + MINUTE_MS) // HOUR_MS) * HOUR_MS
    return [
        {
            "coin": coin_of(symbol),
            "fundingRate": text(hourly_rate(market, symbol, time_ms)),
            "premium": "0",
            "time": time_ms,
        }
        for time_ms in range(first_ms, end_ms + 1, HOUR_MS)[:limit]
    ]
