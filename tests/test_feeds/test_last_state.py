"""A bar of a stream without a word for it is closed by the first state of the next one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from liqstream.feeds.last_state import LAST_STATE_MS, LastStates
from liqstream.feeds.registry import VENUES
from liqstream.market import MINUTE_MS, Candle
from liqstream.simulator.exchange_server import DIALECTS
from liqstream.simulator.fault_effects import spoil
from liqstream.simulator.fault_table import FaultKind
from tests.support.documented_exchange import hyperliquid_bar
from tests.support.exchange_rig import connector

BAR = Candle("gate", "BTCUSDT", MINUTE_MS, 1_795_000_020_000, 1.0, 2.0, 0.5, 1.5, 10.0, closed=False)
NEXT = replace(BAR, open_time_ms=BAR.open_time_ms + MINUTE_MS)
MESSAGES = Path(__file__).parent / "exchanges" / "messages"
CHANNELS = {
    "gate": ("futures.candlesticks", "candlesticks.json"),
    "bitget": ("kline", "kline.json"),
    "lighter": ("candle", "candle.json"),
    "hyperliquid": ("candle", ""),
}
"""Of the exchanges that never say that a bar is over: what carries bars, and a message of it."""


def test_the_next_bar_closes_the_last() -> None:
    """In its last state, whatever else it carries; older states are left out."""
    states = LastStates()
    assert states.take(BAR, 0) == [BAR]
    last = replace(BAR, close=1.8, volume_quote_usd=15.0)
    assert states.take(last, 0) == [last]
    assert states.take(NEXT, 0) == [replace(last, closed=True), NEXT]
    assert states.take(BAR, 0) == []


def test_a_state_before_a_silence_is_not_the_last() -> None:
    """Nor one before a break, or before a bar that is missing: REST has them as they were."""
    states = LastStates()
    states.take(BAR, 0)
    late_ms = LAST_STATE_MS + 1
    assert states.take(NEXT, late_ms) == [NEXT]
    later = replace(BAR, open_time_ms=BAR.open_time_ms + 3 * MINUTE_MS)
    assert states.take(later, late_ms) == [later]
    states.clear()
    after = replace(BAR, open_time_ms=BAR.open_time_ms + 4 * MINUTE_MS)
    assert states.take(after, late_ms) == [after]


def test_a_state_that_could_not_be_read_may_have_been_the_last() -> None:
    """What came before closes no bar; the next ones are closed as ever."""
    states = LastStates()
    assert states.take_all([BAR], 0, lost=False) == [BAR]
    assert states.take_all([], 0, lost=True) == []
    assert states.take_all([NEXT], 0, lost=False) == [NEXT]
    third = replace(NEXT, open_time_ms=NEXT.open_time_ms + MINUTE_MS)
    assert states.take_all([NEXT, third], 0, lost=False) == [NEXT, replace(NEXT, closed=True), third]


@pytest.mark.parametrize("lost", ["", "zero", "{"])
@pytest.mark.parametrize("name", CHANNELS)
async def test_a_lost_message_may_have_had_the_last_state(name: str, lost: str) -> None:
    """One of bars with prices that cannot be, or one of nobody knows what: REST has the bar as it was."""
    channel, file = CHANNELS[name]
    row = {"channel": "candle", "data": hyperliquid_bar(1_795_000_200_000)}
    text = (MESSAGES / name / file).read_text() if file else orjson.dumps(row).decode()
    zero = spoil(orjson.loads(text), DIALECTS[name].channels[channel], FaultKind.ZERO)
    venue = VENUES[name]()
    sizes = dict(venue.contract_sizes)
    feed = connector(9, venue, interval_ms=5 * MINUTE_MS)
    venue.contract_sizes.update(sizes)  # as if the list had been read
    feed.on_message(text)
    if lost:
        feed.on_message(orjson.dumps(zero).decode() if lost == "zero" else lost)
    parsed = feed.on_message(text.replace("1795000200", "1795000500"))
    assert parsed is not None
    closed = [bar.closed for bar in parsed.events if isinstance(bar, Candle)]
    assert closed == ([False] if lost else [True, False])
