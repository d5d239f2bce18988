"""Which channel of which symbol has fallen silent while the others go on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from liqstream.feeds.venue import RecordKind
from liqstream.market import Candle, Liquidation, MarketEvent, MarkPrice, OpenInterest

OVERDUE_S = 30.0
"""A bar so long after its close, a mark price or open interest so long after the last, is late."""

LATE_FLAGS: dict[RecordKind, str] = {
    "bars": "bars_late",
    "marks": "marks_late",
    "open_interest": "open_interest_late",
}
"""What is watched, and the flag of each."""

Channel: TypeAlias = tuple[str, RecordKind]
"""A symbol and a kind of record."""


def kind_of(event: MarketEvent) -> RecordKind | None:
    """The kind of a record; None for one no channel carries."""
    match event:
        case Candle():
            return "bars"
        case MarkPrice():
            return "marks"
        case OpenInterest():
            return "open_interest"
        case Liquidation():
            return "liquidations"
        case _:
            return None


@dataclass(slots=True)
class Liveness:
    """Of the channels that are watched, which are late. Times in s are of the feed's clock."""

    interval_ms: int
    _seen_s: dict[Channel, float] = field(default_factory=dict)
    _due_ms: dict[str, int] = field(default_factory=dict)

    def watch(self, channels: Iterable[Channel], now_s: float, now_ms: int) -> None:
        """Watch these channels and no others; a new one has its time from now on. `now_ms` is UTC."""
        wanted = set(channels)
        self._seen_s = {channel: self._seen_s.get(channel, now_s) for channel in wanted}
        first_ms = now_ms - now_ms % self.interval_ms + self.interval_ms
        bars = [symbol for symbol, kind in wanted if kind == "bars"]
        self._due_ms = {symbol: self._due_ms.get(symbol, first_ms) for symbol in bars}

    def note(self, events: Iterable[MarketEvent], now_s: float) -> None:
        """Records have come."""
        for event in events:
            kind = kind_of(event)
            if kind is not None and (event.symbol, kind) in self._seen_s:
                self._seen_s[event.symbol, kind] = now_s
            if isinstance(event, Candle) and event.closed:
                self.note_closed([event])

    def note_closed(self, bars: Iterable[Candle]) -> None:
        """Closed bars are known, from wherever: the next one is due after its own close."""
        for bar in bars:
            if bar.symbol in self._due_ms:
                due_ms = bar.open_time_ms + 2 * bar.interval_ms
                self._due_ms[bar.symbol] = max(due_ms, self._due_ms[bar.symbol])

    def note_refused(self, record: MarketEvent, now_ms: int) -> None:
        """A closed bar that is impossible was none: the next one is due in its time; `now_ms` is UTC."""
        if isinstance(record, Candle) and record.closed and record.symbol in self._due_ms:
            first_ms = now_ms - now_ms % self.interval_ms + self.interval_ms
            self._due_ms[record.symbol] = min(self._due_ms[record.symbol], first_ms)

    def is_silent(self, channel: Channel, now_s: float) -> bool:
        """Whether nothing at all has come through a channel for as long as makes it late."""
        return now_s - self._seen_s.get(channel, now_s) > OVERDUE_S

    def alive(self, channel: Channel, now_s: float) -> None:
        """A channel has shown that nothing has changed."""
        if channel in self._seen_s:
            self._seen_s[channel] = now_s

    def late(self, now_s: float, now_ms: int) -> list[Channel]:
        """The channels that are late now; `now_ms` is the exchange's time, UTC."""
        bars = [symbol for symbol, due_ms in self._due_ms.items() if now_ms > due_ms + OVERDUE_S * 1000]
        others = [
            (symbol, kind)
            for (symbol, kind), seen_s in self._seen_s.items()
            if kind != "bars" and now_s - seen_s > OVERDUE_S
        ]
        return [*((symbol, "bars") for symbol in bars), *others]
