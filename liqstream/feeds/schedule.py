"""When an exchange is asked again after a refusal: one rule, for REST, sockets and subscriptions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from liqstream.feeds.refusals import Refusal
from liqstream.supervision.backoff import FullJitter


@dataclass(slots=True)
class Schedule:
    """The waits of one thing that is tried again, for ever."""

    jitter: FullJitter = field(default_factory=FullJitter)

    def next_s(self, refusal: Refusal | None = None) -> float:
        """How long to wait now: exactly the pause there is, else full jitter."""
        if refusal is not None and refusal.pause_s is not None:
            return refusal.pause_s
        return self.jitter.next_s()

    def reset(self) -> None:
        """It works again: the next failure waits a short time only."""
        self.jitter.reset()


MakeSchedule = Callable[[], Schedule]

SOON_S, SOON_FOR_S = 30.0, 600.0


def soon_then(since_s: float, later_s: float) -> float:
    """How often to look, in s, for what an exchange has lacked for `since_s`: every 30 s for ten minutes."""
    return SOON_S if since_s < SOON_FOR_S else later_s
