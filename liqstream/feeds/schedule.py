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
