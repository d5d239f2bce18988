"""What is new in an exchange's messages: not seen before, not out of date, and of the symbols followed.

Exchanges repeat themselves (two sockets during a change, a replay after a reconnect) and send out of order.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Collection
from dataclasses import dataclass, field

from liqstream.feeds.ahead import ClockMs, is_ahead, unknown_clock
from liqstream.feeds.bar_builder import BarBuilder
from liqstream.feeds.parsing import Parsed, Trade
from liqstream.market import Candle, FundingRate, Liquidation, MarketEvent, MarkPrice, OpenInterest
from liqstream.market.record_bounds import time_of

_REMEMBERED = 20_000
"""Liquidations remembered to know a repeated one: hours on a busy day."""


@dataclass(slots=True)
class Deduplicator:
    """One exchange's. `has_gap` is true when a closed bar was not the next one: something was missed."""

    interval_ms: int
    duplicates: int = 0
    has_gap: bool = False
    past_in_s: bool = False
    """Whether liquidations of the past have whole seconds, and are known by second, side and quantity."""
    clock_ms: ClockMs = unknown_clock
    """What is ahead of it is not the newest."""
    _contiguous_ms: dict[str, int] = field(default_factory=dict)
    _stored_ms: dict[str, int] = field(default_factory=dict)
    _closed_ms: dict[str, int] = field(default_factory=dict)
    _forming: dict[str, tuple[int, int]] = field(default_factory=dict)
    _newest: dict[tuple[str, type], int] = field(default_factory=dict)
    _liquidations: OrderedDict[tuple[object, ...], None] = field(default_factory=OrderedDict)
    _seconds: OrderedDict[tuple[object, ...], None] = field(default_factory=OrderedDict)
    _builders: dict[str, BarBuilder] = field(default_factory=dict)
    _has_klines: set[str] = field(default_factory=set)

    def known_until(self, symbol: str, open_time_ms: int) -> None:
        """The store holds everything up to the bar that opened then."""
        self._stored_ms[symbol] = open_time_ms
        self._contiguous_ms[symbol] = max(self._contiguous_ms.get(symbol, 0), open_time_ms)

    def forget_symbol(self, symbol: str) -> None:
        """A symbol is not followed any more: what is known of it is not known up to its return."""
        for table in (self._contiguous_ms, self._stored_ms, self._closed_ms, self._forming, self._builders):
            table.pop(symbol, None)
        self._has_klines.discard(symbol)
        self._newest = {key: at for key, at in self._newest.items() if key[0] != symbol}

    def contiguous_ms(self, symbol: str) -> int | None:
        """Open time of the newest bar before which none is missing; None if nothing is known yet."""
        return self._contiguous_ms.get(symbol)

    def forming_ms(self, symbol: str) -> int | None:
        """Open time of the bar that was last seen forming, which no older one is; None before any."""
        return self._forming[symbol][0] if symbol in self._forming else None

    def forget(self, record: MarketEvent) -> None:
        """A record that passed was refused by the guard: what follows is judged as if it had not come."""
        symbol = record.symbol
        if not isinstance(record, Candle):
            if self._newest.get((symbol, type(record))) == time_of(record):
                del self._newest[symbol, type(record)]
            return
        open_ms = record.open_time_ms
        if self._forming.get(symbol, (0, 0))[0] == open_ms:
            del self._forming[symbol]
        if self._contiguous_ms.get(symbol) == open_ms:
            self._contiguous_ms[symbol] = open_ms - self.interval_ms
        if self._closed_ms.get(symbol) == open_ms:
            self._closed_ms[symbol] = min(open_ms - self.interval_ms, self._contiguous_ms.get(symbol, -1))

    def forget_later(self, symbol: str, now_ms: int) -> None:
        """Bars that open after `now_ms` are not known, after all: go back to what the store holds."""
        if self._contiguous_ms.get(symbol, 0) > now_ms:
            del self._contiguous_ms[symbol]
            if (stored_ms := self._stored_ms.get(symbol, now_ms)) < now_ms:
                self._contiguous_ms[symbol] = stored_ms

    def filled(self, symbol: str, open_time_ms: int) -> None:
        """History was delivered up to the bar that opened then; live bars may already be further."""
        known = max(open_time_ms, self._contiguous_ms.get(symbol, 0))
        live = self._closed_ms.get(symbol, 0)
        self._contiguous_ms[symbol] = live if known + self.interval_ms == live else known

    def new_records(self, parsed: Parsed, symbols: Collection[str]) -> list[MarketEvent]:
        """The records of a message that are new to `symbols`, bars built of its trades included."""
        repeats: Counter[tuple[object, ...]] = Counter()
        records = [
            event
            for event in parsed.events
            if event.symbol in symbols and self._is_new(event, parsed.sent_ms, repeats)
        ]
        for trade in parsed.trades:
            if trade.symbol in symbols and trade.symbol not in self._has_klines:
                records += self._built(trade)
        return records

    def _built(self, trade: Trade) -> list[Candle]:
        builder = self._builders.setdefault(trade.symbol, BarBuilder(self.interval_ms))
        return [bar for bar in builder.add(trade) if self._is_new_bar(bar, trade.time_ms)]

    def _is_new(self, event: MarketEvent, sent_ms: int | None, repeats: Counter[tuple[object, ...]]) -> bool:
        match event:
            case Candle():
                if event.interval_ms != self.interval_ms:
                    return True
                self._has_klines.add(event.symbol)
                return self._is_new_bar(event, sent_ms or 0)
            case Liquidation():
                if self.past_in_s:
                    _remember(self._seconds, _second_of(event))
                return self._is_new_liquidation(event, repeats)
            case OpenInterest() | MarkPrice() | FundingRate():
                key = (event.symbol, type(event))
                newest_ms = self._newest.get(key, 0)
                if is_ahead(newest_ms, self.clock_ms()):
                    newest_ms = 0
                self._newest[key] = max(event.time_ms, newest_ms)
                return event.time_ms >= newest_ms
            case _:
                return True

    def _is_new_bar(self, bar: Candle, sent_ms: int) -> bool:
        symbol, open_ms, clock_ms = bar.symbol, bar.open_time_ms, self.clock_ms()
        closed_ms = self._closed_ms.get(symbol, -1)
        if open_ms <= closed_ms and not is_ahead(closed_ms, clock_ms):
            self.duplicates += bar.closed
            return False
        if not bar.closed:
            newest = self._forming.get(symbol, (0, 0))
            if is_ahead(max(newest), clock_ms):
                newest = (0, 0)
            self._forming[symbol] = max(newest, (open_ms, sent_ms))
            return (open_ms, sent_ms) >= newest
        self._closed_ms[symbol] = open_ms
        known = self._contiguous_ms.get(symbol)
        if known is None or open_ms > known + self.interval_ms:
            self.has_gap = True
        elif open_ms == known + self.interval_ms:
            self._contiguous_ms[symbol] = open_ms
        return True

    def is_new_liquidation(self, event: Liquidation) -> bool:
        """Whether a liquidation of the past has not come before, live or from the past."""
        if self.past_in_s and _second_of(event) in self._seconds:
            self.duplicates += 1
            return False
        return self._is_new_liquidation(event, Counter())

    def _is_new_liquidation(self, event: Liquidation, repeats: Counter[tuple[object, ...]]) -> bool:
        """Two equal ones in one message are two; one that was in an earlier message is the same again."""
        same = (event.symbol, event.time_ms, event.side, event.price_usd, event.quantity_base)
        key = (*same, repeats[same])
        repeats[same] += 1
        if key in self._liquidations:
            self.duplicates += 1
            return False
        _remember(self._liquidations, key)
        return True


def _second_of(event: Liquidation) -> tuple[object, ...]:
    return event.symbol, event.time_ms // 1000, event.side, round(event.quantity_base, 9)


def _remember(known: OrderedDict[tuple[object, ...], None], key: tuple[object, ...]) -> None:
    known[key] = None
    if len(known) > _REMEMBERED:
        known.popitem(last=False)
