"""A channel that falls silent beside others that speak is noticed."""

from __future__ import annotations

from liqstream.feeds.liveness import OVERDUE_S, Channel, Liveness
from liqstream.market import MINUTE_MS, Candle, MarkPrice

START_MS = 1_790_000_100_000
STEP_MS = 5 * MINUTE_MS
CHANNELS: list[Channel] = [("BTCUSDT", "bars"), ("BTCUSDT", "marks"), ("ETHUSDT", "marks")]


def bar(open_ms: int, *, closed: bool) -> Candle:
    return Candle("x", "BTCUSDT", STEP_MS, open_ms, 1.0, 1.0, 1.0, 1.0, volume_base=1.0, closed=closed)


def test_a_bar_is_late_thirty_seconds_after_its_close() -> None:
    """Also where the bar that forms goes on; then the channel is not silent."""
    liveness = Liveness(STEP_MS)
    liveness.watch([("BTCUSDT", "bars")], 0.0, START_MS)
    due_ms = START_MS - START_MS % STEP_MS + STEP_MS
    just_ms = due_ms + round(OVERDUE_S * 1000)
    assert liveness.late(0.0, just_ms) == []
    assert liveness.late(0.0, just_ms + 1) == [("BTCUSDT", "bars")]
    assert liveness.is_silent(("BTCUSDT", "bars"), OVERDUE_S + 1)
    liveness.note([bar(due_ms, closed=False)], 25.0)
    assert liveness.late(0.0, just_ms + 1) == [("BTCUSDT", "bars")]
    assert not liveness.is_silent(("BTCUSDT", "bars"), OVERDUE_S + 1)
    liveness.note([bar(due_ms - STEP_MS, closed=True)], 26.0)
    assert liveness.late(0.0, just_ms + 1) == []
    assert liveness.late(0.0, just_ms + STEP_MS + 1) == [("BTCUSDT", "bars")]


def test_marks_are_late_by_symbol() -> None:
    """Those of one symbol say nothing of another's."""
    liveness = Liveness(STEP_MS)
    liveness.watch(CHANNELS, 0.0, START_MS)
    liveness.note([MarkPrice("x", "BTCUSDT", START_MS, 1.0)], 20.0)
    assert liveness.late(OVERDUE_S + 1, START_MS) == [("ETHUSDT", "marks")]
    liveness.alive(("ETHUSDT", "marks"), OVERDUE_S)
    assert liveness.late(OVERDUE_S + 1, START_MS) == []


def test_what_is_no_longer_watched_is_never_late() -> None:
    """And what is watched on keeps its time."""
    liveness = Liveness(STEP_MS)
    liveness.watch(CHANNELS, 0.0, START_MS)
    liveness.watch([("BTCUSDT", "marks")], 10.0, START_MS)
    assert liveness.late(OVERDUE_S + 1, START_MS + 10 * STEP_MS) == [("BTCUSDT", "marks")]


def test_an_impossible_closed_bar_was_none() -> None:
    """One of 2096 does not make every bar until then come in time."""
    liveness = Liveness(STEP_MS)
    liveness.watch([("BTCUSDT", "bars")], 0.0, START_MS)
    due_ms = START_MS - START_MS % STEP_MS + STEP_MS
    far = bar(due_ms + 1_000_000 * STEP_MS, closed=True)
    liveness.note([far], 1.0)
    assert liveness.late(1.0, due_ms + 31_000) == []
    liveness.note_refused(far, START_MS)
    assert liveness.late(1.0, due_ms + 31_000) == [("BTCUSDT", "bars")]
