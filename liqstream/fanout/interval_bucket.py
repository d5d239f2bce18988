"""Interval buckets: one clock for all clients that asked for the same update interval.

A change after a quiet interval is sent at once; what comes sooner waits for the bucket's next update, newest
state first and only. One timer serves all symbols and clients of the interval. A snapshot that had to wait
makes the next update sooner, until the updates coincide with the generator's own rounds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from liqstream.fanout.client_group import GroupKey
from liqstream.fanout.connection import ClientGroup
from liqstream.fanout.timers import Timer, Timers
from liqstream.heatmap.snapshot import StreamPosition
from liqstream.wire.encoding import EncodedSnapshot, Variant

FULL_EVERY = 60
"""Every so many deltas all clients of a bucket get a full snapshot: a bound on how long an unnoticed
difference can live, at under a tenth of a client's bytes."""

_JITTER_S = 0.25
"""One late round does not delay all later ones: the next snapshot may be sent this much before its time."""

_SLIDE_SHARE = 0.25
"""Of the interval: an update is at most this much sooner, until no snapshot of the generator waits for it."""

_LEAD_S = 0.1
"""A snapshot is then expected this long before the update: a little late, it is still part of it."""

_TOGETHER_S = 0.05
"""Symbols due within so short a time are sent in one write."""

_NEVER = -float("inf")
"""The due time of a symbol that need not wait."""


def skipped_since(held: StreamPosition | None, new: StreamPosition, *, dropped: int = 0) -> int:
    """Snapshots between two positions, less those reported as dropped; seq restarts at 1 with each epoch.

    0 for a client that holds none: its first snapshot skipped nothing.
    """
    if held is None:
        return 0
    held_seq = held.seq if held.epoch == new.epoch else 0
    return max(0, new.seq - held_seq - 1 - dropped)


class SymbolUpdate(NamedTuple):
    """One symbol's next snapshot for a bucket.

    `previous` is the position all synced clients hold (None: they hold none), `base` the snapshot at that
    position if a delta may build on it.
    """

    encoded: EncodedSnapshot
    previous: StreamPosition | None
    base: EncodedSnapshot | None

    def frame(self, variant: Variant) -> bytes:
        """The frame for every synced client."""
        skipped = skipped_since(self.previous, self.encoded.position)
        return self.encoded.frame(variant, base=self.base, skipped=skipped)


SymbolUpdates = Mapping[str, SymbolUpdate]


