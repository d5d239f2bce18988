"""How much weight a minute reads of positions may take: less for a while after it was too much."""

from __future__ import annotations

import math

from liqstream.feeds.weight_ledger import WeightLedger
from liqstream.positions.failures import Failures
from liqstream.positions.read_schedule import ReadSchedule
from liqstream.supervision.clock import Clock

STOP_S = 60.0
"""After a 429 nothing is read for so long; then at half the rate, which grows by 10 % a minute."""
LEAST, HOST_MOST = 60.0, 1100.0
"""Weight a minute: it never falls below, and what one address may spend at most."""
_GROWTH, _GROWS_EVERY_S = 1.1, 60.0
_NO_LIMIT_FROM = 20 * HOST_MOST
"""Where there is no limit a rate that has grown to so much is none again."""
EVENT = "positions_slowed_down"


class ReadRate:
    """Of `most` weight a minute, infinite for no limit; kept in step in ledger and schedule."""

    def __init__(
        self, most: float, ledger: WeightLedger, schedule: ReadSchedule, clock: Clock, failures: Failures
    ) -> None:
        self.most = most
        self.rate = most
        """Weight a minute now."""
        self._ledger = ledger  # holds what reads may take in 60 s, and when they go on
        self._schedule = schedule  # fits deadlines to the rate
        self._clock = clock  # of the stop and the growth
        self._failures = failures  # has it while the rate is below the most
        self._grown_s = clock.time_s()  # when it grew last, on the clock

    def slow_down(self) -> None:
        """The exchange has answered 429: what is under way and answered so too counts once."""
        now_s = self._clock.time_s()
        if now_s < self._ledger.positions_resume_s:
            return
        self._ledger.positions_resume_s = now_s + STOP_S
        self._set(max(LEAST, min(self.rate, HOST_MOST) / 2))
        reason = f"429: no read for a minute, then {self.rate:.0f} weight a minute, 10 % more each minute"
        self._failures.begin(EVENT, reason)

    def grow(self) -> None:
        """Take the rate back up, if it is time; to be called every second or so."""
        now_s = self._clock.time_s()
        if self.rate >= self.most:
            if now_s >= self._ledger.positions_resume_s:
                self._failures.end(EVENT)
            return
        if now_s - max(self._grown_s, self._ledger.positions_resume_s) < _GROWS_EVERY_S:
            return
        grown = min(self.most, _GROWTH * self.rate)
        self._set(math.inf if math.isinf(self.most) and grown >= _NO_LIMIT_FROM else grown)
        self._grown_s = now_s

    def _set(self, rate: float) -> None:
        self.rate = self._schedule.weight_per_minute = self._ledger.positions_most = rate
