"""Keeps a feed's history without gaps: fetches by REST what was missed, for as long as it takes."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from contextlib import aclosing, suppress

from liqstream.feeds.error_reporter import ErrorReporter
from liqstream.feeds.exchange_access import ExchangeAccess
from liqstream.feeds.history_backfill import HistoryBackfill
from liqstream.feeds.pacing import FeedTiming
from liqstream.feeds.parsing import UNREADABLE
from liqstream.feeds.rest_client import RestError, sentence
from liqstream.feeds.schedule import Schedule, soon_then
from liqstream.feeds.venue_state import READ_EVERY_S
from liqstream.feeds.watched_first import watched_first
from liqstream.market import Candle, MarketEvent
from liqstream.market.record_bounds import time_of

MISSING_PAST = "missing_past"
"""The flag of a map of which some past could not be fetched yet."""
ITEMS_EVERY_S = 240.0
"""How often a part of the past is asked for that an exchange has long claimed not to have; a new gap
asks too."""
_CALM_S = 120.0
"""Nothing has been refused for so long: the next record that is gets its question soon."""
_SAFETY_MS = 60_000
"""Liquidations are asked for from so long before a break: the last of them may have been on their way."""


class GapFiller:
    """Fetches the gaps of the symbols that `followed` names.

    `on_page` is called for each page that came, and after a symbol's last.
    """

    def __init__(
        self,
        access: ExchangeAccess,
        backfill: HistoryBackfill,
        reporter: ErrorReporter,
        timing: FeedTiming,
        followed: Callable[[], tuple[str, ...]],
        on_page: Callable[[], None],
        watched: Callable[[], Collection[str]] = frozenset,
    ) -> None:
        self._access = access  # REST, the exchange's clock, the state that is kept
        self._backfill = backfill  # knows what is missing
        self._reporter = reporter  # shows what could not be fetched
        self._clock = timing.clock  # of the waits
        self._make_schedule = timing.make_schedule  # one for the run
        self._followed = followed  # the symbols that trade now
        self._on_page = on_page  # see the class
        self._watched = watched  # the symbols whose past comes before the others'
        # Set when records may be missing; reset as a fetch begins, so that a gap found meanwhile counts.
        self._found = asyncio.Event()
        # Whether that is for a record the guard refused: REST may bring the same again.
        self._is_refused = False
        self._refused_s = -math.inf  # when such a record was waited for last, on the clock
        # Held while the past is fetched: two who fetch would fetch the same.
        self._fetching = asyncio.Lock()

    def note_gap(self) -> None:
        """Records may be missing: look."""
        self._found.set()

    def follow(self, symbols: Sequence[str]) -> None:
        """These symbols may be followed from now on, and no others: look what is missing of them."""
        self._backfill.follow(symbols)
        self._found.set()

    def note_break(self, since_ms: int | None = None) -> None:
        """Messages may have been missed just now, or since a time, UTC ms."""
        now_ms = self._access.their_now_ms()
        start_ms = (now_ms if since_ms is None else since_ms) - _SAFETY_MS
        self._backfill.note_silence(self._followed(), start_ms, now_ms)
        self._found.set()

    def note_wrong_sizes(self, since_ms: Mapping[str, int]) -> None:
        """Amounts of these symbols were refused since then, for contracts of a wrong size: ask again."""
        now_ms = self._access.their_now_ms()
        for symbol, start_ms in since_ms.items():
            self._backfill.note_wrong_amounts(symbol, start_ms - _SAFETY_MS, now_ms)
        self._found.set()

    def note_refused(self, record: MarketEvent) -> None:
        """A record that was delivered is impossible: REST may have it as it is, now or in a while.

        Where it is late, it may be the clock that is not right any more: the machine was suspended.
        """
        now_ms = self._access.their_now_ms()
        self._backfill.note_impossible(record, now_ms)
        is_late = time_of(record) > now_ms
        if is_late or isinstance(record, Candle) or self._backfill.is_missing((record.symbol,)):
            self._is_refused = True
            self._found.set()

    def flags(self) -> dict[str, set[str]]:
        """What the maps must say, by symbol: those of whose past a part was refused."""
        symbols = self._backfill.missing.symbols()
        return {symbol: {MISSING_PAST} for symbol in symbols if self._backfill.is_refused(symbol)}

    def history_percent(self) -> dict[str, int]:
        """How much of its past is there, by symbol, of those that lack some."""
        return self._backfill.history_percent()

    async def recall(self) -> None:
        """Learn what was missing before this start."""
        await self._access.recall()
        self._backfill.recall()

    async def run(self, deliver: Callable[[Sequence[MarketEvent]], None], show: Callable[[], None]) -> None:
        """Never returns: fetch whenever there may be a gap, and again until nothing is missing."""
        schedule, after_refusals = self._make_schedule(), self._make_schedule()
        items_since_s = math.inf  # when nothing but such parts was left first
        while True:
            await self._found.wait()
            await self._wait_after_refusal(after_refusals)
            self._found.clear()
            wait_s, is_done = 0.0, False
            try:
                async with aclosing(self.fetch()) as batches:
                    async for batch in batches:
                        deliver(batch)
            except (RestError, *UNREADABLE) as error:
                wait_s = self.report("REST", error, schedule)
            else:
                is_done = True
                self._reporter.clear("REST")
                is_open = self._backfill.is_missing(self._followed()) or self._reporter.has("clock")
                wait_s = schedule.next_s() if is_open else 0.0
            show()
            if is_done and self._backfill.only_items_left(self._followed()):
                schedule.reset()
                items_since_s = min(items_since_s, self._clock.time_s())
                again_s = soon_then(self._clock.time_s() - items_since_s, ITEMS_EVERY_S)
                with suppress(TimeoutError):
                    async with self._clock.timeout(again_s):
                        await self._found.wait()
                self._found.set()
                continue
            items_since_s = math.inf
            if wait_s:
                await self._wait(wait_s)
                self._found.set()
            else:
                schedule.reset()

    async def _wait_after_refusal(self, schedule: Schedule) -> None:
        """Where REST's own records are refused too, ask by the schedule; the first time soon."""
        if not self._is_refused:
            return
        if self._clock.time_s() - self._refused_s > _CALM_S:
            schedule.reset()
        self._refused_s = self._clock.time_s()
        await self._wait(schedule.next_s())
        self._is_refused = False

    async def _wait(self, seconds: float) -> None:
        """Wait, but no longer than a pause lasts that somebody may have cleared."""
        until_s = self._clock.time_s() + seconds
        is_paused = self._access.client().pause_left_s > 0
        while (left_s := until_s - self._clock.time_s()) > 0:
            await self._clock.sleep(min(left_s, READ_EVERY_S))
            if is_paused and self._access.client().pause_left_s <= 0:
                return

    async def fetch(self, *, patient: bool = True) -> AsyncGenerator[Sequence[MarketEvent]]:
        """Everything that is missing now, first of what is watched by then.

        Raises RestError as HistoryBackfill.fetch does.
        """
        async with self._fetching:
            expected_ms = self._access.their_now_ms()
            now_ms = await self._now_ms()
            self._backfill.note_gaps(self._followed(), now_ms, expected_ms)
        client = self._access.client()
        for symbol in watched_first(self._followed(), self._watched):
            # Between two symbols one whose bars are late is let in: the past of hundreds takes hours.
            async with (
                self._fetching,
                aclosing(self._backfill.fetch(client, (symbol,), now_ms, patient=patient)) as batches,
            ):
                async for batch in batches:
                    self._on_page()
                    yield batch
            self._on_page()  # what came last is known now

    async def fetch_symbol(self, symbol: str) -> AsyncGenerator[Sequence[MarketEvent]]:
        """What is missing of one symbol, which is late with its bars."""
        async with self._fetching:
            now_ms = self._access.their_now_ms()
            self._backfill.note_gaps((symbol,), now_ms, now_ms)
            try:
                async with aclosing(
                    self._backfill.fetch(self._access.client(), (symbol,), now_ms)
                ) as batches:
                    async for batch in batches:
                        self._on_page()
                        yield batch
            finally:
                if self._backfill.is_missing((symbol,)):
                    self._found.set()  # no bar that comes shows this gap

    async def _now_ms(self) -> int:
        """The exchange's time; as far as it was known before, where it does not say."""
        try:
            now_ms = await self._access.measure_clock()
        except (RestError, *UNREADABLE) as error:
            if isinstance(error, RestError) and error.refusal.pause_s is not None:
                raise
            self._reporter.report("clock", f"the exchange's time is unknown: {sentence(error)}")
            return self._access.their_now_ms()
        self._reporter.clear("clock")
        return now_ms

    def report(self, thing: str, error: Exception, schedule: Schedule) -> float:
        """Say that REST failed at `thing`; how long to wait before the next try, in s."""
        wait_s = schedule.next_s(error.refusal if isinstance(error, RestError) else None)
        self._reporter.report(thing, sentence(error), wait_s)
        return wait_s
