"""The fan-out: every snapshot to every client of its symbol without waiting for any; initial send, resync.

Clients that are synced with their bucket get one shared buffer per update. A client that joined in between,
changed something or was blocked is lagging: served alone until it holds what the others hold. All of it is
synchronous; the manager, the buckets' timers and the transports' callbacks call it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import NamedTuple

from liqstream.fanout.connection import ClientGroup, Connection, HeldState, Subscription
from liqstream.fanout.interval_bucket import IntervalBucket, SymbolUpdates, skipped_since
from liqstream.fanout.stats import Traffic, WriteTimes
from liqstream.fanout.timers import Timers
from liqstream.heatmap.snapshot import HeatmapSnapshot, StreamPosition
from liqstream.wire.encoding import EncodedSnapshot

_KEPT_CHECKSUMS = 256
"""Checksums kept per symbol. A client that was away for longer gets its newest snapshot whole anyway."""


class _Sending(NamedTuple):
    subscription: Subscription
    encoded: EncodedSnapshot
    base: EncodedSnapshot | None = None


class Hub:
    """Buckets, groups and the newest snapshot of every symbol.

    `latest` holds the last snapshot of each symbol ever broadcast; `current` only of those where it is known
    to be the newest: followed ones, and those that nobody follows any more until the generator has asked
    which are followed (`forget_unfollowed`).
    """

    def __init__(self, timers: Timers, traffic: Traffic) -> None:
        self.latest: dict[str, EncodedSnapshot] = {}
        self.current: dict[str, EncodedSnapshot] = {}
        self.buckets: dict[int, IntervalBucket] = {}
        self.followers: Counter[str] = Counter()
        self._timers = timers
        self.on_update: Callable[[Iterable[str]], None] = lambda _symbols: None
        """Called with the symbols of which a bucket was sent something."""
        self._traffic = traffic
        # By symbol and seq, of the epoch of `latest`: what a returning client claims is compared with it.
        self._checksums: dict[str, dict[int, int]] = {}
        self._writing = False
        self._paused_while_writing: list[Connection] = []

    def broadcast(self, snapshots: Iterable[HeatmapSnapshot]) -> None:
        """Offer a round's snapshots to every bucket. One that is not newer than what we have is ignored."""
        fresh = [encoded for encoded in map(self._accept, snapshots) if encoded is not None]
        if fresh:
            for bucket in list(self.buckets.values()):
                bucket.offer(fresh)

    def _accept(self, snapshot: HeatmapSnapshot) -> EncodedSnapshot | None:
        known = self.latest.get(snapshot.symbol)
        new_position = snapshot.position
        if known is not None and known.position > new_position:
            return None
        # The same snapshot again, after its symbol was unfollowed, keeps the frames made of it so far.
        encoded = known if known is not None and known.position == new_position else EncodedSnapshot(snapshot)
        if encoded is not known:
            self._keep_checksum(snapshot, known)
        self.latest[snapshot.symbol] = encoded
        if self.current.get(snapshot.symbol) is encoded:
            return None
        if not self.followers[snapshot.symbol]:
            if snapshot.symbol in self.current:
                self.current[snapshot.symbol] = encoded
            return None
        self.current[snapshot.symbol] = encoded
        return encoded

    def _keep_checksum(self, snapshot: HeatmapSnapshot, known: EncodedSnapshot | None) -> None:
        if known is None or known.position.epoch != snapshot.epoch:
            self._checksums[snapshot.symbol] = {}
        kept = self._checksums[snapshot.symbol]
        kept[snapshot.seq] = snapshot.checksum
        if len(kept) > _KEPT_CHECKSUMS:
            del kept[next(iter(kept))]

    def position(self, symbol: str) -> StreamPosition | None:
        """Where this server stands with a symbol: its newest snapshot; None before the first."""
        latest = self.latest.get(symbol)
        return None if latest is None else latest.position

    def has_sent(self, symbol: str, held: HeldState) -> bool:
        """Whether what a client says it holds is a state of this server's.

        That is one of the newest snapshot's epoch, not above it, and, where the client names a checksum, one
        whose checksum is known to be the same. Positions of other servers and of epochs that are over are
        not: nothing can be built on them, nor may they be taken for newer.
        """
        latest = self.position(symbol)
        if latest is None or held.position.epoch != latest.epoch or not 1 <= held.position.seq <= latest.seq:
            return False
        return held.checksum is None or self._checksums[symbol].get(held.position.seq) == held.checksum

    def forget_unfollowed(self) -> None:
        """No snapshots of unfollowed symbols are made from now on: the last of each is no longer current."""
        for symbol in [symbol for symbol in self.current if not self.followers[symbol]]:
            del self.current[symbol]

    def forget(self, symbol: str) -> None:
        """Drop what is kept of a symbol that nobody follows and that is made no more."""
        for kept in (self.latest, self.current, self._checksums):
            kept.pop(symbol, None)

    # Membership of groups

    def leave(self, connection: Connection) -> None:
        """Take a client out of its groups, before its subscriptions change."""
        self.demote(connection)
        for interval_s, group in connection.groups.items():
            del group.lagging[connection]
            self.buckets[interval_s].followers.subtract(group.symbols)
            self.followers.subtract(group.symbols)
            if not group:
                del self.buckets[interval_s].groups[group.key]
        connection.groups = {}

    def join(self, connection: Connection) -> None:
        """Put a client into the groups of its subscriptions, and forget what nobody follows any more."""
        by_interval: dict[int, list[str]] = {}
        for subscription in connection.subscriptions.values():
            by_interval.setdefault(subscription.interval_s, []).append(subscription.symbol)
        for interval_s, symbols in by_interval.items():
            self._join(connection, interval_s, tuple(sorted(symbols)))
        self._prune()

    def _join(self, connection: Connection, interval_s: int, symbols: tuple[str, ...]) -> None:
        bucket = self.buckets.get(interval_s)
        if bucket is None:
            bucket = self.buckets[interval_s] = IntervalBucket(interval_s, self._timers, emit=self._emit)
        group = bucket.group(connection.variant, symbols, ticks=connection.ticks)
        if not group:
            group.written_at = self._timers.time()
        bucket.followers.update(symbols)
        self.followers.update(symbols)
        for symbol in symbols:
            if symbol in self.current:
                bucket.seed(self.current[symbol])
        connection.groups[interval_s] = group
        group.lagging[connection] = None
        self._try_sync(connection, bucket, group)
        if connection in group.lagging and not connection.blocked:
            bucket.wake()

    def _prune(self) -> None:
        for interval_s, bucket in list(self.buckets.items()):
            bucket.prune()
            if not bucket.groups:
                del self.buckets[interval_s]

    def _try_sync(self, connection: Connection, bucket: IntervalBucket, group: ClientGroup) -> None:
        # A synced client is written to by its descriptor, past the transport: its buffer must be empty.
        if not connection.blocked and all(
            _holds_exactly(connection.subscriptions[symbol], bucket.last_sent.get(symbol))
            for symbol in group.symbols
        ):
            group.sync(connection, connection.fd)

    def demote(self, connection: Connection) -> None:
        """Serve a client alone from now on; the positions it holds are taken over from its buckets."""
        if self._writing:
            self._paused_while_writing.append(connection)
            return
        for interval_s, group in connection.groups.items():
            if group.unsync(connection):
                group.lagging[connection] = None
                for symbol in group.symbols:
                    last_sent = self.buckets[interval_s].last_sent.get(symbol)
                    if last_sent is not None:
                        connection.subscriptions[symbol].position = last_sent.position

    # Updates of a bucket

    def _emit(self, bucket: IntervalBucket, updates: SymbolUpdates) -> None:
        # Timed here and not in broadcast(): what waited for its interval is written by the bucket's timer.
        times = WriteTimes()
        # Copies: serving a client may demote it or, through its transport's callbacks, end its group.
        for group in list(bucket.groups.values()):
            updated = [symbol for symbol in group.symbols if symbol in updates]
            if updated and group.synced:
                self._write_group_safely(bucket, group, updated, updates)
                times.add(updated)
            for connection in list(group.lagging):
                times.add(self._serve_safely(connection, bucket, group, updates))
        self._traffic.add_write(times)
        self.on_update(updates)

    def _write_group_safely(
        self, bucket: IntervalBucket, group: ClientGroup, updated: list[str], updates: SymbolUpdates
    ) -> None:
        """Write to the synced clients; those of a group that cannot be written are sent all of it later."""
        try:
            self._write_group(group, updated, updates)
        except Exception as error:  # noqa: BLE001  # the other groups get theirs
            self._timers.report("bucket", error)
            for connection in list(group.synced):
                self.demote(connection)
                for symbol in updated:
                    subscription = connection.subscriptions[symbol]
                    subscription.position = updates[symbol].previous
                    subscription.needs_full = True
            bucket.retry()

    def _serve_safely(
        self, connection: Connection, bucket: IntervalBucket, group: ClientGroup, updates: SymbolUpdates
    ) -> list[str]:
        try:
            return self._serve(connection, bucket, group, updates)
        except Exception as error:  # noqa: BLE001  # the other clients get theirs
            self._timers.report("bucket", error)
            bucket.retry()
            return []

    def _write_group(self, group: ClientGroup, updated: list[str], updates: SymbolUpdates) -> None:
        clients = len(group.synced)
        size = self._write_synced(group, [updates[symbol].frame(group.variant) for symbol in updated])
        group.written_at = self._timers.time()
        self._traffic.add_sent(updated, clients=clients, size_bytes=size)

    def _write_synced(self, group: ClientGroup, frames: list[bytes]) -> int:
        # A full transport calls pause_writing() inside write(), which reaches demote() while we iterate over
        # group.synced. That client did get this update, so demote() only records it and the move is made
        # afterwards.
        self._writing = True
        try:
            return group.write(frames)
        finally:
            self._writing = False
            paused, self._paused_while_writing = self._paused_while_writing, []
            for connection in paused:
                self.demote(connection)

    def write_ticks(self, group: ClientGroup, frames: list[bytes]) -> None:
        """Write frames that are in no account to the synced clients, as one buffer.

        Ticks of all of the group's symbols make a heartbeat needless.
        """
        self._write_synced(group, frames)
        if len(frames) == len(group.symbols):
            group.written_at = self._timers.time()

    def _serve(
        self, connection: Connection, bucket: IntervalBucket, group: ClientGroup, updates: SymbolUpdates
    ) -> list[str]:
        """Send one lagging client what its bucket last sent and return the symbols; a blocked one's wait."""
        if connection.blocked:
            for symbol in group.symbols:
                if symbol in updates:
                    self._defer(connection.subscriptions[symbol], updates[symbol].encoded)
            return []
        sendings = []
        for symbol in group.symbols:
            subscription, encoded = connection.subscriptions[symbol], bucket.last_sent.get(symbol)
            if encoded is not None and not subscription.holds(encoded):
                update = updates.get(symbol)
                usable = update is not None and update.previous == subscription.position
                base = update.base if update is not None and usable else None
                sendings.append(_Sending(subscription, encoded, base))
        self._send(connection, sendings)
        self._try_sync(connection, bucket, group)
        return [sending.subscription.symbol for sending in sendings]

    def _defer(self, subscription: Subscription, encoded: EncodedSnapshot) -> None:
        if not subscription.holds(encoded) and subscription.defer(encoded.position):
            self._traffic.add_dropped(subscription.symbol)

    # One client

    def send_initial(self, connection: Connection, subscriptions: Iterable[Subscription]) -> None:
        """Send a new subscription's newest snapshot now; where none is known the next broadcast brings it."""
        self._send_current(connection, subscriptions)

    def resync(self, connection: Connection, symbols: Iterable[str]) -> None:
        """Send full snapshots again, marked as repeated where they are."""
        requested = [connection.subscriptions[symbol] for symbol in symbols]
        self.demote(connection)
        for subscription in requested:
            # A client that holds no snapshot yet has none to be repeated.
            subscription.resync = subscription.needs_full = subscription.position is not None
        self._send_current(connection, [each for each in requested if each.resync])
        self._rejoin(connection)

    def send_pending(self, connection: Connection) -> None:
        """The transport has drained: send what waited, newest state only, in one write."""
        waiting = [each for each in connection.subscriptions.values() if each.pending is not None]
        self._send_current(connection, waiting)
        self._rejoin(connection)

    def _rejoin(self, connection: Connection) -> None:
        for interval_s, group in connection.groups.items():
            if connection in group.lagging:
                self._try_sync(connection, self.buckets[interval_s], group)
                if connection in group.lagging and not connection.blocked:
                    self.buckets[interval_s].wake()

    def _send_current(self, connection: Connection, subscriptions: Iterable[Subscription]) -> None:
        sendings = []
        for subscription in subscriptions:
            encoded = self.current.get(subscription.symbol)
            if encoded is None or subscription.holds(encoded):
                subscription.pending = None
            elif connection.blocked:
                self._defer(subscription, encoded)
            else:
                sendings.append(_Sending(subscription, encoded))
        times = WriteTimes()
        self._send(connection, sendings)
        times.add([sending.subscription.symbol for sending in sendings])
        self._traffic.add_write(times)

    def _send(self, connection: Connection, sendings: list[_Sending]) -> None:
        if sendings:
            buffer = b"".join([_frame_for(connection, sending) for sending in sendings])
            connection.transport.write(buffer)
            symbols = [sending.subscription.symbol for sending in sendings]
            self._traffic.add_sent(symbols, clients=1, size_bytes=len(buffer))


def _holds_exactly(subscription: Subscription, last_sent: EncodedSnapshot | None) -> bool:
    if subscription.resync or subscription.needs_full:
        return False
    if last_sent is None:
        return subscription.position is None and subscription.earlier is None
    return subscription.position == last_sent.position


def _frame_for(connection: Connection, sending: _Sending) -> bytes:
    """The frame that takes this one client to `sending.encoded`; the subscription then holds it."""
    subscription, encoded, base = sending
    known = subscription.position or subscription.earlier
    repeat = known is not None and encoded.position <= known
    if subscription.needs_full:
        base = None
    held = subscription.position
    dropped = subscription.mark_sent(encoded.position)
    if dropped:
        connection.unreported_drops[subscription.symbol] += dropped
    skipped = 0 if repeat else skipped_since(held, encoded.position, dropped=dropped)
    return encoded.frame(connection.variant, base=base, skipped=skipped, repeat=repeat)
