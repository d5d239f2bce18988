"""Whether this server should lead: its own data decides, and who else could."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from liqstream.fleet.leader_lease import FleetState
from liqstream.heatmap.live_maps import LiveMaps

RESIGN_AFTER_SYNCS = 3
"""A leader without fresh data makes room for a server that has some; not at once, for a source that falls
silent does so for each server at another moment."""


class LeaderElection:
    """One server's part in the election. `maps` is None on a server that can never lead.

    `lease_s`, `stale_after_s` and the monotonic `clock_s` are in s.
    """

    def __init__(
        self,
        maps: LiveMaps | None,
        symbols: Sequence[str],
        *,
        lease_s: float,
        stale_after_s: float,
        clock_s: Callable[[], float],
    ) -> None:
        self._maps = maps  # read only
        self._symbols = symbols  # all that the fleet may serve now, with demand or without
        self._lease_s = lease_s  # s; how long others wait for a fit server, and how long a resignation lasts
        self._fresh_s = stale_after_s / 2  # s; half, so that a leader is replaced before its maps are stale
        self._clock_s = clock_s  # monotonic seconds
        self._last_leader_s = clock_s()  # clock_s of the last sync at which somebody led
        self._resigned_until_s = 0.0  # clock_s until which this server does not lead
        self._unfit_syncs = 0  # syncs in a row at which another was fit and this one not; reset by any other

    def is_fit(self) -> bool:
        """True if this server's own data would make a good stream: it is half a stale time old at most."""
        if self._maps is None:
            return False
        now_s, maps = self._clock_s(), self._maps
        ages_s = (market.age_s(now_s) for symbol in self._symbols for market in maps.markets(symbol))
        return min(ages_s, default=math.inf) <= self._fresh_s

    def may_lead(self) -> bool:
        """True for a server that may take a free lease.

        That is a fit one, or any that has maps once nobody has led for a lease time.
        """
        if self._maps is None or self.has_resigned():
            return False
        return self.is_fit() or self.leaderless_s() > self._lease_s

    def leaderless_s(self) -> float:
        """How long nobody is known to have led, in s."""
        return self._clock_s() - self._last_leader_s

    def observe(self, fleet: FleetState) -> None:
        """Take in the state of the fleet, once per sync."""
        if fleet.leader:
            self._last_leader_s = self._clock_s()
        is_surpassed = not self.is_fit() and any(demand.fit for demand in fleet.others)
        self._unfit_syncs = self._unfit_syncs + 1 if is_surpassed else 0

    def should_resign(self) -> bool:
        """True for a leader that should make room for a fit server."""
        return self._unfit_syncs >= RESIGN_AFTER_SYNCS

    def has_resigned(self) -> bool:
        """True for a lease time after `resign`."""
        return self._clock_s() < self._resigned_until_s

    def resign(self) -> None:
        """Do not lead for a lease time."""
        self._resigned_until_s = self._clock_s() + self._lease_s
