"""Names and subscriptions the way Hyperliquid writes them."""

from __future__ import annotations

import pytest

from liqstream.simulator.dialect import MarketSpan
from liqstream.simulator.hyperliquid_account_wire import coin_of, symbol_of
from liqstream.simulator.hyperliquid_wire import (
    channel_of,
    hourly_rate,
    is_channel,
    push,
    subscription,
)
from liqstream.simulator.market import SimulatedMarket
from tests.support.market_start import START_MS

pytestmark = pytest.mark.simulated


def test_names() -> None:
    """A coin stands for its USDC contract; a subscription is one word."""
    assert coin_of("SOLUSDT") == "SOL"
    assert symbol_of("SOL") == "SOLUSDT"
    assert (coin_of("1000PEPEUSDT"), symbol_of("kPEPE")) == ("kPEPE", "1000PEPEUSDT")
    assert subscription({"type": "candle", "coin": "SOL", "interval": "5m"}) == "candle:SOL:5m"
    assert channel_of("candle:SOL:5m") == ("candle", "SOLUSDT")
    assert channel_of("candle") == ("candle", "")


def test_a_context_is_of_now_and_carries_no_time() -> None:
    """Price, funding of an hour, open interest of one side in base coin; there are no bars of six hours."""
    market = SimulatedMarket(("SOLUSDT",), now_ms=START_MS, history_days=0)
    span = MarketSpan(market, START_MS - 1000, START_MS, 0, {}, market.open_interest)
    (message,) = push(span, "activeAssetCtx:SOL")
    context = message["data"]["ctx"]
    assert float(context["openInterest"]) == pytest.approx(market.open_interest("SOLUSDT", START_MS))
    assert float(context["markPx"]) == market.price("SOLUSDT", START_MS)
    assert float(context["funding"]) == pytest.approx(hourly_rate(market, "SOLUSDT", START_MS), abs=1e-9)
    assert not is_channel(market, "candle:SOL:6h")
    assert is_channel(market, "candle:SOL:4h")
