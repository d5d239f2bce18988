"""Filling gaps by REST: every record between what is known and now, remembered until it is there."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass

import structlog

from liqstream.feeds.dedupe import Deduplicator
from liqstream.feeds.error_reporter import ErrorReporter
from liqstream.feeds.feed import History
from liqstream.feeds.missing_past import PAST_KINDS, MissingPast, Span
from liqstream.feeds.parsing import UNREADABLE, lost_here
from liqstream.feeds.past_amounts import PastAmounts
from liqstream.feeds.rest_client import RestClient, RestError, RestRefusedError
from liqstream.feeds.trial import OFF
from liqstream.feeds.venue import Venue
from liqstream.feeds.venue_state import VenueState
from liqstream.market import (
    DAY_MS,
    HOUR_MS,
    Candle,
    Liquidation,
    LiquidationSpan,
    MarketEvent,
    OpenInterest,
)
from liqstream.market.record_bounds import time_of

log = structlog.get_logger(__name__)

_LAGS_MS = 600_000
"""An exchange's REST interface may know a bar some minutes later than its socket."""

_ASKED_FOR_MS = 3_600_000
"""For so long is asked for what comes impossible or not at all; after that there is taken to be none."""

_RARER_MS = {"open_interest": HOUR_MS, "bars": HOUR_MS}
"""A longer span without any record was not answered in earnest, where an exchange keeps them."""


@dataclass(frozen=True, slots=True)
class BackfillSpan:
    """Bars of `interval_ms`; a symbol of which nothing is known is filled for `history_days`."""

    interval_ms: int
    history_days: int


