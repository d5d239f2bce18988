"""How much an exchange may be asked: requests by their weight, connections one after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from liqstream.feeds.schedule import MakeSchedule, Schedule
from liqstream.feeds.weight_ledger import Reservation, WeightLedger
from liqstream.supervision.clock import SYSTEM_CLOCK, Clock

CONNECTS_PER_S = 1.0
"""Binance refuses an address after 300 connections in 5 minutes; this is that rate, and polite elsewhere."""
ALL = ""
"""The limit that every request to an exchange counts against."""
_SHARE = 0.8
"""Of a limit: others may ask from the same address, and windows do not begin when we think."""


@dataclass(frozen=True, slots=True)
class FeedTiming:
    """A feed's limits and clock. `stale_after_s`: a socket without data for longer is replaced.
    `max_age_s`: a socket is replaced at this age (None: the exchange's own limit). `ledger`: the exchange's
    REST weight, where others than the feed spend of it too."""

    stale_after_s: float = 15.0
    max_age_s: float | None = None
    connects_per_s: float = CONNECTS_PER_S
    make_schedule: MakeSchedule = Schedule
    clock: Clock = SYSTEM_CLOCK
    ledger: WeightLedger | None = None


FEED_TIMING = FeedTiming()
"""The machine's clock and the usual limits."""


@dataclass(frozen=True, slots=True)
class Limit:
    """`weight` per `window_s`, for the requests that name it; ALL is for every request.

    `used_header` is the response header that says how much of the window is used, `left_header` how much is
    left of it.
    """

    weight: float
    window_s: float
    name: str = ALL
    used_header: str = ""
    left_header: str = ""


class Pace:
    """Lets one caller through per `every_s`, in the order they came."""

    def __init__(self, every_s: float, burst: int = 1, clock: Clock = SYSTEM_CLOCK) -> None:
        self.every_s = every_s
        self._burst_s = every_s * (burst - 1)
        self._next_s = float("-inf")
        self._clock = clock

    async def wait(self) -> None:
        """Return when it is the caller's turn."""
        now_s = self._clock.time_s()
        turn_s = max(now_s - self._burst_s, self._next_s)
        self._next_s = turn_s + self.every_s
        if turn_s > now_s:
            await self._clock.sleep(turn_s - now_s)


@dataclass(slots=True)
class _Bucket:
    """Weight that may be spent now; it grows with time, never above `capacity`, and below 0 it is owed."""

    capacity: float
    per_s: float
    left: float
    at_s: float

    def take(self, weight: float, now_s: float) -> float:
        """Spend `weight`; how long to wait before asking, in s."""
        self.left = min(self.capacity, self.left + (now_s - self.at_s) * self.per_s)
        self.at_s = now_s
        self.left -= weight
        return max(0.0, -self.left / self.per_s)


@dataclass(slots=True)
class Budget:
    """What an exchange's limits leave to spend; `limits` of one name or of ALL. Off after `unlimited`.

    A `ledger` that others spend from too is never off.
    """

    limits: Sequence[Limit]
    clock: Clock = SYSTEM_CLOCK
    ledger: WeightLedger | None = None
    _buckets: dict[str, _Bucket] = field(default_factory=dict)
    _off: bool = False

    async def spend(self, weight: float, name: str = ALL) -> Reservation | None:
        """Wait until a request of `weight` may be sent. A name without a limit of its own has none.

        What is held in the ledger is the caller's to `settle` once it was answered.
        """
        waits = [
            self._bucket(limit).take(self._cost(limit, weight), self.clock.time_s())
            for limit in self.limits
            if limit.name in (ALL, name)
        ]
        if waits and not self._off:
            await self.clock.sleep(max(waits))
        return None if self.ledger is None else await self.ledger.reserve(weight)

    def settle(self, reservation: Reservation | None) -> None:
        """The request was answered, or never will be."""
        if self.ledger is not None and reservation is not None:
            self.ledger.settle(reservation)

    def note(self, headers: Mapping[str, str]) -> None:
        """Take in what a response says is used of the limits, by whomever behind this address."""
        for limit in self.limits:
            used = _number(headers.get(limit.used_header)) if limit.used_header else None
            left = _number(headers.get(limit.left_header)) if limit.left_header else None
            left = limit.weight - used if used is not None else left
            if left is not None:
                bucket = self._bucket(limit)
                # Never more owed than one window holds: a figure that cannot be would stop us for good.
                bucket.left = min(bucket.left, max(left, -limit.weight) * _SHARE)

    def unlimited(self) -> None:
        """A simulated exchange has no limits, and a demo should be up at once."""
        self._off = True

    def _bucket(self, limit: Limit) -> _Bucket:
        if limit.name not in self._buckets:
            share = limit.weight * _SHARE
            # A burst of a quarter of the window, then evenly: no window ever holds more than the limit.
            self._buckets[limit.name] = _Bucket(
                share / 4, share * 0.75 / limit.window_s, share / 4, self.clock.time_s()
            )
        return self._buckets[limit.name]

    @staticmethod
    def _cost(limit: Limit, weight: float) -> float:
        return weight if limit.name == ALL else 1.0


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text is not None else None
    except ValueError:
        return None
