"""Runs the feeds into the maps and the store: each exchange its own task, each record on two ways at once.

What happens now goes to the maps in memory at once and to the store behind it; what happened before (the
backfill, a filled gap) goes to the store first, and the maps of that market are then rebuilt from it, because
a bar that comes late cannot be applied to a state that has already passed it.

Nothing in a feed ends another feed or the process, and what the store refuses is given to it again.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, aclosing
from functools import partial

import structlog

from liqstream.feeds.feed import Feed, FeedError, FeedStatus
from liqstream.heatmap.live_maps import LiveMaps
from liqstream.ingest.followed_markets import FollowedMarkets, markets_of
from liqstream.ingest.liquidation_spans import LiquidationSpans
from liqstream.ingest.own_bars import OwnBars, market_of
from liqstream.ingest.stored_maps import StoredMaps
from liqstream.market import LiquidationSpan, MarketEvent, MarketKey
from liqstream.store.errors import StoreError
from liqstream.store.market_store import MarketStore
from liqstream.supervision.backoff import FullJitter
from liqstream.supervision.clock import SYSTEM_CLOCK, Clock
from liqstream.supervision.supervise import Supervisor, raise_if_cancelled

log = structlog.get_logger(__name__)

FLAGS_EVERY_S = 1.0
PAST_FIRST_S = 30.0
"""A feed listens after so long, if its past is there or not: that of many markets takes hours."""
MAX_UNSTORED = 500_000
"""Records of the past that wait for a store that takes none; beyond it the oldest are lost, and counted."""
_CONFIRM_EVERY_S = 5.0
"""A market's far prices are asked about no more often."""


