"""What an exchange dates later than its own clock: it is taken, but it is neither the newest nor over.

Else one message with a wrong time would make every right one that follows an old one, until that time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from liqstream.market import Candle, MarketEvent

AHEAD_MS = 1000
"""So far a clock that was read by REST, in whole seconds, may be behind that of the sockets."""

ClockMs = Callable[[], int | None]
"""The exchange's clock, UTC ms; None while it is not known: then nothing is ahead."""


def unknown_clock() -> int | None:
    """Of whoever has no exchange to ask."""
    return None


def is_ahead(time_ms: int, clock_ms: int | None) -> bool:
    """Whether a time (UTC ms) is later than the exchange's clock."""
    return clock_ms is not None and time_ms > clock_ms + AHEAD_MS


@dataclass(slots=True)
class EarlyCloses:
    """Bars that are called closed before they can be: they still form.

    One is over once a later bar has begun and nothing more has come of it, as of a clock that is behind.
    """

    clock_ms: ClockMs
    # By symbol and interval, the last that was early.
    _early: dict[tuple[str, int], Candle] = field(default_factory=dict)

    def settle(self, events: Sequence[MarketEvent]) -> Sequence[MarketEvent]:
        """The records of a message, in order, with what they show to be over."""
        if not any(isinstance(event, Candle) for event in events):
            return events
        return [each for event in events for each in self._settled(event)]

    def _settled(self, event: MarketEvent) -> Iterable[MarketEvent]:
        if not isinstance(event, Candle):
            return (event,)
        key, clock_ms = (event.symbol, event.interval_ms), self.clock_ms()
        early, over = self._early.get(key), []
        if early is not None and event.open_time_ms >= early.open_time_ms:
            if event.open_time_ms == early.open_time_ms:
                del self._early[key]
            elif not is_ahead(event.open_time_ms, clock_ms):
                over.append(self._early.pop(key))
        if event.closed and is_ahead(event.open_time_ms + event.interval_ms, clock_ms):
            self._early[key] = event
            event = replace(event, closed=False)
        return (*over, event)
