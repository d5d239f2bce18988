"""Asking by REST for what a channel is late with, and saying so where that does not help."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field

from liqstream.feeds.error_reporter import ErrorReporter
from liqstream.feeds.liquidation_lack import LiquidationLack
from liqstream.feeds.liveness import LATE_FLAGS, OVERDUE_S, Channel, Liveness, kind_of
from liqstream.feeds.parsing import UNREADABLE
from liqstream.feeds.rest_client import RestClient, RestError
from liqstream.feeds.venue import RecordKind, Venue
from liqstream.market import Candle, MarketEvent
from liqstream.supervision.clock import Clock

LOOK_EVERY_S = 5.0

FetchBars = Callable[[str], AsyncGenerator[Sequence[MarketEvent]]]
"""The missing bars of a symbol, by REST."""


@dataclass(slots=True)
class ChannelWatch:
    """Judges `liveness` and acts on it. `fetch_bars` fetches a symbol's missing bars, `deliver` takes records
    of the present, `on_mute` is called for a channel that says nothing while REST does.
    """

    venue: Venue
    liveness: Liveness
    reporter: ErrorReporter
    clock: Clock
    fetch_bars: FetchBars
    deliver: Callable[[Sequence[MarketEvent]], None]
    on_mute: Callable[[str, RecordKind], None]
    flagged: set[Channel] = field(default_factory=set)
    lack: LiquidationLack = field(default_factory=LiquidationLack)
    by_rest: set[Channel] = field(default_factory=set)
    """Mute channels whose records REST has instead."""
    _lacking: set[str] = field(default_factory=set)
    _asked_s: dict[Channel, float] = field(default_factory=dict)
    # Late channels that were silent when they were asked for last: once one speaks, it is asked for at once.
    _mute: set[Channel] = field(default_factory=set)

    def note(self, events: Sequence[MarketEvent]) -> None:
        """Records have come through the sockets."""
        now_s = self.clock.time_s()
        self.liveness.note(events, now_s)
        self.lack.note(events, now_s)
        if self.by_rest:
            self.by_rest -= {(event.symbol, kind) for event in events if (kind := kind_of(event)) is not None}

    def follow(self, symbols: Sequence[str], interval_ms: int, now_ms: int) -> None:
        """Watch every channel of these symbols, refused ones too, and no others; `now_ms` is UTC."""
        topics = self.venue.topics(symbols, interval_ms)
        channels: list[Channel] = [
            (symbol, kind)
            for topic in topics
            for symbol in ((topic.symbol,) if topic.symbol else symbols)
            for kind in topic.kinds
            if kind in LATE_FLAGS and self.venue.verdict_on(kind)
        ]
        if self.venue.poll_every_s is not None:
            channels += [(symbol, "open_interest") for symbol in symbols]
        self.liveness.watch(channels, self.clock.time_s(), now_ms)

    async def look(self, rest: RestClient, now_ms: int) -> None:
        """Ask for everything that is late now; `now_ms` is the exchange's time, UTC."""
        self._look_for_liquidations()
        late = self.liveness.late(self.clock.time_s(), now_ms)
        for channel in self.flagged - set(late):
            self._clear(channel)
        for channel in late:
            symbol, kind = channel
            is_mute = kind != "bars" or self.liveness.is_silent(channel, self.clock.time_s())
            speaks_again = channel in self._mute and not is_mute
            asked_s = self._asked_s.get(channel, float("-inf"))
            if self.clock.time_s() - asked_s < OVERDUE_S and not speaks_again:
                continue
            self._asked_s[channel] = self.clock.time_s()
            (self._mute.add if is_mute else self._mute.discard)(channel)
            helped = await (self._ask_bars if kind == "bars" else self._ask_present)(rest, symbol, kind)
            if helped or not is_mute:
                self._clear(channel)
                if kind == "marks" or (kind == "open_interest" and self.venue.poll_every_s is None):
                    self.by_rest.add(channel)
            else:
                self.flagged.add(channel)
                text = f"{kind.replace('_', ' ')} of {symbol} are late"
                self.reporter.report(f"{symbol} {kind}", text, OVERDUE_S)
            if is_mute:
                self.on_mute(symbol, kind)
        mute = sorted(f"{kind.replace('_', ' ')} of {symbol}" for symbol, kind in self.by_rest)
        self.reporter.note("by REST", f"{', '.join(mute)} come by REST: the channel is mute" if mute else "")

    def _look_for_liquidations(self) -> None:
        """An unusual lack of them is a note, no flag: it may be the market. One new connection is tried."""
        now_s = self.clock.time_s()
        if not self.reporter.connected:
            self.lack.begin_anew(now_s)
        lacking = self.lack.lacking(now_s)
        for symbol in lacking.keys() - self._lacking:
            self.on_mute(symbol, "liquidations")
        self._lacking = set(lacking)
        self.reporter.note("liquidations", "; ".join(lacking.values()))

    def flags(self) -> dict[str, set[str]]:
        """What the maps must say, by symbol."""
        found: dict[str, set[str]] = {}
        for symbol, kind in self.flagged:
            found.setdefault(symbol, set()).add(LATE_FLAGS[kind])
        return found

    def _clear(self, channel: Channel) -> None:
        self.flagged.discard(channel)
        symbol, kind = channel
        self.reporter.clear(f"{symbol} {kind}")

    async def _ask_bars(self, rest: RestClient, symbol: str, kind: RecordKind) -> bool:
        """True if there is nothing to tell: nobody traded."""
        bars: list[Candle] = []
        try:
            async for batch in self.fetch_bars(symbol):
                bars += [event for event in batch if isinstance(event, Candle)]
        except (RestError, *UNREADABLE):
            return False
        if not bars or any(bar.volume_base for bar in bars):
            if bars and not self.liveness.is_silent((symbol, kind), self.clock.time_s()):
                self.liveness.note_closed(bars)
            return False
        self.liveness.note_closed(bars)
        return True

    async def _ask_present(self, rest: RestClient, symbol: str, kind: RecordKind) -> bool:
        """True if REST has what the channel lacks."""
        try:
            found = [event for event in await self.venue.present(rest, symbol) if kind_of(event) == kind]
        except (RestError, *UNREADABLE):
            return False
        self.deliver(found)
        return bool(found)
