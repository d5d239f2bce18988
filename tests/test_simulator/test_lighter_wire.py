"""Numbers and amounts the way Lighter writes them, open interest in each reading."""

from __future__ import annotations

import pytest

from liqstream.simulator.dialect import MarketSpan
from liqstream.simulator.ledger import Fill
from liqstream.simulator.lighter_wire import channel_of, funding_rows, is_channel, number_of, push, symbol_of
from liqstream.simulator.market import SimulatedMarket
from tests.support.market_start import START_MS

pytestmark = pytest.mark.simulated


@pytest.fixture(name="market", scope="module")
def _market() -> SimulatedMarket:
    return SimulatedMarket(("ETHUSDT", "BNBUSDT"), now_ms=START_MS, history_days=1)


def test_numbers(market: SimulatedMarket) -> None:
    """From a symbol to its number and back; which subscriptions there are."""
    assert [number_of(market, symbol) for symbol in market.symbols] == [0, 21]
    assert [symbol_of(market, number) for number in ("0", "21", "5")] == ["ETHUSDT", "BNBUSDT", ""]
    assert channel_of("candle/0/1m") == ("candle", "ETHUSDT")
    assert channel_of("market_stats/all") == ("market_stats", "")
    known = ("trade/0", "candle/21/1h", "market_stats/all", "trade/5", "candle/0/3m", "market_stats/0")
    assert [is_channel(market, name) for name in known] == [True] * 3 + [False] * 3


@pytest.mark.parametrize(("reading", "factor"), [("base", 1.0), ("usd", 2000.0), ("neither", 1000.0)])
def test_open_interest_in_each_reading(market: SimulatedMarket, reading: str, factor: float) -> None:
    """5 ETH at the market's price; a long that was closed met a maker's bid."""
    fills = {"ETHUSDT": [Fill(0, START_MS, "long", 2000.0, 2000.0, 2000.0, 0.5, 50.0)]}
    span = MarketSpan(
        market, START_MS - 1000, START_MS, 0, fills, lambda _symbol, _at: 5.0, {"lighter": reading}
    )
    (message,) = push(span, "market_stats/all")
    row = message["market_stats"]["0"]
    price = float(row["mark_price"]) if reading == "usd" else factor
    assert float(row["open_interest"]) == pytest.approx(5.0 * price)
    (trades,) = push(span, "trade/0")
    assert [trade["is_maker_ask"] for trade in trades["liquidation_trades"]] == [False]


def test_funding_is_in_per_cent(market: SimulatedMarket) -> None:
    """By the hour, with the side that pays."""
    (row,) = funding_rows(market, "ETHUSDT", start_ms=0, end_ms=START_MS, limit=1)
    paid = market.funding_rate("ETHUSDT", row["timestamp"] * 1000) / 8 * 100
    assert float(row["rate"]) == pytest.approx(abs(paid), rel=1e-3)
    assert row["direction"] == ("long" if paid >= 0 else "short")
