"""One ledger of weight for all that is asked of a host: no 60 s ever hold more than the limits.

What a request may cost at most is reserved before it is sent and held until 60 s after its answer: the host
counts it at some moment between the two, so whichever 60 s the host looks at, what it counted in them was
all in the ledger when the last of it was sent. When the answer comes, what it did not cost is given back.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

from liqstream.supervision.clock import SYSTEM_CLOCK, Clock

WINDOW_S = 60.0
MOST_WEIGHT = 1100.0
"""Of Hyperliquid's 1,200 a minute and address; the rest is for whoever else asks from here."""
_LOOK_AGAIN_S = 0.25


@dataclass(eq=False, slots=True)
class Reservation:
    """Weight held for one request, until `WeightLedger.settle`."""

    weight: float
    is_position: bool


@dataclass(slots=True)
class WeightLedger:
    """`most` weight in any 60 s, of it `positions_most` for reads of positions (infinite: no limit).

    The feed's requests go first: while one waits, no position is read.
    """

    positions_most: float
    most: float = MOST_WEIGHT
    clock: Clock = SYSTEM_CLOCK
    positions_resume_s: float = -math.inf
    """On the clock: no position is read before."""
    _open: set[Reservation] = field(default_factory=set)
    _settled: deque[tuple[float, Reservation]] = field(default_factory=deque)
    _used: float = 0.0
    _positions_used: float = 0.0
    _feed_waits: int = 0

    @property
    def positions_used(self) -> float:
        """Weight of the last 60 s that went into reads of positions, what is reserved among it."""
        self._expire()
        return self._positions_used

    @property
    def used(self) -> float:
        """Weight of the last 60 s, what is reserved among it."""
        self._expire()
        return self._used

    async def reserve(self, weight: float) -> Reservation:
        """Hold weight for a request of the feed; waits until there is room. More than `most` counts as
        `most`."""
        weight = min(weight, self.most)
        self._feed_waits += 1
        try:
            while not self._has_room(weight):
                await self.clock.sleep(self._until_room_s())
        finally:
            self._feed_waits -= 1
        return self._hold(weight, is_position=False)

    def try_position(self, weight: float, *, leaving: float = 0.0) -> Reservation | None:
        """Hold weight for a read of positions, or None: there is no room now, or the feed waits.

        After it there is still room for `leaving`: else a dear question would wait for ever behind cheap
        ones.
        """
        if self.clock.time_s() < self.positions_resume_s or self._feed_waits or not self._has_room(weight):
            return None
        if self._positions_used + weight + leaving > self.positions_most:
            return None
        return self._hold(weight, is_position=True)

    def settle(self, reservation: Reservation, weight: float | None = None) -> None:
        """A request's answer has come, or none will: it cost `weight`, by default all that was reserved."""
        if reservation not in self._open:
            return
        self._open.remove(reservation)
        cost = reservation.weight if weight is None else min(weight, reservation.weight)
        self._take_back(reservation, reservation.weight - cost)
        reservation.weight = cost
        self._settled.append((self.clock.time_s() + WINDOW_S, reservation))

    def _hold(self, weight: float, *, is_position: bool) -> Reservation:
        held = Reservation(weight, is_position)
        self._open.add(held)
        self._used += weight
        self._positions_used += weight * is_position
        return held

    def _has_room(self, weight: float) -> bool:
        self._expire()
        return self._used + weight <= self.most

    def _take_back(self, reservation: Reservation, weight: float) -> None:
        self._used -= weight
        self._positions_used -= weight * reservation.is_position

    def _expire(self) -> None:
        now_s = self.clock.time_s()
        while self._settled and self._settled[0][0] <= now_s:
            reservation = self._settled.popleft()[1]
            self._take_back(reservation, reservation.weight)

    def _until_room_s(self) -> float:
        """When something is given back at the earliest; requests under way may be answered at any moment."""
        if self._open or not self._settled:
            return _LOOK_AGAIN_S
        return max(0.001, self._settled[0][0] - self.clock.time_s())