class IntervalBucket:
    """The clients of one update interval and what they were last sent.

    `emit` is called with the snapshots whose time has come, from `offer` or from the bucket's timer; with
    none when `wake` asked for it. `last_sent` is what every synced client holds, by symbol.
    """

    def __init__(
        self, interval_s: int, timers: Timers, *, emit: Callable[[IntervalBucket, SymbolUpdates], None]
    ) -> None:
        self.interval_s = interval_s
        self.groups: dict[GroupKey, ClientGroup] = {}
        self.followers: Counter[str] = Counter()
        self.last_sent: dict[str, EncodedSnapshot] = {}
        self._timers = timers  # monotonic clock and timer calls
        self._emit = emit  # the hub's; may change `groups`, never re-enters `offer`
        self._due: dict[str, EncodedSnapshot] = {}  # newest snapshot that waits, by symbol
        self._came_at: dict[str, float] = {}  # when each of `_due` was offered; same keys
        self._next_at: dict[str, float] = {}  # earliest time of a symbol's next update; absent: at once
        self._deltas: Counter[str] = Counter()  # updates since the last full snapshot; 0 again with each
        self._timer: Timer | None = None  # the one pending call of `_on_timer`

    def group(self, variant: Variant, symbols: tuple[str, ...], *, ticks: bool = False) -> ClientGroup:
        """The group of clients with this variant and these (sorted) symbols, made if there is none."""
        key = (variant, symbols, ticks)
        if key not in self.groups:
            self.groups[key] = ClientGroup(variant, symbols, ticks=ticks)
        return self.groups[key]

    def seed(self, current: EncodedSnapshot) -> None:
        """Take `current` as what clients of its symbol hold, if the bucket has sent nothing of it yet."""
        symbol = current.snapshot.symbol
        if symbol not in self.last_sent:
            self.last_sent[symbol] = current
            # In phase with the other symbols, so that one write can serve them all.
            self._next_at[symbol] = max(self._next_at.values(), default=_NEVER)

    def offer(self, fresh: Iterable[EncodedSnapshot]) -> None:
        """Send what may be sent now, keep the rest for the timer; a newer snapshot replaces an older one.

        Snapshots of symbols nobody in the bucket follows are ignored.
        """
        for encoded in fresh:
            symbol = encoded.snapshot.symbol
            if self.followers[symbol]:
                self._due[symbol] = encoded
                self._came_at[symbol] = self._timers.time()
                last_sent = self.last_sent.get(symbol)
                if last_sent is not None and last_sent.position.epoch != encoded.position.epoch:
                    # Another generator's rounds are at other moments: in the old phase each would be late.
                    self._next_at.pop(symbol, None)
        self._send_due(early_s=_JITTER_S)

    def wake(self) -> None:
        """Emit at the next update even if nothing changed: a lagging client lacks what the others hold."""
        if self._timer is None:
            now = self._timers.time()
            next_at = max(self._next_at.values(), default=now)
            when = now + self.interval_s if next_at == _NEVER else max(now, next_at)
            self._timer = self._timers.call_at(when, self._on_timer)

    def retry(self) -> None:
        """Emit again after an interval at the latest: something could not be written."""
        if self._timer is None:
            self._timer = self._timers.call_at(self._timers.time() + self.interval_s, self._on_timer)

    def prune(self) -> None:
        """Forget symbols nobody follows any more; stop the timer when no group is left."""
        for symbol in [symbol for symbol in self.last_sent if not self.followers[symbol]]:
            del self.last_sent[symbol]
            self._next_at.pop(symbol, None)
            self._deltas.pop(symbol, None)
        for symbol in [symbol for symbol in self._due if not self.followers[symbol]]:
            del self._due[symbol], self._came_at[symbol]
        if not self.groups:
            self.close()

    def close(self) -> None:
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _on_timer(self) -> None:
        self._timer = None
        try:
            if self._due:
                self._send_due(early_s=_TOGETHER_S)
            else:
                self._emit(self, {})
        except Exception as error:  # noqa: BLE001  # a timer that is not set again is an interval that stops
            self._timers.report("bucket", error)
            self.retry()

    def _send_due(self, *, early_s: float) -> None:
        now = self._timers.time()
        ready = [symbol for symbol in self._due if self._next_at.get(symbol, _NEVER) <= now + early_s]
        updates = {symbol: self._update(self._due.pop(symbol), now) for symbol in ready}
        if updates:
            self._emit(self, updates)
        self._schedule()

    def _update(self, encoded: EncodedSnapshot, now: float) -> SymbolUpdate:
        symbol = encoded.snapshot.symbol
        base = self.last_sent.get(symbol)
        self.last_sent[symbol] = encoded
        was_due = self._next_at.get(symbol, _NEVER)
        # Late by no more than a generator's jitter keeps the phase; after a quiet time a new one begins.
        phase = was_due if was_due >= now - _JITTER_S else now
        # A snapshot that waited is old by now: the very first, made at once for whoever subscribed, set a
        # phase that is not the generator's.
        waited_s = now - self._came_at.pop(symbol) - _LEAD_S
        slide_s = min(max(0.0, waited_s), _SLIDE_SHARE * self.interval_s)
        self._next_at[symbol] = phase + self.interval_s - slide_s
        previous = None if base is None else base.position
        self._deltas[symbol] += 1
        if self._deltas[symbol] >= FULL_EVERY:
            self._deltas[symbol] = 0
            return SymbolUpdate(encoded, previous, None)
        return SymbolUpdate(encoded, previous, base)

    def _schedule(self) -> None:
        if not self._due:
            return
        self.close()
        when = min(self._next_at[symbol] for symbol in self._due)
        self._timer = self._timers.call_at(when, self._on_timer)
