"""The fan-out: every snapshot to every client that follows its symbol, without waiting for any of them.

Clients in step with their bucket get one shared buffer per tick. A client that joined in between, changed
something or was blocked is served one by one until it holds what the others hold, then it is in step again.
All of it is synchronous; who calls it is the manager, the buckets' timers and the transports' callbacks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from liqstream.heatmap.snapshot import HeatmapSnapshot
from liqstream.ws.buckets import Bucket, Ticks, skipped_since
from liqstream.ws.connection import ClientGroup, Connection, Subscription
from liqstream.ws.encoding import EncodedSnapshot
from liqstream.ws.stats import Traffic
from liqstream.ws.timers import Timers


class _Sending(NamedTuple):
    subscription: Subscription
    said: EncodedSnapshot
    base: EncodedSnapshot | None = None


class FanOut:
    """Buckets, groups and the newest snapshot of every symbol.

    `latest` holds the last snapshot of each symbol ever broadcast; `current` only of those where it is known
    to be the newest: followed ones, and those that nobody follows any more until whoever makes the snapshots
    has been told so (`forget_unfollowed`).
    """

    def __init__(self, timers: Timers, traffic: Traffic) -> None:
        self.latest: dict[str, EncodedSnapshot] = {}
        self.current: dict[str, EncodedSnapshot] = {}
        self.buckets: dict[int, Bucket] = {}
        self.followers: Counter[str] = Counter()
        self._timers = timers
        self._traffic = traffic
        self._writing = False
        self._paused_meanwhile: list[Connection] = []

    def broadcast(self, snapshots: Iterable[HeatmapSnapshot]) -> None:
        """Offer a tick's snapshots to every bucket. One that is not newer than what we have is ignored."""
        fresh = [said for said in map(self._accept, snapshots) if said is not None]
        if fresh:
            for bucket in list(self.buckets.values()):
                bucket.offer(fresh)

    def _accept(self, snapshot: HeatmapSnapshot) -> EncodedSnapshot | None:
        known = self.latest.get(snapshot.symbol)
        new_id = (snapshot.epoch, snapshot.seq)
        if known is not None and known.id > new_id:
            return None
        said = known if known is not None and known.id == new_id else EncodedSnapshot(snapshot)
        self.latest[snapshot.symbol] = said
        if self.current.get(snapshot.symbol) is said:
            return None
        if not self.followers[snapshot.symbol]:
            if snapshot.symbol in self.current:
                self.current[snapshot.symbol] = said
            return None
        self.current[snapshot.symbol] = said
        return said

    def forget_unfollowed(self) -> None:
        """Nobody makes snapshots of unfollowed symbols from now on: the last of them is no longer current."""
        for symbol in [symbol for symbol in self.current if not self.followers[symbol]]:
            del self.current[symbol]

    # Who is where

    def step_out(self, connection: Connection) -> None:
        """Take a client out of its groups, before its subscriptions change."""
        self.step_aside(connection)
        for interval_s, group in connection.groups.items():
            del group.behind[connection]
            self.buckets[interval_s].followers.subtract(group.symbols)
            self.followers.subtract(group.symbols)
            if not group:
                del self.buckets[interval_s].groups[group.variant, group.symbols]
        connection.groups = {}

    def step_in(self, connection: Connection) -> None:
        """Put a client into the groups of its subscriptions, and forget what nobody follows any more."""
        wanted: dict[int, list[str]] = {}
        for subscription in connection.subscriptions.values():
            wanted.setdefault(subscription.interval_s, []).append(subscription.symbol)
        for interval_s, symbols in wanted.items():
            self._join(connection, interval_s, tuple(sorted(symbols)))
        self._prune()

    def _join(self, connection: Connection, interval_s: int, symbols: tuple[str, ...]) -> None:
        bucket = self.buckets.get(interval_s)
        if bucket is None:
            bucket = self.buckets[interval_s] = Bucket(interval_s, self._timers, emit=self._emit)
        group = bucket.group(connection.variant, symbols)
        if not group:
            group.written_at = self._timers.time()
        bucket.followers.update(symbols)
        self.followers.update(symbols)
        for symbol in symbols:
            if symbol in self.current:
                bucket.prime(self.current[symbol])
        connection.groups[interval_s] = group
        group.behind[connection] = None
        self._try_in_step(connection, bucket, group)
        if connection in group.behind and not connection.blocked:
            bucket.wake()

    def _prune(self) -> None:
        for interval_s, bucket in list(self.buckets.items()):
            bucket.prune()
            if not bucket.groups:
                del self.buckets[interval_s]

    def _try_in_step(self, connection: Connection, bucket: Bucket, group: ClientGroup) -> None:
        if not connection.blocked and all(
            _holds_exactly(connection.subscriptions[symbol], bucket.said.get(symbol))
            for symbol in group.symbols
        ):
            del group.behind[connection]
            group.in_step[connection] = connection.fd

    def step_aside(self, connection: Connection) -> None:
        """Serve a client one by one from now on; what it holds is noted from its buckets."""
        if self._writing:
            # The group is being written to; the client did get this tick.
            self._paused_meanwhile.append(connection)
            return
        for interval_s, group in connection.groups.items():
            if group.in_step.pop(connection, None) is not None:
                group.behind[connection] = None
                for symbol in group.symbols:
                    said = self.buckets[interval_s].said.get(symbol)
                    if said is not None:
                        connection.subscriptions[symbol].last = said.id

    # Ticks

    def _emit(self, bucket: Bucket, ticks: Ticks) -> None:
        for group in list(bucket.groups.values()):
            news = [symbol for symbol in group.symbols if symbol in ticks]
            if news and group.in_step:
                self._write_group(group, news, ticks)
            for connection in list(group.behind):
                self._serve(connection, bucket, group, ticks)

    def _write_group(self, group: ClientGroup, news: list[str], ticks: Ticks) -> None:
        clients = len(group.in_step)
        self._writing = True
        try:
            size = group.write([ticks[symbol].frame(group.variant) for symbol in news])
        finally:
            self._writing = False
        group.written_at = self._timers.time()
        self._traffic.add_sent(news, clients=clients, size_bytes=size)
        paused, self._paused_meanwhile = self._paused_meanwhile, []
        for connection in paused:
            self.step_aside(connection)

    def _serve(self, connection: Connection, bucket: Bucket, group: ClientGroup, ticks: Ticks) -> None:
        """Bring one client that is out of step to what its bucket says now."""
        if connection.blocked:
            for symbol in group.symbols:
                if symbol in ticks:
                    self._hold_back(connection.subscriptions[symbol], ticks[symbol].said)
            return
        sendings = []
        for symbol in group.symbols:
            subscription, said = connection.subscriptions[symbol], bucket.said.get(symbol)
            if said is not None and not subscription.holds(said):
                tick = ticks.get(symbol)
                in_time = tick is not None and tick.before == subscription.last
                sendings.append(_Sending(subscription, said, tick.base if tick and in_time else None))
        self._send(connection, sendings)
        self._try_in_step(connection, bucket, group)

    def _hold_back(self, subscription: Subscription, said: EncodedSnapshot) -> None:
        if not subscription.holds(said) and subscription.hold_back(said.id):
            self._traffic.add_dropped(subscription.symbol)

    # One client

    def greet(self, connection: Connection, subscriptions: Iterable[Subscription]) -> None:
        """Send a new subscription's newest snapshot now; where none is known the next broadcast brings it."""
        self._send_current(connection, subscriptions)

    def resync(self, connection: Connection, symbols: Iterable[str]) -> None:
        """Send full snapshots again, marked as repeated where they are."""
        asked = [connection.subscriptions[symbol] for symbol in symbols]
        self.step_aside(connection)
        for subscription in asked:
            # Before the first snapshot there is nothing to repeat.
            subscription.resync = subscription.wants_full = subscription.last is not None
        self._send_current(connection, [each for each in asked if each.resync])
        self._rejoin(connection)

    def catch_up(self, connection: Connection) -> None:
        """The transport has drained: send what waited, newest state only, in one write."""
        waiting = [each for each in connection.subscriptions.values() if each.pending is not None]
        self._send_current(connection, waiting)
        self._rejoin(connection)

    def _rejoin(self, connection: Connection) -> None:
        for interval_s, group in connection.groups.items():
            if connection in group.behind:
                self._try_in_step(connection, self.buckets[interval_s], group)
                if connection in group.behind and not connection.blocked:
                    self.buckets[interval_s].wake()

    def _send_current(self, connection: Connection, subscriptions: Iterable[Subscription]) -> None:
        sendings = []
        for subscription in subscriptions:
            said = self.current.get(subscription.symbol)
            if said is None or subscription.holds(said):
                subscription.pending = None
            elif connection.blocked:
                self._hold_back(subscription, said)
            else:
                sendings.append(_Sending(subscription, said))
        self._send(connection, sendings)

    def _send(self, connection: Connection, sendings: list[_Sending]) -> None:
        if sendings:
            buffer = b"".join([_frame_for(connection, sending) for sending in sendings])
            connection.transport.write(buffer)
            symbols = [sending.subscription.symbol for sending in sendings]
            self._traffic.add_sent(symbols, clients=1, size_bytes=len(buffer))


def _holds_exactly(subscription: Subscription, said: EncodedSnapshot | None) -> bool:
    if subscription.resync or subscription.wants_full:
        return False
    if said is None:
        return subscription.last is None and subscription.left is None
    return subscription.last == said.id


def _frame_for(connection: Connection, sending: _Sending) -> bytes:
    """The frame that takes this one client to `said`; the subscription then holds it."""
    subscription, said, base = sending
    had = subscription.last or subscription.left
    repeat = had is not None and said.id <= had
    if subscription.wants_full:
        base = None
    before = subscription.last
    dropped = subscription.take(said.id)
    if dropped:
        connection.untold[subscription.symbol] += dropped
    skipped = 0 if repeat else skipped_since(before, said.id, dropped=dropped)
    return said.frame(connection.variant, base=base, skipped=skipped, repeat=repeat)
