"""How one feed reaches its exchange: its HTTP session, its REST client, the exchange's clock."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from liqstream.client.url_mask import masked
from liqstream.feeds.error_reporter import ErrorReporter
from liqstream.feeds.exchange_clock import ExchangeClock
from liqstream.feeds.feed import FeedStatus
from liqstream.feeds.http_session import make_session
from liqstream.feeds.pacing import Budget, FeedTiming, Pace
from liqstream.feeds.parsing import UNREADABLE
from liqstream.feeds.raw_frames import FrameSink
from liqstream.feeds.rest_client import RestClient, RestError, sentence
from liqstream.feeds.socket_supervisor import SocketMeans
from liqstream.feeds.trial import OFF
from liqstream.feeds.venue import Venue
from liqstream.feeds.venue_state import READ_EVERY_S, WRITE_EVERY_S, VenueState
from liqstream.market import MarketEvent


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where an exchange is, if not at its own addresses; "" for its own. `proxy` is asked through, "" for
    the environment's; `state_path` keeps bans and missing past over restarts."""

    rest_url: str = ""
    ws_url: str = ""
    proxy: str = ""
    state_path: Path | None = None


@dataclass(frozen=True, slots=True)
class Observers:
    """Who sees a feed's traffic: `trace_configs` its HTTP calls, `sink` every frame and response."""

    trace_configs: Sequence[aiohttp.TraceConfig] = ()
    sink: FrameSink | None = None


NOT_PROVEN = "as documented, not proven"
_SECOND_SOURCE = "second source"

OWN_ENDPOINTS = Endpoints()
"""Its own addresses, nothing kept over restarts."""
NO_OBSERVERS = Observers()


class ExchangeAccess:
    """One exchange at `endpoints`. `simulated` becomes true with the first response that is marked so."""

    def __init__(
        self, venue: Venue, endpoints: Endpoints, timing: FeedTiming, observers: Observers, status: FeedStatus
    ) -> None:
        self.ws_url = endpoints.ws_url or venue.ws_url
        self.proxy = endpoints.proxy
        self.ledger = timing.ledger
        self.sink = observers.sink
        self.state = VenueState(endpoints.state_path, timing.clock.now_ms, timing.clock.time_s)
        self.simulated = False
        self.clock = ExchangeClock(venue.exchange, status, timing.clock, lambda: self.simulated)
        self.clock_speed = 1.0
        """Market seconds per second; a simulated exchange says so where it is not 1."""
        self._venue = venue  # its limits, refusals and clock
        self._rest_url = endpoints.rest_url or venue.rest_url  # the one in use
        self._timing = timing  # of waits and tries
        self._trace_configs = observers.trace_configs  # of the session's requests
        self._status = status  # its address and clock skew are written here
        if self._rest_url not in (venue.rest_url, *(region.rest_url for region in venue.regions.values())):
            status.address = masked(self._rest_url)
        # Outlives the session: what was spent of the limits stays spent.
        self._budget = Budget(venue.limits, timing.clock, timing.ledger)
        # Both made on first use and given up by close().
        self._session: aiohttp.ClientSession | None = None
        # See _session.
        self._client: RestClient | None = None

    async def recall(self) -> None:
        """Read what is kept, and take in what was found before of the exchange's sides and units."""
        await self.state.sync()
        known = self.state.verdicts(self._venue.exchange)
        for name, trial in self._venue.trials.items():
            if isinstance(found := known.get(name), dict):
                trial.recall(found)
        self._show_trials()

    async def examine(
        self, symbols: Sequence[str], reporter: ErrorReporter, on_verdict: Callable[[], None]
    ) -> Sequence[MarketEvent]:
        """Compare what is held back with its second source; what is released by it, after `on_verdict`."""
        trials = self._venue.trials.values()
        before = [trial.verdict for trial in trials]
        self._show_trials()  # doctor may have found something meanwhile
        if all(verdict not in (None, OFF) for verdict in before):
            return ()
        released: Sequence[MarketEvent] = ()
        try:
            released = await self._venue.examine(self.client(), symbols, self.their_now_ms())
            reporter.clear(_SECOND_SOURCE)
        except (RestError, *UNREADABLE) as error:
            reporter.report(_SECOND_SOURCE, f"{_SECOND_SOURCE}: {sentence(error)}")
        for name, trial in self._venue.trials.items():
            if trial.has_changed:
                trial.has_changed = False
                self.state.save_verdict(self._venue.exchange, name, trial.to_document())
        self._show_trials()
        off = [trial.sentence for trial in trials if trial.verdict == OFF]
        reporter.note(_SECOND_SOURCE, "; ".join(off))
        if before != [trial.verdict for trial in trials]:
            on_verdict()
        return released

    def _show_trials(self) -> None:
        questions = {name: trial.sentence for name, trial in self._venue.trials.items()}
        found = self.state.verdicts(self._venue.exchange)
        facts = {about: _sentence_of(found.get(about)) for about in self._venue.unproven}
        # Of the markets' coins only those that are left out, of which their maps say no more than a flag.
        strangers = {
            about: _sentence_of(each)
            for about, each in found.items()
            if isinstance(each, dict) and each.get("other") is True
        }
        self._status.unproven = facts | questions | strangers

    def client(self) -> RestClient:
        """The REST client, of a session that is open."""
        if self._client is None or self._session is None or self._session.closed:
            self._session = make_session(trace_configs=self._trace_configs, on_simulated=self._on_simulated)
            self._client = RestClient(
                self._venue.exchange,
                self._rest_url,
                self._session,
                self._budget,
                table=self._venue.refusals,
                state=self.state,
                proxy=self.proxy,
                sink=self.sink,
                clock=self._timing.clock,
                make_schedule=self._timing.make_schedule,
            )
        return self._client

    def socket_means(self, pace: Pace) -> SocketMeans:
        """What sockets need, in the session that is open; `pace` is that of their connecting."""
        session = self.client().session
        return SocketMeans(self._venue, session, pace, self._timing, self.state, self.proxy, self.sink)

    def _on_simulated(self, speed: str) -> None:
        self.simulated = True
        with suppress(ValueError):
            self.clock_speed = float(speed)
        self._budget.unlimited()

    async def keep_state(self) -> None:
        """Never returns: exchange the state with its file, soon after a change and every READ_EVERY_S."""
        clock, read_s = self._timing.clock, self._timing.clock.time_s()
        while True:
            await clock.sleep(WRITE_EVERY_S)
            if self.state.has_changes or clock.time_s() - read_s >= READ_EVERY_S:
                read_s = clock.time_s()
                await self.state.sync()

    async def close(self) -> None:
        """Close the session; the next use opens another."""
        if self._session is not None:
            await self._session.close()
            self._session = self._client = None

    def their_now_ms(self) -> int:
        """The exchange's time as far as it is known, UTC."""
        theirs_ms = self.clock.time_ms()
        if theirs_ms is None or self.simulated:  # a simulated one may be faster than it is waited for
            return self._timing.clock.now_ms() - round(self._status.clock_skew_ms or 0.0)
        return theirs_ms

    async def measure_clock(self) -> int:
        """The exchange's time now, UTC; how far our clock is off is measured on the way. Raises what a
        Venue's `server_time_ms` raises."""
        return await self.clock.measure(self._venue.server_time_ms(self.client()))


def _sentence_of(verdict: object) -> str:
    """What `liqstream doctor` found of a fact, in words."""
    found = verdict.get("verdict") if isinstance(verdict, dict) else None
    return found if isinstance(found, str) and found else NOT_PROVEN
