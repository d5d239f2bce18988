"""What of the reads of positions does not work just now: reported while it lasts, logged when it begins."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import structlog

from liqstream.supervision.clock import SYSTEM_CLOCK, Clock

LOGGED_EVERY_S = 3600.0
"""The same failure is logged once in so long: hundreds of reads fail a minute when one does."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Failures:
    """By the name of the event that is logged. Reasons hold no address."""

    clock: Clock = SYSTEM_CLOCK
    _reasons: dict[str, str] = field(default_factory=dict)
    # When each was logged last, on the clock.
    _logged_s: dict[str, float] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """All that does not work, in words; "" for nothing."""
        return "; ".join(self._reasons.values())

    def begin(self, event: str, reason: str) -> None:
        """Something does not work, or still does not."""
        self._reasons[event] = reason
        now_s = self.clock.time_s()
        if now_s >= self._logged_s.get(event, -math.inf) + LOGGED_EVERY_S:
            self._logged_s[event] = now_s
            log.warning(event, reason=reason)

    def end(self, event: str) -> None:
        """It works."""
        self._reasons.pop(event, None)
