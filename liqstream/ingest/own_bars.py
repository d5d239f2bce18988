"""Which records of a batch the maps rest on: bars of the model's interval, no others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from liqstream.feeds.feed import History
from liqstream.market import Candle, MarketEvent, MarketKey

_MANY_BARS = 20
"""A batch with more closed bars is history: applied one by one it would hold up the event loop."""


@dataclass(slots=True)
class OwnBars:
    """Closed bars of `interval_ms`, of every market: the newest of each, and what they say of a batch."""

    interval_ms: int
    # Open time of each market's newest closed bar, UTC ms: what is older is history.
    _newest_ms: dict[MarketKey, int] = field(default_factory=dict)

    def is_history(self, batch: Sequence[MarketEvent]) -> bool:
        """Whether a batch is of the past: it says so, has many bars, or one older than the newest."""
        if isinstance(batch, History):
            return True
        closed = self._closed(batch)
        return len(closed) > _MANY_BARS or any(
            bar.open_time_ms < self._newest_ms.get(market_of(bar), 0) for bar in closed
        )

    def note(self, batch: Sequence[MarketEvent]) -> None:
        """Take in the closed bars of a batch."""
        for bar in self._closed(batch):
            key = market_of(bar)
            self._newest_ms[key] = max(self._newest_ms.get(key, 0), bar.open_time_ms)

    def forget(self, key: MarketKey) -> None:
        """Nothing is known of a market that is followed no more."""
        self._newest_ms.pop(key, None)

    def forget_later(self, key: MarketKey, latest_ms: int) -> None:
        """Nothing is known of a market whose newest bar is later than a record can be."""
        if self._newest_ms.get(key, 0) > latest_ms:
            del self._newest_ms[key]

    def changes(self, batch: Sequence[MarketEvent]) -> set[MarketKey]:
        """The markets whose maps rest on some of these records of the past."""
        return {
            market_of(record)
            for record in batch
            if not isinstance(record, Candle) or record.interval_ms == self.interval_ms
        }

    def _closed(self, batch: Sequence[MarketEvent]) -> list[Candle]:
        return [
            record
            for record in batch
            if isinstance(record, Candle) and record.closed and record.interval_ms == self.interval_ms
        ]


def market_of(record: MarketEvent) -> MarketKey:
    """The market of a record."""
    return MarketKey(record.exchange, record.symbol)
