"""Names and amounts the way OKX writes them."""

from __future__ import annotations

import pytest

from liqstream.simulator.dialect import MarketSpan
from liqstream.simulator.ledger import Fill
from liqstream.simulator.market import SimulatedMarket
from liqstream.simulator.okx_wire import (
    BAR_OF,
    arg_of,
    channel_of,
    contracts,
    instrument_of,
    is_channel,
    push,
    subscription,
    symbol_of,
)
from tests.support.market_start import START_MS

pytestmark = pytest.mark.simulated


def test_names() -> None:
    """From our symbol to its instrument and back; another kind of contract is none of ours."""
    assert instrument_of("BTCUSDT") == "BTC-USDT-SWAP"
    assert symbol_of("BTC-USDT-SWAP") == "BTCUSDT"
    assert symbol_of("BTC-USD-SWAP") == symbol_of("SWAP") == ""
    assert {"1m", "1H", "6Hutc", "1Dutc"} <= BAR_OF.keys()


def test_subscriptions() -> None:
    """An arg is one word and back; the interval of a candle is not part of its kind."""
    for arg in (
        {"channel": "candle5m", "instId": "ETH-USDT-SWAP"},
        {"channel": "liquidation-orders", "instType": "SWAP"},
    ):
        assert arg_of(subscription(arg)) == arg
    assert channel_of("candle5m:ETH-USDT-SWAP") == ("candle", "ETHUSDT")
    assert channel_of("liquidation-orders:SWAP") == ("liquidation-orders", "")


def test_a_liquidation_of_each_contract() -> None:
    """Contracts, bankruptcy price, and order beside position; the last of a second stands for it."""
    market = SimulatedMarket(("BTCUSDT", "ETHUSDT"), now_ms=START_MS, history_days=0)
    fills = [Fill(1, START_MS + at, "short", 3000.0, 3001.0, 3010.0, 2.5, 50.0) for at in (100, 900)]
    span = MarketSpan(market, START_MS, START_MS + 1000, 0, {"ETHUSDT": fills}, market.open_interest)
    (message,) = push(span, "liquidation-orders:SWAP")
    assert message["arg"] == {"channel": "liquidation-orders", "instType": "SWAP"}
    (row,) = message["data"]
    (told,) = row["details"]
    assert row["instId"] == "ETH-USDT-SWAP"
    assert (told["sz"], told["bkPx"], told["side"], told["posSide"]) == ("25", "3010", "buy", "short")
    assert told["ts"] == str(START_MS + 900)
    assert contracts("BTCUSDT", 0.5) == "50"


def test_which_socket_has_which_channel() -> None:
    """Bars are on the business socket, the rest on the public one."""
    market = SimulatedMarket(("BTCUSDT",), now_ms=START_MS, history_days=0)
    assert is_channel(market, "candle1m:BTC-USDT-SWAP", business=True)
    assert not is_channel(market, "candle1m:BTC-USDT-SWAP", business=False)
    assert is_channel(market, "mark-price:BTC-USDT-SWAP", business=False)
    assert not is_channel(market, "mark-price:ETH-USDT-SWAP", business=False)
    assert not is_channel(market, "candle7m:BTC-USDT-SWAP", business=True)
