"""An exchange as a Feed: the shared core that every exchange's Venue runs in.

Sockets carry what happens now; REST what was missed. After every break, and whenever a closed bar is not the
next one, the gap is fetched and delivered beside the live stream: a map never waits for history, and history
has no gaps. Nothing an exchange does ends the feed: what fails is tried again, on one schedule (Schedule).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing, suppress
from dataclasses import replace

import structlog

from liqstream.feeds.ahead import EarlyCloses
from liqstream.feeds.channel_watch import LOOK_EVERY_S, ChannelWatch
from liqstream.feeds.dedupe import Deduplicator
from liqstream.feeds.error_reporter import ErrorReporter
from liqstream.feeds.exchange_access import NO_OBSERVERS, OWN_ENDPOINTS, Endpoints, ExchangeAccess, Observers
from liqstream.feeds.exchange_facts import ExchangeFacts
from liqstream.feeds.gap_filler import GapFiller
from liqstream.feeds.history_backfill import BackfillSpan, HistoryBackfill
from liqstream.feeds.instruments import READ_EVERY_S, InstrumentList
from liqstream.feeds.liveness import Liveness, kind_of
from liqstream.feeds.minute_bars import MinuteBars
from liqstream.feeds.pacing import FEED_TIMING, FeedTiming, Pace
from liqstream.feeds.parsing import UNREADABLE, Parsed
from liqstream.feeds.poller import Poller
from liqstream.feeds.refusals import Refusal
from liqstream.feeds.rest_client import RestError, sentence
from liqstream.feeds.socket_group import SocketGroup
from liqstream.feeds.socket_supervisor import SocketHooks
from liqstream.feeds.venue import RecordKind, Topic, Venue
from liqstream.market import MarketEvent, MarketKey, Source
from liqstream.supervision.supervise import raise_if_cancelled

log = structlog.get_logger(__name__)


class ExchangeFeed(ExchangeFacts):
    """A Feed of `symbols` from `venue`, at its own addresses or at `endpoints`.

    `history_days` is how far back an empty store is filled. Symbols the exchange does not trade now are named
    in the status and followed once it does.
    """

    def __init__(
        self,
        venue: Venue,
        symbols: Sequence[str],
        *,
        interval_ms: int,
        history_days: int = 14,
        endpoints: Endpoints = OWN_ENDPOINTS,
        timing: FeedTiming = FEED_TIMING,
        observers: Observers = NO_OBSERVERS,
    ) -> None:
        super().__init__(venue.exchange, symbols, "live")
        self._venue = venue  # reads messages, asks REST; has state of its own
        venue.contract_sizes.clear()
        venue.now_ms, venue.clock_ms = self._their_now_ms, self.clock_ms
        self._interval_ms = interval_ms  # of the bars that are subscribed to
        self._timing, self._clock = timing, timing.clock  # limits in s; the clock of every wait
        # Session, REST client, the exchange's clock, and what outlives a restart.
        self._access = ExchangeAccess(venue, endpoints, timing, observers, self._status)
        # Writes `status.last_error`, by what does not work.
        self._reporter = ErrorReporter(venue.exchange, self._status, self._clock.now_ms)
        # Knows for each symbol up to where no bar is missing; sockets and backfill both go through it.
        self._deduplicator = Deduplicator(
            interval_ms, past_in_s=venue.liquidations_in_s, clock_ms=self.clock_ms
        )
        self._early_closes = EarlyCloses(self.clock_ms)  # what comes by the sockets goes through it first
        self._instruments = InstrumentList(self._symbols)  # which of the symbols trade
        span = BackfillSpan(interval_ms, history_days)
        past = HistoryBackfill(venue, symbols, self._deduplicator, self._reporter, self._access.state, span)
        # Fetches what the deduplicator lacks, and remembers what could not be fetched.
        self._gaps = GapFiller(
            self._access,
            past,
            self._reporter,
            timing,
            lambda: self._instruments.followed,
            self._on_past_page,
            self.watched,
        )
        # Asks for what a channel is late with.
        self._watch = ChannelWatch(
            venue,
            Liveness(interval_ms),
            self._reporter,
            self._clock,
            self._fetch_late_bars,
            self._take_present,
            self._on_mute,
        )
        # Bars of a minute, where the feed's own are longer.
        self._minutes = MinuteBars(venue, interval_ms, self._reporter, timing, self.clock_ms)
        self._sockets = SocketGroup()  # those of `events`
        self._pending: asyncio.Queue[Sequence[MarketEvent]] = asyncio.Queue()  # to the reader of `events`
        # Set when the sockets may have to carry other topics; reset as they are changed.
        self._plan_changed = asyncio.Event()
        self._list_changed = asyncio.Event()  # set when the list may have changed; reset as it is read
        self._size_doubted = asyncio.Event()  # set when a size in the list may be wrong
        self._read_for_sizes_from_s = 0.0  # when that may have it read again, on the clock
        # Topics the exchange refuses, by name, with since when, UTC ms; until they are taken, or not wanted.
        self._refused: dict[str, int] = {}

    @property
    def source(self) -> Source:
        """simulated once a response was marked so, else live."""
        return "simulated" if self._access.simulated else "live"

    @property
    def connects(self) -> int:
        """Sockets opened so far."""
        return self._sockets.connects

    async def backfill(self, newest_ms: dict[MarketKey, int | None]) -> AsyncGenerator[Sequence[MarketEvent]]:
        """What the store lacks, if the exchange answers; if it does not, `events` fetches it later."""
        for key, newest in newest_ms.items():
            if newest is not None:
                self._deduplicator.known_until(key.symbol, newest)
        await self._gaps.recall()
        try:
            await self._load_instruments()
            async with aclosing(self._gaps.fetch(patient=False)) as batches:
                async for batch in batches:
                    yield batch
        except (RestError, *UNREADABLE) as error:
            self._reporter.report("REST", sentence(error))
        finally:
            await self._access.close()
            await self._access.state.sync()

    async def events(self) -> AsyncGenerator[Sequence[MarketEvent]]:
        """What happens, as it happens; never ends by itself."""
        jobs: dict[str, Callable[[], Awaitable[None]]] = {
            "gaps": lambda: self._gaps.run(self._pending.put_nowait, self._show_flags),
            "poll": Poller(
                self._venue,
                self._access,
                self._reporter,
                self._clock,
                lambda: self._instruments.followed,
                self.watched,
                self._is_fresh,
                self._take_present,
            ).run,
            "sockets": self._hold_sockets,
            "instruments": self._keep_instruments,
            "channels": self._watch_channels,
            "state": self._access.keep_state,
            "minutes": lambda: self._minutes.run(self._access.client, self._pending.put_nowait),
        }
        await self._gaps.recall()
        tasks = [asyncio.create_task(self._go_on(name, job)) for name, job in jobs.items()]
        try:
            while True:
                yield await self._pending.get()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            await self._sockets.close()
            self._status.connected = False
            await self._access.close()
            await self._access.state.sync()

    async def close(self) -> None:
        """Close the HTTP session; the sockets end with `events`."""
        await self._access.close()

    def drain(self) -> Iterator[Sequence[MarketEvent]]:
        """The batches that wait for the reader of `events`, taken away."""
        while not self._pending.empty():
            yield self._pending.get_nowait()

    async def _go_on(self, name: str, job: Callable[[], Awaitable[None]]) -> None:
        """Run a job for ever: what nobody foresaw is logged in full, and the job begins anew."""
        schedule = self._timing.make_schedule()
        while True:
            try:
                return await job()
            except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001  # the job is begun anew
                raise_if_cancelled(error)
                wait_s = schedule.next_s()
                self._reporter.report_unforeseen(f"job {name}", error, wait_s)
                await self._clock.sleep(wait_s)
                self._reporter.clear(f"job {name}")

    # Sockets

    async def _hold_sockets(self) -> None:
        if not self._instruments.is_known:
            # Sockets wait for one try at the list only; what is not traded is then refused by topic.
            with suppress(RestError, *UNREADABLE):
                await self._load_instruments()
        pace = Pace(1.0 / self._timing.connects_per_s, clock=self._clock)
        self._gaps.note_gap()
        self._plan_changed.set()
        while True:
            await self._plan_changed.wait()
            self._plan_changed.clear()
            self._hold(pace)

    def _hold(self, pace: Pace) -> None:
        followed = self._instruments.followed
        topics = {topic.name: topic for topic in self._topics(followed)}
        for name in self._refused.keys() - topics.keys():
            self._on_taken(name)
        sockets = self._venue.sockets(list(topics.values()), self._access.ws_url) if followed else []
        hooks = SocketHooks(self.on_message, self._on_break, self._on_refused, self._on_alive, self._on_taken)
        self._sockets.hold(sockets, self._access.socket_means(pace), hooks)
        self._watch.follow(followed, self._interval_ms, self._access.their_now_ms())
        self._minutes.follow(followed)
        self._show_flags()

    def on_message(self, text: str) -> Parsed | None:
        """Read one message; what is new in it goes to the reader of `events`. None if it cannot be read."""
        try:
            parsed = self._venue.read(text)
        except Exception as error:  # noqa: BLE001  # whatever one message does to its reader, the next is read
            self._status.bad_messages += 1
            self._venue.note_break()
            self._reporter.sample("bad message", self._status.bad_messages, text, reason=repr(error))
            return None
        self._count_bad_items(text)
        if parsed.kind == "unknown":
            self._status.unknown_messages += 1
            self._reporter.sample("unknown message", self._status.unknown_messages, text)
        elif parsed.kind == "instruments":
            self._list_changed.set()
        elif parsed.kind == "data":
            self._take(parsed)
        return parsed

    def _take(self, parsed: Parsed) -> None:
        self._status.last_message_s = asyncio.get_running_loop().time()
        followed = self._instruments.followed
        parsed = replace(parsed, events=self._early_closes.settle(parsed.events))
        minutes, parsed = self._minutes.take(parsed, followed)
        self._watch.note(parsed.events)
        records = [*minutes, *self._deduplicator.new_records(parsed, followed)]
        self._status.duplicates = self._deduplicator.duplicates
        if self._deduplicator.has_gap:
            self._deduplicator.has_gap = False
            self._gaps.note_gap()
        if records:
            self._pending.put_nowait(records)

    def _on_alive(self, name: str) -> None:
        self._reporter.clear(f"socket {name}")
        self._status.connected = self._sockets.connected

    def _on_break(self, name: str, reason: str, retry_s: float) -> None:
        self._status.reconnects += 1
        self._status.connected = False
        self._venue.note_break()
        self._reporter.report(f"socket {name}", reason, retry_s)
        self._gaps.note_break()
        self._list_changed.set()

    def _on_refused(self, topic: Topic, refusal: Refusal, retry_s: float) -> None:
        self._reporter.report(f"topic {topic.name}", f"{topic.name} is refused: {refusal.text}", retry_s)
        self._refused.setdefault(topic.name, self._access.their_now_ms())

    def _on_taken(self, name: str) -> None:
        self._reporter.clear(f"topic {name}")
        if (since_ms := self._refused.pop(name, None)) is not None:
            self._gaps.note_break(since_ms)

    def _on_mute(self, symbol: str, kind: RecordKind) -> None:
        self._sockets.replace_carrier(symbol, kind, self._clock.time_s())

    # Instruments

    async def _keep_instruments(self) -> None:
        schedule = self._timing.make_schedule()
        while True:
            try:
                if not self._instruments.is_known or self._list_changed.is_set():
                    self._list_changed.clear()
                    await self._load_instruments()
                schedule.reset()
            except (RestError, *UNREADABLE) as error:
                await self._clock.sleep(self._gaps.report("instruments", error, schedule))
                self._list_changed.set()
                continue
            await self._wait_for_list()

    async def _load_instruments(self) -> None:
        """Learn what the exchange trades, and tell the sockets if that has changed."""
        before = self._topics(self._instruments.followed)
        listed = await self._venue.instruments(self._access.client())
        self._count_bad_items("the list of instruments")
        if self._venue.notes and not self._instruments.is_known:
            log.info(self._venue.notes, exchange=self.exchange)
        self._read_list(listed)
        self._reporter.show("symbol ", self._instruments.problems(self.exchange), READ_EVERY_S)
        self._reporter.note("delisting", self._instruments.announced(self.exchange))
        self._reporter.note("settlement", self._instruments.stand_ins(self.exchange))
        self._reporter.clear("instruments")
        self._reporter.clear("REST")
        # Also where a symbol is of another contract now: relisted, redenominated, or settled in its own coin.
        if before != self._topics(self._instruments.followed):
            self._plan_changed.set()
            self._gaps.note_gap()
        self._show_flags()

    # What the sockets do not carry, or not in time

    def _is_fresh(self) -> bool:
        last_s = self._status.last_message_s
        age_s = asyncio.get_running_loop().time() - last_s if last_s is not None else float("inf")
        return self._status.connected and age_s <= self._timing.stale_after_s / 3

    def _take_present(self, records: Sequence[MarketEvent]) -> None:
        now_s = self._clock.time_s()
        for record in records:
            if (kind := kind_of(record)) is not None:
                self._watch.liveness.alive((record.symbol, kind), now_s)
        new = self._deduplicator.new_records(Parsed("data", records), self._instruments.followed)
        if new:
            self._pending.put_nowait(new)

    async def _watch_channels(self) -> None:
        while True:
            await self._clock.sleep(LOOK_EVERY_S)
            await self._watch.look(self._access.client(), self._access.their_now_ms())
            followed = self._instruments.followed
            released = await self._access.examine(followed, self._reporter, self._on_verdict)
            for record in self._without_past(released):
                self._take_present([record])
            self._doubt_steps()
            self._show_unread()
            self._show_flags()

    def _on_verdict(self) -> None:
        # Channels that are used now are watched, and the past that waited for it is fetched.
        self._plan_changed.set()
        self._gaps.note_gap()

    async def _fetch_late_bars(self, symbol: str) -> AsyncGenerator[Sequence[MarketEvent]]:
        async with aclosing(self._gaps.fetch_symbol(symbol)) as batches:
            async for batch in batches:
                self._pending.put_nowait(batch)
                yield batch
