"""An exchange's clock: how far ours is off, and what it shows now."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog

from liqstream.feeds.feed import FeedStatus
from liqstream.supervision.clock import Clock

log = structlog.get_logger(__name__)

_SKEW_WARNING_MS = 5000.0
MOST_AHEAD_MS = 86_400_000
"""An exchange's clock that is further ahead of ours is not believed: it would date everything to come."""


class ExchangeClock:
    """Reads a clock by `ask` and carries it on by the seconds of `ours`; `status.clock_skew_ms` is kept.

    Not by our UTC, which may be set while we run: a machine without a battery starts in another year.
    While `any_year()` is true (of a simulated market), also a time far ahead of ours is believed.
    """

    def __init__(
        self,
        exchange: str,
        status: FeedStatus,
        ours: Clock,
        any_year: Callable[[], bool] = lambda: False,
    ) -> None:
        self._exchange = exchange
        self._status = status
        self._ours = ours
        self._any_year = any_year
        self._logged_skew_ms = 0.0
        # Theirs as last read, UTC ms, and our seconds when it was asked; None before.
        self._read: tuple[int, float] | None = None

    async def measure(self, ask: Awaitable[int]) -> int:
        """The exchange's time now as `ask` gives it. Raises what that raises, ValueError for a time that is
        not believed."""
        asked_s, asked_ms = self._ours.time_s(), self._ours.now_ms()
        theirs_ms = await ask
        answered_ms = self._ours.now_ms()
        if theirs_ms - answered_ms > MOST_AHEAD_MS and not self._any_year():
            days = (theirs_ms - answered_ms) / MOST_AHEAD_MS
            raise ValueError(f"its clock is {days:,.0f} days ahead of ours")
        self._read = (theirs_ms, asked_s)
        self._status.clock_skew_ms = skew_ms = (asked_ms + answered_ms) / 2 - theirs_ms
        if abs(skew_ms) <= _SKEW_WARNING_MS:
            self._logged_skew_ms = 0.0
        elif abs(skew_ms - self._logged_skew_ms) > _SKEW_WARNING_MS:
            self._logged_skew_ms = skew_ms
            log.warning("clocks differ", exchange=self._exchange, ours_is_ahead_ms=skew_ms)
        return theirs_ms

    def time_ms(self, speed: float = 1.0) -> int | None:
        """What it shows now, UTC ms, where it runs `speed` seconds per second; None before it was read."""
        if self._read is None:
            return None
        theirs_ms, asked_s = self._read
        return theirs_ms + round((self._ours.time_s() - asked_s) * 1000 * speed)
