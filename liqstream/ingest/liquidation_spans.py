"""Spans in which a market's liquidation channel was connected, as records for the store."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

from liqstream.feeds.feed import Feed, FeedBase
from liqstream.market import DAY_MS, MINUTE_MS, LiquidationSpan, MarketKey


@dataclass(slots=True)
class _Open:
    """A span that goes on: its start and end as of now, and the end that was last given out (UTC ms)."""

    start_ms: int
    end_ms: int
    given_ms: int
    reconnects: int


LOOK_EVERY_S = 1.0
"""At all markets of a feed: with hundreds of them a look for each message would take most of a core."""


class LiquidationSpans:
    """Follows feeds message by message; a span ends with the last before a break, or a second before."""

    def __init__(self) -> None:
        self._open: dict[MarketKey, _Open] = {}
        # By exchange: when it was looked at last (of its messages' clock, s), whether it was connected, and
        # its reconnects.
        self._looked: dict[str, tuple[float, bool, int]] = {}

    def note(self, feed: Feed | FeedBase) -> list[LiquidationSpan]:
        """The spans that a message of `feed` has made longer, each given out once a minute and at its end."""
        if not self._is_due(feed):
            return []
        until = feed.liquidations_until_ms()
        given: list[LiquidationSpan] = []
        for symbol in feed.symbols:
            key = MarketKey(feed.exchange, symbol)
            known, end_ms = self._open.get(key), until.get(symbol)
            broken = known is not None and (end_ms is None or known.reconnects != feed.status.reconnects)
            if known is not None and broken:
                given += self._ended(key, known)
                known = None
            if end_ms is None:
                continue
            if known is None:
                self._open[key] = _Open(end_ms, end_ms, end_ms, feed.status.reconnects)
                continue
            given += self._longer(key, known, end_ms)
        return given

    def _is_due(self, feed: Feed | FeedBase) -> bool:
        """Once a second, and at the first message after a break."""
        status = feed.status
        now_s = -math.inf if status.last_message_s is None else status.last_message_s
        looked_s, *state = self._looked.get(feed.exchange, (-math.inf, False, -1))
        if state == [status.connected, status.reconnects] and now_s - looked_s < LOOK_EVERY_S:
            return False
        self._looked[feed.exchange] = now_s, status.connected, status.reconnects
        return True

    def end(self, exchange: str, markets: Collection[MarketKey] | None = None) -> list[LiquidationSpan]:
        """The spans of an exchange, or of some of its markets, as they end now."""
        of_exchange = [key for key in self._open if key.exchange == exchange]
        keys = [key for key in of_exchange if markets is None or key in markets]
        return [span for key in keys for span in self._ended(key, self._open[key])]

    def _longer(self, key: MarketKey, known: _Open, end_ms: int) -> list[LiquidationSpan]:
        known.end_ms = max(known.end_ms, end_ms)
        if known.end_ms // MINUTE_MS == known.given_ms // MINUTE_MS:
            return []
        known.given_ms = known.end_ms
        span = LiquidationSpan(key.exchange, key.symbol, known.start_ms, known.end_ms)
        # A row lives as long as its start is within the retention: none may be longer than a day.
        if known.end_ms // DAY_MS != known.start_ms // DAY_MS:
            known.start_ms = known.end_ms
        return [span]

    def _ended(self, key: MarketKey, known: _Open) -> list[LiquidationSpan]:
        del self._open[key]
        if known.end_ms <= known.start_ms:
            return []
        return [LiquidationSpan(key.exchange, key.symbol, known.start_ms, known.end_ms)]
