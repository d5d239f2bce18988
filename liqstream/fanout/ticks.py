"""Ticks: the newest price of each symbol, several times a second, between the snapshots of an interval.

A tick is no snapshot: it has no seq of its own, is in no account, and changes no state. It goes to the
clients that are synced and asked for ticks, and to nobody else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from liqstream.fanout.hub import Hub
from liqstream.fanout.interval_bucket import IntervalBucket
from liqstream.fanout.timers import Timer, Timers
from liqstream.heatmap.price_track import PriceSince
from liqstream.heatmap.snapshot import StreamPosition
from liqstream.market import Candle, MarketEvent, MarkPrice
from liqstream.metrics import Metrics
from liqstream.symbols import ascii_symbol
from liqstream.wire.frames import text_frame
from liqstream.wire.tick_message import tick_message

PriceSource = Callable[[str, StreamPosition], PriceSince | None]
"""The newest price of a symbol with what was passed since a snapshot; None where nothing is known."""


class _Sent(NamedTuple):
    """The newest tick of a symbol that a bucket was sent."""

    position: StreamPosition
    current_price: float
    low: float
    high: float


class Ticks:
    """Sends ticks when prices change: the first after a quiet time at once, then `per_s` a second at most.

    `price_since` is asked when a tick is due, so that it is of that moment.
    """

    def __init__(self, timers: Timers, hub: Hub, metrics: Metrics) -> None:
        self.per_s = 5.0
        self.price_since: PriceSource = lambda _symbol, _position: None
        self.on_own_price: Callable[[set[str]], None] = lambda _symbols: None
        """Called with the symbols of new prices that this server's own records brought."""
        self._timers = timers  # monotonic clock and timer calls
        self._hub = hub  # has the buckets and groups, and writes
        self._metrics = metrics  # counts what was sent
        self._changed: set[str] = set()  # symbols whose price is new since the last round
        self._made: Counter[str] = Counter()  # ticks made so far, by symbol
        self._sent: dict[tuple[int, str], _Sent] = {}  # by interval and symbol, the newest
        self._timer: Timer | None = None  # the next round; None while nothing is new
        self._next_at = -float("inf")  # no round before it
        hub.on_update = self.note  # a snapshot may be older than the last tick

    def take(self, records: Sequence[MarketEvent]) -> None:
        """Take note of records that have just happened: bars and mark prices are new prices."""
        symbols = {record.symbol for record in records if isinstance(record, Candle | MarkPrice)}
        if symbols:
            self.note(symbols)
            self.on_own_price(symbols)

    def wanted(self) -> AbstractSet[str]:
        """The symbols of which some client wants ticks."""
        groups = [group for bucket in self._hub.buckets.values() for group in bucket.groups.values()]
        return {symbol for group in groups if group.ticks for symbol in group.symbols}

    def note(self, symbols: Iterable[str]) -> None:
        """Prices of these symbols may be new; what nobody follows costs nothing."""
        followers = self._hub.followers
        fresh = [symbol for symbol in symbols if followers[symbol]]
        if fresh:
            self._changed.update(fresh)
            if self._timer is None:
                self._timer = self._timers.call_at(max(self._timers.time(), self._next_at), self._on_timer)

    def close(self) -> None:
        """Send none until the next change."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _on_timer(self) -> None:
        self._timer = None
        self._next_at = self._timers.time() + 1 / self.per_s
        changed, self._changed = self._changed, set()
        made: set[str] = set()
        for bucket in list(self._hub.buckets.values()):
            try:
                made |= self._send(bucket, changed)
            except Exception as error:  # noqa: BLE001  # the other intervals get theirs
                self._timers.report("ticks", error)
        self._made.update(made)

    def _send(self, bucket: IntervalBucket, changed: set[str]) -> set[str]:
        """Send a bucket's clients what is new for them; returns the symbols of which ticks were made."""
        groups = [group for group in bucket.groups.values() if group.ticks and group.synced]
        wanted = changed & {symbol for group in groups for symbol in group.symbols}
        made = {symbol: self._frame(bucket, symbol) for symbol in wanted}
        frames = {symbol: frame for symbol, frame in made.items() if frame is not None}
        for group in groups:
            symbols = [symbol for symbol in group.symbols if symbol in frames]
            if symbols:
                clients = len(group.synced)
                self._hub.write_ticks(group, [frames[symbol] for symbol in symbols])
                for symbol in symbols:
                    self._metrics.ws_ticks_sent.labels(ascii_symbol(symbol)).inc(clients)
        return set(frames)

    def _frame(self, bucket: IntervalBucket, symbol: str) -> bytes | None:
        """The tick for a bucket's clients; None if it says nothing that they do not know."""
        held = bucket.last_sent.get(symbol)
        price = None if held is None else self.price_since(symbol, held.position)
        if held is None or price is None:
            return None
        tick = _Sent(held.position, price.current_price, price.low, price.high)
        sent = self._sent.get((bucket.interval_s, symbol))
        if sent is None or sent.position != held.position:
            if price.current_price == held.snapshot.current_price and not price.is_moved:
                return None
        elif sent == tick:
            return None
        self._sent[bucket.interval_s, symbol] = tick
        message = tick_message(symbol, held.position, n=self._made[symbol] + 1, price=price)
        return text_frame(message)