class HistoryBackfill:
    """Fetches what `deduplicator` does not know; what cannot be fetched now is kept in `state`."""

    def __init__(
        self,
        venue: Venue,
        symbols: Sequence[str],
        deduplicator: Deduplicator,
        reporter: ErrorReporter,
        state: VenueState,
        span: BackfillSpan,
    ) -> None:
        self._venue = venue  # asks REST
        self._deduplicator = deduplicator  # knows up to where no bar is missing
        self._reporter = reporter  # shows what was refused, by symbol and kind
        self._state = state  # keeps what is missing over restarts
        self._interval_ms = span.interval_ms  # of the bars
        self._history_ms = span.history_days * DAY_MS  # for a symbol of which nothing is known
        self._symbols = tuple(symbols)  # all that may be followed
        # What is still to be fetched.
        self.missing = MissingPast()
        # Of that, the (symbol, kind) the exchange says it has not: asking again soon is of no use.
        self._refused_items: set[tuple[str, str]] = set()
        # When something was first found impossible or not there, UTC ms, by symbol, kind and time.
        self._in_vain_since_ms: dict[tuple[str, str, int], int] = {}
        self._amounts = PastAmounts()  # judges what came
        # From when on the past was asked for since this start, UTC ms, by symbol.
        self._asked_from_ms: dict[str, int] = {}
        # What of the span being fetched came impossible, by symbol and kind: it is not there, though it came.
        self._impossible: list[tuple[str, str, Span]] = []

    def recall(self) -> None:
        """Add what was missing before this start; the state must have been read."""
        document = self._state.missing(self._venue.exchange)
        for (symbol, kind), spans in MissingPast.from_document(document, self._symbols).items():
            for span in spans:
                self.missing.add(symbol, kind, *span)

    def follow(self, symbols: Sequence[str]) -> None:
        """These symbols may be followed from now on; nothing is missed of the others."""
        for symbol in self.missing.symbols() - set(symbols):
            self.missing.forget(symbol)
        self._symbols = tuple(symbols)
        self._save()

    def note_gaps(self, symbols: Sequence[str], now_ms: int, expected_ms: int) -> None:
        """Remember as missing what lies between the newest known bar of each symbol and `now_ms`.

        `expected_ms` is what the time was expected to be: where a bar that forms now says that an exchange's
        clock has jumped ahead, the bar is believed, or it would be taken for closed.
        """
        step_ms = self._interval_ms
        for symbol in symbols:
            self._deduplicator.forget_later(symbol, now_ms)
            known_ms = self._deduplicator.contiguous_ms(symbol)
            start_ms = now_ms - self._history_ms if known_ms is None else known_ms + step_ms
            start_ms -= start_ms % step_ms
            end_ms = now_ms - now_ms % step_ms
            forming_ms = self._deduplicator.forming_ms(symbol)
            if forming_ms is not None and expected_ms < forming_ms + 2 * step_ms:
                end_ms = min(end_ms, forming_ms)
            if start_ms >= end_ms:
                continue  # the bar after the last known one is still forming
            for kind in PAST_KINDS:
                if kind != "liquidations" or self._venue.keeps_liquidations:
                    self.missing.add(symbol, kind, start_ms, end_ms)
            # From now on it is this span that says what is missing, and newer bars follow it.
            self._deduplicator.filled(symbol, end_ms - step_ms)
        self._save()

    def note_impossible(self, record: MarketEvent, now_ms: int) -> None:
        """The guard has refused a record that may have been of the past: it is to be fetched as it is."""
        at_ms, step_ms = time_of(record), self._interval_ms
        if isinstance(record, Candle) and record.closed and record.interval_ms == step_ms:
            kind, span = "bars", (at_ms, at_ms + step_ms)
        elif isinstance(record, OpenInterest) and not record.open_interest_base:
            step_ms = max(step_ms, _LAGS_MS)
            kind, span = "open_interest", (at_ms - step_ms, at_ms + step_ms)
        else:
            return
        if span[1] <= now_ms and self._is_worth_asking(record.symbol, kind, at_ms, now_ms):
            self.missing.add(record.symbol, kind, *span)
            self._impossible.append((record.symbol, kind, span))
            self._save()

    def _is_worth_asking(self, symbol: str, kind: str, at_ms: int, now_ms: int) -> bool:
        """Whether something was not asked for in vain for an hour."""
        since_ms = self._in_vain_since_ms.setdefault((symbol, kind, at_ms), now_ms)
        return now_ms - since_ms <= _ASKED_FOR_MS

    def history_percent(self) -> dict[str, int]:
        """How much of the bars of the past is there, of the symbols that lack more than an hour of them."""
        found = {}
        for (symbol, kind), spans in self.missing.items():
            missing_ms = sum(end - start for start, end in spans)
            if kind == "bars" and missing_ms > HOUR_MS:
                found[symbol] = max(0, 100 - math.ceil(100 * missing_ms / self._history_ms))
        return found

    def is_missing(self, symbols: Sequence[str]) -> bool:
        """Whether anything of these symbols is still to be fetched."""
        return any(
            symbol in symbols and not (kind == "liquidations" and self._waits_for_verdict)
            for (symbol, kind), _ in self.missing.items()
        )

    @property
    def _waits_for_verdict(self) -> bool:
        """Whether nobody knows yet how liquidations of the past are to be read."""
        return self._venue.verdict_on("liquidations", past=True) is None

    def only_items_left(self, symbols: Sequence[str]) -> bool:
        """Whether all that is missing of these symbols is what the exchange says it does not have."""
        left = {item for item, _ in self.missing.items() if item[0] in symbols}
        return bool(left) and left <= self._refused_items

    def is_refused(self, symbol: str) -> bool:
        """Whether a part of a symbol's past was asked for in vain."""
        return any(self._reporter.has(_thing(symbol, kind)) for kind in PAST_KINDS)

    def note_silence(self, symbols: Sequence[str], start_ms: int, now_ms: int) -> None:
        """Remember that liquidations may have been missed since `start_ms`, where they can be asked for."""
        if self._venue.keeps_liquidations:
            for symbol in symbols:
                self.missing.add(symbol, "liquidations", start_ms, now_ms)
            self._save()

    def note_wrong_amounts(self, symbol: str, start_ms: int, now_ms: int) -> None:
        """Remember that amounts since `start_ms` were refused, where they can be asked for.

        What was fetched before may have been taken, for want of a price to judge it by: it is asked for too.
        """
        step_ms = self._interval_ms
        start_ms = min(start_ms, self._asked_from_ms.get(symbol, start_ms))
        self.missing.add(symbol, "bars", start_ms - start_ms % step_ms, now_ms - now_ms % step_ms)
        if self._venue.keeps_open_interest:
            self.missing.add(symbol, "open_interest", start_ms, now_ms)
        if self._venue.keeps_liquidations:
            self.missing.add(symbol, "liquidations", start_ms, now_ms)
        self._save()

    async def fetch(
        self, rest: RestClient, symbols: Sequence[str], now_ms: int, *, patient: bool = True
    ) -> AsyncGenerator[Sequence[MarketEvent]]:
        """The missing records of `symbols`, symbol by symbol, oldest first; closed bars only.

        What is refused or cannot be read is reported and stays missing, and the rest goes on: `missing` says
        afterwards whether all is there. Raises RestError where the exchange wants no request now or nobody is
        there, and unless `patient` for the first request that is not answered.
        """
        for symbol in symbols:
            count = 0
            self.missing.forget_later(symbol, now_ms + _LAGS_MS)  # of a clock that was ahead, or any file
            for kind in PAST_KINDS:
                for span in self.missing.spans(symbol, kind):
                    if kind == "liquidations" and not self._may_be_read(symbol, span):
                        continue
                    came, unread = False, lost_here.get()
                    self._asked_from_ms[symbol] = min(span[0], self._asked_from_ms.get(symbol, span[0]))
                    self._impossible.clear()
                    async with aclosing(self._fetch_span(rest, symbol, kind, span, patient)) as batches:
                        async for batch in batches:
                            count += len(batch)
                            came = came or any(span[0] <= time_of(each) <= span[1] for each in batch)
                            self._amounts.note(batch, span)
                            yield batch
                    self._forget_if_old(symbol, kind, span, now_ms)
                    unread = lost_here.get() - unread
                    if unread or not came:
                        self._doubt(symbol, kind, span, now_ms, unread)
                    self._miss_impossible()
            self._doubt_amounts(symbol, now_ms)
            if count:
                log.info("history fetched", exchange=self._venue.exchange, symbol=symbol, records=count)

    def _doubt_amounts(self, symbol: str, now_ms: int) -> None:
        """More open interest came than any market has, and no price was known to refuse it: ask again."""
        thing = _thing(symbol, "open_interest")
        for span in self._amounts.take_impossible(symbol):
            if self._is_worth_asking(symbol, "open_interest", span[0], now_ms):
                self._reporter.report(thing, f"{thing}: more than any market has")
                self.missing.add(symbol, "open_interest", *span)
                self._save()

    def _miss_impossible(self) -> None:
        """What has come, but was refused while it was delivered, is still missing."""
        for symbol, kind, span in self._impossible:
            self.missing.add(symbol, kind, *span)
        if self._impossible:
            self._save()

    def _may_be_read(self, symbol: str, span: Span) -> bool:
        """Whether past liquidations can be read; where nothing says how, they are not missed any more."""
        verdict = self._venue.verdict_on("liquidations", past=True)
        if verdict == OFF:
            self.missing.fetched(symbol, "liquidations", span[1], span[1])
        return bool(verdict)

    async def _fetch_span(
        self, rest: RestClient, symbol: str, kind: str, span: Span, patient: bool
    ) -> AsyncGenerator[Sequence[MarketEvent]]:
        thing, (start_ms, end_ms) = _thing(symbol, kind), span
        self._refused_items.discard((symbol, kind))
        lost, read = lost_here.get(), 0
        try:
            async with aclosing(self._pages(rest, symbol, kind)(start_ms, end_ms)) as pages:
                async for page in pages:
                    read += len(page)
                    batch = self._of_the_past(page, end_ms)
                    if batch:
                        yield batch
                    if kind == "bars" and batch:
                        known_ms = max(bar.open_time_ms for bar in batch if isinstance(bar, Candle))
                        self.missing.fetched(symbol, kind, known_ms + self._interval_ms, end_ms)
            if (lost := lost_here.get() - lost) > read:
                self.missing.add(symbol, kind, *span)
                raise ValueError(f"{lost} of {lost + read} rows cannot be read")
        except RestError as error:
            if isinstance(error, RestRefusedError):
                self._refused_items.add((symbol, kind))
            self._reporter.report(thing, f"{thing}: {error}", error.refusal.pause_s)
            is_hopeless = error.refusal.pause_s is not None or not error.refusal.reached or not patient
            if is_hopeless and not isinstance(error, RestRefusedError):
                raise
        except UNREADABLE as error:
            self._reporter.count_unreadable(thing, error)
        else:
            self._reporter.clear(thing)
            if kind != "bars":
                self.missing.fetched(symbol, kind, end_ms, end_ms)
            if kind == "liquidations":
                yield History([LiquidationSpan(self._venue.exchange, symbol, start_ms, end_ms)])
        finally:
            self._save()

    def _forget_if_old(self, symbol: str, kind: str, span: Span, now_ms: int) -> None:
        """Bars that did not come without a refusal do not exist, unless they are too young to tell."""
        if kind == "bars" and not self._reporter.has(_thing(symbol, kind)):
            if now_ms - span[1] > _LAGS_MS or not self._is_short(symbol, span):
                self.missing.fetched(symbol, kind, span[1], span[1])
            self._save()

    def _doubt(self, symbol: str, kind: str, span: Span, now_ms: int, unread: int) -> None:
        """Rows could not be read, or nothing came where there must be something: it stays missing."""
        if kind == "open_interest" and not self._venue.keeps_open_interest:
            return
        thing, length_ms = _thing(symbol, kind), span[1] - span[0]
        is_long = length_ms > max(_RARER_MS.get(kind, length_ms), 2 * self._interval_ms)
        is_doubtful = (unread or is_long) and not self._reporter.has(thing)
        if is_doubtful and self._is_worth_asking(symbol, kind, span[0], now_ms):
            what = f"rows that cannot be read: {unread}" if unread else "there is none in the answer"
            self._reporter.report(thing, f"{thing}: {what}")
            if unread:
                self._refused_items.add((symbol, kind))  # the rest is there: it need not be asked for at once
            self.missing.add(symbol, kind, *span)
            self._save()

    def _is_short(self, symbol: str, span: Span) -> bool:
        return any(end == span[1] and start < end for start, end in self.missing.spans(symbol, "bars"))

    def _of_the_past(self, page: Sequence[MarketEvent], end_ms: int) -> Sequence[MarketEvent]:
        bars = [event for event in page if isinstance(event, Candle)]
        if bars:
            return [bar for bar in bars if bar.closed and bar.open_time_ms + bar.interval_ms <= end_ms]
        new = [
            event
            for event in page
            if not isinstance(event, Liquidation) or self._deduplicator.is_new_liquidation(event)
        ]
        return History(new)

    def _pages(
        self, rest: RestClient, symbol: str, kind: str
    ) -> Callable[[int, int], AsyncGenerator[Sequence[MarketEvent]]]:
        venue, step_ms = self._venue, self._interval_ms

        def pages(start_ms: int, end_ms: int) -> AsyncGenerator[Sequence[MarketEvent]]:
            match kind:
                case "open_interest":
                    return venue.open_interest(rest, symbol, step_ms, start_ms=start_ms, end_ms=end_ms + 1)
                case "funding":
                    return venue.funding(rest, symbol, start_ms=start_ms, end_ms=end_ms + 1)
                case "liquidations":
                    return venue.past_liquidations(rest, symbol, start_ms=start_ms, end_ms=end_ms)
                case _:
                    return venue.candles(rest, symbol, step_ms, start_ms=start_ms, end_ms=end_ms)

        return pages

    def _save(self) -> None:
        self._state.save_missing(self._venue.exchange, self.missing.to_document())


def _thing(symbol: str, kind: str) -> str:
    return f"{symbol} {kind.replace('_', ' ')} of the past"
