"""Interval buckets: one clock for all clients that asked for the same update interval.

A change after a quiet interval goes out at once; what comes sooner waits for the bucket's tick, newest
state first and only. One timer serves all symbols and clients of the interval. News that had to wait
makes the next tick sooner, until the ticks fall on the generator's own beat.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from liqstream.ws.connection import ClientGroup
from liqstream.ws.encoding import EncodedSnapshot, Variant
from liqstream.ws.messages import SnapshotId
from liqstream.ws.timers import Timer, Timers

FULL_EVERY = 60
"""Every so many deltas all clients of a bucket get a full snapshot: a bound on how long an unnoticed
difference can live, at under a tenth of a client's bytes."""

_JITTER_S = 0.25
"""A generator that ticks late once is not made late for ever: the next snapshot may come so much early."""

_SLIDE_SHARE = 0.25
"""Of the interval, a tick comes so much sooner at most, until the generator's news need not wait for it."""

_LEAD_S = 0.1
"""News is then expected so long before the tick: a little late, it still makes it."""

_TOGETHER_S = 0.05
"""Symbols due within so short a time go out in one write."""


def skipped_since(last: SnapshotId | None, new: SnapshotId, *, dropped: int = 0) -> int:
    """Snapshots produced between two ids, less those told as dropped; seq restarts at 1 with each epoch."""
    if last is None:
        return 0
    before = last[1] if last[0] == new[0] else 0
    return max(0, new[1] - before - 1 - dropped)


class Tick(NamedTuple):
    """What a bucket says of one symbol: the new snapshot, and what all clients in step hold already."""

    said: EncodedSnapshot
    before: SnapshotId | None
    base: EncodedSnapshot | None

    def frame(self, variant: Variant) -> bytes:
        """The frame for every client in step."""
        skipped = skipped_since(self.before, self.said.id)
        return self.said.frame(variant, base=self.base, skipped=skipped)


Ticks = Mapping[str, Tick]


class Bucket:
    """The clients of one update interval and what they were last sent.

    `emit` is called with the snapshots whose time has come, from `offer` or from the bucket's timer.
    """

    def __init__(self, interval_s: int, timers: Timers, *, emit: Callable[[Bucket, Ticks], None]) -> None:
        self.interval_s = interval_s
        self.groups: dict[tuple[Variant, tuple[str, ...]], ClientGroup] = {}
        self.followers: Counter[str] = Counter()
        self.said: dict[str, EncodedSnapshot] = {}
        self._timers = timers
        self._emit = emit
        self._due: dict[str, EncodedSnapshot] = {}
        self._came_at: dict[str, float] = {}
        self._next_at: dict[str, float] = {}
        self._deltas: Counter[str] = Counter()
        self._timer: Timer | None = None

    def group(self, variant: Variant, symbols: tuple[str, ...]) -> ClientGroup:
        """The group of clients with this variant and these (sorted) symbols."""
        key = (variant, symbols)
        if key not in self.groups:
            self.groups[key] = ClientGroup(variant, symbols)
        return self.groups[key]

    def prime(self, current: EncodedSnapshot) -> None:
        """Take `current` as what clients of its symbol hold, if the bucket has said nothing of it yet."""
        symbol = current.snapshot.symbol
        if symbol not in self.said:
            self.said[symbol] = current
            # In phase with the other symbols, so that one write can serve them all.
            self._next_at[symbol] = max(self._next_at.values(), default=-float("inf"))

    def offer(self, fresh: Iterable[EncodedSnapshot]) -> None:
        """Send what may go now, keep the rest for the tick; a newer snapshot replaces an older one."""
        for said in fresh:
            symbol = said.snapshot.symbol
            if self.followers[symbol]:
                self._due[symbol] = said
                self._came_at[symbol] = self._timers.time()
                if symbol in self.said and self.said[symbol].id[0] != said.id[0]:
                    # Another generator beats at other moments: in the old phase all it says would come late.
                    self._next_at.pop(symbol, None)
        self._send_due(early_s=_JITTER_S)

    def wake(self) -> None:
        """Tick once more even without news: a client joined behind what the others hold."""
        if self._timer is None:
            now = self._timers.time()
            next_tick = max(self._next_at.values(), default=now)
            when = now + self.interval_s if next_tick == -float("inf") else max(now, next_tick)
            self._timer = self._timers.call_at(when, self._on_timer)

    def prune(self) -> None:
        """Forget symbols and groups nobody is in any more."""
        for symbol in [symbol for symbol in self.said if not self.followers[symbol]]:
            del self.said[symbol]
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
        if not self._due:
            self._emit(self, {})
            return
        self._send_due(early_s=_TOGETHER_S)

    def _send_due(self, *, early_s: float) -> None:
        now = self._timers.time()
        ready = [symbol for symbol in self._due if self._next_at.get(symbol, -float("inf")) <= now + early_s]
        ticks = {symbol: self._tick(self._due.pop(symbol), now) for symbol in ready}
        if ticks:
            self._emit(self, ticks)
        self._schedule()

    def _tick(self, said: EncodedSnapshot, now: float) -> Tick:
        symbol = said.snapshot.symbol
        before = self.said.get(symbol)
        self.said[symbol] = said
        was_due = self._next_at.get(symbol, -float("inf"))
        # Late by no more than a generator's jitter keeps the phase; after a quiet time a new one begins.
        phase = was_due if was_due >= now - _JITTER_S else now
        # What was held back is old by now: the first snapshot of all, made at once for whoever came, set a
        # phase that is not the generator's.
        held_s = now - self._came_at.pop(symbol) - _LEAD_S
        slide_s = min(max(0.0, held_s), _SLIDE_SHARE * self.interval_s)
        self._next_at[symbol] = phase + self.interval_s - slide_s
        self._deltas[symbol] += 1
        if self._deltas[symbol] >= FULL_EVERY:
            self._deltas[symbol] = 0
            return Tick(said, before.id if before else None, None)
        return Tick(said, before.id if before else None, before)

    def _schedule(self) -> None:
        if not self._due:
            return
        self.close()
        when = min(self._next_at[symbol] for symbol in self._due)
        self._timer = self._timers.call_at(when, self._on_timer)
