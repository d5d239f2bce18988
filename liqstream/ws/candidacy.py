"""Whether this server should lead: its own data decides, and who else could."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from liqstream.heatmap.latest import LiveMaps
from liqstream.ws.lease import Fleet

RESIGN_AFTER_SYNCS = 3
"""A leader without fresh data makes room for a server that has some; not at once, for a source that is silent
to all falls silent to each at another moment."""


class Candidacy:
    """One server's standing. `maps` is None on a server that can never lead. Times are monotonic, in s."""

    def __init__(
        self,
        maps: LiveMaps | None,
        symbols: Iterable[str],
        *,
        lease_s: float,
        stale_after_s: float,
        clock_s: Callable[[], float],
    ) -> None:
        self._maps = maps
        self._symbols = tuple(symbols)
        self._lease_s = lease_s
        self._fresh_s = stale_after_s / 2
        self._clock_s = clock_s
        self._led_s = clock_s()
        self._resigned_until_s = 0.0
        self._outdone_syncs = 0

    def is_fit(self) -> bool:
        """True if this server's own data would make a good stream: it is half a stale time old at most."""
        if self._maps is None:
            return False
        now_s, maps = self._clock_s(), self._maps
        ages_s = (market.age_s(now_s) for symbol in self._symbols for market in maps.markets(symbol))
        return min(ages_s, default=math.inf) <= self._fresh_s

    def may_lead(self) -> bool:
        """Who has no fresh data leads only when nobody else has for a lease time."""
        if self._maps is None or self._clock_s() < self._resigned_until_s:
            return False
        return self.is_fit() or self.leaderless_s() > self._lease_s

    def leaderless_s(self) -> float:
        """How long nobody is known to have led."""
        return self._clock_s() - self._led_s

    def note(self, fleet: Fleet) -> None:
        """Take in how things stand."""
        if fleet.leader:
            self._led_s = self._clock_s()
        outdone = not self.is_fit() and any(wants.fit for wants in fleet.others)
        self._outdone_syncs = self._outdone_syncs + 1 if outdone else 0

    def is_outdone(self) -> bool:
        """True for a leader that should make room."""
        return self._outdone_syncs >= RESIGN_AFTER_SYNCS

    def resign(self) -> None:
        """Do not lead for a lease time."""
        self._resigned_until_s = self._clock_s() + self._lease_s
