"""What no socket carries is polled, symbol by symbol, while the sockets speak."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from liqstream.feeds.error_reporter import ErrorReporter
from liqstream.feeds.exchange_access import NO_OBSERVERS, OWN_ENDPOINTS, ExchangeAccess
from liqstream.feeds.exchanges.binance import Binance
from liqstream.feeds.exchanges.bybit import Bybit
from liqstream.feeds.feed import FeedStatus
from liqstream.feeds.pacing import FeedTiming
from liqstream.feeds.poller import Poller
from liqstream.feeds.refusals import Refusal, RefusalKind
from liqstream.feeds.rest_client import RestClient, RestUnavailableError
from liqstream.feeds.venue import Venue
from liqstream.market import MarketEvent, MarkPrice
from tests.support.exchange_rig import eventually
from tests.support.step_clock import StepClock


class Polled(Binance):
    """Refuses ETHUSDT for as long as it is told to."""

    refuses = True

    async def poll(self, rest: RestClient, symbol: str) -> Sequence[MarketEvent]:
        """A mark price, which is as good as any record."""
        if symbol == "ETHUSDT" and self.refuses:
            raise RestUnavailableError(Refusal(RefusalKind.PASSING, "HTTP 403: no"))
        return [MarkPrice("binance", symbol, 1, 1.0)]


def poller_of(venue: Venue, taken: list[MarketEvent], status: FeedStatus, fresh: list[bool]) -> Poller:
    clock = StepClock()
    access = ExchangeAccess(venue, OWN_ENDPOINTS, FeedTiming(clock=clock), NO_OBSERVERS, status)
    reporter = ErrorReporter("binance", status, clock.now_ms)
    return Poller(
        venue,
        access,
        reporter,
        clock,
        lambda: ("ETHUSDT", "BTCUSDT"),
        frozenset,
        lambda: fresh[0],
        taken.extend,
    )


async def test_a_refusal_costs_its_symbol_alone() -> None:
    """It is shown until it is over; beside silent sockets nothing is asked."""
    venue, taken, status, fresh = Polled(), list[MarketEvent](), FeedStatus(), [False]
    poller = poller_of(venue, taken, status, fresh)
    polling = asyncio.create_task(poller.run())
    for _ in range(20):
        await asyncio.sleep(0)
    assert taken == []
    fresh[0] = True
    await eventually(lambda: len(taken) > 3)
    assert {event.symbol for event in taken} == {"BTCUSDT"}
    assert "ETHUSDT: HTTP 403" in status.last_error
    venue.refuses = False
    await eventually(lambda: status.last_error == "")
    assert "ETHUSDT" in {event.symbol for event in taken}
    polling.cancel()
    await asyncio.wait([polling])
    await poller.access.close()


async def test_an_exchange_whose_sockets_carry_everything_is_not_polled() -> None:
    """Then there is nothing to do."""
    async with asyncio.timeout(5):
        await poller_of(Bybit(), [], FeedStatus(), [True]).run()
