"""What a feed of an exchange answers when it is asked (its clock, prices of late, what it listens to), and
what it does about a record that was refused."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import aclosing, suppress

from liqstream.feeds.bracket_readers import READERS, Rows
from liqstream.feeds.channel_watch import ChannelWatch
from liqstream.feeds.dedupe import Deduplicator
from liqstream.feeds.error_reporter import ErrorReporter
from liqstream.feeds.exchange_access import ExchangeAccess
from liqstream.feeds.feed import FeedBase, History
from liqstream.feeds.gap_filler import GapFiller
from liqstream.feeds.instruments import (
    LEAST_READ_EVERY_S,
    READ_EVERY_S,
    READ_FOR_SIZES_EVERY_S,
    InstrumentList,
)
from liqstream.feeds.minute_bars import MinuteBars
from liqstream.feeds.parsing import UNREADABLE, Parsed
from liqstream.feeds.rest_client import RestError
from liqstream.feeds.size_readers import SIZE_READERS, MarketSize
from liqstream.feeds.venue import Instrument, RecordKind, Topic, Venue
from liqstream.feeds.weight_ledger import WeightLedger
from liqstream.market import PRESENT_MS, Candle, ComingFunding, Liquidation, MarketEvent, OpenInterest
from liqstream.supervision.clock import Clock

UNREAD_NOTED_S = 30.0


class ExchangeFacts(FeedBase):
    """The answers of an ExchangeFeed, which sets these attributes."""

    _venue: Venue
    _access: ExchangeAccess
    _instruments: InstrumentList
    _reporter: ErrorReporter
    _interval_ms: int
    _deduplicator: Deduplicator
    _gaps: GapFiller
    _clock: Clock
    _watch: ChannelWatch
    _minutes: MinuteBars
    # Topics the exchange refuses, by name, with since when, UTC ms.
    _refused: dict[str, int]
    # Set when the list of instruments may have changed.
    _list_changed: asyncio.Event
    # Set when a size in the list may be wrong.
    _size_doubted: asyncio.Event
    # When the list may be read again for that, on the clock.
    _read_for_sizes_from_s: float
    # Rounds of trials with which no reading agreed, when they were looked at last.
    _failed_rounds: int = 0
    # How much could not be read when that was looked at last, and until when it is noted, on the clock.
    _unread: int = 0
    _unread_until_s: float = 0.0
    # Set when the sockets may have to carry other topics.
    _plan_changed: asyncio.Event
    # To the reader of `events`.
    _pending: asyncio.Queue[Sequence[MarketEvent]]

    @property
    def ledger(self) -> WeightLedger | None:
        """The exchange's REST weight, where others spend of it too."""
        return self._access.ledger

    def clock_ms(self) -> int | None:
        """The exchange's clock as last measured, carried on by our seconds."""
        return self._access.clock.time_ms(self._access.clock_speed)

    def _their_now_ms(self) -> int:
        """The exchange's clock; ours while it is not known."""
        theirs_ms = self.clock_ms()
        return self._clock.now_ms() if theirs_ms is None else theirs_ms

    def liquidations_until_ms(self) -> Mapping[str, int]:
        """Every followed symbol while all sockets carry data, but those whose liquidations are refused."""
        now_ms, last_s = self.clock_ms(), self._status.last_message_s
        if not (self._status.connected and now_ms is not None and last_s is not None):
            return {}
        until_ms = round(now_ms - (asyncio.get_running_loop().time() - last_s) * 1000)
        return dict.fromkeys(self._listened_to(), until_ms)

    def coming_funding(self, symbol: str) -> ComingFunding | None:
        """As its streams announced it last."""
        return self._venue.coming_funding(symbol)

    def _listened_to(self) -> set[str]:
        followed = self._instruments.followed
        if not (self._venue.publishes_liquidations and self._venue.verdict_on("liquidations")):
            return set()  # what is held back may stay off
        if not self._refused:
            return set(followed)
        topics = [
            topic
            for topic in self._topics(followed)
            if "liquidations" in topic.kinds and topic.name not in self._refused
        ]
        return set(followed) if any(not each.symbol for each in topics) else {each.symbol for each in topics}

    def refused_topics(self, symbol: str) -> list[str]:
        """What is subscribed to for a symbol, or for all of them, and refused, by the exchange's names."""
        topics = self._topics(self._instruments.followed)
        return [each.name for each in topics if each.symbol in ("", symbol) and each.name in self._refused]

    def mute_kinds(self, symbol: str) -> set[RecordKind]:
        """What of a symbol comes by REST alone, though there is a channel for it."""
        return {kind for each, kind in self._watch.by_rest if each == symbol}

    @property
    def has_minutes(self) -> bool:
        """Whether bars of a minute are subscribed to beside its own."""
        return self._minutes.is_on

    def _topics(self, followed: tuple[str, ...]) -> list[Topic]:
        """What is subscribed to for some symbols."""
        return [*self._venue.topics(followed, self._interval_ms), *self._minutes.topics(followed)]

    def note_refused(self, record: MarketEvent) -> None:
        """It is forgotten, and asked for by REST; bars beside the feed's own are left out."""
        if isinstance(record, Candle) and record.interval_ms != self._interval_ms:
            return
        self._deduplicator.forget(record)
        self._watch.liveness.note_refused(record, self._access.their_now_ms())
        self._gaps.note_refused(record)
        if isinstance(record, Liquidation) or (
            isinstance(record, OpenInterest) and record.open_interest_base
        ):
            self._doubt_size(record)

    def _doubt_size(self, record: Liquidation | OpenInterest) -> None:
        """An amount in contracts is refused: the list may have given their size wrongly, read it again."""
        if not self._instruments.has_sizes:
            return
        self._instruments.doubt(record.symbol, record.time_ms)
        if self._clock.time_s() >= self._read_for_sizes_from_s:
            self._read_for_sizes_from_s = self._clock.time_s() + READ_FOR_SIZES_EVERY_S
            self._size_doubted.set()
            self._list_changed.set()

    def _doubt_steps(self) -> None:
        """Where a second source has agreed with nothing once more, the list may have given a step wrongly."""
        failed = sum(trial.rounds for trial in self._venue.trials.values())
        if failed > self._failed_rounds:
            self._size_doubted.set()
            self._list_changed.set()
        self._failed_rounds = failed

    def _read_list(self, listed: Mapping[str, Instrument]) -> None:
        """Take a new list in; what was refused for a size that was listed wrongly is fetched again."""
        corrected = self._instruments.read(listed)
        if corrected:
            self._gaps.note_wrong_sizes(corrected)

    async def _wait_for_list(self) -> None:
        """Until the list is to be read again: hourly, sooner where something in it is unusual, some seconds
        after the last time where it may have changed, at once where amounts are refused."""
        usual_s = min(READ_EVERY_S, self._venue.list_every_s)
        again_s = min(usual_s, self._instruments.read_again_s(self._clock.time_s()))
        least_s = min(LEAST_READ_EVERY_S, again_s)
        for wait_s, changed in ((least_s, self._size_doubted), (again_s - least_s, self._list_changed)):
            with suppress(TimeoutError):
                async with self._clock.timeout(wait_s):
                    await changed.wait()
            if self._size_doubted.is_set():
                break
        self._size_doubted.clear()
        self._list_changed.set()

    def _show_unread(self) -> None:
        """Note for a while what could not be read: a channel of nothing else looks like one that is quiet."""
        status, now_s = self._status, self._clock.time_s()
        count = status.bad_messages + status.unknown_messages + status.lost_items
        if count > self._unread:
            self._unread, self._unread_until_s = count, now_s + UNREAD_NOTED_S
        text = f"messages, or parts of them, that cannot be read: {count} so far"
        self._reporter.note("unread", text if now_s < self._unread_until_s else "")

    def _show_flags(self) -> None:
        found: dict[str, set[str]] = {}
        for flags in (self._instruments.flags(), self._watch.flags(), self._gaps.flags()):
            for symbol, names in flags.items():
                found.setdefault(symbol, set()).update(names)
        self._status.history_percent = self._gaps.history_percent()
        self._status.flags = {symbol: frozenset(names) for symbol, names in found.items()}

    def _without_past(self, released: Sequence[MarketEvent]) -> list[MarketEvent]:
        """What was held back until now, without liquidations of before the last minute: they are delivered as
        history, or whoever listens would take them for what happens now."""
        since_ms = self._their_now_ms() - PRESENT_MS
        past = [each for each in released if isinstance(each, Liquidation) and each.time_ms < since_ms]
        new = self._deduplicator.new_records(Parsed("data", past), self._instruments.followed)
        if new:
            self._pending.put_nowait(History(new))
        return [each for each in released if not isinstance(each, Liquidation) or each.time_ms >= since_ms]

    def _on_past_page(self) -> None:
        self._count_bad_items("a page of the past")
        self._status.history_percent = self._gaps.history_percent()

    def _count_bad_items(self, text: str) -> None:
        count, reason = self._venue.bad_items.take()
        if count:
            self._status.lost_items += count
            self._reporter.sample("bad item", self._status.lost_items, text, reason=reason)

    async def recent_prices(self, symbol: str) -> tuple[float, float] | None:
        """The range of the forming bar and the one before it, by REST; None where it does not answer."""
        now_ms = self._access.their_now_ms()
        start_ms = now_ms - now_ms % self._interval_ms - self._interval_ms
        thing = f"{symbol} prices"
        try:
            pages = self._venue.candles(
                self._access.client(), symbol, self._interval_ms, start_ms=start_ms, end_ms=now_ms + 1
            )
            async with aclosing(pages):
                bars = [bar async for page in pages for bar in page if bar.open_time_ms >= start_ms]
        except RestError as error:
            self._reporter.report(thing, f"{thing}: {error}")
            return None
        except UNREADABLE as error:
            self._reporter.count_unreadable(thing, error)
            return None
        self._reporter.clear(thing)
        return (min(bar.low for bar in bars), max(bar.high for bar in bars)) if bars else None

    def listed(self) -> Mapping[str, Instrument] | None:
        """What the exchange lists, by our symbols; None before the list was read."""
        return self._instruments.listed

    async def sizes(self) -> Mapping[str, MarketSize] | None:
        """How large its markets are now, all by one request or two."""
        reader = SIZE_READERS.get(self._venue.name)
        return None if reader is None else await reader(self._access.client())

    def follow(self, symbols: Sequence[str], newest_ms: Mapping[str, int | None]) -> None:
        """Sockets are handed over to other topics, and the past of what is new is fetched."""
        for symbol in {*self._symbols, *newest_ms} - (set(symbols) - newest_ms.keys()):
            self._deduplicator.forget_symbol(symbol)
        for symbol, newest in newest_ms.items():
            if newest is not None:
                self._deduplicator.known_until(symbol, newest)
        self._symbols = tuple(symbols)
        self._instruments.follow(self._symbols)
        self._gaps.follow(self._symbols)
        self._reporter.show("symbol ", self._instruments.problems(self.exchange), READ_EVERY_S)
        self._plan_changed.set()

    async def brackets(self) -> Rows | None:
        """The exchange's margin brackets by REST, of the symbols it lists; None where it lists none."""
        reader = READERS.get(self._venue.name)
        if reader is None or (self._instruments.is_known and not self._instruments.followed):
            return None
        contracts = {symbol: self._venue.contract(symbol) for symbol in self._instruments.followed}
        return await reader(self._access.client(), contracts)

    def note_brackets(self, text: str) -> None:
        """A note beside those of its channels."""
        self._reporter.note("brackets", text)
