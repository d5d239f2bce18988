"""Who is connected and subscribed to what: the one door to the fan-out."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING
from weakref import WeakSet

import structlog

from liqstream.heatmap.snapshot import HeatmapSnapshot, iso_utc
from liqstream.metrics import Metrics
from liqstream.ws.backpressure import Backpressure
from liqstream.ws.close_codes import CLOSE_CODES, RESTART, SLOW_CONSUMER, CloseCode
from liqstream.ws.connection import Connection, Subscription
from liqstream.ws.drain_watch import watch_drain
from liqstream.ws.encoding import Shape
from liqstream.ws.fanout import FanOut
from liqstream.ws.idle_heartbeat import IdleHeartbeat
from liqstream.ws.messages import SnapshotId, shutdown_message, slow_consumer_message
from liqstream.ws.sockets import tune_socket
from liqstream.ws.stats import BroadcastStats, Traffic
from liqstream.ws.timers import RunningLoop, Timers

if TYPE_CHECKING:
    from aiohttp import web

_log = structlog.get_logger(__name__)

_KILL_GRACE_S = 1.0
_RETURN_WITHIN_MS = 2000
"""Clients of a restarting server are asked to come back spread over this time."""


class ConnectionManager:
    """Connections, their subscriptions, and `broadcast()` to them.

    `active_connections` maps each followed symbol to its sockets. `changed` is set whenever the generator
    should look again at once: a symbol became active, or a shorter interval was asked for.

    `update_interval_s` is for subscriptions that name none. A client blocked for longer than
    `slow_consumer_timeout_s` is warned, one that takes nothing for `stall_timeout_s` is evicted.
    `max_queue_size` bounds the snapshots that may wait for one client, but never below one per symbol it
    follows; as there is never more than one per symbol, the newest, that is what waits at most.
    """

    def __init__(
        self,
        *,
        update_interval_s: int = 5,
        slow_consumer_timeout_s: float = 1.0,
        max_queue_size: int = 5,
        stall_timeout_s: float = 30.0,
        metrics: Metrics | None = None,
        timers: Timers | None = None,
        now_ms: Callable[[], int] = lambda: int(time.time() * 1000),
    ) -> None:
        self.active_connections: dict[str, WeakSet[web.WebSocketResponse]] = {}
        self.changed = asyncio.Event()
        self.update_interval_s = update_interval_s
        self.max_queue_size = max_queue_size
        self._lock = asyncio.Lock()
        self._metrics = metrics or Metrics()
        self._timers = timers or RunningLoop()
        self._now_ms = now_ms
        self._connections: dict[web.WebSocketResponse, Connection] = {}
        self._traffic = Traffic(self._timers.time, self._metrics)
        self._fanout = FanOut(self._timers, self._traffic)
        self._heartbeat = IdleHeartbeat(self._timers, self._fanout, timestamp=self.timestamp)
        self._backpressure = Backpressure(
            self._timers,
            self._fanout,
            slow_after_s=slow_consumer_timeout_s,
            stall_after_s=stall_timeout_s,
            warn=self._warn_slow_consumer,
            evict=self._evict,
        )

    # Connections

    def attach(self, ws: web.WebSocketResponse, transport: asyncio.Transport) -> Connection:
        """Take over writing to a prepared socket; until `connect` it is sent no snapshot."""
        connection = Connection(ws, transport, window_bits=int(ws.compress))
        self._connections[ws] = connection
        tune_socket(transport)
        watch_drain(connection, self)
        return connection

    async def connect(
        self,
        ws: web.WebSocketResponse,
        symbols: Iterable[str],
        *,
        interval_s: int | None = None,
        proto: int = 1,
        delta: bool | None = None,
        resume: Mapping[str, SnapshotId] | None = None,
    ) -> None:
        """Subscribe an attached socket to symbols, or change the interval of those it follows.

        The newest snapshot of each new symbol is written at once if it is known to be current; else
        `changed` is set and the next broadcast of the symbol brings it, whatever the interval. A client that
        asked for `proto` 2 stays with it; `delta` then says whether it wants deltas (default: yes).
        Raises KeyError for a socket that is not attached.
        """
        async with self._lock:
            connection = self._connections[ws]
            interval = self.update_interval_s if interval_s is None else interval_s
            smallest = self.smallest_interval_s(interval + 1)
            self._fanout.step_out(connection)
            _set_shape(connection, proto=proto, delta=delta)
            new = [self._subscribe(connection, symbol, interval, resume or {}) for symbol in symbols]
            self._fanout.greet(connection, [each for each in new if each is not None])
            self._fanout.step_in(connection)
            if connection.shape is not Shape.V1:
                self._heartbeat.start()
            if interval < smallest or any(symbol not in self._fanout.current for symbol in symbols):
                self.changed.set()

    def _subscribe(
        self, connection: Connection, symbol: str, interval_s: int, resume: Mapping[str, SnapshotId]
    ) -> Subscription | None:
        held = connection.subscriptions.get(symbol)
        if held is not None:
            held.interval_s = interval_s
            return None
        subscription = Subscription(symbol, interval_s, left=connection.left.pop(symbol, None))
        if subscription.left is None:
            subscription.last = resume.get(symbol)
        connection.subscriptions[symbol] = subscription
        self.active_connections.setdefault(symbol, WeakSet()).add(connection.ws)
        self._count(symbol)
        return subscription

    async def unsubscribe(self, ws: web.WebSocketResponse, symbols: Iterable[str]) -> list[str]:
        """Stop sending symbols to a socket; returns those it did follow."""
        async with self._lock:
            connection = self._connections[ws]
            return self._leave(connection, [each for each in symbols if each in connection.subscriptions])

    async def disconnect(self, ws: web.WebSocketResponse) -> None:
        """Unsubscribe a socket from everything and write nothing more to it; unknown ones are no error."""
        async with self._lock:
            self.forget(ws)

    def forget(self, ws: web.WebSocketResponse) -> None:
        """What `disconnect` does, for callbacks that cannot wait."""
        connection = self._connections.get(ws)
        if connection is not None:
            self._forget(connection)

    def count_end(self, code: int | None) -> None:
        """Count a connection that has ended, by its close code; only codes with a name are labels."""
        self._metrics.ws_disconnects.labels(str(code) if code in CLOSE_CODES else "other").inc()

    async def resync(self, ws: web.WebSocketResponse, symbols: Iterable[str] | None = None) -> None:
        """Send full snapshots of followed symbols again, of all when none are named."""
        async with self._lock:
            connection = self._connections[ws]
            followed = list(connection.subscriptions)
            self._fanout.resync(connection, [each for each in symbols or followed if each in followed])

    def _leave(self, connection: Connection, symbols: list[str]) -> list[str]:
        self._fanout.step_out(connection)
        for symbol in symbols:
            subscription = connection.subscriptions.pop(symbol)
            held = subscription.last or subscription.left
            if held is not None:
                connection.left[symbol] = held
            self.active_connections[symbol].discard(connection.ws)
            if not self.active_connections[symbol]:
                del self.active_connections[symbol]
            self._count(symbol)
        self._fanout.step_in(connection)
        return symbols

    def _forget(self, connection: Connection) -> None:
        if self._connections.pop(connection.ws, None) is not None:
            self._leave(connection, list(connection.subscriptions))
            self._backpressure.forget(connection)

    def _count(self, symbol: str) -> None:
        count = len(self.active_connections.get(symbol, ()))
        self._metrics.ws_active_connections.labels(symbol).set(count)

    # Snapshots

    async def broadcast(self, *snapshots: HeatmapSnapshot) -> None:
        """Send the snapshots of one tick to their subscribers, each at its own interval.

        Never waits for a client. A snapshot that is not newer than the symbol's last is ignored.
        """
        started = time.perf_counter()
        self._fanout.broadcast(snapshots)
        seconds = time.perf_counter() - started
        self._traffic.add_duration(seconds)
        for snapshot in snapshots:
            self._metrics.ws_broadcast_duration.labels(snapshot.symbol).observe(seconds)
        _log.debug(
            "ws_broadcast",
            snapshots={snapshot.symbol: snapshot.seq for snapshot in snapshots},
            clients=len(self._connections),
            duration_ms=round(1000 * seconds, 3),
        )

    def latest(self, symbol: str) -> HeatmapSnapshot | None:
        """The last snapshot of a symbol that was broadcast, also when nobody follows it now."""
        said = self._fanout.latest.get(symbol)
        return None if said is None else said.snapshot

    def active_symbols(self) -> frozenset[str]:
        """Symbols somebody follows, for whoever makes the snapshots.

        A client that comes back before this was asked finds the snapshot of before its leaving current: the
        generator never knew that it was away and would not make it anew.
        """
        self._fanout.forget_unfollowed()
        return frozenset(self.active_connections)

    def smallest_interval_s(self, default: int) -> int:
        """The shortest update interval anyone asked for; `default` while nobody is subscribed."""
        return min(self._fanout.buckets, default=default)

    def timestamp(self) -> str:
        """The server's clock, ISO 8601 in UTC."""
        return iso_utc(self._now_ms())

    # Slow clients

    def transport_paused(self, connection: Connection) -> None:
        """The transport holds bytes back (drain_watch.py)."""
        if connection.ws in self._connections:
            self._backpressure.on_pause(connection)

    def transport_resumed(self, connection: Connection) -> None:
        """The transport has nothing left to write."""
        if connection.ws not in self._connections:
            return  # after its close frame nothing may follow
        self._backpressure.on_resume(connection)
        if connection.warning_due and not connection.blocked:
            self._say_slow_consumer(connection)

    def transport_lost(self, connection: Connection) -> None:
        """The connection is gone."""
        self._forget(connection)
        connection.blocked_since = None
        connection.release()

    def _warn_slow_consumer(self, connection: Connection) -> None:
        """Tell a client that it reads too slowly: now, or as soon as it reads again."""
        self._traffic.warnings += 1
        for symbol in connection.subscriptions:
            self._metrics.ws_slow_consumers.labels(symbol).inc()
        _log.warning("slow_consumer", dropped=connection.untold, pending_bytes=connection.undelivered)
        if connection.blocked:
            connection.warning_due = True
        else:
            self._say_slow_consumer(connection)

    def _say_slow_consumer(self, connection: Connection) -> None:
        dropped, connection.untold = connection.untold, Counter()
        connection.warning_due = False
        connection.warned_at = self._timers.time()
        connection.say(slow_consumer_message(dropped))

    def _evict(self, connection: Connection) -> None:
        self._traffic.evictions += 1
        _log.warning("slow_consumer_evicted", pending_bytes=connection.undelivered)
        self._forget(connection)
        connection.kill(SLOW_CONSUMER, grace_s=_KILL_GRACE_S)

    # The whole

    def get_stats(self) -> BroadcastStats:
        """Counts of now, the last minute and the process's life."""
        connections = self._connections.values()
        return self._traffic.stats(
            active_connections=len(connections),
            subscribed_connections=sum(1 for each in connections if each.subscriptions),
            subscriptions_by_symbol={
                symbol: len(sockets) for symbol, sockets in self.active_connections.items()
            },
            slow_consumers=sum(1 for each in connections if each.slow),
            pending_snapshots=sum(
                1
                for each in self._backpressure.watched
                for subscription in each.subscriptions.values()
                if subscription.pending is not None
            ),
            groups=sum(len(bucket.groups) for bucket in self._fanout.buckets.values()),
        )

    async def close(self, code: CloseCode = RESTART, *, grace_s: float = 2.0) -> None:
        """Close every connection: a close frame without draining, then, after `grace_s`, a reset."""
        async with self._lock:
            connections = list(self._connections.values())
            for connection in connections:
                if connection.shape is not Shape.V1 and not connection.blocked:
                    retry_ms = random.randrange(_RETURN_WITHIN_MS)
                    connection.say(shutdown_message(retry_after_ms=retry_ms))
                self._forget(connection)
            self._heartbeat.close()
            self._backpressure.close()
            closing = [asyncio.ensure_future(_close(each, code)) for each in connections]
            if closing:
                _, unfinished = await asyncio.wait(closing, timeout=grace_s)
                for task in unfinished:
                    task.cancel()
                await asyncio.gather(*closing, return_exceptions=True)
            for connection in connections:
                connection.transport.abort()


async def _close(connection: Connection, code: CloseCode) -> None:
    connection.close_code = code
    await connection.ws.close(code=code.code, message=code.reason.encode(), drain=False)


def _set_shape(connection: Connection, *, proto: int, delta: bool | None) -> None:
    if proto < 2 and connection.shape is Shape.V1:
        return
    if delta is None:
        shape = Shape.DELTA if connection.shape is Shape.V1 else connection.shape
    else:
        shape = Shape.DELTA if delta else Shape.COLUMNS
    if shape is not connection.shape:
        connection.shape = shape
        for subscription in connection.subscriptions.values():
            subscription.wants_full = True
