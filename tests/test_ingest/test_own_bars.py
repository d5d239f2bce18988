"""liqstream/ingest/own_bars.py: bars of a minute beside the model's change no map."""

from __future__ import annotations

from liqstream.feeds.feed import History
from liqstream.ingest.own_bars import OwnBars
from liqstream.market import MINUTE_MS, Candle, MarketKey, MarkPrice

KEY = MarketKey("binance", "BTCUSDT")
BAR_MS = 5 * MINUTE_MS


def bar(open_ms: int, interval_ms: int = BAR_MS, *, closed: bool = True) -> Candle:
    return Candle(KEY.exchange, KEY.symbol, interval_ms, open_ms, 1.0, 1.0, 1.0, 1.0, closed=closed)


def test_a_bar_older_than_the_newest_is_history() -> None:
    """One of a minute that opened later does not make the model's own, which closes with it, a late one."""
    own = OwnBars(BAR_MS)
    own.note([bar(0)])
    own.note([bar(BAR_MS + 4 * MINUTE_MS, MINUTE_MS)])
    assert not own.is_history([bar(BAR_MS)])
    assert not own.is_history([bar(0, MINUTE_MS)])
    own.note([bar(BAR_MS)])
    assert own.is_history([bar(0)])
    assert not own.is_history([bar(0, closed=False)])
    own.forget_later(KEY, BAR_MS - 1)
    assert not own.is_history([bar(0)])


def test_many_closed_bars_are_history() -> None:
    """So is what says that it is."""
    own = OwnBars(BAR_MS)
    assert own.is_history([bar(i * BAR_MS) for i in range(21)])
    assert not own.is_history([bar(i * BAR_MS) for i in range(20)])
    assert not own.is_history([bar(i * MINUTE_MS, MINUTE_MS) for i in range(240)])
    assert own.is_history(History([bar(0, MINUTE_MS)]))


def test_maps_rest_on_the_models_own_bars() -> None:
    """And on every other kind of record."""
    own = OwnBars(BAR_MS)
    assert own.changes([bar(0, MINUTE_MS)]) == set()
    assert own.changes([bar(0, MINUTE_MS), bar(0)]) == {KEY}
    assert own.changes([MarkPrice(KEY.exchange, KEY.symbol, 0, 1.0)]) == {KEY}
