"""Closing the bars of a stream that never says that one is closed: the first state of the next one does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from liqstream.feeds.ahead import is_ahead
from liqstream.market import Candle

LAST_STATE_MS = 30_000
"""A bar's state is taken for its last one if the next bar begins so soon after it came."""


@dataclass(slots=True)
class LastStates:
    """One exchange's forming bars."""

    _forming: dict[tuple[str, int], tuple[Candle, int]] = field(default_factory=dict)

    def take(self, forming: Candle, now_ms: int, clock_ms: int | None = None) -> list[Candle]:
        """A bar's state, after the bar it shows to be closed, if there is one; `now_ms` is UTC.

        After a longer silence the last state seen need not be the last there was: REST has it. One that is
        ahead of the exchange's clock, where that is known, shows nothing.
        """
        if is_ahead(forming.open_time_ms, clock_ms):
            return [forming]
        key = (forming.symbol, forming.interval_ms)
        last, seen_ms = self._forming.get(key, (None, 0))
        if last is not None and is_ahead(last.open_time_ms, clock_ms):
            last = None  # it came before the clock was known
        if last is not None and forming.open_time_ms < last.open_time_ms:
            return []
        self._forming[key] = (forming, now_ms)
        follows = last is not None and forming.open_time_ms == last.open_time_ms + last.interval_ms
        if last is None or not follows or now_ms - seen_ms > LAST_STATE_MS:
            return [forming]
        return [replace(last, closed=True), forming]

    def take_all(
        self, states: Sequence[Candle], now_ms: int, clock_ms: int | None = None, *, lost: bool
    ) -> list[Candle]:
        """States of a message, in order. With `lost`, others of it could not be read: one may have been a
        bar's last, so that none is closed by what came before."""
        if lost:
            self.clear()
        return [each for state in states for each in self.take(state, now_ms, clock_ms)]

    def clear(self) -> None:
        """Messages may have been missed: a bar's last state before the break need not be its last."""
        self._forming.clear()
