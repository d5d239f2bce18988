"""Asking by REST, every few seconds, for what an exchange's sockets do not carry."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from liqstream.feeds.error_reporter import ErrorReporter
from liqstream.feeds.exchange_access import ExchangeAccess
from liqstream.feeds.parsing import UNREADABLE
from liqstream.feeds.rest_client import RestError, sentence
from liqstream.feeds.venue import Venue
from liqstream.feeds.watched_first import watched_first
from liqstream.market import MarketEvent
from liqstream.supervision.clock import Clock


@dataclass(frozen=True, slots=True)
class Poller:
    """Polls `followed()`, what is `watched()` first, while `is_fresh()`.

    Beside sockets that are silent, old records would look new.
    """

    venue: Venue
    access: ExchangeAccess
    reporter: ErrorReporter
    clock: Clock
    followed: Callable[[], tuple[str, ...]]
    watched: Callable[[], Collection[str]]
    is_fresh: Callable[[], bool]
    take: Callable[[Sequence[MarketEvent]], None]

    async def run(self) -> None:
        """Returns at once if there is nothing to poll, else never."""
        while self.venue.poll_every_s is not None:
            await self.clock.sleep(self.venue.poll_every_s)
            for symbol in watched_first(self.followed() if self.is_fresh() else (), self.watched):
                await self._ask(symbol, self.venue.poll_every_s)

    async def _ask(self, symbol: str, every_s: float) -> None:
        thing = f"{symbol} poll"
        try:
            self.take(await self.venue.poll(self.access.client(), symbol))
        except (RestError, *UNREADABLE) as error:
            wait_s = self.access.client().pause_left_s or every_s
            self.reporter.report(thing, f"{symbol}: {sentence(error)}", wait_s)
        else:
            self.reporter.clear(thing)
