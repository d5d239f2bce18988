"""What all dialects share: bars of a round, numbers as text, the liquidations that are reported."""

from __future__ import annotations

import re

import pytest

from liqstream.market import MINUTE_MS
from liqstream.simulator.dialect import MarketSpan, Message, reported_fills, text
from liqstream.simulator.exchange_server import DIALECTS
from liqstream.simulator.ledger import Fill
from liqstream.simulator.market import SimulatedMarket
from tests.support.market_start import START_MS

pytestmark = pytest.mark.simulated

KLINES = {
    "binance": "ethusdt@kline_1m",
    "bybit": "kline.1.ETHUSDT",
    "okx": "candle1m:ETH-USDT-SWAP",
    "hyperliquid": "candle:ETH:1m",
    "aster": "ethusdt@kline_1m",
    "lighter": "candle/0/1m",
    "bitget": "kline/ETHUSDT/1m",
    "gate": "futures.candlesticks/1m/ETH_USDT",
}


def is_of(open_ms: int, message: Message) -> bool:
    """Whether a message is of the bar that opened then; Gate counts in seconds."""
    return re.search(rf"(?<!\d)({open_ms}|{open_ms // 1000})(?!\d)", str(message)) is not None


def fill(time_ms: int) -> Fill:
    return Fill(0, time_ms, "long", 10.0, 10.0, 9.0, 1.0, 25.0)


def test_the_last_of_each_second_is_reported() -> None:
    """Where an exchange sends at most one: what is known of it is a lower bound."""
    fills = [fill(5000), fill(5400), fill(5999), fill(6000)]
    assert [told.time_ms for told in reported_fills(fills)] == [5999, 6000]


def test_numbers_have_no_exponent() -> None:
    """However small or large."""
    assert [text(value) for value in (0.0, 1e-7, 2.50, 1e12)] == ["0", "0.0000001", "2.5", "1000000000000"]


@pytest.mark.parametrize("name", DIALECTS)
def test_a_round_ends_one_bar_and_begins_the_next(name: str) -> None:
    """Each exchange sends the closed bar's last state and the forming one, under the right channel."""
    dialect, end_ms = DIALECTS[name], START_MS - START_MS % MINUTE_MS + 2 * MINUTE_MS
    market = SimulatedMarket(("ETHUSDT",), now_ms=end_ms + 5000, history_days=0)
    span = MarketSpan(market, end_ms - 1000, end_ms + 1000, 0, {}, market.open_interest)
    messages = dialect.messages(span, KLINES[name])
    assert len(messages) == 2
    assert is_of(end_ms - MINUTE_MS, messages[0])
    assert is_of(end_ms, messages[1])
    channel, symbol = dialect.channel_of(KLINES[name])
    assert channel in dialect.channels
    assert symbol == "ETHUSDT"
    later = MarketSpan(market, end_ms + 1000, end_ms + 2000, 0, {}, market.open_interest)
    assert len(dialect.messages(later, KLINES[name])) == 1
