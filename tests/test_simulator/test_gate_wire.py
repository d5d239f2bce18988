"""Names and amounts the way Gate writes them, liquidations in each reading."""

from __future__ import annotations

import pytest

from liqstream.simulator.dialect import MarketSpan
from liqstream.simulator.gate_wire import channel_of, contract_of, is_channel, push, size_of, symbol_of
from liqstream.simulator.ledger import Fill
from liqstream.simulator.market import SimulatedMarket
from tests.support.market_start import START_MS

pytestmark = pytest.mark.simulated


def test_names() -> None:
    """From our symbol to its contract and back; which subscriptions there are."""
    assert (contract_of("BTCUSDT"), symbol_of("BTC_USDT"), symbol_of("BTC_USD")) == (
        "BTC_USDT",
        "BTCUSDT",
        "",
    )
    assert channel_of("futures.candlesticks/5m/ETH_USDT") == ("futures.candlesticks", "ETHUSDT")
    assert channel_of("futures.public_liquidates/!all") == ("futures.public_liquidates", "")
    market = SimulatedMarket(("BTCUSDT",), now_ms=START_MS, history_days=0)
    known = [
        "futures.tickers/BTC_USDT",
        "futures.candlesticks/5m/BTC_USDT",
        "futures.public_liquidates/!all",
        "futures.tickers/ETH_USDT",
        "futures.candlesticks/6h/BTC_USDT",
        "spot.tickers/BTC_USDT",
    ]
    assert [is_channel(market, name) for name in known] == [True] * 3 + [False] * 3


@pytest.mark.parametrize(
    ("reading", "signs"), [("position", (1, -1)), ("order", (-1, 1)), ("neither", (1, 1))]
)
def test_a_liquidation_in_each_reading(reading: str, signs: tuple[int, int]) -> None:
    """A long and a short of 2.5 ETH; twenty at most in a message."""
    market = SimulatedMarket(("ETHUSDT",), now_ms=START_MS, history_days=0)
    fills = [Fill(0, START_MS, side, 3000.0, 3001.0, 3010.0, 2.5, 50.0) for side in ("long", "short")]
    span = MarketSpan(
        market, START_MS, START_MS + 1000, 0, {"ETHUSDT": fills * 11}, market.open_interest, {"gate": reading}
    )
    first, second = push(span, "futures.public_liquidates/!all")
    assert (len(first["result"]), len(second["result"])) == (20, 2)
    sizes = [row["size"] for row in first["result"][:2]]
    assert [size * size_of("ETHUSDT") for size in sizes] == pytest.approx([2.5 * sign for sign in signs])