class IngestPipeline:
    """Supervises `feeds`. A feed that fails is named in the log and in its status and begun anew; one that
    cannot go on (FeedError: a recording that is damaged) ends. The others run on.

    `interval_ms` is that of the bars the feeds deliver. With `await_history` `start()` returns only after
    every backfill; else a feed's backfill runs in its own task, and what the store holds is shown meanwhile.
    `listeners` are called with what happens now, never with history.
    """

    def __init__(
        self,
        feeds: Sequence[Feed],
        store: MarketStore,
        maps: LiveMaps,
        *,
        interval_ms: int,
        await_history: bool = False,
        listeners: Sequence[Callable[[Sequence[MarketEvent]], None]] = (),
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._feeds = tuple(feeds)  # one task each in run()
        self._store = store  # gets every record
        self._maps = maps  # get what is newer than what they hold; else they are rebuilt
        self._interval_ms = interval_ms  # of the feeds' bars
        self._await_history = await_history  # see the class
        self._listeners = tuple(listeners)  # called in order, with live batches
        self._own_bars = OwnBars(interval_ms)  # what of a batch the maps rest on
        # By exchange; a replay's maps must not see what it has not played.
        self._history_end_ms = {feed.exchange: feed.history_end_ms for feed in self._feeds}
        # Markets with history in the store that their maps lack; emptied by renew.
        self._to_rebuild: set[MarketKey] = set()
        # Judges every record before anything else sees it; the store's, which judges what it reads by it too.
        self._guard = store.guard
        self._guard.run_on(clock.now_ms, clock.time_s)
        self._guard.own_interval_ms = interval_ms
        by_exchange = {feed.exchange: feed for feed in self._feeds}
        self._guard.on_refused = lambda record: _tell(by_exchange.get(record.exchange), record)
        self._spans = LiquidationSpans()  # of every feed's liquidation channels
        places = (self._feeds, store, maps, self._spans)
        self.markets = FollowedMarkets(*places, interval_ms, renew=self.renew, forget=self._forget)
        """Changes what is collected."""
        self._stored = StoredMaps(self._feeds, maps, self.renew)  # makes those of many markets
        # By market, the question by REST whether a far price is real; one at a time.
        self._confirmations: dict[MarketKey, asyncio.Task[None]] = {}
        self._clock = clock  # of the waits
        self._rebuild_from_s = float("-inf")  # on the clock: before, the store failed at making maps anew
        self._rebuild_backoff = FullJitter()  # of the rebuilding that failed
        # Records of the past the store did not take, oldest first; emptied by _store_again.
        self._unstored: deque[Sequence[MarketEvent]] = deque()
        # Set when something is in `_unstored`.
        self._has_unstored = asyncio.Event()
        self._supervisor = Supervisor(clock=clock)  # counts what was not foreseen; replaced by who runs this
        self.records_lost = 0
        """Records of the past that were given up because the store took none for too long."""

    @property
    def feeds(self) -> tuple[Feed, ...]:
        """What is collected from."""
        return self._feeds

    async def start(self) -> None:
        """Show what the store holds, of many markets the first; with `await_history` all, and what it lacks.

        Raises FeedError if a feed that was waited for cannot deliver.
        """
        for feed in self._feeds:
            self._maps.set_source(feed.exchange, feed.source)
            if self._await_history:
                await self.renew(markets_of(feed))
                await self._backfill(feed)
                for key in markets_of(feed):
                    self._maps.mark_fresh(key)
        if not self._await_history:
            await self._stored.show_first()

    async def run(self, supervisor: Supervisor | None = None) -> None:
        """Collect until cancelled or until every feed has ended; what fails is reported to `supervisor`."""
        self._supervisor = supervise = supervisor or self._supervisor
        works = {f"feed-{feed.exchange}": partial(self._supervise, feed) for feed in self._feeds}
        async with (
            supervise.background("store-again", self._store_again),
            supervise.background("feed-flags", self._pass_flags),
            supervise.background("stored-maps", self._stored.run),
            AsyncExitStack() as running,
        ):
            for task in [
                await running.enter_async_context(supervise.background(name, work))
                for name, work in works.items()
            ]:
                await asyncio.wait([task])
            while self._unstored:
                await self._clock.sleep(FLAGS_EVERY_S)

    async def close(self) -> None:
        """Let go of what the feeds hold; after `run` has ended or been cancelled."""
        for question in self._confirmations.values():
            question.cancel()
        for feed in self._feeds:
            self._store.enqueue(self._spans.end(feed.exchange))
        for feed in self._feeds:
            await feed.close()

    def statuses(self) -> dict[str, FeedStatus]:
        """How each exchange's feed is doing, by our name of the exchange."""
        return {feed.exchange: feed.status for feed in self._feeds}

    async def _supervise(self, feed: Feed) -> None:
        backoff, has_past = FullJitter(), self._await_history
        while True:
            try:
                if not has_past:
                    await self._backfill(feed)
                    has_past = True
                await self._collect(feed)
            except FeedError as error:
                feed.status.connected = False
                feed.status.last_error = str(error)
                log.error("feed gave up", exchange=feed.exchange, reason=str(error))
                return
            except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001  # the feed is begun anew
                raise_if_cancelled(error)
                wait_s = backoff.next_s()
                feed.status.connected = False
                feed.status.last_error = str(error) or repr(error)
                feed.status.next_try_ms = self._clock.now_ms() + round(wait_s * 1000)
                self._supervisor.report(f"feed-{feed.exchange}", error, wait_s)
                await self._clock.sleep(wait_s)
            else:
                log.info("feed ended", exchange=feed.exchange)
                return

    async def _backfill(self, feed: Feed) -> None:
        newest = {
            key: await self._store.newest_bar_ms(key.exchange, key.symbol, self._interval_ms)
            for key in markets_of(feed)
        }
        count, until_s = 0, self._clock.time_s() + PAST_FIRST_S
        async with aclosing(feed.backfill(newest)) as batches:
            async for batch in batches:
                await self._append(self._admitted(feed, batch, past=True))
                count += len(batch)
                if not self._await_history and self._clock.time_s() > until_s:
                    break
        self._guard.end_past(feed.exchange)
        await self._rebuild(feed)
        self._maps.set_source(feed.exchange, feed.source)
        if count:
            log.info("history is in", exchange=feed.exchange, records=count)

    async def _collect(self, feed: Feed) -> None:
        async with aclosing(feed.events()) as batches:
            async for collected in batches:
                batch = self.markets.of(collected)
                self._maps.set_source(feed.exchange, feed.source)
                self._cover(self._spans.note(feed))
                if self._own_bars.is_history(batch):
                    await self._append(self._admitted(feed, batch, past=True))
                    continue
                await self._rebuild(feed)
                self._take(self._admitted(feed, batch, past=False), is_stored=feed.plays_store)
                for key in self._guard.unconfirmed(feed.exchange):
                    self._confirm(feed, key)

    def _forget(self, key: MarketKey) -> None:
        self._own_bars.forget(key)
        self._to_rebuild.discard(key)
        self._stored.forget(key)

    def _cover(self, spans: Sequence[LiquidationSpan]) -> None:
        """Liquidation channels were connected: to the maps and to the store."""
        self._maps.cover(spans)
        self._store.enqueue(spans)

    def _take(self, records: Sequence[MarketEvent], *, is_stored: bool = False) -> None:
        """What happens now, to the maps, the listeners and, unless it has them already, the store."""
        if not records:
            return
        self._maps.apply(records)
        for listener in self._listeners:
            listener(records)
        if not is_stored:
            self._store.enqueue(records)
        self._own_bars.note(records)

    def _admitted(self, feed: Feed, records: Sequence[MarketEvent], *, past: bool) -> Sequence[MarketEvent]:
        """The records that the guard does not refuse; what it refused last is in the feed's status."""
        if self._guard.set_clock(feed.exchange, feed.clock_ms(), feed.status.clock_skew_ms):
            self._forget_later(feed)
        admitted = self._guard.admit_past(records) if past else self._guard.admit(records)
        feed.status.last_refusal = self._guard.last_refusal.get(feed.exchange, "")
        return admitted

    def _forget_later(self, feed: Feed) -> None:
        """An exchange's clock has become known: what was taken meanwhile and is ahead of it goes."""
        for key in markets_of(feed):
            latest_ms = self._guard.latest_ms(key)
            self._own_bars.forget_later(key, latest_ms)
            if self._maps.forget_later(key, latest_ms):
                self._to_rebuild.add(key)

    def _confirm(self, feed: Feed, key: MarketKey) -> None:
        """Ask the exchange whether a market's price is as a record has it; a question under way is enough."""
        known = self._confirmations.get(key)
        if known is None or known.done():
            question = asyncio.create_task(self._ask_for_prices(feed, key), name=f"confirm-{key.exchange}")
            self._confirmations[key] = question

    async def _ask_for_prices(self, feed: Feed, key: MarketKey) -> None:
        try:
            prices = await feed.recent_prices(key.symbol)
            if prices is not None:
                self._take(self._guard.confirm(key, *prices))
        except Exception as error:  # noqa: BLE001  # the next far price asks again
            self._supervisor.report(f"confirm-{key.exchange}", error, _CONFIRM_EVERY_S)
        await self._clock.sleep(_CONFIRM_EVERY_S)

    async def _append(self, batch: Sequence[MarketEvent]) -> None:
        self._own_bars.note(batch)
        if self._unstored or not await self._try_to_store(batch):
            self._keep_for_later(batch)

    async def _try_to_store(self, batch: Sequence[MarketEvent]) -> bool:
        try:
            await self._store.append(batch)
        except StoreError as error:
            log.warning("history not stored", reason=str(error), records=len(batch))
            return False
        self._to_rebuild.update(self._own_bars.changes(batch))
        return True

    def _keep_for_later(self, batch: Sequence[MarketEvent]) -> None:
        self._unstored.append(batch)
        self._to_rebuild.update(self._own_bars.changes(batch))
        while sum(map(len, self._unstored)) > MAX_UNSTORED:
            self.records_lost += len(self._unstored.popleft())
            log.error("history lost", records=self.records_lost)
        self._has_unstored.set()

    async def _store_again(self) -> None:
        """Give the store what it did not take, for ever; live records go on meanwhile."""
        backoff = FullJitter()
        while True:
            await self._has_unstored.wait()
            while self._unstored:
                if await self._try_to_store(self._unstored[0]):
                    self._unstored.popleft()
                    backoff.reset()
                else:
                    await self._clock.sleep(backoff.next_s())
            self._has_unstored.clear()

    async def _pass_flags(self) -> None:
        """Keep the maps' flags and announced funding those of the feeds."""
        while True:
            for feed in self._feeds:
                flags = feed.status.flags
                for key in markets_of(feed):
                    self._maps.set_flags(key, flags.get(key.symbol, frozenset()))
                    self._maps.market(key).coming_funding = feed.coming_funding(key.symbol)
            await self._clock.sleep(FLAGS_EVERY_S)

    async def _rebuild(self, feed: Feed) -> None:
        """Make the maps anew of a feed's markets whose past has come; not while the store gives none."""
        if not self._to_rebuild or self._clock.time_s() < self._rebuild_from_s:
            return
        markets = {key for key in self._to_rebuild if key.exchange == feed.exchange}
        self._to_rebuild -= markets  # `renew` puts back what fails
        await (self.renew if self._await_history else self._stored.make_anew)(markets)

    async def renew(self, markets: Sequence[MarketKey] | set[MarketKey]) -> None:
        """Make the maps of some markets anew; what the store does not give is made anew later."""
        self._to_rebuild.update(markets)
        if not markets or self._clock.time_s() < self._rebuild_from_s:
            return
        try:
            await self._flush()
            for key in sorted(markets, key=lambda key: (key.exchange, key.symbol)):
                self._to_rebuild.discard(key)
                try:
                    await self._maps.reload(key, self._history_end_ms[key.exchange], self._waiting(key))
                except BaseException:
                    self._to_rebuild.add(key)
                    raise
        except StoreError as error:
            wait_s = self._rebuild_backoff.next_s()
            self._rebuild_from_s = self._clock.time_s() + wait_s
            log.warning("map not made anew", reason=str(error), again_in_s=round(wait_s, 1))
        else:
            self._rebuild_backoff.reset()

    def _waiting(self, key: MarketKey) -> list[MarketEvent]:
        """A market's records that the store could not take: its map is made of them too."""
        past = [each for batch in self._unstored for each in batch if market_of(each) == key]
        return past + self._store.waiting(key) if past or self._store.condition != "ok" else []

    async def _flush(self) -> None:
        """Commit what waits; what cannot be committed is taken from memory (`_waiting`)."""
        try:
            await self._store.flush()
        except StoreError as error:
            log.warning("store does not take what waits", reason=str(error))


def _tell(feed: Feed | None, record: MarketEvent) -> None:
    """A record was refused: its feed, if it is one of ours, must not take it for known."""
    if feed is not None:
        feed.note_refused(record)
