"""One-minute bars beside the model's own: subscribed to with them, the last hours fetched, gaps filled.

They carry the short windows' candles. A map never waits for them: what is refused is asked for again, and
nothing is flagged.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import replace

from liqstream.feeds.ahead import ClockMs, is_ahead
from liqstream.feeds.error_reporter import ErrorReporter
from liqstream.feeds.feed import History
from liqstream.feeds.pacing import FeedTiming
from liqstream.feeds.parsing import UNREADABLE, Parsed
from liqstream.feeds.rest_client import RestClient, RestError, RestRefusedError, sentence
from liqstream.feeds.venue import Topic, Venue
from liqstream.market import HOUR_MS, MINUTE_MS, Candle, MarketEvent

BACKFILL_MS = 4 * HOUR_MS
"""How far back they are fetched: the longest window that is drawn of them."""

_CLOCK_EVERY_S = 0.5
"""How often it is looked for the exchange's clock until that is known."""


class MinuteBars:
    """Those of one feed; without any where the feed's own bars are of a minute, or the exchange has none."""

    def __init__(
        self,
        venue: Venue,
        interval_ms: int,
        reporter: ErrorReporter,
        timing: FeedTiming,
        clock_ms: ClockMs,
    ) -> None:
        self._venue = venue  # names the topics, asks REST
        self._reporter = reporter  # shows what could not be fetched
        self._clock = timing.clock  # of the waits
        self._clock_ms = clock_ms  # the exchange's: ours may say another day
        self._schedule = timing.make_schedule()  # of the fetches that failed
        self.is_on = interval_ms > MINUTE_MS and MINUTE_MS in venue.intervals_ms
        """Whether there are any; see the class."""
        # Open time of each symbol's newest closed bar, UTC ms.
        self._closed_ms: dict[str, int] = {}
        # Of the newest state of the bar that forms: when that opened, and when it was sent.
        self._forming: dict[str, tuple[int, int]] = {}
        # Open time of the newest bar before which none is known to be missing, of symbols that were fetched.
        self._contiguous_ms: dict[str, int] = {}
        # Symbols of which bars are missing; emptied by `run`.
        self._missing: set[str] = set()
        # Set when something is in `_missing`; reset as it is fetched.
        self._found = asyncio.Event()

    def topics(self, symbols: Sequence[str]) -> list[Topic]:
        """What to subscribe to beside the feed's own topics; of no kind: nothing is judged by them."""
        if not self.is_on:
            return []
        topics = self._venue.topics(symbols, MINUTE_MS)
        return [replace(topic, kinds=()) for topic in topics if topic.kinds == ("bars",)]

    def follow(self, symbols: Sequence[str]) -> None:
        """Fetch the past of the symbols that are new."""
        if self.is_on:
            self._miss(set(symbols) - self._contiguous_ms.keys())

    def take(self, parsed: Parsed, symbols: Sequence[str]) -> tuple[list[Candle], Parsed]:
        """The new one-minute bars of a message, and the message without any."""
        if not self.is_on:
            return [], parsed
        bars = [each for each in parsed.events if isinstance(each, Candle) and each.interval_ms == MINUTE_MS]
        if not bars:
            return [], parsed
        others = [each for each in parsed.events if each not in bars]
        new = [bar for bar in bars if bar.symbol in symbols and self._is_new(bar, parsed.sent_ms or 0)]
        return new, replace(parsed, events=others)

    def _is_new(self, bar: Candle, sent_ms: int) -> bool:
        newest_ms = self._closed_ms.get(bar.symbol, -1)
        if bar.open_time_ms <= newest_ms and not is_ahead(newest_ms, self._clock_ms()):
            return False
        if not bar.closed:
            newest, this = self._forming.get(bar.symbol, (0, 0)), (bar.open_time_ms, sent_ms)
            if this < newest and not is_ahead(max(newest), self._clock_ms()):
                return False
            self._forming[bar.symbol] = this
        if bar.closed:
            self._closed_ms[bar.symbol] = bar.open_time_ms
            known_ms = self._contiguous_ms.get(bar.symbol)
            if known_ms is not None and bar.open_time_ms == known_ms + MINUTE_MS:
                self._contiguous_ms[bar.symbol] = bar.open_time_ms
            elif known_ms is None or bar.open_time_ms > known_ms:
                self._miss({bar.symbol})
        return True

    def _miss(self, symbols: set[str]) -> None:
        self._missing |= symbols
        if self._missing:
            self._found.set()

    async def run(
        self,
        client: Callable[[], RestClient],
        deliver: Callable[[Sequence[MarketEvent]], None],
    ) -> None:
        """Never returns: fetch what is missing whenever there is something, once the clock is known."""
        while True:
            await self._found.wait()
            self._found.clear()
            for symbol in sorted(self._missing):
                while (their_ms := self._clock_ms()) is None:
                    await self._clock.sleep(_CLOCK_EVERY_S)
                self._missing.discard(symbol)
                try:
                    await self._fetch(client(), symbol, their_ms, deliver)
                except RestRefusedError as error:
                    self._reporter.report(_thing(symbol), f"{_thing(symbol)}: {error}")
                except (RestError, *UNREADABLE) as error:
                    refusal = error.refusal if isinstance(error, RestError) else None
                    wait_s = self._schedule.next_s(refusal)
                    self._reporter.report(_thing(symbol), f"{_thing(symbol)}: {sentence(error)}", wait_s)
                    self._miss({symbol})
                    await self._clock.sleep(wait_s)
                else:
                    self._reporter.clear(_thing(symbol))
                    self._schedule.reset()

    async def _fetch(
        self, rest: RestClient, symbol: str, now_ms: int, deliver: Callable[[Sequence[MarketEvent]], None]
    ) -> None:
        end_ms = now_ms - now_ms % MINUTE_MS
        start_ms = max(end_ms - BACKFILL_MS, self._contiguous_ms.get(symbol, 0) + MINUTE_MS)
        if start_ms < end_ms:
            pages = self._venue.candles(rest, symbol, MINUTE_MS, start_ms=start_ms, end_ms=end_ms)
            async with aclosing(pages):
                async for page in pages:
                    closed = [bar for bar in page if bar.closed and bar.open_time_ms < end_ms]
                    if closed:
                        deliver(History(closed))
        # REST may lack the last minute for a moment: the bars that come live are later, and show it.
        closed_ms = self._closed_ms.get(symbol, 0)
        self._contiguous_ms[symbol] = max(end_ms - MINUTE_MS, closed_ms if closed_ms < now_ms else 0)


def _thing(symbol: str) -> str:
    return f"{symbol} one-minute bars"
