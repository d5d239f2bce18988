"""An exchange as a Feed: the shared core that every venue's connector runs in.

Sockets say what happens now; REST tells what was missed. After every break, and whenever a closed bar is not
the next one, the hole is fetched and delivered beside the live stream: a map never waits for history, and
history has no holes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator, Sequence
from contextlib import aclosing
from typing import Any

import aiohttp
import structlog

from liqstream.feeds.backoff import CONNECTS_PER_S, FullJitter, Pace
from liqstream.feeds.feed import FeedError, FeedStatus
from liqstream.feeds.filter import NewsFilter
from liqstream.feeds.frames import FrameSink
from liqstream.feeds.rest import RestClient, RestRefusedError, RestUnavailableError
from liqstream.feeds.sockets import Keeper
from liqstream.feeds.troubles import Troubles
from liqstream.feeds.venue import Venue
from liqstream.market import DAY_MS, Candle, MarketEvent, MarketKey, Source

log = structlog.get_logger(__name__)

_MAX_BATCH = 1000
_SKEW_WARNING_MS = 5000.0


class ExchangeFeed:
    """A Feed of `symbols` from `venue`, at its own addresses or at `rest_url` and `ws_url`.

    `history_days` is how far back an empty store is filled. Symbols the venue does not list are named in the
    log and left out; FeedError is raised if none is left or the venue shuts this address out.
    """

    def __init__(
        self,
        venue: Venue,
        symbols: Sequence[str],
        *,
        interval_ms: int,
        rest_url: str = "",
        ws_url: str = "",
        history_days: int = 14,
        silence_s: float = 15.0,
        trace_configs: Sequence[aiohttp.TraceConfig] = (),
        sink: FrameSink | None = None,
        max_age_s: float | None = None,
        connects_per_s: float = CONNECTS_PER_S,
        make_backoff: Callable[[], FullJitter] = FullJitter,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._venue = venue
        self._symbols = tuple(symbols)
        self._interval_ms = interval_ms
        self._rest_url, self._ws_url = rest_url or venue.rest_url, ws_url or venue.ws_url
        self._history_ms = history_days * DAY_MS
        self._silence_s = silence_s
        self._trace_configs = list(trace_configs)
        self._sink = sink
        self._max_age_s = max_age_s
        self._connects_per_s = connects_per_s
        self._make_backoff = make_backoff
        self._now_ms = now_ms
        self._status = FeedStatus(address="" if self._rest_url == venue.rest_url else self._rest_url)
        self._troubles = Troubles(venue.exchange, self._status)
        self._filter = NewsFilter(interval_ms)
        self._inbox: asyncio.Queue[Sequence[MarketEvent] | Exception] = asyncio.Queue()
        self._hole = asyncio.Event()
        self._session: aiohttp.ClientSession | None = None
        self._rest: RestClient | None = None
        self._keepers: list[Keeper] = []
        self._introduced = False

    @property
    def exchange(self) -> str:
        return self._venue.exchange

    @property
    def source(self) -> Source:
        return "simulated" if self._rest is not None and self._rest.simulated else "live"

    @property
    def symbols(self) -> tuple[str, ...]:
        return self._symbols

    @property
    def status(self) -> FeedStatus:
        return self._status

    @property
    def history_end_ms(self) -> int | None:
        return None

    @property
    def connects(self) -> int:
        """Sockets opened so far."""
        return sum(keeper.connects for keeper in self._keepers)

    async def backfill(self, newest_ms: dict[MarketKey, int | None]) -> AsyncGenerator[Sequence[MarketEvent]]:
        """What the store lacks, if the venue answers; if it does not, `events` fetches it later."""
        for key, newest in newest_ms.items():
            if newest is not None:
                self._filter.known_until(key.symbol, newest)
        try:
            async with aclosing(self._missing()) as batches:
                async for batch in batches:
                    yield batch
        except RestUnavailableError as error:
            self._troubles.tell(str(error))
        finally:
            if not self._keepers:
                await self._close_session()

    async def events(self) -> AsyncGenerator[Sequence[MarketEvent]]:
        """What happens, as it happens; never ends by itself."""
        work: list[Coroutine[Any, Any, None]] = [self._fetch_holes(), self._poll()]
        tasks = [asyncio.create_task(self._guard(job)) for job in work]
        tasks.append(asyncio.create_task(self._guard(self._hold_sockets())))
        try:
            while True:
                item = await self._inbox.get()
                if isinstance(item, Exception):
                    raise item
                yield item
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            self._status.connected = False
            await self._close_session()

    async def close(self) -> None:
        """Let go of the HTTP session; the sockets end with `events`."""
        await self._close_session()

    async def _guard(self, job: Coroutine[Any, Any, None]) -> None:
        try:
            await job
        except Exception as error:  # noqa: BLE001  # the outermost loop of a task: raised where it is read
            self._inbox.put_nowait(error)

    async def _hold_sockets(self) -> None:
        await self._introduce_patiently()
        rest = self._client()
        pace = Pace(1.0 / self._connects_per_s)
        self._keepers = [
            Keeper(
                self._venue,
                socket,
                rest.session,
                pace,
                self._silence_s,
                self.hear,
                self._broke,
                sink=self._sink,
                max_age_s=self._max_age_s,
                backoff=self._make_backoff(),
            )
            for socket in self._venue.sockets(self._symbols, self._interval_ms, self._ws_url)
        ]
        self._hole.set()
        await _all([keeper.run() for keeper in self._keepers])

    def hear(self, text: str) -> bool:
        """Read one message; what is new in it goes to the reader of `events`. Says whether it was data."""
        try:
            parsed = self._venue.read(text)
        except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
            self._status.bad_messages += 1
            self._troubles.sample("bad message", self._status.bad_messages, text, reason=str(error))
            return False
        if parsed.kind == "unknown":
            self._status.unknown_messages += 1
            self._troubles.sample("unknown message", self._status.unknown_messages, text)
        if parsed.kind != "data":
            return False
        self._status.last_message_s = asyncio.get_running_loop().time()
        if not self._status.connected and all(keeper.connected for keeper in self._keepers):
            self._status.connected = True
            self._troubles.are_over()
        news = self._filter.new_in(parsed, self._symbols)
        self._status.duplicates = self._filter.duplicates
        if self._filter.hole:
            self._hole.set()
        if news:
            self._inbox.put_nowait(news)
        return True

    def heard(self) -> Iterator[Sequence[MarketEvent]]:
        """The batches that wait for the reader of `events`, taken away."""
        while not self._inbox.empty():
            item = self._inbox.get_nowait()
            if isinstance(item, Exception):
                raise item
            yield item

    def _broke(self, reason: str) -> None:
        self._status.reconnects += 1
        self._status.connected = False
        self._troubles.tell(reason)
        self._hole.set()

    async def _fetch_holes(self) -> None:
        backoff = self._make_backoff()
        while True:
            await self._hole.wait()
            self._hole.clear()
            self._filter.hole = False
            try:
                async with aclosing(self._missing()) as batches:
                    async for batch in batches:
                        self._inbox.put_nowait(batch)
                backoff.reset()
                if self._status.connected:
                    self._troubles.are_over()
            except RestUnavailableError as error:
                self._troubles.tell(str(error))
                await asyncio.sleep(backoff.next_s())
                self._hole.set()

    async def _missing(self) -> AsyncGenerator[Sequence[MarketEvent]]:
        """Everything between what is known and now, symbol by symbol; what was delivered counts as known."""
        await self._introduce()
        rest = self._client()
        now_ms = await self._server_time_ms()
        for symbol in self._symbols:
            known = self._filter.contiguous_ms(symbol)
            start_ms = now_ms - self._history_ms if known is None else known + self._interval_ms
            start_ms -= start_ms % self._interval_ms
            if start_ms + self._interval_ms > now_ms:
                continue  # the bar after the last known one is still forming
            bars = 0
            async with aclosing(self._past(rest, symbol, start_ms, now_ms)) as batches:
                async for batch in batches:
                    yield batch
                    opens = [event.open_time_ms for event in batch if isinstance(event, Candle)]
                    bars += len(opens)
                    if opens:
                        self._filter.filled(symbol, max(opens))
            log.info("history fetched", exchange=self.exchange, symbol=symbol, bars=bars)

    async def _past(
        self, rest: RestClient, symbol: str, start_ms: int, now_ms: int
    ) -> AsyncGenerator[Sequence[MarketEvent]]:
        venue, interval_ms = self._venue, self._interval_ms
        sources: tuple[AsyncGenerator[Sequence[MarketEvent]], ...] = (
            venue.open_interest(rest, symbol, interval_ms, start_ms=start_ms, end_ms=now_ms + 1),
            venue.funding(rest, symbol, start_ms=start_ms, end_ms=now_ms + 1),
            _closed(venue.candles(rest, symbol, interval_ms, start_ms=start_ms, end_ms=now_ms), now_ms),
        )
        for source in sources:
            try:
                async with aclosing(source) as batches:
                    async for batch in batches:
                        if batch:
                            yield batch
            except RestRefusedError as error:
                self._troubles.tell(f"{symbol}: part of the history was refused: {error}")
            except (ValueError, KeyError, TypeError, IndexError) as error:
                self._status.bad_messages += 1
                self._troubles.tell(f"{symbol}: an answer could not be read: {error!r}")

    async def _introduce_patiently(self) -> None:
        backoff = self._make_backoff()
        while True:
            try:
                return await self._introduce()
            except RestUnavailableError as error:
                self._troubles.tell(str(error))
                await asyncio.sleep(backoff.next_s())

    async def _introduce(self) -> None:
        """Learn what the venue lists (and whether it is a real one) before anything of it is believed."""
        if self._introduced:
            return
        try:
            listed = await self._venue.listed(self._client())
        except RestRefusedError as error:
            raise FeedError(f"{self.exchange} refuses to say what it lists: {error}") from None
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise FeedError(f"{self._rest_url} does not speak as {self._venue.name}: {error!r}") from None
        unlisted = [symbol for symbol in self._symbols if symbol not in listed]
        if unlisted:
            self._troubles.tell_for_good(f"{self.exchange} does not list {', '.join(unlisted)}")
        self._symbols = tuple(symbol for symbol in self._symbols if symbol in listed)
        if not self._symbols:
            raise FeedError(f"{self.exchange} lists none of the symbols asked for: {', '.join(unlisted)}")
        if self._venue.notes:
            log.info(self._venue.notes, exchange=self.exchange)
        self._introduced = True

    async def _server_time_ms(self) -> int:
        """The venue's time now; how far our clock is off is measured on the way."""
        before_ms = self._now_ms()
        theirs_ms = await self._venue.server_time_ms(self._client())
        after_ms = self._now_ms()
        self._status.clock_skew_ms = (before_ms + after_ms) / 2 - theirs_ms
        if abs(self._status.clock_skew_ms) > _SKEW_WARNING_MS:
            log.warning("clocks differ", exchange=self.exchange, ours_is_ahead_ms=self._status.clock_skew_ms)
        return theirs_ms

    async def _poll(self) -> None:
        """Ask for what the sockets do not carry, but only while they are heard: else old would look new."""
        loop = asyncio.get_running_loop()
        while self._venue.poll_every_s is not None:
            await asyncio.sleep(self._venue.poll_every_s)
            heard_s = self._status.last_message_s
            if not self._status.connected or heard_s is None or loop.time() - heard_s > self._silence_s / 3:
                continue
            for symbol in self._symbols:
                try:
                    news = await self._venue.poll(self._client(), symbol)
                except (RestUnavailableError, RestRefusedError) as error:
                    self._troubles.tell(str(error))
                except (ValueError, KeyError, TypeError, IndexError) as error:
                    self._status.bad_messages += 1
                    self._troubles.tell(f"{symbol}: an answer could not be read: {error!r}")
                else:
                    self._inbox.put_nowait(news)

    def _client(self) -> RestClient:
        if self._rest is None or self._session is None or self._session.closed:
            simulated = self._rest is not None and self._rest.simulated
            self._session = aiohttp.ClientSession(trace_configs=self._trace_configs)
            pace = Pace(self._venue.rest_every_s, burst=5)
            self._rest = RestClient(
                self.exchange, self._rest_url, self._session, pace, simulated=simulated, sink=self._sink
            )
        return self._rest

    async def _close_session(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None


async def _closed(pages: AsyncGenerator[list[Candle]], now_ms: int) -> AsyncGenerator[Sequence[MarketEvent]]:
    async with aclosing(pages):
        async for page in pages:
            yield [bar for bar in page if bar.closed and bar.open_time_ms + bar.interval_ms <= now_ms]


async def _all(jobs: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Run jobs together; the first that fails ends the others and is raised as itself."""
    tasks = [asyncio.create_task(job) for job in jobs]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
