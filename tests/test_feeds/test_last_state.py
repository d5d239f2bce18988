"""A bar of a stream without a word for it is closed by the first state of the next one."""

from __future__ import annotations

from dataclasses import replace

from liqstream.feeds.last_state import LAST_STATE_MS, LastStates
from liqstream.market import MINUTE_MS, Candle

BAR = Candle("gate", "BTCUSDT", MINUTE_MS, 1_795_000_020_000, 1.0, 2.0, 0.5, 1.5, 10.0, closed=False)
NEXT = replace(BAR, open_time_ms=BAR.open_time_ms + MINUTE_MS)


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
