"""Names and amounts the way Bitget writes them, liquidations in each reading."""

from __future__ import annotations

import pytest

from liqstream.simulator.bitget_wire import arg_of, channel_of, is_channel, largest, push, subscription
from liqstream.simulator.dialect import MarketSpan
from liqstream.simulator.ledger import Fill
from liqstream.simulator.market import SimulatedMarket
from tests.support.market_start import START_MS

pytestmark = pytest.mark.simulated


def fill(at_ms: int, quantity: float, price: float = 3000.0) -> Fill:
    return Fill(0, START_MS + at_ms, "long", price, price, price, quantity, 50.0)


def test_subscriptions() -> None:
    """An arg is one word and back."""
    for arg in (
        {"instType": "usdt-futures", "topic": "kline", "symbol": "ETHUSDT", "interval": "1H"},
        {"instType": "usdt-futures", "topic": "liquidation"},
    ):
        assert arg_of(subscription(arg)) == arg
    assert channel_of("kline/ETHUSDT/1H") == ("kline", "ETHUSDT")
    market = SimulatedMarket(("ETHUSDT",), now_ms=START_MS, history_days=0)
    known = ("kline/ETHUSDT/1H", "ticker/ETHUSDT", "liquidation", "kline/ETHUSDT/1h", "ticker/XUSDT", "books")
    assert [is_channel(market, name) for name in known] == [True] * 3 + [False] * 3


def test_the_largest_of_each_second_is_reported() -> None:
    """Of each side."""
    fills = [fill(100, 1.0), fill(900, 3.0), fill(950, 2.0), fill(1000, 1.5)]
    assert [each.quantity for each in largest(fills)] == [3.0, 1.5]


@pytest.mark.parametrize(("reading", "amount"), [("base", 2.5), ("quote", 7500.0), ("neither", 3.7e-7)])
def test_a_liquidation_in_each_reading(reading: str, amount: float) -> None:
    """2.5 ETH at 3000."""
    market = SimulatedMarket(("ETHUSDT",), now_ms=START_MS, history_days=0)
    fills = {"ETHUSDT": [fill(100, 2.5)]}
    span = MarketSpan(market, START_MS, START_MS + 1000, 0, fills, market.open_interest, {"bitget": reading})
    (message,) = push(span, "liquidation")
    (row,) = message["data"]
    assert (row["side"], row["price"]) == ("buy", "3000")
    assert float(row["amount"]) == pytest.approx(amount, rel=1e-3)
