"""Noticing that liquidations stay away for longer than they usually do: nothing else tells a mute channel."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from liqstream.market import Liquidation, MarketEvent

REMEMBERED = 50
"""Pauses between liquidations that say what is usual."""
ENOUGH = 20
"""Before so many nothing is unusual."""
LEAST_S = 1800.0
TIMES = 3.0
"""A pause is unusual beyond half an hour and three times the longest remembered."""


@dataclass(slots=True)
class LiquidationLack:
    """One exchange's, by symbol; times in s of one clock."""

    _last_s: dict[str, float] = field(default_factory=dict)
    _pauses_s: dict[str, deque[float]] = field(default_factory=dict)

    def note(self, events: Iterable[MarketEvent], now_s: float) -> None:
        """Records have come."""
        for event in events:
            if isinstance(event, Liquidation):
                pauses = self._pauses_s.setdefault(event.symbol, deque(maxlen=REMEMBERED))
                if event.symbol in self._last_s:
                    pauses.append(now_s - self._last_s[event.symbol])
                self._last_s[event.symbol] = now_s

    def begin_anew(self, now_s: float) -> None:
        """Nobody listened until now: that is no pause."""
        self._last_s = dict.fromkeys(self._last_s, now_s)

    def lacking(self, now_s: float) -> dict[str, str]:
        """What is unusual, in words, by symbol."""
        found = {}
        for symbol, last_s in self._last_s.items():
            pauses, silent_s = self._pauses_s[symbol], now_s - last_s
            if len(pauses) >= ENOUGH and silent_s > max(LEAST_S, TIMES * max(pauses)):
                usual = f"of the last {len(pauses)} pauses the longest was {max(pauses) / 60:.0f} min"
                found[symbol] = (
                    f"no liquidation of {symbol} for {silent_s / 60:.0f} min, which is unusual: {usual}"
                )
        return found
