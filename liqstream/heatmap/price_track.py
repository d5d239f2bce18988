"""The price track of a symbol: its newest price, and what its exchanges have passed since each snapshot.

A bar clears the levels between its extremes. What it cleared before a snapshot is in the snapshot; a tick
masks what bars have cleared since, and that is only where they made a new low or high. An exchange whose
bars made none has cleared up to its last price: what stands beyond that was never there.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from typing import NamedTuple

from liqstream.heatmap.snapshot import StreamPosition

_MOST_SEGMENTS = 128
"""Snapshots behind which nothing is known any more: two minutes at one a second. What lies before is then
masked late, never wrongly."""


class Passed(NamedTuple):
    """The lowest low and the highest high, in USD, that bars have newly made; infinite where none did."""

    low: float = math.inf
    high: float = -math.inf

    def and_by(self, low: float, high: float) -> Passed:
        """With what else was passed."""
        return Passed(min(self.low, low), max(self.high, high))

    @property
    def is_empty(self) -> bool:
        """Whether no bar made a new extreme."""
        return self == NOTHING_PASSED


NOTHING_PASSED = Passed()


class PriceSince(NamedTuple):
    """The newest price and, of all exchanges the least, what was passed since a snapshot; all in USD.

    `timestamp_ms` is the data's time, UTC. `is_moved` says whether any bar made a new extreme since.
    """

    timestamp_ms: int
    current_price: float
    low: float
    high: float
    is_moved: bool


class PriceTrack:
    """What each exchange of one symbol passed since each of the last snapshots, and its last price.

    It may be given the same more than once, or lack some of it: a mask is then late, never wrong.
    """

    def __init__(self) -> None:
        self.timestamp_ms = 0
        self.current_price = math.nan
        self.last: dict[str, float] = {}
        """Each exchange's last price, USD."""
        self.segments: deque[tuple[StreamPosition, dict[str, Passed]]] = deque(maxlen=_MOST_SEGMENTS)
        """By the snapshot after which it was passed, ascending, all of one epoch: by exchange."""

    def note_price(self, timestamp_ms: int, current_price: float, last: Mapping[str, float]) -> None:
        """Take the newest price, and each exchange's last one."""
        self.timestamp_ms = max(self.timestamp_ms, timestamp_ms)
        self.current_price = current_price
        self.last = dict(last)

    def note_passed(self, position: StreamPosition, passed: Mapping[str, Passed]) -> None:
        """Take what exchanges have passed since the snapshot at `position`, and before any later one.

        A newer epoch begins anew; an older one, and snapshots that are not kept any more, are passed over.
        """
        newest = self.segments[-1][0] if self.segments else None
        if newest is not None and position.epoch > newest.epoch:
            self.segments.clear()
        if newest is None or position > newest:
            self.segments.append((position, dict(passed)))
            return
        for known, by_exchange in reversed(self.segments):
            if known == position:
                for exchange, extremes in passed.items():
                    by_exchange[exchange] = by_exchange.get(exchange, NOTHING_PASSED).and_by(*extremes)
                return
            if known < position:
                return

    def since(self, position: StreamPosition) -> PriceSince | None:
        """What is known since the snapshot at `position`; None of another epoch, or of a later snapshot."""
        newest = self.segments[-1][0] if self.segments else None
        if newest is None or not self.last or newest.epoch != position.epoch or newest < position:
            return None
        passed: dict[str, Passed] = {}
        for known, by_exchange in reversed(self.segments):
            if known < position:
                break
            for exchange, extremes in by_exchange.items():
                passed[exchange] = passed.get(exchange, NOTHING_PASSED).and_by(*extremes)
        cleared = [
            passed.get(exchange, NOTHING_PASSED).and_by(price, price) for exchange, price in self.last.items()
        ]
        return PriceSince(
            self.timestamp_ms,
            self.current_price,
            max(extremes.low for extremes in cleared),
            min(extremes.high for extremes in cleared),
            any(not extremes.is_empty for extremes in passed.values()),
        )
