"""Connections and their subscriptions: all that other rooms need of the fan-out."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING
from weakref import WeakSet

import structlog

from liqstream.fanout.backpressure import Backpressure
from liqstream.fanout.connection import Connection, HeldState, Subscription
from liqstream.fanout.flow_control import watch_drain
from liqstream.fanout.hub import Hub
from liqstream.fanout.idle_heartbeat import IdleHeartbeat
from liqstream.fanout.market_stream import MarketStream
from liqstream.fanout.no_data_notice import NoDataNotice
from liqstream.fanout.socket_options import tune_socket
from liqstream.fanout.stats import BroadcastStats, Traffic
from liqstream.fanout.ticks import Ticks
from liqstream.fanout.timers import RunningLoop, Timers
from liqstream.heatmap.snapshot import HeatmapSnapshot, StreamPosition, iso_utc
from liqstream.metrics import Metrics
from liqstream.wire.close_codes import CLOSE_CODES, RESTART, SLOW_CONSUMER, CloseCode
from liqstream.wire.encoding import Shape
from liqstream.wire.messages import shutdown_message, slow_consumer_message

if TYPE_CHECKING:
    from aiohttp import web

_log = structlog.get_logger(__name__)

_CLOSE_GRACE_S = 1.0
_RECONNECT_SPREAD_MS = 2000
"""Clients of a restarting server are asked to reconnect spread over this time."""


class ConnectionManager:
    """Connections, their subscriptions, and `broadcast()` to them.

    `active_connections` maps each followed symbol to its sockets, `markets` streams the table. `changed` is
    set whenever the generator should look again at once: a symbol became active, or a shorter interval was
    asked for. `update_interval_s` is for subscriptions that name none. A client blocked for longer than
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
        self._lock = asyncio.Lock()  # one change of subscriptions at a time; callbacks do without
        self._metrics = metrics or Metrics()  # shared with the application
        self._timers = timers or RunningLoop()  # monotonic clock and timer calls
        self._now_ms = now_ms  # the server's clock, UTC ms
        self._connections: dict[web.WebSocketResponse, Connection] = {}  # attached and not forgotten
        self._traffic = Traffic(self._timers.time, self._metrics)  # what was sent and dropped
        self._hub = Hub(self._timers, self._traffic)  # buckets and groups
        self.ticks = Ticks(self._timers, self._hub, self._metrics)
        """Whoever has new prices notes them there."""
        self.markets = MarketStream(self._timers, self._metrics)
        # Runs only while there is a proto-2 client.
        self._heartbeat = IdleHeartbeat(self._timers, self._hub, timestamp=self.timestamp)
        self._no_data = NoDataNotice(self._timers, self._hub)  # looks once, a moment after a subscription
        self._backpressure = Backpressure(  # watches the blocked clients
            self._timers,
            self._hub,
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
        ticks: bool | None = None,
        resume: Mapping[str, HeldState] | None = None,
    ) -> None:
        """Subscribe an attached socket to symbols, or change the interval of those it follows.

        The newest snapshot of each new symbol is written at once if it is known to be current; else
        `changed` is set and the next broadcast of the symbol brings it, whatever the interval. A client that
        asked for `proto` 2 stays with it; `delta` then says whether it wants deltas (default: yes), `ticks`
        whether ticks (default: no). `resume` is what it says it holds: believed where it is a state of this
        server's, else as if it held nothing. Raises KeyError for a socket that is not attached.
        """
        async with self._lock:
            connection = self._connections[ws]
            interval = self.update_interval_s if interval_s is None else interval_s
            smallest = self.smallest_interval_s(interval + 1)
            self._hub.leave(connection)
            connection.speak(proto=proto, delta=delta, ticks=ticks)
            new = [self._subscribe(connection, symbol, interval, resume or {}) for symbol in symbols]
            self._hub.send_initial(connection, [each for each in new if each is not None])
            self._no_data.watch(connection, [each.symbol for each in new if each is not None])
            self._hub.join(connection)
            if connection.shape is not Shape.V1:
                self._heartbeat.start()
            if interval < smallest or any(symbol not in self._hub.current for symbol in symbols):
                self.changed.set()

    def _subscribe(
        self, connection: Connection, symbol: str, interval_s: int, resume: Mapping[str, HeldState]
    ) -> Subscription | None:
        held = connection.subscriptions.get(symbol)
        if held is not None:
            held.interval_s = interval_s
            return None
        subscription = Subscription(symbol, interval_s, earlier=connection.earlier.pop(symbol, None))
        if subscription.earlier is None:
            held_before = resume.get(symbol)
            if held_before is not None and self._hub.has_sent(symbol, held_before):
                subscription.position = held_before.position
        connection.subscriptions[symbol] = subscription
        self.active_connections.setdefault(symbol, WeakSet()).add(connection.ws)
        self._count(symbol)
        return subscription

    async def unsubscribe(self, ws: web.WebSocketResponse, symbols: Iterable[str]) -> list[str]:
        """Stop sending symbols to a socket; returns those it did follow."""
        async with self._lock:
            connection = self._connections[ws]
            return self._leave(connection, [each for each in symbols if each in connection.subscriptions])

    async def end_market(self, symbol: str, farewell: bytes) -> None:
        """Forget a symbol that is followed no more; whoever subscribed to it is sent `farewell`."""
        async with self._lock:
            for ws in list(self.active_connections.get(symbol, ())):
                self._leave(self._connections[ws], [symbol])
                self._connections[ws].send_message(farewell)
            self._hub.forget(symbol)

    async def disconnect(self, ws: web.WebSocketResponse) -> None:
        """Unsubscribe a socket from everything and write nothing more to it; unknown ones are no error."""
        async with self._lock:
            self.forget(ws)

    def forget(self, ws: web.WebSocketResponse) -> None:
        """What `disconnect` does, for callbacks that cannot await."""
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
            self._hub.resync(connection, [each for each in symbols or followed if each in followed])

    def _leave(self, connection: Connection, symbols: list[str]) -> list[str]:
        self._hub.leave(connection)
        for symbol in symbols:
            subscription = connection.subscriptions.pop(symbol)
            held = subscription.position or subscription.earlier
            if held is not None:
                connection.earlier[symbol] = held
            self.active_connections[symbol].discard(connection.ws)
            if not self.active_connections[symbol]:
                del self.active_connections[symbol]
            self._count(symbol)
        self._hub.join(connection)
        return symbols

    def _forget(self, connection: Connection) -> None:
        if self._connections.pop(connection.ws, None) is not None:
            self._leave(connection, list(connection.subscriptions))
            self.markets.leave(connection)
            self._backpressure.forget(connection)

    def _count(self, symbol: str) -> None:
        self._metrics.show_followers(symbol, len(self.active_connections.get(symbol, ())))

    # Snapshots

    async def broadcast(self, *snapshots: HeatmapSnapshot) -> None:
        """Send the snapshots of one round to their subscribers, each at its own interval.

        Never waits for a client. A snapshot that is not newer than the symbol's last is ignored.
        """
        started = time.perf_counter()
        self._hub.broadcast(snapshots)
        seconds = time.perf_counter() - started
        _log.debug(
            "ws_broadcast",
            snapshots={snapshot.symbol: snapshot.seq for snapshot in snapshots},
            clients=len(self._connections),
            duration_ms=round(1000 * seconds, 3),
        )

    def latest(self, symbol: str) -> HeatmapSnapshot | None:
        """The last snapshot of a symbol that was broadcast, also when nobody follows it now."""
        encoded = self._hub.latest.get(symbol)
        return None if encoded is None else encoded.snapshot

    def positions(self, symbols: Iterable[str]) -> dict[str, StreamPosition]:
        """Where this server stands with each of the symbols; those without a snapshot yet are left out."""
        found = {symbol: self._hub.position(symbol) for symbol in symbols}
        return {symbol: position for symbol, position in found.items() if position is not None}

    def active_symbols(self) -> frozenset[str]:
        """Symbols somebody follows, for the generator.

        A client that unsubscribes and subscribes again between two of these calls finds the old snapshot
        current: the generator never saw the symbol unfollowed and would not make its snapshot anew.
        """
        self._hub.forget_unfollowed()
        return frozenset(self.active_connections)

    def smallest_interval_s(self, default: int) -> int:
        """The shortest update interval anyone asked for; `default` while nobody is subscribed."""
        return min(self._hub.buckets, default=default)

    def timestamp(self) -> str:
        """The server's clock, ISO 8601 in UTC."""
        return iso_utc(self._now_ms())

    # Slow clients

    def transport_paused(self, connection: Connection) -> None:
        """The transport holds bytes back (flow_control.py)."""
        if connection.ws in self._connections:
            self._backpressure.on_pause(connection)

    def transport_resumed(self, connection: Connection) -> None:
        """The transport has nothing left to write."""
        if connection.ws not in self._connections:
            return  # after its close frame nothing may follow
        self._backpressure.on_resume(connection)
        self.markets.catch_up(connection)
        if connection.warning_due and not connection.blocked:
            self._send_slow_consumer_warning(connection)

    def transport_lost(self, connection: Connection) -> None:
        """The connection is gone."""
        self._forget(connection)
        connection.blocked_since = None
        connection.release()

    def _warn_slow_consumer(self, connection: Connection) -> None:
        """Warn a client that it reads too slowly: now, or as soon as it reads again."""
        self._traffic.warnings += 1
        for symbol in connection.subscriptions:
            self._metrics.count_slow_consumer(symbol)
        _log.warning(
            "slow_consumer", dropped=connection.unreported_drops, pending_bytes=connection.pending_bytes
        )
        if connection.blocked:
            connection.warning_due = True
        else:
            self._send_slow_consumer_warning(connection)

    def _send_slow_consumer_warning(self, connection: Connection) -> None:
        dropped, connection.unreported_drops = connection.unreported_drops, Counter()
        connection.warning_due = False
        connection.warned_at = self._timers.time()
        connection.send_message(slow_consumer_message(dropped))

    def _evict(self, connection: Connection) -> None:
        self._traffic.evictions += 1
        _log.warning("slow_consumer_evicted", pending_bytes=connection.pending_bytes)
        self._forget(connection)
        connection.close_now(SLOW_CONSUMER, grace_s=_CLOSE_GRACE_S)

    # All connections

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
            pending_snapshots=self._backpressure.pending_snapshots(),
            groups=sum(len(bucket.groups) for bucket in self._hub.buckets.values()),
        )

    async def close(
        self,
        code: CloseCode = RESTART,
        *,
        grace_s: float = 2.0,
        farewell: Callable[..., bytes] = shutdown_message,
    ) -> None:
        """Close every connection: a close frame without draining, then, after `grace_s`, a reset.

        Clients of protocol 2 get `farewell(retry_after_ms=...)` before it. New ones may be attached later.
        """
        async with self._lock:
            connections = list(self._connections.values())
            for connection in connections:
                if connection.shape is not Shape.V1 and not connection.blocked:
                    retry_ms = random.randrange(_RECONNECT_SPREAD_MS)
                    connection.send_message(farewell(retry_after_ms=retry_ms))
                self._forget(connection)
            self._heartbeat.close()
            self.ticks.close()
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
